/* Keys that act on the selected object, by its ID. The object is looked up anew each time: what is gone is said to be
 * gone, and never replaced by its neighbour. */
#include "views/console/objects.h"

#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "tui/style.h"
#include "views/console/action_dialog.h"
#include "views/pages/logs.h"
#include "views/pages/page.h"
#include "views/pages/where_page.h"

enum { OBJECT_LOGS = 1, OBJECT_WHERE, OBJECT_ACTION /* and the following: rows of the table of actions */ };
enum { BINDINGS_MAX = 32 };

/* What the footer offers depends on what is selected; the keys are the same everywhere, and so is the help. */
enum variant { OF_HOSTS, OF_RUNNING, OF_STOPPED, OF_QUARANTINED, OF_CONFLICT, VARIANT_COUNT };
#define WHEN(variant) (1u << (variant))

struct object_keys {
    struct key_binding bindings[BINDINGS_MAX];
    char helps[BINDINGS_MAX][200];
    struct keymap keymap;
};

/* An action that is not in the table is always offered. */
static bool is_offered(const struct action *action, enum variant variant)
{
    static const struct {
        const char *name;
        unsigned when;
    } offers[] = {{"restart", WHEN(OF_HOSTS) | WHEN(OF_RUNNING)}, {"stop", WHEN(OF_RUNNING) | WHEN(OF_CONFLICT)},
        {"start", WHEN(OF_STOPPED)}, {"migrate", WHEN(OF_RUNNING) | WHEN(OF_STOPPED)},
        {"isolate", WHEN(OF_RUNNING) | WHEN(OF_STOPPED) | WHEN(OF_CONFLICT)}, {"release", WHEN(OF_QUARANTINED)}};
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++)
        if (strcmp(offers[i].name, action->name) == 0)
            return offers[i].when & WHEN(variant);
    return true;
}

static void add_actions(struct object_keys *keys, enum variant variant)
{
    int command = OBJECT_ACTION, key;
    for (const struct action *action = action_first(); action; action = action_next(action), command++) {
        size_t at = keys->keymap.count;
        bool fits = variant != OF_HOSTS || (action->takes & TAKES_HOST);
        if (action->is_internal || !fits || at + 2 >= BINDINGS_MAX || !keys_parse(action->key, &key))
            continue;
        if (variant == OF_HOSTS)
            str_format(keys->helps[at], sizeof keys->helps[at],
                "%s all sites of the host, one after the other, ended by the first failure", action->title);
        else
            str_format(keys->helps[at], sizeof keys->helps[at], "%s: %s", action->title, action->help);
        keys->bindings[at] = (struct key_binding){
            key, command, action->name, is_offered(action, variant) ? action->name : NULL, keys->helps[at], 3};
        keys->keymap.count++;
    }
}

static void make_keys(struct object_keys *keys, enum variant variant)
{
    static const struct key_binding where = {
        'W', OBJECT_WHERE, "where", "where", "Ask every host where this site really is", 5};
    static const struct key_binding logs = {'l', OBJECT_LOGS, "logs", "logs", "The log of this object, followed", 3};
    keys->keymap = (struct keymap){.context = variant == OF_HOSTS ? "Host" : "Object", .bindings = keys->bindings};
    add_actions(keys, variant);
    keys->bindings[keys->keymap.count++] = logs;
    if (variant != OF_HOSTS)
        keys->bindings[keys->keymap.count++] = where;
    if (variant == OF_CONFLICT) /* the first thing to look at */
        keys->bindings[keys->keymap.count - 1].priority = 2;
}

static enum variant variant_of(const struct console *console, const struct subject *subject)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    const char *name = subject->kind == KIND_HOST ? "" : objects_site(console, subject);
    const struct site_state *site = snapshot && name[0] ? snapshot_site(snapshot, name) : NULL;
    if (subject->kind == KIND_HOST)
        return OF_HOSTS;
    if (site && (site->status == SITE_QUARANTINED || site->mark == MARK_QUARANTINED))
        return OF_QUARANTINED;
    if (site && site->status == SITE_CONFLICT)
        return OF_CONFLICT;
    return site && site->mark == MARK_STOPPED ? OF_STOPPED : OF_RUNNING;
}

