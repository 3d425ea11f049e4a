/* What transfers ask of a container engine's command line: texts, with deadlines and ceilings. Any thread. */
#ifndef HOST_TRANSFER_ENGINE_H
#define HOST_TRANSFER_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "host/containers/runtime.h"

/* runtime_command with the deadline of a transfer. */
enum err engine_ask(enum runtime_kind kind, const char *const *words, struct buf *out, struct err_info *info);

/* `KIND inspect` of one thing: *description is its object, the caller's. ERR_NOT_FOUND where there is none. */
enum err engine_inspect(
    enum runtime_kind kind, const char *what, const char *name, json_t **description, struct err_info *info);

/* A named volume's directory, made canonical. ERR_NOT_FOUND where there is no such volume. *labels (may be NULL) is the
 * caller's. */
enum err engine_volume_path(
    enum runtime_kind kind, const char *name, char path[HOST_PATH_SIZE], json_t **labels, struct err_info *info);
enum err engine_volume_make(enum runtime_kind kind, const char *name, const char *site, struct err_info *info);

#endif
