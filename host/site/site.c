/* Stop, start and restart the containers of a site. Each verb looks at a fresh inventory, needs the lease of its job,
 * excludes other commands on the site (also of other helpers), writes down what it is about to do before it does it,
 * and says honestly how each container ended. In threads of their own (host/verbs.c). */
#include "host/site/site.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/containers/inspect.h"
#include "host/inventory.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/storage/needed.h"
#include "host/verbs.h"

#define DEFAULT_GRACE_S 10
#define MOST_GRACE_S 300
#define SIGKILL_STATUS 137 /* 128 + SIGKILL: how engines report the exit of a process ended by a signal */

struct member {
    enum runtime_kind kind;
    const char *id, *name; /* borrowed from the inventory */
    bool was_running;
    bool to_start;
    bool stopped, started; /* done by us */
    json_t *answer;        /* what is said of it in the end */
};

struct work {
    struct session *session;
    int64_t request_id;
    const char *verb, *site; /* site: borrowed from the request */
    char job[LEASE_JOB_SIZE];
    int grace_s;
    int lock;
    json_t *containers; /* of the site, fresh, oldest first */
    json_t *before;     /* the record of the last command; NULL: none */
    VEC(struct member) members;
};

/* --- how many are going on ------------------------------------------------------------------------------------------
 */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count;
} going = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void site_going(int by)
{
    pthread_mutex_lock(&going.mutex);
    going.count += by;
    pthread_cond_broadcast(&going.changed);
    pthread_mutex_unlock(&going.mutex);
}

void site_finish(int64_t limit_us)
{
    struct timespec deadline = clock_timespec(clock_mono_us() + limit_us);
    int timed_out = 0;
    pthread_mutex_lock(&going.mutex);
    while (going.count > 0 && !timed_out)
        timed_out = pthread_cond_clockwait(&going.changed, &going.mutex, CLOCK_MONOTONIC, &deadline);
    pthread_mutex_unlock(&going.mutex);
}

/* --- looking --------------------------------------------------------------------------------------------------------
 */

json_t *site_select(const json_t *inventory, const char *site)
{
    json_t *selected = json_array();
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        json_t *container = json_array_get(containers, i);
        const char *of = json_get_text(container, "site");
        if (of && strcmp(of, site) == 0)
            json_array_append(selected, container);
    }
    return selected;
}

const char *site_ended_by(int64_t exit_code, bool killed)
{
    if (killed || exit_code == SIGKILL_STATUS)
        return "kill";
    return exit_code > 128 && exit_code < 128 + 65 ? "term" : "exit";
}

static bool is_state(const json_t *container, const char *state)
{
    const char *now = json_get_text(container, "state");
    return now && strcmp(now, state) == 0;
}

static bool is_alive(const json_t *container)
{
    return is_state(container, "running") || is_state(container, "restarting") || is_state(container, "stopping");
}

/* States in which nothing may be done; said before anything is. */
static enum err refuse_odd_states(const struct work *work, struct err_info *info)
{
    for (size_t i = 0; i < json_array_size(work->containers); i++) {
        const json_t *container = json_array_get(work->containers, i);
        const char *name = json_get_text(container, "name"), *runtime = json_get_text(container, "runtime");
        if (is_state(container, "unknown"))
            return err_set(info, ERR_TIMEOUT, "%s does not answer, so the state of %s is unknown; nothing was changed",
                runtime, name);
        if (is_state(container, "paused"))
            return err_set(info, ERR_FAILED,
                "%s is paused (frozen) and can be neither stopped nor started; unpause it first (%s unpause %s); "
                "nothing was changed",
                name, runtime, name);
    }
    return ERR_OK;
}

/* Whether the last command on this site meant this container to run: it was stopped by it, or it never came to its end.
 */
static bool was_meant_to_run(const struct work *work, const char *id)
{
    const char *verb = json_get_text(work->before, "verb"), *state = json_get_text(work->before, "state");
    const json_t *running = json_object_get(work->before, "running");
    bool is_through = state && strcmp(state, "done") == 0;
    if (!verb || (is_through && strcmp(verb, "site.stop") != 0))
        return false;
    for (size_t i = 0; i < json_array_size(running); i++) {
        const char *known = json_string_value(json_array_get(running, i));
        if (known && strcmp(known, id) == 0)
            return true;
    }
    return false;
}