/* Made once from the table of actions, on the drawing thread. */
static const struct keymap *keys_of(enum variant variant)
{
    static struct object_keys keys[VARIANT_COUNT];
    if (keys[variant].keymap.count == 0)
        make_keys(&keys[variant], variant);
    return &keys[variant].keymap;
}

const struct keymap *objects_keymap(const struct console *console, const struct subject *subject)
{
    return keys_of(variant_of(console, subject));
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

/* --- actions --- */

struct wanted { /* what an action is asked for */
    struct console *console;
    const struct action *action;
    VEC(struct subject) targets; /* without doubles */
    bool refused;                /* it was said why */
};

static bool is_taken(const struct wanted *wanted, const struct subject *target)
{
    vec_each (&wanted->targets, const struct subject, taken)
        if (subject_is(taken, target))
            return true;
    return false;
}

/* What the action is for: the object itself, or the site it belongs to. */
static bool target_of(
    struct console *console, const struct action *action, const struct subject *subject, struct subject *out)
{
    *out = *subject;
    if (subject->kind == action->object_kind || (subject->kind == KIND_HOST && (action->takes & TAKES_HOST)))
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

/* What is quarantined is evidence: only what contains it, and what lets it go, may touch it. */
static bool is_quarantined(struct console *console, const struct action *action, const struct subject *target)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    const struct site_state *site = target->kind == KIND_SITE ? snapshot_site(snapshot, target->key) : NULL;
    const struct action *isolate = action_find("isolate"), *release = action_find("release");
    if (!site || (site->status != SITE_QUARANTINED && site->mark != MARK_QUARANTINED))
        return false;
    if (action == isolate || action == release)
        return false;
    console_say(console, ROLE_QUARANTINED, "%s is quarantined: %s is refused; %s releases it", site->name, action->name,
        release ? release->key : "nothing");
    return true;
}

static void want(void *context, const struct subject *subject)
{
    struct wanted *wanted = context;
    struct subject target;
    if (wanted->refused)
        return;
    if (!objects_exists(wanted->console, subject)) {
        console_say(wanted->console, ROLE_WARNING, "%s is gone", subject->key);
        wanted->refused = true;
    } else if (!target_of(wanted->console, wanted->action, subject, &target) ||
               is_quarantined(wanted->console, wanted->action, &target)) {
        wanted->refused = true;
    } else if (!is_taken(wanted, &target)) {
        vec_push(&wanted->targets, target);
    }
}

/* Nobody who marked three rows expects one to be meant. */
static bool is_too_many(const struct wanted *wanted, size_t marked)
{
    size_t count = wanted->targets.count;
    bool takes_many = wanted->action->takes & TAKES_MANY;
    if (!takes_many && (count > 1 || marked > 1))
        console_say(wanted->console, ROLE_WARNING,
            "%zu %s marked, but %s takes one at a time: Esc takes the marks back", marked,
            marked == 1 ? "row is" : "rows are", wanted->action->name);
    else if (count > PLAN_MORE_MAX + 1)
        console_say(wanted->console, ROLE_WARNING, "%zu are too many at once: at most %d", count, PLAN_MORE_MAX + 1);
    else
        return false;
    return true;
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

void objects_act(struct console *console, const struct action *action)
{
    struct wanted wanted = {.console = console, .action = action};
    struct view *top = console_top(console);
    struct subject subject;
    size_t marked = top->ops->marked ? top->ops->marked(top) : 0;
    if (marked > 0)
        top->ops->each_marked(top, want, &wanted);
    else if (selected_object(console, &subject))
        want(&wanted, &subject);
    if (!wanted.refused && wanted.targets.count > 0 && !is_too_many(&wanted, marked))
        action_dialog_open(console, action, wanted.targets.items, wanted.targets.count);
    vec_free(&wanted.targets);
}

static const struct action *action_of(int command)
{
    const struct action *action = action_first();
    for (int i = OBJECT_ACTION; action && i < command; i++)
        action = action_next(action);
    return action;
}

static void show_where(struct console *console)
{
    struct subject subject;
    if (!selected_object(console, &subject))
        return;
    const char *site = objects_site(console, &subject);
    if (site[0])
        console_push(console, where_page_new(console, site));
    else
        console_say(console, ROLE_WARNING, "%s belongs to no site", subject.key);
}

bool objects_key(struct console *console, int key)
{
    int command = keymap_command(keys_of(OF_RUNNING), key);
    struct subject subject;
    if (!command || !console_top(console)->ops->selected)
        return false;
    if (command >= OBJECT_ACTION)
        objects_act(console, action_of(command));
    else if (command == OBJECT_WHERE)
        show_where(console);
    else if (selected_object(console, &subject))
        console_push(console, logs_new(console, &subject));
    return true;
}

bool objects_is_action_key(int key)
{
    return keymap_command(keys_of(OF_RUNNING), key) >= OBJECT_ACTION;
}

/* --- why --- */

static void why_host(const struct snapshot *snapshot, const char *name, struct freshness freshness, char *out)
{
    const struct host_state *host = snapshot_host(snapshot, name);
    const char *reason = host ? shown_host_reason(host, freshness) : "";
    if (reason[0])
        str_format(out, VIEW_WHY_SIZE, "%s: %s", name, reason);
}

/* What the mark of a site means, and what to do about it. "" where it has none. */
static void why_marked(const struct site_state *site, struct freshness freshness, char *out)
{
    char age[FORMAT_SIZE], by[MARK_JOB_SIZE + 24] = "";
    static const struct {
        enum site_mark mark;
        const char *words, *way_on;
    } marks[] = {{MARK_QUARANTINED, "quarantined: nothing in or out", " – I releases it"},
        {MARK_STOPPED, "stopped by a person", " – s starts it"}, {MARK_LEAVING, "being moved away", ""},
        {MARK_INCOMING, "a copy is being made", ""}, {MARK_KEPT, "only a kept copy is left", " – W asks every host"}};
    int64_t age_us =
        site->mark_since_us && freshness.now_us > site->mark_since_us ? freshness.now_us - site->mark_since_us : 0;
    const char *number = strrchr(site->mark_job, '.'); /* WORD.ID: the word tells engines apart */
    if (number)
        str_format(by, sizeof by, " – by job %s of engine %.6s", number + 1, site->mark_job);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i].mark == site->mark)
            str_format(out, VIEW_WHY_SIZE, "%s: %s for %s%s%s", site->name, marks[i].words, format_age(age_us, age),
                marks[i].way_on, by);
}

