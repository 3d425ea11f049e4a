/* Following files by device, inode and offset. A file is never trusted to be the same only because its name or its
 * number is: the fingerprint of what stands before the position has to agree, too, each time it is read on.
 *
 * Memory: one block for all files of a thread. A line longer than it is found by looking for its end only. */
#include "host/logs/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "host/logs/rotation.h"

#define PRINT_BYTES ROTATION_PRINT_BYTES
#define BLOCK_BYTES (FILE_LINE_MOST + PRINT_BYTES)
#define LONG_LINE_BLOCKS 32                  /* how far one call looks for the end of a long line: 4 MiB */
#define MOST_BACKWARDS (16u * 1024u * 1024u) /* how far back the last lines are looked for */

void file_block_init(struct file_block *block)
{
    block->data = xmalloc(BLOCK_BYTES + 1);
}

void file_block_free(struct file_block *block)
{
    free(block->data);
    block->data = NULL;
}

/* --- positions ------------------------------------------------------------------------------------------------------
 */

const char *file_position_format(const struct file_position *position, char out[FILE_POSITION_SIZE])
{
    char pending[24] = "";
    if (position->pending < position->offset)
        str_format(pending, sizeof pending, ":%" PRIx64, position->pending);
    str_format(out, FILE_POSITION_SIZE, "file:%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%" PRIx32 "%s", position->device,
        position->inode, position->offset, position->print, pending);
    return out;
}

static bool take_number(const char **text, uint64_t *number)
{
    char *end;
    if (**text != ':' || strspn(*text + 1, "0123456789abcdef") == 0)
        return false;
    errno = 0;
    *number = strtoull(*text + 1, &end, 16);
    *text = end;
    return errno == 0;
}

bool file_position_parse(const char *text, struct file_position *position)
{
    uint64_t print;
    *position = (struct file_position){0};
    if (!text || !str_starts(text, "file:"))
        return false;
    text += strlen("file");
    if (!take_number(&text, &position->device) || !take_number(&text, &position->inode) ||
        !take_number(&text, &position->offset) || !take_number(&text, &print) || print > UINT32_MAX)
        return false;
    position->print = (uint32_t)print;
    position->pending = position->offset;
    if (*text && (!take_number(&text, &position->pending) || position->pending > position->offset))
        return false;
    return *text == '\0';
}

/* --- opening --------------------------------------------------------------------------------------------------------
 */

void log_file_init(struct log_file *file, const char *path)
{
    *file = (struct log_file){.fd = -1};
    str_copy(file->path, sizeof file->path, path);
}

void log_file_close(struct log_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* Read on in this descriptor, which is taken over. */
static bool adopt(struct log_file *file, int fd, const struct file_position *from)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        close(fd);
        return false;
    }
    log_file_close(file);
    file->fd = fd;
    file->has_position = true;
    file->at = from ? *from : (struct file_position){.print = rotation_print(NULL, 0)};
    file->seen = (struct file_seen){0};
    file->at.device = facts.st_dev;
    file->at.inode = facts.st_ino;
    file->scanned = file->at.offset;
    file->is_waiting = false;
    return true;
}

/* Nothing of what follows the position is left: begin with the oldest that is newer than nothing, the file itself. */
static bool begin_anew(struct log_file *file)
{
    int fd = rotation_open(file->path);
    return fd >= 0 && adopt(file, fd, NULL);
}

/* The file that holds the position, under whatever name. In a copy the offsets are the same. */
static bool find_again(struct log_file *file)
{
    struct rotation_mark mark = {file->at.device, file->at.inode, file->at.offset, file->at.print};
    struct file_position from = file->at;
    int fd = rotation_find(file->path, &mark);
    return fd >= 0 && adopt(file, fd, &from);
}

