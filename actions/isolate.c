/* isolate and release. Isolating contains first, with nothing before it but the lease: no host is asked while the plan
 * is made, and proxies are left to their steps. Then the notice page, evidence in the order of its volatility, its copy
 * off the host. Releasing puts back what was. Both go over every host that has the site. Only reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "actions/action.h"
#include "actions/plan_ask.h"
#include "actions/proxies.h"
#include "actions/step.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define MOST_HOSTS 16
#define ROOM_KEPT ((int64_t)1 << 30) /* a host keeps so much free, and a tenth (host/evidence/place.h) */

/* --- which hosts -------------------------------------------------------------------------------------------------- */

struct places {
    const char *hosts[MOST_HOSTS]; /* borrowed from the snapshot */
    size_t count;
};

static void add_place(struct places *places, const char *host)
{
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->hosts[i], host) == 0)
            return;
    if (places->count < MOST_HOSTS)
        places->hosts[places->count++] = host;
}

static bool runs_or_could(const struct container_state *container)
{
    bool runs = container->state == RUN_RUNNING || container->state == RUN_PAUSED || container->state == RUN_RESTARTING;
    return runs || container->mark == MARK_NONE || container->mark == MARK_STOPPED ||
           container->mark == MARK_QUARANTINED;
}

/* The site's own place first; kept copies that do not run are left out: they are evidence of before. */
static struct places find_places(const struct plan_request *request, const struct site_state *site, bool quarantined)
{
    struct places places = {0};
    for (int own = 1; own >= 0; own--)
        for (size_t i = 0; i < request->snapshot->container_count; i++) {
            const struct container_state *container = &request->snapshot->containers[i];
            bool is_own = strcmp(container->host, site->host) == 0;
            bool wanted = quarantined ? container->mark == MARK_QUARANTINED : runs_or_could(container);
            if (strcmp(container->site, site->name) == 0 && is_own == own && wanted)
                add_place(&places, container->host);
        }
    return places;
}

/* Hosts out of reach are left out with a warning; ERR_INVALID where that is all of them. */
static enum err keep_reachable(const struct plan_request *request, const struct site_state *site, struct plan *plan,
    struct places *places, struct err_info *info)
{
    struct err_info why = {0};
    size_t kept = 0;
    for (size_t i = 0; i < places->count; i++)
        if (subject_check_host(request, site->name, places->hosts[i], &why) == ERR_OK)
            places->hosts[kept++] = places->hosts[i];
        else
            plan_warn(plan, "%s: nothing is done there", why.message);
    places->count = kept;
    if (kept)
        return ERR_OK;
    return why.message[0] ? err_set(info, ERR_INVALID, "%s", why.message)
                          : err_set(info, ERR_INVALID, "%s is on no host", site->name);
}

/* --- how much and how long ---------------------------------------------------------------------------------------- */

enum stage { SOCKETS, PROCESSES, FREEZE, MEMORY, CONTAINERS, FILESYSTEM, VOLUMES, SEAL, STAGE_COUNT };

/* In order of volatility. Times where no earlier isolation tells better, and bytes a second for what is copied, as
 * measured (tar and hashing at 250–300 MB/s, memory faster). */
static const struct stage_row {
    const char *what, *command;
    int64_t fixed_us, bytes_s;
} stages[STAGE_COUNT] = {
    [SOCKETS] = {"sockets", "keep its open connections", 80 * USEC_PER_MSEC, 0},
    [PROCESSES] = {"processes", "keep its processes: commands, open files, environment", 80 * USEC_PER_MSEC, 0},
    [FREEZE] = {"freeze", "freeze its containers", 60 * USEC_PER_MSEC, 0},
    [MEMORY] = {"memory", "keep the memory of its processes", 100 * USEC_PER_MSEC, 300000000},
    [CONTAINERS] = {"containers", "keep definitions, changes and logs of its containers", 150 * USEC_PER_MSEC, 0},
    [FILESYSTEM] = {"filesystem", "keep what its containers wrote outside volumes", 100 * USEC_PER_MSEC, 0},
    [VOLUMES] = {"volumes", "keep its volumes", 100 * USEC_PER_MSEC, 250000000},
    [SEAL] = {"seal", "seal it: SHA-256 of every file, signed with the host's key", 100 * USEC_PER_MSEC, 300000000},
};
#define PULL_FIXED_US (500 * USEC_PER_MSEC)
#define PULL_BYTES_S 60000000

