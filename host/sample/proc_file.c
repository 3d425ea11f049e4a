/* Read /proc cheaply: one open per life of the helper, one or two pread per look. A short read is not the end (seq_file
 * gives what fits its page), so each look ends with a read of nothing. */
#include "host/sample/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/path.h"

#define READ_STEP 8192
#define WORD_SIZE 32

bool proc_file_read(struct proc_file *file, struct buf *buf)
{
    char chunk[READ_STEP], path[HOST_PATH_SIZE];
    buf_clear(buf);
    if (file->fd < 0)
        file->fd = open(host_path(path, sizeof path, file->path), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = -1;
    while (file->fd >= 0 && (got = pread(file->fd, chunk, sizeof chunk, (off_t)buf->length)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || buf_append(buf, chunk, (size_t)got) != ERR_OK)
            break;
    }
    if (got == 0)
        return true;
    proc_file_close(file);
    buf_clear(buf);
    return false;
}

void proc_file_close(struct proc_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

bool proc_take_word(const char **at, char *out, size_t out_size)
{
    const char *begin = *at + strspn(*at, " \t");
    size_t length = strcspn(begin, " \t\n");
    if (length == 0 || length >= out_size)
        return false;
    memcpy(out, begin, length);
    out[length] = '\0';
    *at = begin + length;
    return true;
}

bool proc_take_u64(const char **at, uint64_t *out)
{
    char word[WORD_SIZE];
    const char *next = *at;
    if (!proc_take_word(&next, word, sizeof word) || !str_to_u64(word, out))
        return false;
    *at = next;
    return true;
}

bool proc_take_double(const char **at, double *out)
{
    char word[WORD_SIZE];
    const char *next = *at;
    if (!proc_take_word(&next, word, sizeof word) || !str_to_double(word, out))
        return false;
    *at = next;
    return true;
}

bool proc_skip(const char **at, size_t words)
{
    const char *next = *at;
    for (size_t i = 0; i < words; i++) {
        next += strspn(next, " \t");
        size_t length = strcspn(next, " \t\n");
        if (length == 0)
            return false;
        next += length;
    }
    *at = next;
    return true;
}

const char *proc_next_line(const char *at)
{
    const char *newline = strchr(at, '\n');
    return newline && newline[1] ? newline + 1 : NULL;
}

void proc_put_u64(json_t *object, const char *key, uint64_t value)
{
    if (value <= INT64_MAX)
        json_put_i64(object, key, (int64_t)value);
}