/* Have a descriptor; false where there is no file now. */
static bool reopen(struct log_file *file)
{
    if (file->fd >= 0)
        return true;
    if (!file->has_position)
        return begin_anew(file);
    if (find_again(file))
        return true;
    if (!begin_anew(file))
        return false;
    file->was_switched = true;
    file->lost++;
    return true;
}

void log_file_resume(struct log_file *file, const struct file_position *position)
{
    log_file_close(file);
    file->at = *position;
    file->scanned = position->offset;
    file->has_position = true;
    reopen(file);
}

void log_file_step_back(struct log_file *file, uint64_t offset)
{
    char before[PRINT_BYTES];
    size_t length = offset < PRINT_BYTES ? (size_t)offset : PRINT_BYTES;
    if (file->fd < 0 || offset >= file->at.offset ||
        pread(file->fd, before, length, (off_t)(offset - length)) != (ssize_t)length)
        return;
    file->at.offset = file->at.pending = file->scanned = offset;
    file->at.print = rotation_print(before, length);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static ssize_t read_at(int fd, char *data, size_t length, uint64_t offset)
{
    ssize_t got;
    do
        got = pread(fd, data, length, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}

/* The position behind what ends at `end`, of which the bytes before are at hand. */
static void move_to(struct log_file *file, uint64_t end, const char *before, size_t before_length)
{
    size_t length = before_length < PRINT_BYTES ? before_length : PRINT_BYTES;
    file->at.offset = end;
    file->at.pending = end;
    file->at.print = rotation_print(before + before_length - length, length);
    file->scanned = end;
}

/* A line of which the block holds only a part: look for its end; visit its head once that is found. True where more can
 * be read. */
static bool read_long_line(struct log_file *file, struct file_block *block, log_file_visitor *visit, void *context)
{
    for (int i = 0; i < LONG_LINE_BLOCKS; i++) {
        ssize_t got = read_at(file->fd, block->data, FILE_LINE_MOST, file->scanned);
        if (got <= 0)
            return false;
        const char *newline = memchr(block->data, '\n', (size_t)got);
        if (!newline) {
            file->scanned += (uint64_t)got;
            continue;
        }
        uint64_t start = file->at.offset, end = file->scanned + (uint64_t)(newline - block->data) + 1;
        ssize_t tail = read_at(file->fd, block->data, PRINT_BYTES, end - PRINT_BYTES);
        if (tail != PRINT_BYTES)
            return false;
        move_to(file, end, block->data, PRINT_BYTES);
        ssize_t head = read_at(file->fd, block->data, FILE_LINE_MOST, start);
        if (head > 0)
            visit(context, block->data, (size_t)head, start, &file->at);
        return true;
    }
    return true;
}

/* The lines that end in the block. True where there was one. */
static bool visit_lines(
    struct log_file *file, char *data, size_t before, size_t got, log_file_visitor *visit, void *context)
{
    char *line = data + before, *end = data + got, *newline;
    const char *first = data;
    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        uint64_t start = file->at.offset;
        size_t length = (size_t)(newline - line);
        move_to(file, start + length + 1, first, (size_t)(newline + 1 - first));
        visit(context, line, length, start, &file->at);
        line = newline + 1;
    }
    return line != data + before;
}

enum outcome { AT_END, HAS_MORE, IS_TRUNCATED };

static enum outcome read_block(struct log_file *file, struct file_block *block, log_file_visitor *visit, void *context)
{
    uint64_t offset = file->at.offset;
    size_t before = offset < PRINT_BYTES ? (size_t)offset : PRINT_BYTES;
    if (file->scanned > offset)
        return read_long_line(file, block, visit, context) ? HAS_MORE : AT_END;
    ssize_t got = read_at(file->fd, block->data, BLOCK_BYTES, offset - before);
    if (got < 0)
        return AT_END;
    if ((size_t)got < before || rotation_print(block->data, before) != file->at.print)
        return IS_TRUNCATED;
    bool any = visit_lines(file, block->data, before, (size_t)got, visit, context);
    if ((size_t)got < BLOCK_BYTES)
        return AT_END;
    if (!any)
        file->scanned = offset + FILE_LINE_MOST;
    return HAS_MORE;
}

/* What follows was cut away: go on in a copy of it, if there is one, else at the file's new beginning. */
static void recover(struct log_file *file)
{
    log_file_close(file);
    if (find_again(file))
        return;
    file->was_switched = true;
    file->lost++;
    if (!begin_anew(file)) {
        file->has_position = false;
        file->is_waiting = true;
    }
}

/* What a file that waits looks at each second. */
static struct file_seen look_around(const struct log_file *file)
{
    char parent[HOST_PATH_SIZE];
    struct stat facts;
    struct file_seen seen = {0};
    str_copy(parent, sizeof parent, file->path);
    char *slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    if (slash && stat(*parent ? parent : "/", &facts) == 0)
        seen.directory_ns = facts.st_mtim.tv_sec * INT64_C(1000000000) + facts.st_mtim.tv_nsec;
    if (stat(file->path, &facts) == 0) {
        seen.inode = facts.st_ino;
        seen.size = facts.st_size;
    }
    return seen;
}

/* At the end of a file: has another one taken its place? */
static bool advance(struct log_file *file)
{
    struct stat ours;
    struct file_seen seen = look_around(file);
    file->is_waiting = true;
    if (fstat(file->fd, &ours) != 0 || (seen.directory_ns == file->seen.directory_ns &&
                                           seen.inode == file->seen.inode && seen.size == file->seen.size))
        return false;
    file->seen = seen;
    int fd = rotation_next(file->path, &ours, &file->is_waiting);
    if (fd < 0)
        return false;
    if (!adopt(file, fd, NULL))
        return false;
    file->was_switched = true;
    return true;
}

static bool was_rotated(const struct log_file *file)
{
    struct stat facts;
    return stat(file->path, &facts) != 0 || facts.st_ino != file->at.inode || facts.st_dev != file->at.device;
}

bool log_file_read(struct log_file *file, struct file_block *block, log_file_visitor *visit, void *context)
{
    if (!reopen(file)) {
        file->is_waiting = true;
        return false;
    }
    if (file->was_switched)
        return true;                  /* the reader has to know first */
    bool rotated = was_rotated(file); /* looked at before reading: what was written before the switch is read first */
    enum outcome outcome = read_block(file, block, visit, context);
    if (outcome == IS_TRUNCATED)
        recover(file);
    if (outcome != AT_END)
        return true;
    file->is_waiting = false;
    return rotated && advance(file);
}

/* --- the last lines -------------------------------------------------------------------------------------------------
 */

/* The offset at which the last `lines` lines begin, and what stands before it. */
static uint64_t find_last(int fd, struct file_block *block, size_t lines)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || facts.st_size <= 0)
        return 0;
    uint64_t size = (uint64_t)facts.st_size, end = size;
    size_t newlines = 0;
    while (end > 0 && size - end < MOST_BACKWARDS) {
        uint64_t begin = end > FILE_LINE_MOST ? end - FILE_LINE_MOST : 0;
        ssize_t got = read_at(fd, block->data, (size_t)(end - begin), begin);
        if (got != (ssize_t)(end - begin))
            return end;
        for (size_t i = (size_t)got; i-- > 0;) {
            bool is_last = begin + i + 1 == size;
            if (block->data[i] == '\n' && !is_last && ++newlines == lines)
                return begin + i + 1;
        }
        end = begin;
    }
    return end;
}

void log_file_begin_with_last(struct log_file *file, struct file_block *block, size_t lines)
{
    if (!begin_anew(file))
        return;
    uint64_t offset = find_last(file->fd, block, lines);
    size_t before = offset < PRINT_BYTES ? (size_t)offset : PRINT_BYTES;
    if (read_at(file->fd, block->data, before, offset - before) == (ssize_t)before)
        move_to(file, offset, block->data, before);
}
