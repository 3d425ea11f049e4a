/* The hook itself: a short-lived process that podman's runtime starts before each container, as root and in the host's
 * namespaces. It compares the container with the marks: by its ID, which a mark lists, else by the site its labels or
 * its name say, which podman's own state file tells (asking podman would wait for the lock of the very
 * container that is being started). Then it looks whether storage that a move has mounted for it is there. Guarantees:
 * no answer takes longer than reading a few small files, but for such storage right after a boot; in doubt, it starts.
 */
#include "host/site/guard.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/containers/stored.h"
#include "host/path.h"
#include "host/site/mark.h"
#include "host/storage/needed.h"

#define STATE_CEILING (256u * 1024)
#define STATE_LIMIT_US USEC_PER_SEC
#define REFUSED 1
/* At boot storage of the network may come after podman: that long since the kernel began it is waited for. */
#define BOOT_US (90 * USEC_PER_SEC)
#define LOOK_AGAIN_MS 250

/* The container that is about to start. */
struct starting {
    char id[RUNTIME_ID_SIZE];
    char bundle[HOST_PATH_SIZE]; /* where its description is; "" where that is not said */
    bool looked;                 /* for its site */
    char site[NAME_SIZE];
};

/* --- what the runtime says ------------------------------------------------------------------------------------------
 */

static bool read_some(int fd, struct buf *text, int64_t deadline_us)
{
    char piece[4096];
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int64_t left_us = deadline_us - clock_mono_us();
    if (left_us <= 0 || poll(&polled, 1, (int)(left_us / USEC_PER_MSEC) + 1) <= 0)
        return false;
    ssize_t got = read(fd, piece, sizeof piece);
    return got > 0 && buf_append(text, piece, (size_t)got) == ERR_OK;
}

static bool read_state(int fd, struct starting *starting)
{
    struct buf text = BUF(STATE_CEILING);
    json_t *description = NULL;
    int64_t deadline_us = clock_mono_us() + STATE_LIMIT_US;
    while (read_some(fd, &text, deadline_us))
        continue;
    json_parse(buf_text(&text), text.length, &description, NULL);
    json_copy_text(description, "id", starting->id, sizeof starting->id);
    json_copy_text(description, "bundle", starting->bundle, sizeof starting->bundle);
    json_decref(description);
    buf_free(&text);
    return runtime_id_is_valid(starting->id);
}

/* --- the marks ------------------------------------------------------------------------------------------------------
 */

static bool lists(const json_t *record, const char *id)
{
    const json_t *ids = json_object_get(record, "containers");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *known = json_string_value(json_array_get(ids, i));
        if (known && strcmp(known, id) == 0)
            return true;
    }
    return false;
}

/* One mark's file: whether it forbids this container to start. */
static bool forbids(const char *file, struct starting *starting, char *why, size_t why_size)
{
    char site[NAME_SIZE];
    json_t *record = mark_site_of(file, site) ? mark_record(site) : NULL;
    bool forbidden = record && mark_refuses(record, NULL, why, why_size);
    if (forbidden && !lists(record, starting->id)) {
        char name[CONTAINER_NAME_SIZE];
        if (!starting->looked)
            stored_find(RUNTIME_PODMAN, starting->id, starting->site, name);
        starting->looked = true;
        forbidden = strcmp(starting->site, site) == 0;
    }
    json_decref(record);
    return forbidden;
}

static bool any_forbids(struct starting *starting, char *why, size_t why_size)
{
    char path[HOST_PATH_SIZE];
    bool forbidden = false;
    DIR *directory = opendir(host_path(path, sizeof path, MARK_DIRECTORY));
    for (const struct dirent *file; directory && !forbidden && (file = readdir(directory));)
        forbidden = forbids(file->d_name, starting, why, why_size);
    if (directory)
        closedir(directory);
    return forbidden;
}

/* --- its storage ----------------------------------------------------------------------------------------------------
 */

static bool misses_storage(const struct starting *starting, char *why, size_t why_size)
{
    bool missing = starting->bundle[0] == '/' && needed_is_missing(starting->bundle, why, why_size);
    while (missing && clock_boot_us() < BOOT_US) {
        poll(NULL, 0, LOOK_AGAIN_MS);
        missing = needed_is_missing(starting->bundle, why, why_size);
    }
    return missing;
}

int guard_run(int in_fd)
{
    struct starting starting = {0};
    char why[1600];
    if (!read_state(in_fd, &starting))
        return 0;
    if (!any_forbids(&starting, why, sizeof why) && !misses_storage(&starting, why, sizeof why))
        return 0;
    log_warning("container %.12s may not start: %s", starting.id, why);
    fprintf(stderr, "dogwatch: this container may not start: %s\n", why);
    return REFUSED;
}
