/* Containing a site. In this order: the mark, so that nothing of it starts any more; the drop; only then what takes
 * longer (asking the engines, docker's restart policies and networks, freezing what cannot be cut). It looks again
 * until nothing new is found: a container that was just being restarted has a new interface. Whatever was done stays
 * done where a later step fails, and asking again goes on. In threads of their own (host/verbs.c). */
#include "host/isolate/contain.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/containers/runtime.h"
#include "host/isolate/drop.h"
#include "host/isolate/networks.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/verbs.h"

#define MOST_LOOKS 4
#define PAUSED_RECORD "paused" /* as host/evidence/freeze.h reads it */

struct contain {
    const char *site; /* borrowed from the request */
    char job[LEASE_JOB_SIZE];
    int64_t began_us;   /* monotonic */
    int64_t cut_us;     /* when the drop was in force for the last new interface */
    json_t *glance;     /* what was seen before any engine was asked */
    json_t *containers; /* as of the last look, and what only the glance has seen */
    json_t *record;     /* SITE.contain */
    json_t *interfaces; /* all that were ever cut, for the answer */
    json_t *left_out;
    struct isolate_found found;
    bool both; /* what is sent to them is dropped as well */
};

/* --- shared with uncontain.c ----------------------------------------------------------------------------------------
 */

void contain_leave_out(json_t *list, const char *what, const char *why)
{
    char clean[400];
    json_t *entry = json_object();
    sanitize(clean, sizeof clean, why, strlen(why));
    json_put_text(entry, "what", what);
    json_put_text(entry, "why", clean);
    json_array_append_new(list, entry);
}

/* --- cutting --------------------------------------------------------------------------------------------------------
 */

static bool is_cut(const struct contain *contain, const char *interface)
{
    for (size_t i = 0; i < json_array_size(contain->interfaces); i++) {
        const char *known = json_get_text(json_array_get(contain->interfaces, i), "interface");
        if (known && strcmp(known, interface) == 0)
            return true;
    }
    return false;
}

static bool note_interfaces(struct contain *contain)
{
    bool any_new = false;
    vec_each (&contain->found.interfaces, const struct isolate_interface, interface) {
        if (is_cut(contain, interface->name))
            continue;
        any_new = true;
        json_t *entry = json_object();
        json_put_text(entry, "container", interface->container);
        json_put_text(entry, "interface", interface->name);
        json_array_append_new(contain->interfaces, entry);
    }
    return any_new;
}

/* The drop on all interfaces that are there now. *any_new: some were not cut before. The first time also where there is
 * none: then at least it is known that nft does its work here. */
static enum err cut(struct contain *contain, bool *any_new, struct err_info *info)
{
    isolate_found_free(&contain->found);
    enum err result = isolate_find(contain->containers, &contain->found, info);
    if (result != ERR_OK)
        return result;
    *any_new = note_interfaces(contain);
    if (!*any_new && contain->cut_us)
        return ERR_OK;
    result = drop_apply(contain->site, &contain->found, &contain->both, info);
    contain->cut_us = clock_mono_us();
    return result;
}

/* --- what takes longer ----------------------------------------------------------------------------------------------
 */

static bool is_alive(const json_t *container)
{
    const char *state = json_get_text(container, "state");
    return state && (strcmp(state, "running") == 0 || strcmp(state, "restarting") == 0);
}

static json_t *list_in(json_t *record, const char *key)
{
    json_t *list = json_object_get(record, key);
    if (!json_is_array(list))
        json_object_set_new(record, key, json_array());
    return json_object_get(record, key);
}

static bool has_id(const json_t *list, const char *id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *known = json_get_text(json_array_get(list, i), "id");
        if (known && strcmp(known, id) == 0)
            return true;
    }
    return false;
}

static void add_container(json_t *list, const json_t *container)
{
    const char *id = json_get_text(container, "id");
    if (!runtime_id_is_valid(id) || has_id(list, id))
        return;
    json_t *entry = json_object();
    json_put_text(entry, "runtime", json_get_text(container, "runtime"));
    json_put_text(entry, "id", id);
    json_put_text(entry, "name", json_get_text(container, "name"));
    json_put_i64(entry, "at_us", clock_wall_us());
    json_array_append_new(list, entry);
}

