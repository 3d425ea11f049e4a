/* Inside host/evidence: one request to collect, the files it writes, and what it had to leave out. Writing stops before
 * the disk is full, at a file's own ceiling, and where the connection ends. One thread per request. */
#ifndef HOST_EVIDENCE_OUTPUT_H
#define HOST_EVIDENCE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "host/evidence/vault.h"
#include "host/session.h"

#define OUTPUT_NAME_SIZE 320 /* "processes/docker-NAME/4194304/environ" */
#define OUTPUT_NO_LIMIT                                                                                                \
    INT64_MAX /* for our own short words about it all: these are written also where there is no room */

struct evidence {
    struct session *session;
    int64_t request_id;
    const char *site, *key_type; /* borrowed; key_type: the kind of host key to seal with, NULL: the best there is */
    char job[LEASE_JOB_SIZE];
    struct vault vault;
    int lock;
    json_t *containers; /* the inventory's entries of the site, fresh */
    json_t *volumes;    /* likewise */
    json_t *files;      /* "name", "bytes" of what was written, the first of them */
    json_t *left_out;   /* "what", "why" */
    json_t *answer;     /* further members of the answer; NULL: none */
    int64_t file_count, left_out_count;
    int64_t bytes; /* written by this request */
    int64_t told_us;
    char file[OUTPUT_NAME_SIZE]; /* under way */
};

/* Say now and then (at most every 300 ms) how far it is; false where the connection has ended: give up with
 * ERR_CANCELLED. */
bool evidence_tick(struct evidence *evidence);
enum err evidence_given_up(struct err_info *info); /* ERR_CANCELLED */

void evidence_leave_out(struct evidence *evidence, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "podman-NAME": two engines may each have a container of one name. */
#define EVIDENCE_LABEL_SIZE (CONTAINER_NAME_SIZE + 16)
const char *evidence_label(const json_t *container, char out[EVIDENCE_LABEL_SIZE]);

/* Check the lease of args.job; `out` is the job whose evidence is meant: args.of_job, else args.job. */
enum err evidence_job(const json_t *args, char out[LEASE_JOB_SIZE], struct err_info *info);

/* The first of the programs that is there, below the root of host/path.h; false where none is. */
bool evidence_program(const char *const candidates[], char out[HOST_PATH_SIZE]);

struct output {
    struct evidence *of;
    char name[OUTPUT_NAME_SIZE];
    int fd;
    int64_t bytes, limit;
    int64_t room_from; /* bytes written when the room was last looked at */
    enum { OUTPUT_GOOD, OUTPUT_AT_LIMIT, OUTPUT_NO_ROOM, OUTPUT_FAILED, OUTPUT_CANCELLED } state;
    int why; /* errno of FAILED */
};

/* Begin a file (an older one of this name is replaced); it has at most `limit` bytes. */
enum err output_begin(struct output *output, struct evidence *evidence, int64_t limit, struct err_info *info,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* False: no more is taken. Usable as a run_sink. */
bool output_write(void *output, const void *data, size_t length);
/* Close it. What was cut is kept and named in left_out. ERR_IO, ERR_CANCELLED: the file is gone. */
enum err output_end(struct output *output, struct err_info *info);
/* Close it and take it away again. */
void output_drop(struct output *output);

/* A whole file from what is in memory. */
enum err output_text(
    struct evidence *evidence, const char *name, const void *data, size_t length, struct err_info *info);
enum err output_json(struct evidence *evidence, const char *name, const json_t *value, struct err_info *info);

/* A whole file from a descriptor read to its end or the limit. What cannot be read is left out. */
enum err output_copy(struct evidence *evidence, int fd, int64_t limit, const char *name, struct err_info *info);

/* A whole file from what a program prints (standard error too, where `errors` is NULL). A status above `accept` leaves
 * it out: the file is kept only where `keep`. */
struct output_run {
    const char *const *argv;
    const char *name;
    int64_t limit;
    int64_t silence_us; /* how long it may say nothing; 0: 10 minutes */
    int accept;
    bool keep, with_errors;
};
enum err output_program(struct evidence *evidence, const struct output_run *run, struct err_info *info);

/* Bytes from outside on a line of their own: what is no printable ASCII, and '\', becomes \xHH. Nothing is lost. */
void output_escape(struct buf *out, const char *bytes, size_t length);

#endif