static void take_members(struct work *work)
{
    bool any = false;
    json_t *marked = mark_record(work->site); /* while it is marked, docker's own policies are `no` */
    for (size_t i = 0; i < json_array_size(work->containers); i++) {
        const json_t *container = json_array_get(work->containers, i);
        struct member *member = vec_add(&work->members);
        member->kind = runtime_by_name(json_get_text(container, "runtime"));
        member->id = json_get_text(container, "id");
        member->name = json_get_text(container, "name");
        member->was_running = is_alive(container);
        const char *policy = mark_policy(marked, member->id, json_get_text(container, "restart_policy"));
        bool is_kept_up = policy && strcmp(policy, "no") != 0;
        member->to_start = member->was_running || is_kept_up || was_meant_to_run(work, member->id);
        any = any || member->to_start;
        member->answer = json_object();
        json_put_text(member->answer, "name", member->name);
        json_put_text(member->answer, "id", member->id);
        json_put_text(member->answer, "state", json_get_text(container, "state"));
    }
    json_decref(marked);
    vec_each (&work->members, struct member, every)
        every->to_start = every->to_start || !any; /* where nothing is kept up, everything is meant */
}

/* --- the record -----------------------------------------------------------------------------------------------------
 */

/* "running" are the IDs that are to run when this command, or the start after a stop, is through. */
static enum err write_record(const struct work *work, const char *state, struct err_info *info)
{
    json_t *record = json_object(), *running = json_array();
    vec_each (&work->members, const struct member, member)
        if (member->to_start)
            json_array_append_new(running, json_string(member->id));
    json_put_text(record, "site", work->site);
    json_put_text(record, "verb", work->verb);
    json_put_text(record, "job", work->job);
    json_put_text(record, "state", state);
    json_put_i64(record, "at_us", clock_wall_us());
    json_object_set_new(record, "running", running);
    lease_put(work->site, record);
    enum err result = record_write(work->site, "json", record, info);
    json_decref(record);
    return result;
}

/* --- one container --------------------------------------------------------------------------------------------------
 */

static void report_progress(struct work *work, const struct member *member, const char *did)
{
    json_t *progress = json_object();
    json_put_text(progress, "container", member->name);
    json_put_text(progress, "did", did);
    session_progress(work->session, work->request_id, progress);
}

struct seen {
    enum runtime_kind kind;
    json_t *container; /* NULL: gone, or its engine does not answer */
};

static void see(const json_t *description, void *context)
{
    struct seen *seen = context;
    json_decref(seen->container);
    seen->container = inspect_container(seen->kind, description);
}

/* What the container is now; the caller's. */
static json_t *look_at(const struct member *member)
{
    struct seen seen = {.kind = member->kind};
    if (runtime_inspect(member->kind, &member->id, 1, see, &seen, NULL) != ERR_OK) {
        json_decref(seen.container);
        return NULL;
    }
    return seen.container;
}

static void put_state_now(struct member *member, const json_t *now)
{
    const char *state = json_get_text(now, "state");
    json_put_text(member->answer, "state", state ? state : "unknown");
}

static int64_t ms_since(int64_t began_us)
{
    return (clock_mono_us() - began_us) / USEC_PER_MSEC;
}

static void add_took(struct member *member, const char *key, int64_t took_ms)
{
    int64_t so_far = 0;
    json_get_i64(member->answer, "took_ms", &so_far);
    json_put_i64(member->answer, "took_ms", so_far + took_ms);
    json_put_i64(member->answer, key, took_ms);
}

/* An engine may complain (about a mount it cannot take away, say) although the container has ended: what counts is what
 * is. */
