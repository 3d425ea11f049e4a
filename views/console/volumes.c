/* `:volumes`: named volumes and the bind mounts of sites, those that run full first. Enter opens its page. */
#include "views/console/list.h"
#include "views/console/objects.h"

static void open(struct console *console, const void *object)
{
    struct subject subject = subject_of(KIND_VOLUME, ((const struct volume_state *)object)->key);
    objects_open(console, &subject);
}

const struct list_screen volumes_screen = {
    .kind = ROWS_VOLUMES,
    .sort = "state",
    .empty = "no volumes yet\n\nthey appear once a host with volumes has answered",
    .empty_scope = "no volumes here",
    .open = open,
};
