/* `:containers`: every container on every host. Enter opens its page, R restarts the site it belongs to. */
#include "views/console/list.h"
#include "views/console/objects.h"

static void open(struct console *console, const void *object)
{
    struct subject subject = subject_of(KIND_CONTAINER, ((const struct container_state *)object)->key);
    objects_open(console, &subject);
}

const struct list_screen containers_screen = {
    .kind = ROWS_CONTAINERS,
    .sort = "state",
    .empty = "no containers yet\n\nthey appear with the first answer of a host:  dogwatch host add USER@ADDRESS",
    .empty_scope = "no containers here",
    .open = open,
};