static enum err stop_member(struct work *work, struct member *member, struct err_info *info)
{
    bool killed;
    int64_t exit_code, began_us = clock_mono_us();
    enum err result = runtime_stop(member->kind, member->id, work->grace_s, &killed, info);
    int64_t took_ms = ms_since(began_us);
    json_t *now = look_at(member);
    put_state_now(member, now);
    if (result != ERR_OK && now && !is_alive(now)) {
        log_warning("%s has stopped, but: %s", member->name, info->message);
        result = ERR_OK;
    }
    if (result == ERR_OK && now && is_alive(now))
        result = err_set(info, ERR_FAILED, "%s says it stopped it, but it runs", runtime_name(member->kind));
    if (result == ERR_OK) {
        member->stopped = true;
        add_took(member, "stop_ms", took_ms);
        if (json_get_i64(now, "exit_code", &exit_code)) {
            json_put_text(member->answer, "ended_by", site_ended_by(exit_code, killed));
            json_put_i64(member->answer, "exit_code", exit_code);
        }
        report_progress(work, member, "stopped");
    }
    json_decref(now);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "%s did not stop", member->name);
}

static enum err start_member(struct work *work, struct member *member, struct err_info *info)
{
    int64_t began_us = clock_mono_us();
    enum err result = runtime_start(member->kind, member->id, info);
    int64_t took_ms = ms_since(began_us);
    json_t *now = look_at(member);
    put_state_now(member, now);
    json_decref(now);
    if (result != ERR_OK)
        return err_prefix(info, result, "%s did not start", member->name);
    member->started = true;
    add_took(member, "start_ms", took_ms);
    report_progress(work, member, "started");
    return ERR_OK;
}

/* --- all of them ----------------------------------------------------------------------------------------------------
 */

/* The newest first; ends at the first that does not stop. */
static enum err stop_members(struct work *work, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = work->members.count; i-- > 0 && result == ERR_OK;)
        if (work->members.items[i].was_running)
            result = stop_member(work, &work->members.items[i], info);
    return result;
}

/* The oldest first. Goes on after a failure: what can run shall run. The first failure is the one reported. */
static enum err start_members(struct work *work, bool only_stopped, struct err_info *info)
{
    struct err_info later;
    enum err result = ERR_OK;
    vec_each (&work->members, struct member, member) {
        bool needed = only_stopped ? member->stopped : member->to_start && (member->stopped || !member->was_running);
        if (!needed)
            continue;
        enum err this_one = start_member(work, member, result == ERR_OK ? info : &later);
        result = result == ERR_OK ? this_one : result;
    }
    return result;
}

/* Say at the end of a failure what runs now and what does not. */
static enum err tell_what_runs(const struct work *work, enum err result, struct err_info *info)
{
    struct buf running = BUF(256), down = BUF(256);
    vec_each (&work->members, const struct member, member) {
        struct buf *list = is_alive(member->answer) ? &running : &down;
        buf_printf(list, "%s%s", list->length ? ", " : "", member->name);
    }
    char message[sizeof info->message];
    str_copy(message, sizeof message, info->message);
    err_set(info, result, "%.500s; running now: %s; not running: %s", message,
        running.length ? buf_text(&running) : "none", down.length ? buf_text(&down) : "none");
    buf_free(&running);
    buf_free(&down);
    return result;
}

static json_t *answer_of(const struct work *work, bool starting)
{
    json_t *ok = json_object(), *containers = json_array();
    vec_each (&work->members, const struct member, member) {
        if (!member->stopped && !member->started) {
            json_put_i64(member->answer, "took_ms", 0);
            if (starting && !member->to_start)
                json_put_bool(member->answer, "left_alone", true);
        }
        json_array_append(containers, member->answer);
    }
    json_object_set_new(ok, "containers", containers);
    return ok;
}

/* --- verbs ----------------------------------------------------------------------------------------------------------
 */

static enum err look_at_site(struct work *work, struct err_info *info)
{
    json_t *inventory;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    work->containers = site_select(inventory, work->site);
    json_decref(inventory);
    if (json_array_size(work->containers) == 0)
        return err_set(info, ERR_NOT_FOUND, "no container of %s is on this host", work->site);
    if (record_read(work->site, "json", &work->before, NULL) != ERR_OK)
        work->before = NULL;
    result = refuse_odd_states(work, info);
    if (result == ERR_OK)
        take_members(work);
    return result;
}

