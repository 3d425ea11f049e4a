/* The container engines of this host, driven by their command lines: podman and docker are rows of one const table.
 * Every call runs a program with a deadline of its own; what the programs say is bounded and checked. Any thread. */
#ifndef HOST_CONTAINERS_RUNTIME_H
#define HOST_CONTAINERS_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/vec.h"
#include "host/path.h"

enum runtime_kind { RUNTIME_PODMAN, RUNTIME_DOCKER, RUNTIME_COUNT };

#define RUNTIME_ID_SIZE 65     /* 64 hexadecimal digits */
#define RUNTIME_STATUS_SIZE 48 /* "Exited(137)", "Up(healthy)" */
#define RUNTIME_NAME_SIZE 160
#define RUNTIME_VERSION_SIZE 64
#define RUNTIME_MOST_CONTAINERS 2000

const char *runtime_name(enum runtime_kind kind);
/* RUNTIME_COUNT where no runtime has this name (NULL: the same). */
enum runtime_kind runtime_by_name(const char *name);

/* Its program is installed and it has left traces of being used on this host: asking an engine that nobody uses would
 * make it set up its storage, or report a daemon that was never meant to run as broken. */
bool runtime_is_used(enum runtime_kind kind);

/* The absolute path of its program, below the root of host/path.h; false where it is not installed. */
bool runtime_program(enum runtime_kind kind, char out[HOST_PATH_SIZE]);

bool runtime_id_is_valid(const char *id);

/* Directories, as the host names them, in which a container or a named volume that is made or removed appears or
 * disappears, in the usual place; NULL after the last. An engine uses one or the other, or none where its storage is
 * elsewhere. */
const char *const *runtime_container_stores(enum runtime_kind kind); /* a directory per container, called by its ID */
const char *runtime_volume_store(enum runtime_kind kind);

struct runtime_row {
    char id[RUNTIME_ID_SIZE];
    char status[RUNTIME_STATUS_SIZE]; /* without its times: changes only when the state, exit code or health does */
    char names[RUNTIME_NAME_SIZE];    /* as listed, for comparing only */
};
struct runtime_rows {
    struct runtime_row *items;
    size_t count;
    size_t capacity;
};

/* All containers, also stopped ones. The caller frees the rows with vec_free. ERR_TIMEOUT, ERR_FAILED (with the
 * engine's own words), ERR_FULL, ERR_NOT_FOUND (no program). */
enum err runtime_list(enum runtime_kind kind, struct runtime_rows *rows, struct err_info *info);

/* Called for each container or volume that the engine described; `description` is borrowed. */
typedef void runtime_visitor(const json_t *description, void *context);

/* `inspect` of the given containers. Those that are gone meanwhile, and those whose description is too large or no
 * JSON, are left out: it fails only where the engine does. */
enum err runtime_inspect(enum runtime_kind kind, const char *const *ids, size_t count, runtime_visitor *visit,
    void *context, struct err_info *info);

/* The same of any kind of object: "image", "network", "volume" … The caller has checked the names. */
enum err runtime_describe(enum runtime_kind kind, const char *object, const char *const *names, size_t count,
    runtime_visitor *visit, void *context, struct err_info *info);

/* Run the engine's CLI with these words (NULL-terminated), all of them checked by the caller. `out` may be NULL. A
 * status other than 0 is ERR_FAILED with the engine's own words; what it said stays in `out`. */
enum err runtime_command(
    enum runtime_kind kind, const char *const *words, int64_t limit_us, struct buf *out, struct err_info *info);

/* The same, with entries in the CLI's environment that it is told to take values from (run_program_with). */
enum err runtime_command_with(enum runtime_kind kind, const char *const *words, const char *const *environment,
    int64_t limit_us, struct err_info *info);

/* `volume inspect` of all named volumes. */
enum err runtime_volumes(enum runtime_kind kind, runtime_visitor *visit, void *context, struct err_info *info);

enum err runtime_version(enum runtime_kind kind, char out[RUNTIME_VERSION_SIZE], struct err_info *info);

/* Stop one container by ID, SIGKILL after grace_s. *killed: the engine said that it had to (podman only). */
enum err runtime_stop(enum runtime_kind kind, const char *id, int grace_s, bool *killed, struct err_info *info);
enum err runtime_start(enum runtime_kind kind, const char *id, struct err_info *info);

/* Freeze and thaw one container by ID. */
enum err runtime_pause(enum runtime_kind kind, const char *id, struct err_info *info);
enum err runtime_unpause(enum runtime_kind kind, const char *id, struct err_info *info);

/* The text up to the next comma-separated element of a top-level JSON array, one at a time, so that a long answer never
 * stands in memory as a whole tree. *cursor starts at the text, *length is what is left; false at the end. */
bool runtime_next_element(const char **cursor, size_t *left, const char **element, size_t *length);

#endif