/* What runs and which networks docker's have, before anything of it changes. */
static enum err write_down(struct contain *contain, struct err_info *info)
{
    json_t *running = list_in(contain->record, "running");
    enum err result = networks_note(contain->containers, list_in(contain->record, "networks"), info);
    for (size_t i = 0; i < json_array_size(contain->containers); i++)
        if (is_alive(json_array_get(contain->containers, i)))
            add_container(running, json_array_get(contain->containers, i));
    json_put_text(contain->record, "site", contain->site);
    json_put_text(contain->record, "job", contain->job);
    json_put_i64(contain->record, "at_us", clock_wall_us());
    enum err written = record_write(contain->site, CONTAIN_RECORD, contain->record, result == ERR_OK ? info : NULL);
    return result == ERR_OK ? written : result;
}

static const json_t *container_by_id(const struct contain *contain, const char *id)
{
    for (size_t i = 0; i < json_array_size(contain->containers); i++) {
        const json_t *container = json_array_get(contain->containers, i);
        const char *known = json_get_text(container, "id");
        if (known && strcmp(known, id) == 0)
            return container;
    }
    return NULL;
}

/* Written down before it is done, where the release looks for it. */
static enum err freeze(struct contain *contain, const json_t *container, struct err_info *info)
{
    json_t *record;
    if (record_read(contain->site, PAUSED_RECORD, &record, NULL) != ERR_OK)
        record = json_object();
    add_container(list_in(record, "containers"), container);
    enum err result = record_write(contain->site, PAUSED_RECORD, record, info);
    if (result == ERR_OK)
        result =
            runtime_pause(runtime_by_name(json_get_text(container, "runtime")), json_get_text(container, "id"), info);
    json_decref(record);
    return result;
}

static bool is_uncut(const struct contain *contain, const char *id)
{
    vec_each (&contain->found.uncut, const struct isolate_uncut, uncut)
        if (strcmp(uncut->id, id) == 0)
            return true;
    return false;
}

/* What the kernel shows is cut; what it does not show is known by its number alone. */
static void find_hidden(struct contain *contain)
{
    vec_each (&contain->found.counts, const struct isolate_count, count) {
        const json_t *container = container_by_id(contain, count->id);
        const char *state = json_get_text(container, "state"), *name = json_get_text(container, "name");
        if (!name || !state || strcmp(state, "running") != 0 || is_uncut(contain, count->id))
            continue;
        int told = networks_count(runtime_by_name(json_get_text(container, "runtime")), count->id);
        if (told > 0 && (size_t)told > count->interfaces)
            isolate_add_uncut(&contain->found, name, count->id,
                "%zu of its %d networks have no interface that can be seen, so it is frozen",
                (size_t)told - count->interfaces, told);
    }
}

static void freeze_uncut(struct contain *contain)
{
    vec_each (&contain->found.uncut, const struct isolate_uncut, uncut) {
        const json_t *container = container_by_id(contain, uncut->id);
        const char *state = json_get_text(container, "state");
        struct err_info why = {0};
        bool is_told = false;
        for (size_t i = 0; i < json_array_size(contain->left_out); i++) {
            const char *what = json_get_text(json_array_get(contain->left_out, i), "what");
            is_told = is_told || (what && strcmp(what, uncut->container) == 0);
        }
        if (!is_told)
            contain_leave_out(contain->left_out, uncut->container, uncut->why);
        if (container && state && strcmp(state, "running") == 0 && freeze(contain, container, &why) != ERR_OK)
            contain_leave_out(contain->left_out, uncut->container, why.message);
    }
}

/* The drop stands already. What fails here is said, and goes on elsewhere. */
static enum err do_the_rest(struct contain *contain, struct err_info *info)
{
    struct err_info later;
    enum err result = write_down(contain, info);
    find_hidden(contain);
    freeze_uncut(contain);
    enum err covered = mark_cover(contain->site, contain->containers, result == ERR_OK ? info : &later);
    result = result == ERR_OK ? covered : result;
    enum err taken = networks_disconnect(list_in(contain->record, "networks"), result == ERR_OK ? info : &later);
    return result == ERR_OK ? taken : result;
}