struct amount {
    int64_t memory, volumes; /* bytes that will be kept */
    bool memory_unknown, volumes_unknown;
};

static void add_bytes(int64_t *sum, bool *unknown, double value)
{
    if (isnan(value))
        *unknown = true;
    else
        *sum += (int64_t)value;
}

static struct amount measure(const struct snapshot *snapshot, const char *site, const char *host)
{
    struct amount amount = {0};
    for (size_t i = 0; i < snapshot->container_count; i++) {
        const struct container_state *container = &snapshot->containers[i];
        bool runs = container->state == RUN_RUNNING || container->state == RUN_PAUSED;
        if (runs && subject_has(container, site, host))
            add_bytes(&amount.memory, &amount.memory_unknown, container->metrics[CONTAINER_MEM_USED]);
    }
    for (size_t i = 0; i < snapshot->volume_count; i++) {
        const struct volume_state *volume = &snapshot->volumes[i];
        if (strcmp(volume->site, site) == 0 && strcmp(volume->host, host) == 0)
            add_bytes(&amount.volumes, &amount.volumes_unknown, volume->metrics[VOLUME_USED]);
    }
    return amount;
}

static int64_t stage_bytes(const struct amount *amount, enum stage stage)
{
    return stage == MEMORY ? amount->memory : stage == VOLUMES ? amount->volumes : amount->memory + amount->volumes;
}

/* Of the last isolation of this site: how long a stage took; 0: not known. */
struct earlier {
    int64_t job_id, contain_us, pull_us, stage_us[STAGE_COUNT];
};

static enum stage find_stage(const char *what)
{
    for (int stage = 0; what && stage < STAGE_COUNT; stage++)
        if (strcmp(stages[stage].what, what) == 0)
            return (enum stage)stage;
    return STAGE_COUNT;
}

static void take_earlier_step(const json_t *step, int64_t took_us, struct earlier *earlier)
{
    const char *name = json_get_text(step, "step");
    enum stage stage = find_stage(json_get_text(json_object_get(step, "parameters"), "what"));
    if (name && strcmp(name, step_contain.name) == 0)
        earlier->contain_us += took_us;
    else if (name && strcmp(name, step_pull.name) == 0)
        earlier->pull_us += took_us;
    else if (name && strcmp(name, step_evidence.name) == 0 && stage < STAGE_COUNT)
        earlier->stage_us[stage] += took_us;
}

