/* Keys that act on the selected object, by its ID. The object is looked up anew each time: what is gone is said to be
 * gone, and never replaced by its neighbour. */
#include "views/console/objects.h"

#include <string.h>

#include "tui/style.h"
#include "views/console/restart.h"
#include "views/pages/page.h"
#include "views/pages/logs.h"

enum command { OBJECT_RESTART = 1, OBJECT_LOGS };

static const struct key_binding bindings[] = {
    {'R', OBJECT_RESTART, "restart", "restart", "Restart the site: shows the plan first, changes nothing before y", 3},
    {'l', OBJECT_LOGS, "logs", "logs", "The log of this object, followed", 3},
};
const struct keymap objects_keymap = KEYMAP("Object", bindings);

bool objects_exists(const struct console *console, const struct subject *subject)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    if (!snapshot)
        return false;
    switch (subject->kind) {
    case KIND_HOST:
        return snapshot_host(snapshot, subject->key) != NULL;
    case KIND_SITE:
        return snapshot_site(snapshot, subject->key) != NULL;
    case KIND_CONTAINER:
        return snapshot_container(snapshot, subject->key) != NULL;
    case KIND_VOLUME:
        return snapshot_volume(snapshot, subject->key) != NULL;
    default:
        return false;
    }
}

const char *objects_site(const struct console *console, const struct subject *subject)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    if (!snapshot || !objects_exists(console, subject))
        return "";
    if (subject->kind == KIND_SITE)
        return snapshot_site(snapshot, subject->key)->name;
    if (subject->kind == KIND_CONTAINER)
        return snapshot_container(snapshot, subject->key)->site;
    if (subject->kind == KIND_VOLUME)
        return snapshot_volume(snapshot, subject->key)->site;
    return "";
}

void objects_open(struct console *console, const struct subject *subject)
{
    if (!objects_exists(console, subject)) {
        console_say(console, ROLE_WARNING, "%s is gone", subject->key);
        return;
    }
    console_push(console, page_new(console, subject));
}

static void restart_selected(struct console *console, const struct subject *subject)
{
    const char *site = objects_site(console, subject);
    if (subject->kind == KIND_HOST)
        console_say(console, ROLE_WARNING, "restart works on sites: Enter shows what runs on %s", subject->key);
    else if (!site[0])
        console_say(console, ROLE_WARNING, "%s belongs to no site that could be restarted", subject->key);
    else
        restart_begin(console, site);
}

bool objects_key(struct console *console, int key)
{
    int command = keymap_command(&objects_keymap, key);
    struct view *top = console_top(console);
    struct subject subject;
    if (!command || !top->ops->selected)
        return false;
    if (!top->ops->selected(top, &subject)) {
        console_say(console, ROLE_WARNING, "nothing is selected");
        return true;
    }
    if (!objects_exists(console, &subject))
        console_say(console, ROLE_WARNING, "%s is gone", subject.key);
    else if (command == OBJECT_RESTART)
        restart_selected(console, &subject);
    else
        console_push(console, logs_new(console, &subject));
    return true;
}
