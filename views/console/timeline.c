/* `:timeline`: what changed in the fleet, the newest first. Enter opens the page of the object it happened to. */
#include "views/console/list.h"
#include "views/console/objects.h"

static void open(struct console *console, const void *object)
{
    const struct event *event = object;
    struct subject subject = subject_of(event->object_kind, event->object);
    if (!objects_exists(console, &subject) && event->site[0])
        subject = subject_of(KIND_SITE, event->site);
    objects_open(console, &subject);
}

const struct list_screen timeline_screen = {
    .kind = ROWS_TIMELINE,
    .empty = "nothing happened yet",
    .empty_scope = "nothing happened here",
    .with_events = true,
    .open = open,
};
