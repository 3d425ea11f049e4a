/* migrate: make a site anew on another host, copy while it runs, let requests wait at the proxy for the last of it,
 * prove the new one, switch the route, keep the old copy where it cannot start. Everything before the switch can be
 * taken back; from then on the job only goes forward. The plan asks both ends what is there and changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "actions/move.h"
#include "actions/step.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define SENDS_FILES "rsync -aHAXS --delete"
#define SENDS_SNAPSHOTS "btrfs subvolume snapshot -r, btrfs send, btrfs receive"
#define DRAIN_MS 5000
#define PROOF_EVERY_MS 25
/* Typical times (measured by hand: stop 0.9–1.2 s, start 0.3 s, three good answers 0.2 s, route 0.03 s). A pass looks
 * at each file once, 50 µs; btrfs does not. */
#define TYPICAL_STOP_US (1200 * USEC_PER_MSEC)
#define TYPICAL_START_US (400 * USEC_PER_MSEC)
#define TYPICAL_PROOF_US (200 * USEC_PER_MSEC)
#define TYPICAL_ROUTE_US (50 * USEC_PER_MSEC)
#define TYPICAL_LAST_US (300 * USEC_PER_MSEC)
#define FILE_US 50

/* --- how long ----------------------------------------------------------------------------------------------------- */

/* Of the newest migration of this site that was done: how long a step of this kind took in all; 0 where none was. */
static int64_t took_before(const struct job_step_list *steps, const struct step_kind *kind)
{
    int64_t us = 0;
    vec_each (&steps->items, const struct job_step_record, step)
        if (strcmp(step->name, kind->name) == 0 && step->state == STEP_DONE && step->ended_us > step->started_us)
            us += step->ended_us - step->started_us;
    return us;
}

static void predict(struct move *move)
{
    struct job_step_list steps = {0};
    json_t *plan = NULL;
    int64_t job_id = 0, count = (int64_t)json_array_size(move->containers);
    int64_t volumes = (int64_t)json_array_size(json_object_get(move->described, "volumes"));
    bool known = subject_last_job(move->request, "migrate", move->site->name, &job_id, &plan, &steps) &&
                 took_before(&steps, &step_activate) > 0;
    int64_t stop_us = known ? took_before(&steps, &step_stop) : count * TYPICAL_STOP_US;
    int64_t start_us = known ? took_before(&steps, &step_start) : count * TYPICAL_START_US;
    if (move->ignores_term && !known)
        stop_us += MOVE_GRACE_S * USEC_PER_SEC;
    plan_add_part(move->plan, "stop", stop_us);
    plan_add_part(move->plan, "last pass", volumes * TYPICAL_LAST_US + move->files * FILE_US);
    plan_add_part(move->plan, "start", start_us);
    plan_add_part(move->plan, "proof", TYPICAL_PROOF_US);
    plan_add_part(move->plan, "route", TYPICAL_ROUTE_US);
    move->plan->cut_us = 0;
    vec_each (&move->plan->parts, const struct plan_part, part)
        move->plan->cut_us += part->us;
    move->plan->cut_rests_on =
        known ? xasprintf("stop and start took so long in job %lld, the rest is typical", (long long)job_id)
              : xstrdup("typical times, and 50 µs for each file");
    json_decref(plan);
    job_step_list_free(&steps);
}

/* --- the steps ---------------------------------------------------------------------------------------------------- */

static json_t *ends_of(const struct move *move)
{
    const struct plan_options *options = move->request->options;
    json_t *parameters = json_object();
    json_put_text(parameters, "from", move->site->host);
    json_put_text(parameters, "to", move->to);
    json_put_text(parameters, "runtime", move->runtime);
    json_put_text(parameters, "from_runtime", move->from_runtime);
    if (options && options->limit_bytes_s)
        json_put_i64(parameters, "limit_bytes_s", options->limit_bytes_s);
    if (options && options->through_console)
        json_put_bool(parameters, "through_console", true);
    return parameters;
}

/* How it is copied, where that is not as ever. `bytes` 0: how much is not known. */
static void way_words(const struct move *move, double bytes, char out[128])
{
    const struct plan_options *options = move->request->options;
    char rate[FORMAT_SIZE], time[FORMAT_SIZE], least[FORMAT_SIZE + 32] = "";
    out[0] = '\0';
    if (options && options->limit_bytes_s) {
        double seconds = bytes / (double)options->limit_bytes_s;
        if (seconds >= 1)
            str_format(
                least, sizeof least, ", up to %s", format_duration((int64_t)(seconds * (double)USEC_PER_SEC), time));
        str_format(out, 128, ", at most %s%s", format_rate((double)options->limit_bytes_s, rate), least);
    }
    size_t length = strlen(out);
    if (options && options->through_console)
        str_format(out + length, 128 - length, ", through this console");
}