/* --- together -------------------------------------------------------------------------------------------------------
 */

/* What an engine that does not answer hides stays cut: the drop is always on all that is known. */
static enum err look(struct contain *contain, struct err_info *info)
{
    json_t *seen;
    enum err result = contain_look(contain->site, &seen, info);
    for (size_t i = 0; i < json_array_size(contain->glance); i++) {
        json_t *entry = json_array_get(contain->glance, i);
        if (!has_id(seen, json_get_text(entry, "id")))
            json_array_append(seen, entry);
    }
    json_decref(contain->containers);
    contain->containers = seen;
    return result;
}

static enum err begin(struct contain *contain, json_t **was, struct err_info *info)
{
    struct mark_wish wish = {.mark = {.what = MARK_QUARANTINED}, .any = true};
    str_copy(wish.mark.job, sizeof wish.mark.job, contain->job);
    enum err result = mark_set(contain->site, &wish, was, info);
    if (result == ERR_OK && record_read(contain->site, CONTAIN_RECORD, &contain->record, NULL) != ERR_OK)
        contain->record = json_object();
    return result;
}

/* What can be cut before the engines have said anything is cut at once, and also where they never say anything. */
static void cut_at_a_glance(struct contain *contain)
{
    struct err_info why;
    bool any_new;
    contain->glance = isolate_glance(contain->site);
    contain->containers = json_incref(contain->glance);
    if (json_array_size(contain->containers) && cut(contain, &any_new, &why) != ERR_OK)
        contain->cut_us = 0; /* once more, with its error, after the first look */
}

/* Until a look finds nothing that was not cut. Where an engine does not answer, what is of the other one is cut before
 * that is said. */
static enum err contain_site(struct contain *contain, struct err_info *info)
{
    bool any_new = true;
    struct err_info later;
    enum err result = ERR_OK;
    cut_at_a_glance(contain);
    for (int i = 0; i < MOST_LOOKS && any_new && result == ERR_OK; i++) {
        result = look(contain, info);
        enum err done = cut(contain, &any_new, result == ERR_OK ? info : &later);
        if (done == ERR_OK && (any_new || i == 0))
            done = do_the_rest(contain, result == ERR_OK ? info : &later);
        result = result == ERR_OK ? done : result;
    }
    return result;
}

static json_t *answer_of(const struct contain *contain, json_t *was)
{
    json_t *ok = json_object();
    json_object_set(ok, "interfaces", contain->interfaces);
    json_object_set(ok, "left_out", contain->left_out);
    json_object_set(ok, "was", was);
    json_put_i64(ok, "took_ms", (contain->cut_us - contain->began_us) / USEC_PER_MSEC);
    json_put_bool(ok, "inbound", contain->both);
    return ok;
}

static enum err run(struct contain *contain, json_t **ok, struct err_info *info)
{
    json_t *was = NULL;
    enum err result = begin(contain, &was, info);
    if (result == ERR_OK)
        result = contain_site(contain, info);
    if (result == ERR_OK && json_array_size(contain->containers) == 0)
        log_warning("%s is marked quarantined, but no container of it is on this host", contain->site);
    if (result == ERR_OK)
        *ok = answer_of(contain, was);
    else if (was)
        err_prefix(info, result, "%s is marked quarantined, but not all of it is contained", contain->site);
    json_decref(was);
    return result;
}

enum err verb_site_contain(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    struct contain contain = {.site = json_get_text(args, "site"), .began_us = clock_mono_us()};
    int lock = -1;
    enum err result = lease_job(args, contain.job, info);
    if (result == ERR_OK)
        result = lease_check(contain.site, contain.job, info);
    if (result == ERR_OK)
        result = record_lock(contain.site, "busy", false, &lock, info);
    if (result != ERR_OK)
        return result;
    contain.interfaces = json_array();
    contain.left_out = json_array();
    result = run(&contain, ok, info);
    isolate_found_free(&contain.found);
    json_decref(contain.interfaces);
    json_decref(contain.left_out);
    json_decref(contain.containers);
    json_decref(contain.glance);
    json_decref(contain.record);
    record_unlock(lock);
    return result;
}
