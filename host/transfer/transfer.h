/* One transfer: a volume or an image of a site, from where it is to where it is to be (docs/transfer.md). The same
 * struct on both ends; it travels from the verb to the stream's process in a ticket. */
#ifndef HOST_TRANSFER_TRANSFER_H
#define HOST_TRANSFER_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/name.h"
#include "host/containers/runtime.h"
#include "host/path.h"
#include "host/site/lease.h"
#include "host/ticket.h"

#define TRANSFER_VOLUME_SIZE 256 /* a name, or SITE:DESTINATION of a bind mount */
#define TRANSFER_IMAGE_SIZE 256

enum transfer_method { TRANSFER_RSYNC, TRANSFER_BTRFS, TRANSFER_IMAGE };

struct transfer {
    enum transfer_method method;
    char site[NAME_SIZE];
    char job[LEASE_JOB_SIZE];
    enum runtime_kind runtime;
    char volume[TRANSFER_VOLUME_SIZE]; /* "" for an image */
    char path[HOST_PATH_SIZE];         /* the volume's directory on this host, without symbolic links */
    char image_id[RUNTIME_ID_SIZE];    /* "" for a volume; without "sha256:" */
    char image[TRANSFER_IMAGE_SIZE];   /* its name, for people */
    int64_t pass;                      /* from 1 */
    bool last;                         /* nothing changes any more: nothing may be left out */
    int64_t limit_bytes_s;             /* 0: none */
};

/* From the arguments of transfer.open and transfer.send, `path` not yet; everything checked. */
enum err transfer_read_args(const json_t *args, struct transfer *transfer, struct err_info *info);
/* pass, last, limit_bytes_s. */
enum err transfer_read_pass(const json_t *args, struct transfer *transfer, struct err_info *info);

bool transfer_is_bind(const struct transfer *transfer);

json_t *transfer_to_json(const struct transfer *transfer); /* the caller's */
enum err transfer_from_json(const json_t *facts, struct transfer *transfer, struct err_info *info);

/* How far it is, and how it ended. */
struct transfer_count {
    int64_t bytes;       /* so far, in this pass */
    int64_t total_bytes; /* 0: not known */
    int64_t files;       /* sent in this pass; 0 where nobody counts */
};

/* How the one who works is watched: both are called at least every 300 ms; goes_on false: give up. */
struct transfer_watch {
    bool (*goes_on)(void *context);
    void (*progress)(void *context, const struct transfer_count *count); /* may be NULL */
    void *context;
};

#endif