static void read_earlier(const struct plan_request *request, const char *site, struct earlier *earlier)
{
    json_t *plan = NULL;
    struct job_step_list steps = {0};
    *earlier = (struct earlier){0};
    if (subject_last_job(request, "isolate", site, &earlier->job_id, &plan, &steps))
        vec_each (&steps.items, const struct job_step_record, record)
            if (record->state == STEP_DONE && record->ended_us > record->started_us)
                take_earlier_step(json_array_get(json_object_get(plan, "steps"), (size_t)record->index),
                    record->ended_us - record->started_us, earlier);
    job_step_list_free(&steps);
    json_decref(plan);
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* As long as the last time, but never less than there is to read now. */
static int64_t stage_time(const struct earlier *earlier, const struct amount *amount, enum stage stage)
{
    const struct stage_row *row = &stages[stage];
    int64_t typical_us = row->fixed_us + (row->bytes_s ? stage_bytes(amount, stage) * 1000 / (row->bytes_s / 1000) : 0);
    if (!earlier->stage_us[stage])
        return typical_us;
    return row->bytes_s ? longer(earlier->stage_us[stage], typical_us - row->fixed_us) : earlier->stage_us[stage];
}

static int64_t pull_time(const struct earlier *earlier, int64_t bytes)
{
    int64_t copy_us = bytes * 1000 / (PULL_BYTES_S / 1000);
    return earlier->pull_us ? longer(earlier->pull_us, copy_us) : PULL_FIXED_US + copy_us;
}

/* --- what was before -------------------------------------------------------------------------------------------- */

/* What its last isolation found on this host. */
struct before {
    char mark[16];
    json_t *running;    /* a new reference; NULL: not known */
    bool evidence_left; /* it never left the host */
};

static void take_before(const json_t *step, const struct job_step_record *record, const char *host, struct before *out)
{
    const char *name = json_get_text(step, "step"), *its_host = json_get_text(step, "host");
    const json_t *parameters = json_object_get(step, "parameters");
    enum site_mark mark;
    if (!name || !its_host || strcmp(its_host, host) != 0)
        return;
    if (strcmp(name, step_evidence.name) == 0)
        out->evidence_left = record->state == STEP_DONE;
    if (strcmp(name, step_pull.name) == 0)
        out->evidence_left = record->state != STEP_DONE;
    if (strcmp(name, step_contain.name) != 0)
        return;
    const char *was = json_get_text(parameters, "was");
    if (was && site_mark_parse(was, &mark))
        str_copy(out->mark, sizeof out->mark, was);
    out->running = out->running ? out->running : json_incref(json_object_get(parameters, "running"));
}

static struct before read_before(const struct plan_request *request, const char *site, const char *host)
{
    struct before before = {.mark = "none"};
    json_t *plan = NULL;
    struct job_step_list steps = {0};
    int64_t job_id;
    if (subject_last_job(request, "isolate", site, &job_id, &plan, &steps))
        vec_each (&steps.items, const struct job_step_record, record)
            take_before(json_array_get(json_object_get(plan, "steps"), (size_t)record->index), record, host, &before);
    job_step_list_free(&steps);
    json_decref(plan);
    return before;
}

/* --- isolate: the plan -------------------------------------------------------------------------------------------- */

/* What a host keeps free is not given to evidence; this machine has to take all of it. */
static void add_room(const struct plan_request *request, struct plan *plan, const char *host, int64_t bytes)
{
    const struct host_state *state = snapshot_host(request->snapshot, host);
    char size[FORMAT_SIZE];
    struct statvfs here;
    double total = state ? state->metrics[HOST_DISK_TOTAL] : (double)NAN;
    double free_bytes = subject_disk_free(request, host);
    if (!isnan(free_bytes)) {
        double kept = fmax(total / 10, (double)ROOM_KEPT);
        plan_add_room(plan, host, "disk", (int64_t)free_bytes, (int64_t)free_bytes - bytes);
        if (free_bytes - (double)bytes < kept)
            plan_warn(plan, "%s keeps %s free for itself: what does not fit is left out of the evidence, and named",
                host, format_bytes(kept, size));
    }
    if (!request->asker || statvfs(plan_asker_state_dir(request->asker), &here) != 0)
        return;
    int64_t free_here = (int64_t)here.f_bavail * (int64_t)here.f_frsize;
    plan_add_room(plan, "engine", "disk", free_here, free_here - bytes);
    if (free_here < bytes)
        plan_warn(plan, "there is no room here for a copy of the evidence: it stays on %s until it is fetched", host);
}

/* What a release has to put back: as it is now, or, where it is contained already, as it was then. */
static void note_before(const struct plan_request *request, const char *site, const char *host, json_t *parameters)
{
    enum site_mark mark = MARK_NONE;
    for (size_t i = 0; i < request->snapshot->container_count; i++)
        if (subject_has(&request->snapshot->containers[i], site, host))
            mark = request->snapshot->containers[i].mark;
    struct before before = {.mark = "none"};
    if (mark == MARK_QUARANTINED)
        before = read_before(request, site, host);
    else if (mark == MARK_STOPPED)
        str_copy(before.mark, sizeof before.mark, site_mark_word(mark));
    if (!before.running)
        before.running = subject_containers(request, site, host, true, NULL);
    json_put_text(parameters, "was", before.mark);
    json_object_set_new(parameters, "running", before.running);
}

static void add_contain(
    const struct plan_request *request, struct plan *plan, const char *site, const char *host, int64_t took_us)
{
    char time[FORMAT_SIZE];
    json_t *parameters = json_object(), *containers = subject_containers(request, site, host, false, plan);
    char *names = subject_names(containers);
    note_before(request, site, host, parameters);
    plan_add_step(plan, &step_contain, host, parameters, NULL,
        "quarantine %s: nothing starts it any more, and everything %s send%s is dropped at the host's side of their "
        "interfaces – visitors, neighbours, connections that exist (about %s)",
        site, names, json_array_size(containers) == 1 ? "s" : "", format_duration(took_us, time));
    free(names);
    json_decref(containers);
}

static void add_evidence(
    struct plan *plan, const char *host, const struct earlier *earlier, const struct amount *amount)
{
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        char size[FORMAT_SIZE + 8] = "", figure[FORMAT_SIZE], time[FORMAT_SIZE];
        json_t *parameters = json_object();
        json_put_text(parameters, "what", stages[stage].what);
        if (stage == MEMORY || stage == FILESYSTEM || stage == VOLUMES) /* may take long: a cancel leaves it out */
            json_put_bool(parameters, "optional", true);
        if (stage == MEMORY || stage == VOLUMES)
            json_put_i64(parameters, "bytes", stage_bytes(amount, (enum stage)stage));
        if (stage == MEMORY || stage == VOLUMES)
            str_format(size, sizeof size, "%s, ", format_bytes((double)stage_bytes(amount, (enum stage)stage), figure));
        plan_add_step(plan, &step_evidence, host, parameters, NULL, "%s (%sabout %s)", stages[stage].command, size,
            format_duration(stage_time(earlier, amount, (enum stage)stage), time));
    }
}