static bool is_first_use(const json_t *containers, size_t index)
{
    const char *id = json_get_text(json_array_get(containers, index), "image_id");
    for (size_t i = 0; i < index; i++)
        if (id && move_text_is(json_array_get(containers, i), "image_id", id))
            return false;
    return true;
}

/* What a copy weighs when it is said how much of the job is done. */
static void put_bytes(json_t *parameters, double bytes)
{
    if (bytes > 0)
        json_put_i64(parameters, "bytes", (int64_t)bytes);
}

static void add_images(const struct move *move)
{
    const json_t *containers = json_object_get(move->described, "containers"), *container;
    size_t i;
    json_array_foreach (containers, i, container) {
        json_t *parameters = ends_of(move);
        char size[FORMAT_SIZE], way[128];
        double bytes = json_get_number(container, "image_bytes");
        if (!is_first_use(containers, i)) {
            json_decref(parameters);
            continue;
        }
        json_put_text(parameters, "image_id", json_get_text(container, "image_id"));
        json_put_text(parameters, "image", json_get_text(container, "image"));
        json_object_set(parameters, "layers", json_object_get(container, "layers"));
        put_bytes(parameters, bytes);
        way_words(move, bytes, way);
        plan_add_step(move->plan, &step_image, move->site->host, parameters, "end the copying; the image stays",
            "copy the image %s (%s, %.12s) to %s unless it has it, compare by ID%s", json_get_text(container, "image"),
            format_bytes(bytes, size), json_get_text(container, "image_id"), move->to, way);
        plan_runs(move->plan, "image.find; %s save, %s load", move->from_runtime, move->runtime);
    }
}

static void add_copy(const struct move *move, json_t *volume, json_t *parameters)
{
    bool snapshots = move_text_is(volume, "driver", "btrfs");
    double bytes = json_get_number(volume, "used_bytes");
    char size[FORMAT_SIZE], way[128];
    put_bytes(parameters, bytes);
    way_words(move, bytes, way);
    plan_add_step(move->plan, &step_copy, move->site->host, parameters, "end the copying",
        "copy volume %s (%s) to %s while the site runs: %s%s", json_get_text(volume, "name"), format_bytes(bytes, size),
        move->to, snapshots ? "btrfs send and receive, snapshot by snapshot" : "rsync, pass by pass", way);
    plan_runs(move->plan, "transfer.send: %s", snapshots ? SENDS_SNAPSHOTS : SENDS_FILES);
}

static void add_last_pass(const struct move *move, json_t *volume, json_t *parameters)
{
    const char *name = json_get_text(volume, "name");
    char way[128];
    if (move_text_is(volume, "driver", "mount")) {
        plan_add_step(move->plan, &step_last_pass, move->site->host, parameters,
            "unmount it there and mount it here again",
            "unmount %s here, mount it on %s, now and at each boot (/etc/fstab)", name, move->to);
        plan_runs(move->plan, "volume.detach: umount; volume.attach: mount");
        return;
    }
    way_words(move, 0, way);
    plan_add_step(move->plan, &step_last_pass, move->site->host, parameters, "end the copying",
        "copy what was written to %s since%s", name, way);
    plan_runs(move->plan, "transfer.send: %s", move_text_is(volume, "driver", "btrfs") ? SENDS_SNAPSHOTS : SENDS_FILES);
}

static void add_copies(const struct move *move, bool last)
{
    json_t *volume;
    size_t i;
    json_array_foreach (json_object_get(move->described, "volumes"), i, volume) {
        if (!last && move_text_is(volume, "driver", "mount"))
            continue;
        json_t *parameters = ends_of(move);
        json_object_set(parameters, "volume", volume);
        if (last)
            add_last_pass(move, volume, parameters);
        else
            add_copy(move, volume, parameters);
    }
}

static void add_preparation(const struct move *move)
{
    const char *from = move->site->host;
    json_t *note = json_object();
    json_object_set(note, "containers", move->containers);
    subject_add_lease(move->plan, from);
    subject_add_lease(move->plan, move->to);
    proxies_add_leases(move->plan, &move->proxies);
    plan_add_step(
        move->plan, &step_note, from, note, NULL, "keep the state and the last log lines of %s", move->site->name);
    plan_add_step(move->plan, &step_incoming, move->to, ends_of(move), "remove what was made and copied there",
        "mark %s as incoming, so that nothing of it starts there by itself", move->site->name);
    add_images(move);
    add_copies(move, false);
    plan_add_step(move->plan, &step_create, move->to, ends_of(move), "remove its containers there",
        "make its containers anew with %s, not started", move->runtime);
    plan_runs(move->plan, "site.definition, site.create: %s create", move->runtime);
    json_t *leave = json_object();
    json_put_text(leave, "peer", move->to);
    plan_add_step(move->plan, &step_leave, from, leave, "take the mark away",
        "mark it as leaving: once stopped it does not start here again");
}