/* On which hosts, that is where the way out begins. */
static void why_conflict(const struct snapshot *snapshot, const struct site_state *site, char *out)
{
    const char *last = "";
    str_format(out, VIEW_WHY_SIZE, "%s: CONFLICT – W: the way out – on", site->name);
    for (size_t i = 0; i < snapshot->container_count; i++) { /* sorted by host */
        const struct container_state *container = &snapshot->containers[i];
        if (strcmp(container->site, site->name) != 0 || container->mark != MARK_NONE ||
            strcmp(container->host, last) == 0)
            continue;
        size_t length = strlen(out);
        str_format(out + length, VIEW_WHY_SIZE - length, "%s %s", last[0] ? " and" : "", container->host);
        last = container->host;
    }
    if (!last[0])
        str_format(out, VIEW_WHY_SIZE, "%s: CONFLICT – W: the way out – %s", site->name,
            site->drift[0] ? site->drift : "more than one startable copy");
}

static enum concern why_site(
    const struct snapshot *snapshot, const struct site_state *site, struct freshness freshness, char *out)
{
    enum concern concern = shown_site(site, freshness).concern;
    if (concern == CONCERN_UNKNOWN)
        why_host(snapshot, site->host, freshness, out);
    else if (concern == CONCERN_CONFLICT)
        why_conflict(snapshot, site, out);
    else if (site->mark != MARK_NONE)
        why_marked(site, freshness, out);
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