static void add_pull(struct plan *plan, const char *host, const struct earlier *earlier, const struct amount *amount)
{
    char size[FORMAT_SIZE], time[FORMAT_SIZE];
    int64_t bytes = amount->memory + amount->volumes;
    int64_t took_us = pull_time(earlier, bytes);
    json_t *parameters = json_object();
    json_put_bool(parameters, "optional", true);
    json_put_i64(parameters, "bytes", bytes);
    plan_add_step(plan, &step_pull, host, parameters, NULL,
        "fetch a copy of the evidence, check every file and the signature (%s, about %s)",
        format_bytes((double)bytes, size), format_duration(took_us, time));
}

static void warn_amount(struct plan *plan, const char *host, const struct amount *amount)
{
    if (amount->memory_unknown)
        plan_warn(plan, "how much memory its processes on %s use is not known", host);
    if (amount->volumes_unknown)
        plan_warn(plan, "the size of its volumes on %s is not known yet: evidence may be larger than said", host);
}

static void warn_isolation(const struct site_state *site, struct plan *plan)
{
    if (site->mark == MARK_QUARANTINED)
        plan_warn(plan, "%s is quarantined already (job %s): it is contained once more, and evidence is taken anew",
            site->name, site->mark_job);
    if (site->status == SITE_CONFLICT)
        plan_warn(plan, "%s can run on more than one host: it is isolated on all of them", site->name);
}

