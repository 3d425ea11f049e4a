/* May a site move, where to, onto which engine, and is there room? Asks both ends, in the viewer's role, and changes
 * nothing; what stands in the way is said with the way out. In the thread that plans. */
#include <stdlib.h>
#include <string.h>

#include "actions/move.h"
#include "actions/placement.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define CLOCK_OFF_US (10 * USEC_PER_SEC)
#define ROOM_SHARE 10 /* a tenth of a disk stays free */

bool move_text_is(const json_t *object, const char *key, const char *wanted)
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
        if (err || !move_text_is(volume, "driver", "mount") || !move_text_is(volume, "kind", "bind") || !path || !name)
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
        if (move_text_is(row, "driver", "mount"))
            continue;
        if (!json_get_i64(row, "used_bytes", &bytes))
            move->bytes = -1;
        else if (move->bytes >= 0)
            move->bytes += bytes;
        json_get_i64(row, "files", &files);
        move->files += move_text_is(row, "driver", "btrfs") ? 0 : files;
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
                json_get_text(row, "name"), MOVE_GRACE_S);
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
        if (move_text_is(runtime, "name", move->runtime))
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

/* Snapshots are sent only from btrfs to btrfs. */
static void settle_drivers(struct move *move)
{
    const json_t *runtime;
    json_t *volume;
    size_t i, j;
    json_array_foreach (json_object_get(move->described, "volumes"), i, volume) {
        bool both = false;
        if (!move_text_is(volume, "driver", "btrfs"))
            continue;
        json_array_foreach (json_object_get(move->room, "runtimes"), j, runtime)
            both =
                both || (move_text_is(runtime, "name", move->runtime) && move_text_is(runtime, "volumes_fs", "btrfs"));
        if (both)
            continue;
        plan_warn(move->plan, "%s keeps no volumes on btrfs: %s is copied file by file", move->to,
            json_get_text(volume, "name"));
        json_put_text(volume, "driver", "dir");
    }
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

enum err move_look(struct move *move, struct err_info *info)
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
