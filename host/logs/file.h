/* One log file, followed over its rotations from a position that can be written down. Renamed files are read to their
 * end before the next one (NAME.1, NAME-20260102, …, NAME), copies of a truncated file are recognised by what stands
 * before the position; only what is nowhere to be found any more is counted as lost. One thread at a time. */
#ifndef HOST_LOGS_FILE_H
#define HOST_LOGS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/path.h"

/* Everything before `offset` was read. */
struct file_position {
    uint64_t device, inode;
    uint64_t offset;
    uint64_t pending; /* at most offset: where to read again what was begun and not ended */
    uint32_t print;   /* fingerprint of up to 64 bytes before offset: a file may be truncated, an inode used again */
};

#define FILE_POSITION_SIZE 96
/* "file:DEV:INODE:OFFSET:PRINT[:PENDING]", hexadecimal. Returns out. */
const char *file_position_format(const struct file_position *position, char out[FILE_POSITION_SIZE]);
bool file_position_parse(const char *text, struct file_position *position);

/* A line's longest part that is looked at; docker writes 16 KiB of control characters as 96 KiB. */
#define FILE_LINE_MOST (128u * 1024u)

/* What reading needs; shared by the files of one thread. */
struct file_block {
    char *data;
};
void file_block_init(struct file_block *block);
void file_block_free(struct file_block *block);

struct log_file {
    char path[HOST_PATH_SIZE];
    int fd;                  /* -1: not open */
    bool has_position;       /* false: nothing was ever opened */
    struct file_position at; /* the next line begins here */
    uint64_t scanned;        /* of a long line: there is no newline before this offset */
    uint64_t lost;           /* places where lines are missing; the reader sets it back */
    bool was_switched;       /* another file was begun; the reader sets it back */
    bool is_waiting;         /* rotated, and the new file is not there or empty: look again in a second */
    struct file_seen { /* by the last look for the next file, which found none: no need to look at the same again */
        int64_t directory_ns; /* last change */
        uint64_t inode;
        int64_t size;
    } seen;
};

void log_file_init(struct log_file *file, const char *path);
/* From this position on (found by inode or by fingerprint, else from the beginning with lost = 1). */
void log_file_resume(struct log_file *file, const struct file_position *position);
/* Read again from here, which is before the position, in the same file. */
void log_file_step_back(struct log_file *file, uint64_t offset);
/* From the last `lines` lines of what is there now. */
void log_file_begin_with_last(struct log_file *file, struct file_block *block, size_t lines);
void log_file_close(struct log_file *file); /* gives the descriptor back; reading opens it again by the position */

/* `line` is without newline, may be changed, and is cut at FILE_LINE_MOST; `start` its offset, `after` what follows it.
 */
typedef void log_file_visitor(
    void *context, char *line, size_t length, uint64_t start, const struct file_position *after);

/* Read about a block. True where there is more to read now; on a switch to another file it returns first
 * (`was_switched`), before any line of the new one. */
bool log_file_read(struct log_file *file, struct file_block *block, log_file_visitor *visit, void *context);

#endif
