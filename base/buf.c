/* A byte buffer that grows by doubling up to its ceiling, and never past it: what comes from outside cannot exhaust
 * memory.
 *
 * An append either fits whole or changes nothing but `overflowed`. No state of its own; the owner's thread. */
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define FIRST_CAPACITY 256
#define READ_STEP 4096

/* Make room for `extra` more bytes and the NUL. */
static enum err reserve(struct buf *buf, size_t extra)
{
    if (buf->overflowed || extra > buf->ceiling - buf->length) {
        buf->overflowed = true;
        return ERR_FULL;
    }
    size_t needed = buf->length + extra + 1;
    if (needed <= buf->capacity)
        return ERR_OK;
    size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (buf->ceiling < SIZE_MAX && capacity > buf->ceiling + 1)
        capacity = buf->ceiling + 1;
    buf->data = xreallocarray(buf->data, capacity, 1);
    buf->capacity = capacity;
    return ERR_OK;
}

enum err buf_append(struct buf *buf, const void *data, size_t length)
{
    if (reserve(buf, length) != ERR_OK)
        return ERR_FULL;
    if (length)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
    return ERR_OK;
}

enum err buf_puts(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

enum err buf_putc(struct buf *buf, char c)
{
    return buf_append(buf, &c, 1);
}

enum err buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum err result = buf_vprintf(buf, format, args);
    va_end(args);
    return result;
}

enum err buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list measured;
    va_copy(measured, args);
    int length = vsnprintf(NULL, 0, format, measured);
    va_end(measured);
    if (length < 0)
        return ERR_INVALID;
    if (reserve(buf, (size_t)length) != ERR_OK)
        return ERR_FULL;
    vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
    buf->length += (size_t)length;
    return ERR_OK;
}

void buf_consume(struct buf *buf, size_t length)
{
    if (buf->length == 0 || length == 0)
        return;
    if (length > buf->length)
        length = buf->length;
    buf->length -= length;
    memmove(buf->data, buf->data + length, buf->length + 1);
}

void buf_clear(struct buf *buf)
{
    buf->length = 0;
    buf->overflowed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_free(struct buf *buf)
{
    free(buf->data);
    *buf = BUF(buf->ceiling);
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
    char *text = buf->data ? buf->data : xstrdup("");
    *buf = BUF(buf->ceiling);
    return text;
}

/* How many bytes the next read may bring; 0 once the ceiling is reached. */
static size_t read_room(struct buf *buf)
{
    size_t room = buf->ceiling - buf->length;
    size_t step = room < READ_STEP ? room : READ_STEP;
    if (step == 0 || reserve(buf, step) != ERR_OK)
        return 0;
    size_t reserved = buf->capacity - buf->length - 1;
    return reserved < room ? reserved : room;
}

/* 1: read something, 0: end of file, negative: an errno value; -EFBIG where there is more than fits. */
static int read_some(struct buf *buf, int fd)
{
    char beyond;
    size_t room = read_room(buf);
    ssize_t got;
    do
        got = room ? read(fd, buf->data + buf->length, room) : read(fd, &beyond, 1);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got < 0 ? -errno : 0;
    if (room == 0) {
        buf->overflowed = true;
        return -EFBIG;
    }
    buf->length += (size_t)got;
    buf->data[buf->length] = '\0';
    return 1;
}

enum err buf_read_file(struct buf *buf, const char *path, struct err_info *info)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int why = errno;
        return err_errno(info, err_from_errno(why), why, "cannot open %s", path);
    }
    enum err result = buf_append(buf, "", 0);
    int more = result == ERR_OK ? 1 : -EFBIG;
    while (more > 0)
        more = read_some(buf, fd);
    close(fd);
    if (more == -EFBIG)
        return err_set(info, ERR_FULL, "%s is larger than the %zu bytes allowed here", path, buf->ceiling);
    return more == 0 ? ERR_OK : err_errno(info, ERR_IO, -more, "cannot read %s", path);
}
