/* Files of /proc and /sys that are read again and again: kept open, read whole with pread(2) into a buffer that is used
 * again. One thread at a time. */
#ifndef HOST_PROC_FILE_H
#define HOST_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

struct proc_file {
    const char *path; /* as the host names it; borrowed */
    int fd;           /* -1 until the first read, and after a failed one */
};

#define PROC_FILE(name) ((struct proc_file){.path = (name), .fd = -1})

/* False where there is no such file or it cannot be read (buf is then empty): what it tells is unknown. */
bool proc_file_read(struct proc_file *file, struct buf *buf);
void proc_file_close(struct proc_file *file);

/* Take the next blank-separated word at *at, which moves on behind it; false, and nothing moves, where there is none
 * before the end of the line, or none of that kind, or no room. */
bool proc_take_word(const char **at, char *out, size_t out_size);
bool proc_take_u64(const char **at, uint64_t *out);
bool proc_take_double(const char **at, double *out);
/* Skip that many words; false where there are fewer. */
bool proc_skip(const char **at, size_t words);
/* The beginning of the next line, or NULL at the end. */
const char *proc_next_line(const char *at);

/* A counter of the kernel as JSON; one above 2^63 is left out. */
void proc_put_u64(json_t *object, const char *key, uint64_t value);

#endif
