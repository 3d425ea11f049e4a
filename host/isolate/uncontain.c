/* Letting a contained site go. In this order: stalled connections are ended while the drop still stands, docker's
 * networks come back, the drop goes, what we froze runs again, the mark is what it was, and what ran and has ended
 * meanwhile is started. Each step is harmless to take again: a release that was cut off is asked for again. In threads
 * of their own (host/verbs.c). */
#include "host/isolate/contain.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/containers/runtime.h"
#include "host/evidence/freeze.h"
#include "host/isolate/connections.h"
#include "host/isolate/drop.h"
#include "host/isolate/networks.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/record.h"
#include "host/site/site.h"
#include "host/verbs.h"

struct release {
    const char *site; /* borrowed from the request */
    char job[LEASE_JOB_SIZE];
    bool unpause;
    enum site_mark restore;
    json_t *record; /* SITE.contain; an empty object where there is none */
    json_t *containers;
    json_t *thawed, *started, *left_out;
    int64_t killed;
};

static enum err read_args(struct release *release, const json_t *args, struct err_info *info)
{
    release->site = json_get_text(args, "site");
    release->unpause = true;
    json_get_bool(args, "unpause", &release->unpause);
    if (!mark_parse(json_get_text(args, "restore"), &release->restore) || release->restore == MARK_QUARANTINED)
        return err_set(info, ERR_INVALID, "args.restore is the mark before: none, stopped, incoming, leaving or kept");
    return lease_job(args, release->job, info);
}

/* Nothing that was stalled may go on; where it cannot be helped, it is said. */
static void end_connections(struct release *release)
{
    struct err_info why;
    int64_t left = 0;
    if (connections_kill(release->containers, &release->killed, &left, &why) != ERR_OK)
        contain_leave_out(release->left_out, "connections", why.message);
    else if (left)
        contain_leave_out(release->left_out, "connections",
            "some could not be ended: this kernel cannot destroy sockets (INET_DIAG_DESTROY); they may go on");
}

static const json_t *container_by_id(const struct release *release, const char *id)
{
    for (size_t i = 0; i < json_array_size(release->containers); i++) {
        const char *known = json_get_text(json_array_get(release->containers, i), "id");
        if (known && strcmp(known, id) == 0)
            return json_array_get(release->containers, i);
    }
    return NULL;
}

static bool has_ended(const json_t *container)
{
    const char *state = json_get_text(container, "state");
    return state && (strcmp(state, "exited") == 0 || strcmp(state, "created") == 0);
}

/* What ran when it was contained and has ended since: a restart in between was refused, or it was the host's. */
static void start_again(struct release *release)
{
    const json_t *running = json_object_get(release->record, "running");
    for (size_t i = 0; i < json_array_size(running) && release->restore == MARK_NONE; i++) {
        struct err_info why;
        const char *id = json_get_text(json_array_get(running, i), "id");
        const json_t *container = id ? container_by_id(release, id) : NULL;
        const char *name = json_get_text(container, "name");
        enum runtime_kind kind = runtime_by_name(json_get_text(container, "runtime"));
        if (!container || !name || kind == RUNTIME_COUNT || !has_ended(container))
            continue;
        if (runtime_start(kind, id, &why) == ERR_OK)
            json_array_append_new(release->started, json_string(name));
        else
            contain_leave_out(release->left_out, name, why.message);
    }
}

static enum err let_go(struct release *release, struct err_info *info)
{
    enum err result = contain_look(release->site, &release->containers, info);
    if (result != ERR_OK)
        return result;
    end_connections(release);
    result = networks_connect(json_object_get(release->record, "networks"), info);
    if (result == ERR_OK)
        result = drop_remove(release->site, info);
    if (result == ERR_OK && release->unpause)
        result = freeze_thaw(release->site, release->thawed, info);
    if (result == ERR_OK)
        result = mark_restore(release->site, MARK_QUARANTINED, release->restore, info);
    if (result == ERR_OK)
        start_again(release);
    return result == ERR_OK ? record_remove(release->site, CONTAIN_RECORD, info) : result;
}

static json_t *answer_of(const struct release *release)
{
    json_t *ok = json_object();
    json_put_i64(ok, "killed_connections", release->killed);
    json_object_set(ok, "containers", release->thawed);
    json_object_set(ok, "started", release->started);
    json_object_set(ok, "left_out", release->left_out);
    return ok;
}

static enum err run(struct release *release, json_t **ok, struct err_info *info)
{
    if (record_read(release->site, CONTAIN_RECORD, &release->record, NULL) != ERR_OK)
        release->record = json_object();
    release->thawed = json_array();
    release->started = json_array();
    release->left_out = json_array();
    enum err result = mark_check_restore(release->site, MARK_QUARANTINED, release->restore, info);
    if (result == ERR_OK)
        result = let_go(release, info);
    if (result == ERR_OK)
        *ok = answer_of(release);
    json_decref(release->thawed);
    json_decref(release->started);
    json_decref(release->left_out);
    json_decref(release->containers);
    json_decref(release->record);
    return result;
}

enum err verb_site_uncontain(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    struct release release = {0};
    int lock = -1;
    enum err result = read_args(&release, args, info);
    if (result == ERR_OK)
        result = lease_check(release.site, release.job, info);
    if (result == ERR_OK)
        result = record_lock(release.site, "busy", false, &lock, info);
    if (result == ERR_OK)
        result = run(&release, ok, info);
    record_unlock(lock);
    return result;
}