static enum err read_args(struct work *work, const json_t *args, struct err_info *info)
{
    int64_t grace_s = DEFAULT_GRACE_S;
    work->site = json_get_text(args, "site");
    if (json_get_i64(args, "grace_s", &grace_s) && (grace_s < 1 || grace_s > MOST_GRACE_S))
        return err_set(info, ERR_INVALID, "args.grace_s is from 1 to %d seconds", MOST_GRACE_S);
    work->grace_s = (int)grace_s;
    return lease_job(args, work->job, info);
}

typedef enum err site_procedure(struct work *work, struct err_info *info);

/* What has ended now does not start by hand either. It is down whatever becomes of this, and its mark stands. */
static void cover_stopped(const struct work *work)
{
    struct err_info why;
    if (mark_cover(work->site, work->containers, &why) != ERR_OK)
        log_warning("%s is stopped, but: %s", work->site, why.message);
}

static enum err run_procedure(struct work *work, site_procedure *procedure, struct err_info *info)
{
    bool stops_only = procedure == stop_members;
    enum err result = lease_check(work->site, work->job, info);
    if (result == ERR_OK)
        result = record_lock(work->site, "busy", false, &work->lock, info);
    if (result == ERR_OK)
        result = stops_only ? mark_allows_stop(work->site, info) : mark_allows_start(work->site, work->job, info);
    if (result == ERR_OK)
        result = look_at_site(work, info);
    if (result == ERR_OK && !stops_only)
        result = needed_make_ready(work->containers, info);
    if (result == ERR_OK && !stops_only) /* a copy on trial: docker would otherwise start it by itself at boot */
        result = mark_cover(work->site, work->containers, info);
    if (result == ERR_OK)
        result = write_record(work, "working", info);
    if (result != ERR_OK)
        return result;
    result = procedure(work, info);
    struct err_info ignored;
    if (stops_only)
        cover_stopped(work);
    if (write_record(work, result == ERR_OK ? "done" : "failed", &ignored) != ERR_OK)
        log_warning("the outcome of %s on %s was not written down: %s", work->verb, work->site, ignored.message);
    return result == ERR_OK ? ERR_OK : tell_what_runs(work, result, info);
}

static void free_work(struct work *work)
{
    vec_each (&work->members, struct member, member)
        json_decref(member->answer);
    vec_free(&work->members);
    json_decref(work->containers);
    json_decref(work->before);
    record_unlock(work->lock);
}

static enum err run_verb(
    struct work *work, const json_t *args, site_procedure *procedure, json_t **ok, struct err_info *info)
{
    struct err_info own;
    work->lock = -1;
    info = info ? info : &own;
    enum err result = read_args(work, args, info);
    if (result == ERR_OK) {
        site_going(1);
        result = run_procedure(work, procedure, info);
        site_going(-1);
    }
    if (result == ERR_OK)
        *ok = answer_of(work, procedure != stop_members);
    free_work(work);
    return result;
}

/* A container whose stop was cut off in the middle neither runs nor can be started: its stop is brought to its end. */
static enum err start_procedure(struct work *work, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t i = work->members.count; i-- > 0 && result == ERR_OK;)
        if (is_state(work->members.items[i].answer, "stopping"))
            result = stop_member(work, &work->members.items[i], info);
    return result == ERR_OK ? start_members(work, false, info) : result;
}

static enum err restart_procedure(struct work *work, struct err_info *info)
{
    enum err result = stop_members(work, info);
    if (result == ERR_OK)
        return start_members(work, false, info);
    start_members(work, true, NULL); /* a site that cannot be stopped whole is not left half stopped */
    return result;
}

enum err verb_site_start(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work work = {.session = session, .request_id = request_id, .verb = "site.start"};
    return run_verb(&work, args, start_procedure, ok, info);
}

enum err verb_site_stop(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work work = {.session = session, .request_id = request_id, .verb = "site.stop"};
    return run_verb(&work, args, stop_members, ok, info);
}

enum err verb_site_restart(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct work work = {.session = session, .request_id = request_id, .verb = "site.restart"};
    return run_verb(&work, args, restart_procedure, ok, info);
}
