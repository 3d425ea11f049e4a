/* Where a log goes when it is rotated: the files beside it that bear its name and more. Any thread. */
#ifndef HOST_LOGS_ROTATION_H
#define HOST_LOGS_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define ROTATION_PRINT_BYTES 64u

/* FNV-1a over these bytes. */
uint32_t rotation_print(const char *bytes, size_t length);

/* A place in a file: `print` of the up to ROTATION_PRINT_BYTES bytes before `offset`. */
struct rotation_mark {
    uint64_t device, inode, offset;
    uint32_t print;
};

/* All return a descriptor, the caller's, or -1. Only regular files are opened, and never waited for. */
int rotation_open(const char *path);
/* The file that holds this place: the same inode (renamed or not), else a copy of it. */
int rotation_find(const char *path, const struct rotation_mark *mark);
/* The file that follows `ours`, which was read to its end. *is_waiting: there is none yet. */
int rotation_next(const char *path, const struct stat *ours, bool *is_waiting);

#endif