static void add_isolation(const struct plan_request *request, const struct site_state *site, struct plan *plan,
    const struct places *places, const struct plan_proxies *proxies)
{
    struct earlier earlier;
    read_earlier(request, site->name, &earlier);
    for (size_t i = 0; i < places->count; i++) {
        subject_add_lease(plan, places->hosts[i]);
        add_contain(
            request, plan, site->name, places->hosts[i], earlier.contain_us ? earlier.contain_us : 150 * USEC_PER_MSEC);
    }
    proxies_add_notice_soon(plan, proxies);
    for (size_t i = 0; i < places->count; i++) {
        struct amount amount = measure(request->snapshot, site->name, places->hosts[i]);
        add_evidence(plan, places->hosts[i], &earlier, &amount);
        add_room(request, plan, places->hosts[i], amount.memory + amount.volumes);
        add_pull(plan, places->hosts[i], &earlier, &amount);
        warn_amount(plan, places->hosts[i], &amount);
    }
    warn_isolation(site, plan);
    for (size_t i = 0; i < places->count; i++)
        subject_add_release(plan, places->hosts[i]);
    proxies_add_notice_late(plan, proxies);
}

enum err isolate_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    const struct site_state *site;
    struct plan_proxies proxies = {0};
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    enum err err = subject_find(request, &site, info);
    if (err)
        return err;
    struct places places = find_places(request, site, false);
    subject_begin_plan(plan, "isolate", site, site->host);
    err = keep_reachable(request, site, plan, &places, info);
    if (err)
        return err;
    str_copy(plan->host, sizeof plan->host, places.hosts[0]);
    proxies_all(request, site->name, &proxies);
    if (!proxies.items.count)
        plan_warn(plan, "the fleet has no proxy: its visitors get no answer at all, there is no notice page for them");
    add_isolation(request, site, plan, &places, &proxies);
    plan->loses = xasprintf("%s is cut off until `dogwatch release %s`; its processes stay frozen, their memory and "
                            "its data are kept, nothing is deleted.",
        site->name, site->name);
    plan_proxies_free(&proxies);
    return err;
}

/* --- release ------------------------------------------------------------------------------------------------------ */

/* The host wrote down itself which mark stood before; what ran is known from the isolation. */
static struct before ask_before(const struct plan_request *request, const char *site, const char *host)
{
    struct before before = read_before(request, site, host);
    json_t *args = json_object(), *answer = NULL;
    const json_t *mark;
    size_t i;
    json_put_text(args, "site", site);
    if (plan_ask(request, host, "site.status", args, &answer, NULL) == ERR_OK)
        json_array_foreach (json_object_get(answer, "marks"), i, mark) {
            enum site_mark known;
            const char *word = json_get_text(mark, "before");
            str_copy(before.mark, sizeof before.mark, word && site_mark_parse(word, &known) ? word : "none");
        }
    json_decref(answer);
    return before;
}

static bool stands_still(const struct plan_request *request, const char *site, const char *host)
{
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        bool lives = container->state == RUN_RUNNING || container->state == RUN_PAUSED;
        if (subject_has(container, site, host) && !lives)
            return true;
    }
    return false;
}

static void add_uncontain(struct plan *plan, const char *site, const char *host, const char *mark)
{
    json_t *parameters = json_object();
    char then[96];
    json_put_text(parameters, "restore", mark);
    if (strcmp(mark, "none") == 0)
        str_copy(then, sizeof then, "let its processes go on, and take the mark away");
    else
        str_format(then, sizeof then, "and mark it as %s, as it was", mark);
    plan_add_step(plan, &step_uncontain, host, parameters, "contain it again",
        "end the stalled connections of %s, open its way to the network, %s", site, then);
}

/* What ended meanwhile (its host was started anew) is started again. */
static void add_start(const struct plan_request *request, struct plan *plan, const char *host, const json_t *containers)
{
    json_t *parameters = json_object();
    char *names = subject_names(containers);
    json_put_text(parameters, "mark", "none");
    json_put_text(parameters, "before", "none");
    json_object_set_new(parameters, "containers", json_deep_copy(containers));
    plan_add_step(plan, &step_start, host, parameters, "stop what was started", "start what does not run of %s", names);
    plan_runs(plan, "site.start: %s start", subject_runtime(request, plan->site, host));
    free(names);
}

