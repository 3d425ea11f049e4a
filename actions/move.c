/* migrate: make a site anew on another host, copy while it runs, let requests wait at the proxy for the last of it,
 * prove the new one, switch the route, keep the old copy where it cannot start. Everything before the switch can be
 * taken back; from then on the job only goes forward. The plan asks both ends what is there and changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "actions/placement.h"
#include "actions/proxies.h"
#include "actions/step.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define GRACE_S 10
#define DRAIN_MS 5000
#define PROOF_EVERY_MS 50
#define CLOCK_OFF_US (10 * USEC_PER_SEC)
#define ROOM_SHARE 10 /* a tenth of a disk stays free */
/* Typical times (measured by hand: stop 0.9–1.2 s, start 0.3 s, three good answers 0.3 s, route 0.03 s). A pass looks
 * at each file once, 50 µs; btrfs does not. */
#define TYPICAL_STOP_US (1200 * USEC_PER_MSEC)
#define TYPICAL_START_US (400 * USEC_PER_MSEC)
#define TYPICAL_PROOF_US (300 * USEC_PER_MSEC)
#define TYPICAL_ROUTE_US (50 * USEC_PER_MSEC)
#define TYPICAL_LAST_US (300 * USEC_PER_MSEC)
#define FILE_US 50

struct move {
    const struct plan_request *request;
    const struct site_state *site;
    struct plan *plan;
    char to[NAME_SIZE];
    char runtime[16]; /* on the target */
    char from_runtime[16];
    json_t *described;  /* site.describe of the source */
    json_t *room;       /* host.room of the target */
    json_t *containers; /* that run: name and id */
    json_t *health;     /* NULL: not declared */
    struct plan_proxies proxies;
    int64_t bytes, files, memory_bytes; /* bytes −1: not known */
    int64_t port;                       /* published; 0: none */
    bool ignores_term, is_kept_there;
};

static bool text_is(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_get_text(object, key);
    return text && strcmp(text, wanted) == 0;
}

static json_t *about(const struct move *move)
{
    json_t *args = json_object();
    json_put_text(args, "site", move->site->name);
    return args;
}

/* --- may it be done? ---------------------------------------------------------------------------------------------- */

