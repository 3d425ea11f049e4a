/* The processes of a container, held by an open descriptor of their directory in /proc, so that none is mistaken for
 * another one that got its number. Any thread. */
#ifndef HOST_EVIDENCE_PROCESS_H
#define HOST_EVIDENCE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/evidence/output.h"

#define PROCESS_MOST 2048 /* of one container */

/* One process; `proc` is a descriptor of /proc/PID, borrowed. */
typedef enum err process_visitor(
    struct evidence *evidence, const json_t *container, pid_t pid, int proc, void *context, struct err_info *info);

/* All processes in the container's control group (whose name has its ID) or PID namespace, in order of their numbers.
 * Ends at the first error of the visitor. *count (may be NULL): how many were visited. */
enum err process_each(struct evidence *evidence, const json_t *container, process_visitor *visit, void *context,
    size_t *count, struct err_info *info);

/* A short file of /proc/PID, whole; false where it is gone. */
bool process_read(int proc, const char *name, struct buf *out);
/* Where a link in /proc/PID points; false where it cannot be read. */
bool process_link(int proc, const char *name, char *out, size_t out_size);

#endif
