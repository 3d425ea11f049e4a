/* Keys that act on the selected object, by its ID. The object is looked up anew each time: what is gone is said to be
 * gone, and never replaced by its neighbour. */
#include "views/console/objects.h"

#include <string.h>

#include "base/mem.h"
#include "tui/style.h"
#include "views/console/action_dialog.h"
#include "views/pages/page.h"
#include "views/pages/logs.h"

enum { OBJECT_LOGS = 1, OBJECT_ACTION /* and the following: rows of the table of actions */ };
enum { BINDINGS_MAX = 32 };

/* Made once from the table of actions, on the drawing thread. */
const struct keymap *objects_keymap(void)
{
    static struct key_binding bindings[BINDINGS_MAX];
    static char helps[BINDINGS_MAX][160];
    static struct keymap keymap = {.context = "Object", .bindings = bindings};
    if (keymap.count > 0)
        return &keymap;
    int command = OBJECT_ACTION;
    for (const struct action *action = action_first(); action; action = action_next(action), command++) {
        int key;
        if (keymap.count + 1 >= BINDINGS_MAX || !keys_parse(action->key, &key))
            continue;
        char *help = helps[keymap.count];
        str_format(help, sizeof helps[0], "%s: %s", action->title, action->help);
        bindings[keymap.count++] = (struct key_binding){key, command, action->name, action->name, help, 3};
    }
    bindings[keymap.count++] =
        (struct key_binding){'l', OBJECT_LOGS, "logs", "logs", "The log of this object, followed", 3};
    return &keymap;
}

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

/* What the action is for: the object itself, or the site it belongs to. */
static bool target_of(
    struct console *console, const struct action *action, const struct subject *subject, struct subject *out)
{
    *out = *subject;
    if (subject->kind == action->object_kind)
        return true;
    if (action->object_kind != KIND_SITE) {
        console_say(console, ROLE_WARNING, "%s is for a %s", action->name, object_kind_word(action->object_kind));
        return false;
    }
    *out = subject_of(KIND_SITE, objects_site(console, subject));
    if (subject->kind == KIND_HOST)
        console_say(console, ROLE_WARNING, "%s is for sites: Enter shows what runs on %s", action->name, subject->key);
    else if (!out->key[0])
        console_say(console, ROLE_WARNING, "%s belongs to no site", subject->key);
    return out->key[0] != '\0';
}

static bool selected_object(struct console *console, struct subject *out)
{
    struct view *top = console_top(console);
    if (!top->ops->selected || !top->ops->selected(top, out)) {
        console_say(console, ROLE_WARNING, "nothing is selected");
        return false;
    }
    if (!objects_exists(console, out)) {
        console_say(console, ROLE_WARNING, "%s is gone", out->key);
        return false;
    }
    return true;
}

/* Nobody who marked three rows expects one to be meant. */
static bool has_marks(struct console *console, const struct action *action)
{
    struct view *top = console_top(console);
    size_t marked = top->ops->marked ? top->ops->marked(top) : 0;
    if (marked > 0)
        console_say(console, ROLE_WARNING, "%zu %s marked, but %s takes one at a time: Esc takes the marks back",
            marked, marked == 1 ? "row is" : "rows are", action->name);
    return marked > 0;
}

void objects_act(struct console *console, const struct action *action)
{
    struct subject subject, target;
    if (has_marks(console, action))
        return;
    if (selected_object(console, &subject) && target_of(console, action, &subject, &target))
        action_dialog_open(console, action, &target);
}

static const struct action *action_of(int command)
{
    const struct action *action = action_first();
    for (int i = OBJECT_ACTION; action && i < command; i++)
        action = action_next(action);
    return action;
}

bool objects_key(struct console *console, int key)
{
    int command = keymap_command(objects_keymap(), key);
    struct subject subject;
    if (!command || !console_top(console)->ops->selected)
        return false;
    if (command >= OBJECT_ACTION)
        objects_act(console, action_of(command));
    else if (selected_object(console, &subject))
        console_push(console, logs_new(console, &subject));
    return true;
}

/* --- why --- */

static void why_host(const struct snapshot *snapshot, const char *name, struct freshness freshness, char *out)
{
    const struct host_state *host = snapshot_host(snapshot, name);
    const char *reason = host ? shown_host_reason(host, freshness) : "";
    if (reason[0])
        str_format(out, VIEW_WHY_SIZE, "%s: %s", name, reason);
}

static enum concern why_site(
    const struct snapshot *snapshot, const struct site_state *site, struct freshness freshness, char *out)
{
    enum concern concern = shown_site(site, freshness).concern;
    if (concern == CONCERN_UNKNOWN)
        why_host(snapshot, site->host, freshness, out);
    else if (site->drift[0])
        str_format(out, VIEW_WHY_SIZE, "%s: %s", site->name, site->drift);
    return concern == CONCERN_OK && site->drift[0] ? CONCERN_WARNING : concern;
}

static enum concern why_container(
    const struct snapshot *snapshot, const struct container_state *container, struct freshness freshness, char *out)
{
    enum concern concern = shown_container(container, freshness).concern;
    bool ended = container->state == RUN_EXITED || container->state == RUN_DEAD;
    if (concern == CONCERN_UNKNOWN)
        why_host(snapshot, container->host, freshness, out);
    else if (ended)
        str_format(out, VIEW_WHY_SIZE, "%s ended with exit code %d%s", container->name, container->exit_code,
            container->oom_killed ? ": out of memory" : "");
    else if (container->state == RUN_RUNNING && container->health == HEALTH_UNHEALTHY)
        str_format(out, VIEW_WHY_SIZE, "%s runs, but its health check fails: l shows its log", container->name);
    return concern;
}

static enum concern why_volume(
    const struct snapshot *snapshot, const struct volume_state *volume, struct freshness freshness, char *out)
{
    enum concern concern = shown_volume(volume, freshness).concern;
    if (concern == CONCERN_UNKNOWN)
        why_host(snapshot, volume->host, freshness, out);
    else if (concern == CONCERN_WARNING)
        str_format(out, VIEW_WHY_SIZE, "%s: hardly any space is left below it on %s", volume->name, volume->host);
    return concern;
}

unsigned objects_why(struct console *console, const struct subject *subject, char out[VIEW_WHY_SIZE])
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    struct freshness freshness = console_freshness(console);
    enum concern concern = CONCERN_UNKNOWN;
    out[0] = '\0';
    if (!snapshot || !objects_exists(console, subject))
        return ROLE_NORMAL;
    if (subject->kind == KIND_HOST)
        why_host(snapshot, subject->key, freshness, out);
    else if (subject->kind == KIND_SITE)
        concern = why_site(snapshot, snapshot_site(snapshot, subject->key), freshness, out);
    else if (subject->kind == KIND_CONTAINER)
        concern = why_container(snapshot, snapshot_container(snapshot, subject->key), freshness, out);
    else if (subject->kind == KIND_VOLUME)
        concern = why_volume(snapshot, snapshot_volume(snapshot, subject->key), freshness, out);
    return concern_style(concern);
}
