/* A growable byte buffer with a mandatory ceiling, always NUL-terminated: the only place where data from outside grow
 * memory. Once an append would pass the ceiling, the buffer keeps what it had, `overflowed` is set, and every later
 * append fails with ERR_FULL. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"

struct buf {
    char *data; /* never NULL after the first append; NUL-terminated */
    size_t length;
    size_t capacity;
    size_t ceiling; /* bytes, without the NUL */
    bool overflowed;
};

#define BUF(ceiling_bytes) ((struct buf){.ceiling = (ceiling_bytes)})

enum err buf_append(struct buf *buf, const void *data, size_t length);
enum err buf_puts(struct buf *buf, const char *text);
enum err buf_putc(struct buf *buf, char c);
enum err buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum err buf_vprintf(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void buf_consume(struct buf *buf, size_t length); /* drop from the front */
void buf_clear(struct buf *buf);                  /* empty it, keep the memory, forget the overflow */
void buf_free(struct buf *buf);
const char *buf_text(const struct buf *buf); /* "" where nothing was ever appended */
char *buf_take(struct buf *buf);             /* the caller owns the text; the buffer is empty again */

/* Read a whole file, at most `ceiling` bytes (works for /proc files, whose size reads as 0). ERR_NOT_FOUND, ERR_FULL,
 * ERR_IO. */
enum err buf_read_file(struct buf *buf, const char *path, struct err_info *info);

#endif