static void add_cut(const struct move *move)
{
    const char *from = move->site->host;
    json_t *stop = json_object(), *start = json_object(), *proof = json_object();
    char *names = subject_names(move->containers);
    json_put_text(stop, "mark", "leaving");
    json_put_bool(stop, "marked", true);
    json_put_text(stop, "peer", move->to);
    json_put_i64(stop, "grace_s", MOVE_GRACE_S);
    json_object_set(stop, "containers", move->containers);
    json_put_text(start, "mark", "incoming");
    json_put_text(start, "before", "incoming");
    json_put_bool(start, "marked", true);
    json_put_text(start, "peer", from);
    json_put_text(proof, "made", "made");
    json_put_i64(proof, "every_ms", PROOF_EVERY_MS);
    if (move->health)
        json_object_set(proof, "health", move->health);
    proxies_add_hold(move->plan, &move->proxies);
    proxies_add_drain(move->plan, &move->proxies, DRAIN_MS);
    plan_add_step(move->plan, &step_stop, from, stop, "start it here again", "stop %s (SIGTERM, SIGKILL after %d s)",
        names, MOVE_GRACE_S);
    plan_runs(move->plan, "site.stop: %s stop -t %d", move->from_runtime, MOVE_GRACE_S);
    add_copies(move, true);
    plan_add_step(move->plan, &step_start, move->to, start, "stop it there", "start %s", names);
    plan_runs(move->plan, "site.start: %s start", move->runtime);
    plan_add_step(move->plan, &step_proof, move->to, proof, NULL,
        "see that these very containers run%s, 3 times in a row", move->health ? " and answer as they should" : "");
    free(names);
}

static void add_handover(const struct move *move)
{
    const char *from = move->site->host;
    const struct plan_options *options = move->request->options;
    int64_t keep_us = options && options->keep_us ? options->keep_us : PLAN_KEEP_US;
    json_t *keep = ends_of(move), *gate = json_object();
    int64_t port =
        move->proxies.items.count ? move->proxies.items.items[0].port : 0; /* of several, the one routed to */
    char for_time[FORMAT_SIZE];
    json_put_text(gate, "made", "made");
    if (move->health)
        json_object_set(gate, "health", move->health);
    json_put_i64(keep, "keep_us", keep_us);
    proxies_add_route(move->plan, &move->proxies, move->to, port ? port : move->port);
    proxies_add_unhold(move->plan, &move->proxies);
    plan_add_step(
        move->plan, &step_activate, move->to, ends_of(move), NULL, "let it start there by itself from now on");
    plan_add_step(move->plan, &step_keep, from, keep, NULL,
        "keep the old copy for %s where it cannot start; `dogwatch undo` brings the site back",
        format_age(keep_us, for_time));
    plan_add_step(
        move->plan, &step_gate, move->to, gate, NULL, "see that it stays well there, 3 times in a row, a second apart");
    plan_add_step(move->plan, &step_close, from, ends_of(move), NULL, "remove the keys and snapshots of the copying");
    proxies_add_releases(move->plan, &move->proxies);
    subject_add_release(move->plan, move->to);
    subject_add_release(move->plan, from);
}

/* --- the plan ----------------------------------------------------------------------------------------------------- */

static void write_plan(struct move *move)
{
    struct plan *plan = move->plan;
    str_copy(plan->to, sizeof plan->to, move->to);
    move->containers = subject_containers(move->request, move->site->name, move->site->host, true, plan);
    move->health = subject_health(move->request, move->site->name, move->to, plan);
    if (move->is_kept_there)
        plan_warn(plan, "the old copy kept on %s is brought up to date and used: it is no way back any more", move->to);
    add_preparation(move);
    add_cut(move);
    add_handover(move);
    predict(move);
    proxies_warn_cut(plan, &move->proxies);
    plan->loses =
        xstrdup("Nothing that was acknowledged is lost: the site is stopped before the last of it is copied.");
}

enum err migrate_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    struct move move = {.request = request, .plan = plan};
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    enum err err = subject_find(request, &move.site, info);
    if (err)
        return err;
    subject_begin_plan(plan, "migrate", move.site, move.site->host);
    err = move_look(&move, info);
    if (!err)
        write_plan(&move);
    plan_proxies_free(&move.proxies);
    json_decref(move.health);
    json_decref(move.containers);
    json_decref(move.room);
    json_decref(move.described);
    return err;
}
