/* Where the host's files are: "/" itself, or a directory that stands for it (tests, `--root DIR`). Everything the
 * helper reads of the host, and the programs it runs there, go through here. */
#ifndef HOST_PATH_H
#define HOST_PATH_H

#include <stddef.h>

#define HOST_PATH_SIZE 1024

/* Set once, before the first thread; NULL, "" or "/" mean the real root. Borrowed: must stay. */
void host_root_set(const char *root);

/* The path (absolute, as the host names it) below the root. Returns out; "" where it does not fit, which no file has.
 */
const char *host_path(char *out, size_t out_size, const char *path);

/* The same with printf's formats. */
const char *host_path_format(char *out, size_t out_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
