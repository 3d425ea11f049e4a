/* Directories of the host that a site may bring along: which they may be, and how they are looked at and made without
 * following anybody's symbolic links. */
#ifndef HOST_DEFINITION_BIND_H
#define HOST_DEFINITION_BIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define BIND_ROOTS "/srv, /var/www, /home/USER, /opt and /var/lib/dogwatch/volumes"

/* An absolute path below one of the roots above, in its shortest form, without a hidden directory in it (so nobody's
 * .ssh), and without anything an engine's command line takes for something else (":", ",", blanks at its ends, control
 * characters). Pure. */
bool bind_is_allowed(const char *path);

/* A file that each host has of its own and that may be mounted read-only: /etc/localtime, /etc/timezone. Pure. */
bool bind_is_everywhere(const char *path);

/* Whether `path` is `above` or lies in it. Pure. */
bool bind_is_at_or_below(const char *path, const char *above);

/* Whether it is there, with no symbolic link anywhere in it: ERR_NOT_FOUND, ERR_DENIED (a link, or neither a directory
 * nor a file). Any thread. */
enum err bind_check(const char *path, struct err_info *info);

/* Make it and what is missing above it (0755). *made: the uppermost directory that was made, "" where all was there;
 * made_size at least HOST_PATH_SIZE. Any thread. */
enum err bind_make(const char *path, char *made, size_t made_size, struct err_info *info);

/* Remove a directory that bind_make made and all in it, on its own file system. What is not there is no error. */
enum err bind_remove(const char *path, struct err_info *info);

#endif
