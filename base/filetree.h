/* Trees of files below an open directory. No symbolic link is followed on the way, also where somebody puts one there
 * meanwhile; at most 16 levels. Names are relative ("a/b/c"). Any thread. */
#ifndef BASE_FILETREE_H
#define BASE_FILETREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FILETREE_MOST_LEVELS 16

/* Whether a name from outside may be a file's in a tree: "a/b/c" of printable ASCII without '\', no empty part, no "."
 * or "..", not too deep, each part at most 255 bytes and all at most 1000. */
bool filetree_name_is_valid(const char *name);

/* Open a directory ("" is the tree itself), making (0700) what is missing of it; the caller's. -1: errno says why. */
int filetree_make_dir(int fd, const char *name);

/* Make a new file for writing (0600) and the directories on the way; a file of that name is replaced. -1: errno. */
int filetree_make_file(int fd, const char *name);

/* Open a regular file for reading. -1: errno says why; ELOOP for a link, ENOTSUP for what is no regular file. */
int filetree_open_file(int fd, const char *name);

/* Remove a file or a directory with all in it; ERR_OK where it is not there. */
enum err filetree_remove(int fd, const char *name, struct err_info *info);
/* Remove everything in the tree, but not the tree's own directory. */
enum err filetree_empty(int fd, struct err_info *info);

struct filetree_names {
    char **items;
    size_t count, capacity;
};

/* All files, sorted by bytes; directories are not listed. What is neither a file nor a directory stands in `odd`.
 * ERR_FULL where there are more than `most`, ERR_IO. The caller frees both in any case. */
enum err filetree_list(
    int fd, size_t most, struct filetree_names *files, struct filetree_names *odd, struct err_info *info);
void filetree_names_free(struct filetree_names *names);

#endif