static enum err choose_target(struct move *move, struct err_info *info)
{
    const struct plan_request *request = move->request;
    const char *wanted = request->options ? request->options->to : "";
    if (!*wanted) {
        char why[512];
        enum err err = placement_best(request, move->site->name, move->to, why, sizeof why, info);
        if (!err)
            plan_warn(move->plan, "%s was chosen as the best place: %s; `--to HOST` takes another", move->to, why);
        return err;
    }
    str_copy(move->to, sizeof move->to, wanted);
    const struct host_def *def = fleet_host(request->fleet, wanted);
    if (!def) {
        const char **names = xcalloc(request->fleet->hosts.count + 1, sizeof *names);
        for (size_t i = 0; i < request->fleet->hosts.count; i++)
            names[i] = request->fleet->hosts.items[i].name;
        const char *nearest = name_nearest(wanted, names, request->fleet->hosts.count);
        free(names);
        return err_set(info, ERR_NOT_FOUND, "no host is called \"%s\"%s%s%s", wanted,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    if (strcmp(wanted, move->site->host) == 0)
        return err_set(info, ERR_INVALID, "%s is on %s already", move->site->name, wanted);
    if (!(def->roles & ROLE_COMPUTE))
        return err_set(info, ERR_INVALID, "%s is no compute host: sites do not live there", wanted);
    const struct host_state *state = snapshot_host(request->snapshot, wanted);
    return state && state->status == HOST_UP ? ERR_OK
                                             : err_set(info, ERR_UNREACHABLE, "%s cannot be reached: %s", wanted,
                                                   state ? state->reason : "nothing is known of it yet");
}

static enum err check_site(const struct move *move, struct err_info *info)
{
    const struct site_state *site = move->site;
    enum err err = subject_check_mark(site, info);
    if (err)
        return err;
    if (site->status == SITE_CONFLICT)
        return err_set(info, ERR_INVALID,
            "%s could start on more than one host: settle that first, see `dogwatch site "
            "where %s`",
            site->name, site->name);
    if (site->mark == MARK_STOPPED || site->status == SITE_STOPPED)
        return err_set(
            info, ERR_INVALID, "%s is stopped: start it first, so that the new place can be proven", site->name);
    if (!site->host[0] || !site->containers_total)
        return err_set(info, ERR_INVALID, "%s is on no host: there is nothing to move", site->name);
    return subject_check_host(move->request, site->name, site->host, info);
}

/* Another engine makes the same container of it, or cannot. */
static enum err allow_other_runtime(struct move *move, const char *now, const char *other, struct err_info *info)
{
    const json_t *container, *reason;
    size_t i, j;
    json_array_foreach (json_object_get(move->described, "containers"), i, container)
        json_array_foreach (json_object_get(container, "bound_to_runtime"), j, reason)
            return err_set(info, ERR_INVALID, "%s has no %s, and %s cannot change to %s: %s", move->to, now,
                json_get_text(container, "name"), other, json_string_value(reason));
    plan_warn(move->plan, "%s has no %s: the site goes on with %s there", move->to, now, other);
    return ERR_OK;
}

/* One engine on a site; the same one on the target where it has it, else the other where the definition allows. */
static enum err choose_runtime(struct move *move, struct err_info *info)
{
    const json_t *container, *runtime;
    const char *now = NULL, *other = NULL;
    bool same = false;
    size_t i, j;
    json_array_foreach (json_object_get(move->described, "containers"), i, container) {
        const char *its = json_get_text(container, "runtime");
        if (now && its && strcmp(now, its) != 0)
            return err_set(info, ERR_INVALID, "%s runs on podman and docker at once: that cannot be moved as one",
                move->site->name);
        now = its ? its : now;
    }
    json_array_foreach (json_object_get(move->room, "runtimes"), i, runtime) {
        const char *name = json_get_text(runtime, "name");
        if (!name || !json_is_true(json_object_get(runtime, "ok")))
            continue;
        same = same || (now && strcmp(name, now) == 0);
        other = name;
    }
    if (!now || (!same && !other))
        return err_set(info, ERR_INVALID, "%s has no container engine that answers", move->to);
    str_copy(move->runtime, sizeof move->runtime, same ? now : other);
    str_copy(move->from_runtime, sizeof move->from_runtime, now);
    json_array_foreach (json_object_get(move->described, "containers"), i, container) {
        const json_t *problem;
        json_array_foreach (json_object_get(container, "unsupported"), j, problem)
            return err_set(info, ERR_INVALID, "%s cannot be made anew faithfully: %s", json_get_text(container, "name"),
                json_string_value(problem));
    }
    return same ? ERR_OK : allow_other_runtime(move, now, other, info);
}

static bool has_port(const json_t *ports, int64_t port)
{
    size_t i;
    const json_t *used;
    json_array_foreach (ports, i, used)
        if (json_integer_value(used) == port)
            return true;
    return false;
}

/* Names and ports that are taken on the target. A copy that is kept there does not count: it is replaced. */
static enum err check_free(struct move *move, struct err_info *info)
{
    const json_t *container, *port;
    const json_t *mark = json_object_get(move->room, "mark");
    size_t i, j, here = json_array_size(json_object_get(move->room, "containers"));
    const char *word = json_is_string(mark) ? json_string_value(mark) : json_get_text(mark, "mark");
    /* "kept", or what a move left behind that could not reach the host in the end */
    move->is_kept_there = word && (!strcmp(word, "kept") || !strcmp(word, "incoming") || !strcmp(word, "leaving"));
    if (here && !move->is_kept_there)
        return err_set(info, ERR_EXISTS, "%s has containers of %s already: see `dogwatch site where %s`", move->to,
            move->site->name, move->site->name);
    json_array_foreach (json_object_get(move->described, "containers"), i, container) {
        json_array_foreach (json_object_get(container, "ports"), j, port) {
            int64_t number = 0;
            json_get_i64(port, "host", &number);
            move->port = move->port ? move->port : number;
            if (number && has_port(json_object_get(move->room, "listening"), number))
                return err_set(info, ERR_EXISTS, "port %lld is taken on %s, and %s needs it", (long long)number,
                    move->to, json_get_text(container, "name"));
        }
    }
    return ERR_OK;
}

/* Storage is unmounted and mounted by /etc/fstab, while visitors wait: that has to be there before. A helper that says
 * nothing of it is not asked for it. */
static enum err check_named_in_fstab(
    const json_t *room, const char *host, const char *path, const char *volume, struct err_info *info)
{
    const json_t *points = json_object_get(room, "mount_points"), *point;
    size_t i;
    json_array_foreach (points, i, point)
        if (strcmp(json_string_value(point) ? json_string_value(point) : "", path) == 0)
            return ERR_OK;
    return points ? err_set(info, ERR_INVALID,
                        "%s is storage mounted at %s, which is no mount point in /etc/fstab of %s: write its row there "
                        "first",
                        volume, path, host)
                  : ERR_OK;
}

/* Of bind mounts: their path is the same on both hosts. */
static enum err check_storage(struct move *move, struct err_info *info)
{
    const json_t *volume;
    json_t *here = NULL;
    enum err err = ERR_OK;
    size_t i;
    json_array_foreach (json_object_get(move->described, "volumes"), i, volume) {
        const char *path = json_get_text(volume, "path"), *name = json_get_text(volume, "name");
        if (err || !text_is(volume, "driver", "mount") || !text_is(volume, "kind", "bind") || !path || !name)
            continue;
        if (!here)
            err = plan_ask(move->request, move->site->host, "host.room", about(move), &here, info);
        if (!err)
            err = check_named_in_fstab(here, move->site->host, path, name, info);
        if (!err)
            err = check_named_in_fstab(move->room, move->to, path, name, info);
    }
    json_decref(here);
    return err;
}

/* --- room --------------------------------------------------------------------------------------------------------- */

static void add_up(struct move *move)
{
    const json_t *row;
    size_t i;
    json_array_foreach (json_object_get(move->described, "volumes"), i, row) {
        int64_t bytes, files = 0;
        if (text_is(row, "driver", "mount"))
            continue;
        if (!json_get_i64(row, "used_bytes", &bytes))
            move->bytes = -1;
        else if (move->bytes >= 0)
            move->bytes += bytes;
        json_get_i64(row, "files", &files);
        move->files += text_is(row, "driver", "btrfs") ? 0 : files;
    }
    json_array_foreach (json_object_get(move->described, "containers"), i, row) {
        int64_t limit = 0, image = 0, changes = 0;
        bool handles_term = true;
        json_get_i64(row, "memory_limit_bytes", &limit);
        json_get_i64(row, "image_bytes", &image);
        json_get_i64(row, "layer_changes", &changes);
        json_get_bool(row, "handles_term", &handles_term);
        move->memory_bytes += limit;
        move->bytes += move->bytes >= 0 ? image : 0;
        move->ignores_term = move->ignores_term || !handles_term;
        if (!handles_term)
            plan_warn(move->plan,
                "%s ignores SIGTERM: it is killed after %d s, and visitors wait as long; `--init` "
                "would cure it",
                json_get_text(row, "name"), GRACE_S);
        if (changes > 0)
            plan_warn(move->plan,
                "%s has changed %lld files outside its volumes: they stay in the old copy and do not "
                "move",
                json_get_text(row, "name"), (long long)changes);
    }
}

static enum err check_room(struct move *move, struct err_info *info)
{
    int64_t memory = -1, disk = -1, epoch_us = 0;
    const json_t *runtime;
    char need[FORMAT_SIZE], have[FORMAT_SIZE];
    size_t i;
    add_up(move);
    if (json_get_i64(move->room, "memory_available_bytes", &memory)) {
        plan_add_room(move->plan, move->to, "memory", memory, memory - move->memory_bytes);
        if (memory < move->memory_bytes)
            return err_set(info, ERR_FULL, "%s has %s of memory left, %s may need %s", move->to,
                format_bytes((double)memory, have), move->site->name, format_bytes((double)move->memory_bytes, need));
    }
    json_array_foreach (json_object_get(move->room, "runtimes"), i, runtime)
        if (text_is(runtime, "name", move->runtime))
            json_get_i64(runtime, "volumes_free_bytes", &disk);
    if (disk >= 0 && move->bytes >= 0) {
        plan_add_room(move->plan, move->to, "disk", disk, disk - move->bytes);
        if (disk - disk / ROOM_SHARE < move->bytes)
            return err_set(info, ERR_FULL, "%s has %s of disk left, %s needs %s", move->to,
                format_bytes((double)disk, have), move->site->name, format_bytes((double)move->bytes, need));
    } else {
        plan_warn(move->plan, "how much room the volumes need, or %s has, is not known", move->to);
    }
    json_get_i64(move->room, "epoch_us", &epoch_us);
    int64_t off_us = epoch_us - clock_wall_us();
    if (epoch_us && (off_us > CLOCK_OFF_US || off_us < -CLOCK_OFF_US))
        plan_warn(move->plan, "the clock of %s is %s %s: what the site writes there has wrong times", move->to,
            format_duration(off_us > 0 ? off_us : -off_us, need), off_us > 0 ? "ahead" : "behind");
    return ERR_OK;
}

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
        stop_us += GRACE_S * USEC_PER_SEC;
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
        if (id && text_is(json_array_get(containers, i), "image_id", id))
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
    }
}