/* What lives there now has run when it was contained, also where that was not known yet. */
static json_t *living(const struct plan_request *request, const char *site, const char *host)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        bool lives = container->state == RUN_RUNNING || container->state == RUN_PAUSED;
        if (subject_has(container, site, host) && lives)
            json_array_append_new(rows, json_pack("{s:s, s:s}", "name", container->name, "id", container->id));
    }
    return rows;
}

/* One host; true where the site runs there again. `serves`: visitors are led there, of several hosts only to one. */
static bool add_release_of(
    const struct plan_request *request, struct plan *plan, const char *site, const char *host, bool serves)
{
    struct before before = ask_before(request, site, host);
    bool was_active = strcmp(before.mark, "none") == 0;
    json_t *containers = before.running;
    if (!containers)
        containers = subject_containers(request, site, host, false, NULL);
    if (json_array_size(containers) == 0) {
        json_decref(containers);
        containers = living(request, site, host);
    }
    bool runs = was_active && json_array_size(containers) > 0;
    add_uncontain(plan, site, host, before.mark);
    if (before.evidence_left)
        plan_warn(plan,
            "the evidence of its isolation was not fetched from %s yet: `dogwatch evidence pull %s`, before it is "
            "changed",
            host, site);
    if (runs && stands_still(request, site, host))
        add_start(request, plan, host, containers);
    if (runs) {
        json_t *health = serves ? subject_health(request, site, host, plan) : NULL;
        subject_add_gate(plan, host, containers, health);
        json_decref(health);
    }
    json_decref(containers);
    return runs;
}

static enum err check_release(const struct site_state *site, const struct places *places, struct err_info *info)
{
    if (places->count)
        return ERR_OK;
    return err_set(info, ERR_INVALID, "%s is not quarantined: there is nothing to release", site->name);
}

static void add_release_steps(const struct plan_request *request, const struct site_state *site, struct plan *plan,
    const struct places *places, const struct plan_proxies *proxies)
{
    bool runs = false;
    for (size_t i = 0; i < places->count; i++) {
        json_decref(subject_containers(request, site->name, places->hosts[i], false, plan)); /* its identity */
        subject_add_lease(plan, places->hosts[i]);
    }
    proxies_add_leases(plan, proxies);
    for (size_t i = 0; i < places->count; i++)
        runs |= add_release_of(request, plan, site->name, places->hosts[i], i == 0);
    if (runs)
        proxies_add_page(plan, proxies);
    else
        plan_warn(plan, "%s was stopped before it was isolated: it stays stopped, `dogwatch start %s` starts it",
            site->name, site->name);
    proxies_add_releases(plan, proxies);
    for (size_t i = 0; i < places->count; i++)
        subject_add_release(plan, places->hosts[i]);
}

enum err release_plan(const struct plan_request *request, struct plan *plan, struct err_info *info)
{
    const struct site_state *site;
    struct plan_proxies proxies = {0};
    *plan = (struct plan){.object_kind = KIND_SITE, .cut_us = -1};
    enum err err = subject_find(request, &site, info);
    if (!err)
        err = subject_look(request, site, info);
    if (err)
        return err;
    struct places places = find_places(request, site, true);
    err = check_release(site, &places, info);
    if (err)
        return err;
    subject_begin_plan(plan, "release", site, places.hosts[0]);
    err = keep_reachable(request, site, plan, &places, info);
    if (!err)
        err = proxies_find(
            request, plan, site->name, PROXIES_BEST, "who leads visitors to it is not known here", &proxies, info);
    if (!err) {
        plan_warn(plan,
            "whatever was broken into it goes on as it was: evidence first, then a clean image where that is "
            "needed");
        add_release_steps(request, site, plan, &places, &proxies);
    }
    plan_proxies_free(&proxies);
    return err;
}
