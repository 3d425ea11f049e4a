/* Where a site really is. Every compute host is asked for the site's containers and its mark; of what they say comes
 * one sentence, and where that is a conflict the commands that end it. A host that does not answer is never taken for
 * one that has nothing. Runs in the thread of whoever asks. */
#include "actions/where.h"

#include <stdlib.h>
#include <string.h>

#include "actions/subject.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define DEADLINE_US (5 * USEC_PER_SEC)

/* What a site's mark on a host makes of it there. */
static const struct {
    const char *mark, *state;
} states[] = {
    {"stopped", "stopped"},
    {"incoming", "incoming"},
    {"leaving", "fenced"},
    {"kept", "kept"},
    {"quarantined", "quarantined"},
};

/* --- one host ----------------------------------------------------------------------------------------------------- */

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_get_text(object, key);
    return text && strcmp(text, wanted) == 0;
}

static const json_t *find_mark(const json_t *status, const char *site)
{
    const json_t *mark;
    size_t i;
    json_array_foreach (json_object_get(status, "marks"), i, mark)
        if (is_text(mark, "site", site) || !json_get_text(mark, "site"))
            return mark;
    return NULL;
}

static const char *state_of(const json_t *mark, size_t containers)
{
    const char *word = mark ? json_get_text(mark, "mark") : NULL;
    for (size_t i = 0; word && i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i].mark, word) == 0)
            return states[i].state;
    return containers ? "active" : "absent";
}

static bool is_alive(const json_t *container)
{
    return is_text(container, "state", "running") || is_text(container, "state", "paused") ||
           is_text(container, "state", "restarting");
}

/* Nothing but a person's hand would start it where the policy is "no". */
static bool starts_at_boot(const json_t *container)
{
    const char *policy = json_get_text(container, "restart_policy");
    return policy && policy[0] && strcmp(policy, "no") != 0;
}

static void put_clean(json_t *row, const char *key, const json_t *from, const char *from_key)
{
    const char *text = json_get_text(from, from_key);
    char clean[REASON_SIZE];
    if (!text)
        return;
    sanitize(clean, sizeof clean, text, strlen(text));
    json_put_text(row, key, clean);
}

static void put_time(json_t *row, const char *key, const json_t *from)
{
    int64_t at_us;
    if (json_get_i64(from, key, &at_us) && at_us > 0)
        json_put_i64(row, key, at_us);
}

static void put_containers(json_t *row, const json_t *status)
{
    json_t *containers = json_array();
    const json_t *container;
    size_t i;
    int64_t running = 0;
    bool startable = false;
    json_array_foreach (json_object_get(status, "containers"), i, container) {
        json_t *entry = json_object();
        put_clean(entry, "name", container, "name");
        put_clean(entry, "id", container, "id");
        put_clean(entry, "runtime", container, "runtime");
        put_clean(entry, "state", container, "state");
        put_clean(entry, "restart_policy", container, "restart_policy");
        json_array_append_new(containers, entry);
        running += is_alive(container);
        startable |= is_alive(container) || starts_at_boot(container);
    }
    json_object_set_new(row, "containers", containers);
    json_put_i64(row, "running", running);
    json_put_bool(row, "startable", startable && is_text(row, "state", "active"));
}

