/* `:sites`: every site, declared or discovered, the worst first. Enter opens the site's page, R restarts it. */
#include "views/console/list.h"
#include "views/console/objects.h"

enum command { SITE_CONTAINERS = 1, SITE_VOLUMES };

static const struct key_binding bindings[] = {
    {'c', SITE_CONTAINERS, "site-containers", "containers", "The containers of this site", 4},
    {'v', SITE_VOLUMES, "site-volumes", "volumes", "The volumes of this site", 5},
};
static const struct keymap keymap = KEYMAP("Sites", bindings);

static void run(struct console *console, int command, const struct subject *subject, const void *row)
{
    (void)row;
    const struct list_screen *screen = command == SITE_VOLUMES ? &volumes_screen : &containers_screen;
    console_push(console, list_new_within(console, screen, subject));
}

static void open(struct console *console, const void *object)
{
    struct subject subject = subject_of(KIND_SITE, ((const struct site_state *)object)->name);
    objects_open(console, &subject);
}

const struct list_screen sites_screen = {
    .kind = ROWS_SITES,
    .sort = "state",
    .empty = "no sites yet\n\ndeclare them in sites/*.yaml of the fleet files, or add a host that runs some:\ndogwatch "
             "host add USER@ADDRESS",
    .empty_scope = "no site runs on this host",
    .keymap = &keymap,
    .run = run,
    .open = open,
};
