/* Inside host/evidence: trees of files as tar archives. */
#ifndef HOST_EVIDENCE_ARCHIVE_H
#define HOST_EVIDENCE_ARCHIVE_H

#include "host/evidence/output.h"

#define ARCHIVE_MOST_BYTES ((int64_t)1 << 40)

/* A directory, or one file: `path` is below the root of host/path.h. What does not fit is left out whole. */
enum err archive_keep(struct evidence *evidence, const char *path, const char *name, struct err_info *info);

/* What a running container has in temporary file systems (/tmp, /dev/shm): "filesystem/LABEL.tmpfs-NN.tar", and an
 * index of where they stood. It is gone when the container ends, and in no layer or volume. */
enum err archive_keep_tmpfs(struct evidence *evidence, const json_t *container, struct err_info *info);

#endif
