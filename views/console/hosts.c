/* `:hosts`: every host of the fleet, unreachable ones first and with their reason. Enter opens the host's page. */
#include "views/console/list.h"
#include "views/console/objects.h"

enum command { HOST_SITES = 1, HOST_CONTAINERS, HOST_VOLUMES };

static const struct key_binding bindings[] = {
    {'s', HOST_SITES, "host-sites", "sites", "The sites on this host", 4},
    {'c', HOST_CONTAINERS, "host-containers", "containers", "The containers on this host", 4},
    {'v', HOST_VOLUMES, "host-volumes", "volumes", "The volumes on this host", 5},
};
static const struct keymap keymap = KEYMAP("Hosts", bindings);

static void run(struct console *console, int command, const struct subject *subject, const void *row)
{
    (void)row;
    static const struct list_screen *const screens[] = {
        [HOST_SITES] = &sites_screen, [HOST_CONTAINERS] = &containers_screen, [HOST_VOLUMES] = &volumes_screen};
    console_push(console, list_new_within(console, screens[command], subject));
}

static void open(struct console *console, const void *object)
{
    struct subject subject = subject_of(KIND_HOST, ((const struct host_state *)object)->name);
    objects_open(console, &subject);
}

const struct list_screen hosts_screen = {
    .kind = ROWS_HOSTS,
    .sort = "state",
    .empty = "no hosts yet\n\nadd one with:  dogwatch host add USER@ADDRESS",
    .empty_scope = "no such host",
    .keymap = &keymap,
    .run = run,
    .open = open,
};