/* Snapshots are sent only from btrfs to btrfs. */
static void settle_drivers(struct move *move)
{
    const json_t *runtime;
    json_t *volume;
    size_t i, j;
    json_array_foreach (json_object_get(move->described, "volumes"), i, volume) {
        bool both = false;
        if (!text_is(volume, "driver", "btrfs"))
            continue;
        json_array_foreach (json_object_get(move->room, "runtimes"), j, runtime)
            both = both || (text_is(runtime, "name", move->runtime) && text_is(runtime, "volumes_fs", "btrfs"));
        if (both)
            continue;
        plan_warn(move->plan, "%s keeps no volumes on btrfs: %s is copied file by file", move->to,
            json_get_text(volume, "name"));
        json_put_text(volume, "driver", "dir");
    }
}

static const char *copy_words(const json_t *volume)
{
    return text_is(volume, "driver", "btrfs") ? "btrfs send and receive, snapshot by snapshot" : "rsync, pass by pass";
}

static void add_copies(const struct move *move, bool last)
{
    const json_t *volume;
    size_t i;
    json_array_foreach (json_object_get(move->described, "volumes"), i, volume) {
        const char *name = json_get_text(volume, "name");
        bool mount = text_is(volume, "driver", "mount");
        char size[FORMAT_SIZE], way[128];
        double bytes = json_get_number(volume, "used_bytes");
        if (mount && !last)
            continue;
        json_t *parameters = ends_of(move);
        json_object_set(parameters, "volume", (json_t *)volume);
        way_words(move, last ? 0 : bytes, way);
        if (!last)
            put_bytes(parameters, bytes);
        if (!last)
            plan_add_step(move->plan, &step_copy, move->site->host, parameters, "end the copying",
                "copy volume %s (%s) to %s while the site runs: %s%s", name, format_bytes(bytes, size), move->to,
                copy_words(volume), way);
        else if (mount)
            plan_add_step(move->plan, &step_last_pass, move->site->host, parameters,
                "unmount it there and mount it here again",
                "unmount %s here, mount it on %s, now and at each boot (/etc/fstab)", name, move->to);
        else
            plan_add_step(move->plan, &step_last_pass, move->site->host, parameters, "end the copying",
                "copy what was written to %s since%s", name, way);
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
    json_put_i64(stop, "grace_s", GRACE_S);
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
        names, GRACE_S);
    add_copies(move, true);
    plan_add_step(move->plan, &step_start, move->to, start, "stop it there", "start %s", names);
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

static enum err look(struct move *move, struct err_info *info)
{
    const struct plan_request *request = move->request;
    enum err err = subject_look(request, move->site, info);
    if (!err)
        err = check_site(move, info);
    if (!err)
        err = choose_target(move, info);
    if (!err)
        err = plan_ask(request, move->site->host, "site.describe", about(move), &move->described, info);
    if (!err)
        err = plan_ask(request, move->to, "host.room", about(move), &move->room, info);
    if (!err)
        err = choose_runtime(move, info);
    if (!err)
        err = check_free(move, info);
    if (!err)
        err = check_storage(move, info);
    if (!err)
        settle_drivers(move);
    if (!err)
        err = check_room(move, info);
    if (!err)
        err = proxies_find(request, move->plan, move->site->name, PROXIES_ALL,
            "visitors are not led to the new place; change that by hand", &move->proxies, info);
    return err;
}

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
    err = look(&move, info);
    if (!err)
        write_plan(&move);
    plan_proxies_free(&move.proxies);
    json_decref(move.health);
    json_decref(move.containers);
    json_decref(move.room);
    json_decref(move.described);
    return err;
}