static json_t *row_of(const char *site, const struct host_answer *answer)
{
    json_t *row = json_object();
    json_put_text(row, "host", answer->host->name);
    if (answer->err && answer->err != ERR_NOT_FOUND) { /* not found: no container of this site is there */
        json_put_bool(row, "answered", false);
        json_put_text(row, "why", answer->why);
        return row;
    }
    const json_t *mark = find_mark(answer->ok, site);
    json_put_bool(row, "answered", true);
    json_put_text(row, "state", state_of(mark, json_array_size(json_object_get(answer->ok, "containers"))));
    put_containers(row, answer->ok);
    if (!mark)
        return row;
    put_clean(row, "mark", mark, "mark");
    put_clean(row, "job", mark, "job");
    put_clean(row, "peer", mark, "peer");
    put_clean(row, "note", mark, "note");
    put_time(row, "since_us", mark);
    put_time(row, "until_us", mark);
    return row;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

#define NAMES_SHOWN 64

/* The hosts in a state (NULL: that did not answer), as "a, b and c". Returns how many. */
static size_t list_hosts(const json_t *rows, const char *state, struct buf *out)
{
    const char *names[NAMES_SHOWN];
    const json_t *row;
    size_t i, count = 0;
    json_array_foreach (rows, i, row) {
        bool wanted = state ? is_text(row, "state", state) : json_is_false(json_object_get(row, "answered"));
        if (wanted && count++ < NAMES_SHOWN)
            names[count - 1] = json_get_text(row, "host");
    }
    size_t shown = count < NAMES_SHOWN ? count : NAMES_SHOWN;
    for (i = 0; i < shown; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", names[i]);
    if (count > shown)
        buf_printf(out, " and %zu more", count - shown);
    return count;
}

/* Beside a copy that runs, or would at boot, one that does neither is no rival: only a hand could start it. */
static size_t count_startable(json_t *rows)
{
    json_t *row;
    size_t i, startable = 0;
    json_array_foreach (rows, i, row)
        startable += json_is_true(json_object_get(row, "startable"));
    json_array_foreach (rows, i, row)
        if (startable && is_text(row, "state", "active") && json_is_false(json_object_get(row, "startable")))
            json_put_text(row, "state", "dormant");
    return startable;
}

/* In the order in which they matter; what is said of hosts in that state. */
static const struct {
    const char *state, *clause;
} clauses[] = {
    {"active", "active on"},
    {"quarantined", "quarantined on"},
    {"stopped", "stopped on"},
    {"fenced", "stopped for its move, on"},
    {"incoming", "a copy is being made on"},
    {"dormant", "containers that neither run nor start by themselves on"},
    {"kept", "the copy from before its move is kept on"},
    {NULL, "no answer from"},
};

static void say_where(const json_t *rows, size_t startable, struct buf *verdict)
{
    bool found = false;
    for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
        struct buf names = BUF(8192);
        size_t count = list_hosts(rows, clauses[i].state, &names);
        bool rivals = i == 0 && startable > 1;
        if (!clauses[i].state && !found)
            buf_puts(verdict, count ? "nowhere that answered" : "nowhere");
        if (rivals)
            buf_printf(
                verdict, "conflict: %s startable copies, on %s", startable == 2 ? "two" : "several", buf_text(&names));
        else if (count)
            buf_printf(verdict, "%s%s %s", verdict->length ? "; " : "", clauses[i].clause, buf_text(&names));
        found = found || count;
        buf_free(&names);
    }
}

/* --- the way out -------------------------------------------------------------------------------------------------- */

static void add_command(json_t *way_out, char *line)
{
    json_array_append_new(way_out, json_string(line));
    free(line);
}

static void add_for_hosts(json_t *way_out, const json_t *rows, const char *site, bool conflict)
{
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row) {
        const char *host = json_get_text(row, "host");
        if (conflict && is_text(row, "state", "active"))
            add_command(way_out, xasprintf("dogwatch stop %s --on %s", site, host));
        if (json_is_false(json_object_get(row, "answered")))
            add_command(way_out, xasprintf("dogwatch host test %s", host));
    }
}

static bool any_in(const json_t *rows, const char *state)
{
    const json_t *row;
    size_t i;
    json_array_foreach (rows, i, row)
        if (is_text(row, "state", state))
            return true;
    return false;
}

/* In a conflict: one line for each copy, each stops that one and leaves the others; a person has to choose. */
static json_t *find_way_out(const json_t *rows, const char *site, size_t startable)
{
    json_t *way_out = json_array();
    bool active = any_in(rows, "active");
    if (!active && any_in(rows, "quarantined"))
        add_command(way_out, xasprintf("dogwatch release %s", site));
    else if (!active && any_in(rows, "stopped"))
        add_command(way_out, xasprintf("dogwatch start %s", site));
    else if (!active && (any_in(rows, "fenced") || any_in(rows, "incoming") || any_in(rows, "kept")))
        add_command(way_out, xstrdup("dogwatch jobs"));
    add_for_hosts(way_out, rows, site, startable > 1);
    return way_out;
}

json_t *where_judge(const char *site, const struct host_answer *answers, size_t count)
{
    json_t *where = json_object(), *rows = json_array();
    struct buf verdict = BUF((size_t)64 << 10);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, row_of(site, &answers[i]));
    size_t startable = count_startable(rows);
    say_where(rows, startable, &verdict);
    json_put_text(where, "site", site);
    json_put_text(where, "verdict", buf_text(&verdict));
    json_object_set_new(where, "way_out", find_way_out(rows, site, startable));
    json_object_set_new(where, "hosts", rows);
    buf_free(&verdict);
    return where;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static bool is_known(const struct plan_request *request, const json_t *where)
{
    const json_t *row;
    size_t i;
    if (fleet_site(request->fleet, request->object) || snapshot_site(request->snapshot, request->object))
        return true;
    json_array_foreach (json_object_get(where, "hosts"), i, row)
        if (!is_text(row, "state", "absent"))
            return true; /* a host that did not answer might have it */
    return false;
}

enum err where_ask(const struct plan_request *request, json_t **out, struct err_info *info)
{
    const struct fleet *fleet = request->fleet;
    size_t count = 0;
    *out = NULL;
    if (!name_is_valid(request->object))
        return err_set(info, ERR_INVALID, "this is no name of a site");
    struct host_answer *answers = xcalloc(fleet->hosts.count + 1, sizeof *answers);
    vec_each (&fleet->hosts, const struct host_def, host)
        if (host->roles & ROLE_COMPUTE)
            answers[count++].host = host;
    json_t *args = json_object();
    json_put_text(args, "site", request->object);
    ask_many(request, "site.status", args, DEADLINE_US, answers, count);
    json_decref(args);
    *out = where_judge(request->object, answers, count);
    host_answers_free(answers, count);
    free(answers);
    if (is_known(request, *out))
        return ERR_OK;
    json_decref(*out);
    *out = NULL;
    const struct site_state *site;
    enum err err = subject_find(request, &site, info); /* it names the nearest */
    return err ? err : err_set(info, ERR_NOT_FOUND, "no host has %s any more", request->object);
}
