/* Ranking the hosts a site could move to. What counts is what is free at busy times: the 95th percentile of a week
 * where there is a history, else what is used now. Memory, disk, ports and an engine decide whether it fits; these, CPU
 * and neighbours how well. Only reads. */
#include "actions/placement.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/plan_ask.h"
#include "actions/subject.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "store/series.h"

#define HISTORY_US (INT64_C(7) * 86400 * USEC_PER_SEC)
#define HISTORY_POINTS 2016 /* every 5 minutes */
#define ENOUGH_POINTS 12    /* an hour: less is no history */
#define HISTORIES_READ 64   /* of that many candidates, the best by present figures */
#define KEPT_FREE 0.1       /* of a disk, and of memory */
#define REASON_TEXT 256

/* --- the site ----------------------------------------------------------------------------------------------------- */

struct need {
    const struct site_state *site;
    double memory, cpu_pct, disk; /* NaN: not known; CPU: 100 is one core */
    bool from_history;
    char runtime[16];
};

struct candidate {
    const struct host_def *def;
    const struct host_state *state; /* NULL: never seen */
    double memory_used, cpu_pct;    /* at busy times */
    bool from_history;
    bool fits;
    double score;
    json_t *reasons;
};

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* NaN where there is too little history. */
static double p95(const struct plan_request *request, enum object_kind kind, const char *key, int metric)
{
    struct series_points points = {0};
    double result = (double)NAN;
    int64_t now_us = clock_wall_us();
    size_t known = 0;
    if (!request->asker || series_fetch(plan_asker_state_dir(request->asker), kind, key, metric, SERIES_AVERAGE,
                               now_us - HISTORY_US, now_us, HISTORY_POINTS, &points, NULL) != ERR_OK) {
        series_points_free(&points);
        return result;
    }
    for (size_t i = 0; points.columns == 1 && i < points.count; i++)
        if (!isnan(points.values[i]))
            points.values[known++] = points.values[i];
    if (known >= ENOUGH_POINTS) {
        qsort(points.values, known, sizeof *points.values, compare_doubles);
        result = points.values[known * 95 / 100];
    }
    series_points_free(&points);
    return result;
}

static struct need find_need(const struct plan_request *request, const struct site_state *site)
{
    struct need need = {.site = site,
        .memory = p95(request, KIND_SITE, site->name, SITE_MEM_USED),
        .cpu_pct = p95(request, KIND_SITE, site->name, SITE_CPU),
        .disk = site->metrics[SITE_DISK_USED]};
    need.from_history = !isnan(need.memory);
    need.memory = need.from_history ? need.memory : site->metrics[SITE_MEM_USED];
    need.cpu_pct = isnan(need.cpu_pct) ? site->metrics[SITE_CPU] : need.cpu_pct;
    for (size_t i = 0; i < request->snapshot->container_count; i++)
        if (subject_has(&request->snapshot->containers[i], site->name, site->host))
            str_copy(need.runtime, sizeof need.runtime, request->snapshot->containers[i].runtime);
    return need;
}

/* --- reasons ------------------------------------------------------------------------------------------------------ */

static void say(struct candidate *candidate, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct candidate *candidate, const char *format, ...)
{
    char text[REASON_TEXT];
    json_t *holder = json_object();
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_put_text(holder, "t", text); /* repairs invalid UTF-8 */
    json_array_append(candidate->reasons, json_object_get(holder, "t"));
    json_decref(holder);
}

/* What speaks against a host comes first among its reasons. */
static void refuse(struct candidate *candidate, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct candidate *candidate, const char *format, ...)
{
    char text[REASON_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    candidate->fits = false;
    say(candidate, "%s", text);
    size_t last = json_array_size(candidate->reasons) - 1;
    json_t *reason = json_incref(json_array_get(candidate->reasons, last));
    json_array_remove(candidate->reasons, last);
    json_array_insert_new(candidate->reasons, 0, reason);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

/* Each adds its part of 100 to the score, or refuses. */

static bool judge_reach(struct candidate *candidate)
{
    const struct host_state *state = candidate->state;
    char since[FORMAT_SIZE];
    if (state && state->status == HOST_UP)
        return true;
    if (!state)
        refuse(candidate, "%s was never seen", candidate->def->name);
    else if (state->since_us)
        refuse(candidate, "%s is out of reach since %s: %s", candidate->def->name,
            format_age(clock_wall_us() - state->since_us, since), state->reason);
    else
        refuse(candidate, "%s is out of reach: %s", candidate->def->name, state->reason);
    return false;
}

static void judge_memory(const struct need *need, struct candidate *candidate)
{
    char free_text[FORMAT_SIZE], need_text[FORMAT_SIZE];
    double total = candidate->state->metrics[HOST_MEM_TOTAL], free_bytes = total - candidate->memory_used;
    if (isnan(free_bytes)) {
        say(candidate, "how much memory is free is not known");
        return;
    }
    format_bytes(free_bytes, free_text);
    if (isnan(need->memory)) {
        say(candidate, "%s of memory free; how much the site needs is not known", free_text);
        candidate->score += 20 * fmin(1, free_bytes / total);
        return;
    }
    format_bytes(need->memory, need_text);
    if (free_bytes - need->memory < total * KEPT_FREE)
        refuse(candidate, "too little memory: %s free%s, needs %s and a tenth of it all should stay free", free_text,
            candidate->from_history ? " at busy times" : " now", need_text);
    else
        say(candidate, "%s of memory free%s, needs %s", free_text, candidate->from_history ? " at busy times" : " now",
            need_text);
    candidate->score += 40 * fmax(0, fmin(1, (free_bytes - need->memory) / total));
}

static void judge_cpu(const struct need *need, struct candidate *candidate)
{
    double cores = candidate->state->metrics[HOST_CORES];
    double free_cores = cores * (100 - candidate->cpu_pct) / 100;
    double needed = isnan(need->cpu_pct) ? 0 : need->cpu_pct / 100;
    if (isnan(free_cores))
        return;
    say(candidate, "%.1f of %.0f cores free%s%s", free_cores, cores,
        candidate->from_history ? " at busy times" : " now",
        free_cores < needed && needed >= 0.1 ? ": the site alone uses more at busy times" : "");
    candidate->score += 30 * fmax(0, fmin(1, (free_cores - needed) / cores));
}

static void judge_disk(const struct plan_request *request, const struct need *need, struct candidate *candidate)
{
    char free_text[FORMAT_SIZE], need_text[FORMAT_SIZE];
    double total = candidate->state->metrics[HOST_DISK_TOTAL];
    double free_bytes = subject_disk_free(request, candidate->def->name);
    if (isnan(free_bytes) || isnan(total)) {
        say(candidate, "how much of its disk is free is not known");
        return;
    }
    format_bytes(free_bytes, free_text);
    candidate->score += 20 * fmax(0, fmin(1, (free_bytes - (isnan(need->disk) ? 0 : need->disk)) / total));
    if (isnan(need->disk))
        say(candidate, "%s of disk free; the size of its volumes is not known", free_text);
    else if (free_bytes - need->disk < total * KEPT_FREE)
        refuse(candidate, "too little room on disk: %s free, needs %s and a tenth of it all should stay free",
            free_text, format_bytes(need->disk, need_text));
    else
        say(candidate, "%s of disk free, needs %s", free_text, format_bytes(need->disk, need_text));
}

/* "podman 4.3.1, docker 20.10.24" has the engine. */
static bool has_runtime(const char *runtimes, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = runtimes; length && (at = strstr(at, name)); at++)
        if ((at == runtimes || at[-1] == ' ') && (at[length] == ' ' || at[length] == ',' || !at[length]))
            return true;
    return false;
}

static void judge_runtime(const struct need *need, struct candidate *candidate)
{
    const char *there = candidate->state->runtimes;
    if (!there[0])
        refuse(candidate, "%s has no container engine that was ever used", candidate->def->name);
    else if (has_runtime(there, need->runtime))
        say(candidate, "has %s, as where it is", need->runtime);
    else
        say(candidate, "has %s and no %s: its containers are made anew for the other engine", there, need->runtime);
    candidate->score -= there[0] && !has_runtime(there, need->runtime) ? 25 : 0;
}

static bool is_active(const struct container_state *container)
{
    return container->mark == MARK_NONE || container->mark == MARK_QUARANTINED;
}

static void judge_neighbours(const struct plan_request *request, const struct need *need, struct candidate *candidate)
{
    unsigned count = 0, quarantined = 0;
    const char *bad = NULL;
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (strcmp(container->host, candidate->def->name) != 0 || strcmp(container->site, need->site->name) == 0)
            continue;
        count += container->state == RUN_RUNNING;
        quarantined += container->mark == MARK_QUARANTINED;
        bad = container->mark == MARK_QUARANTINED ? container->site : bad;
    }
    say(candidate, "%u other container%s there", count, count == 1 ? " runs" : "s run");
    if (quarantined)
        say(candidate, "%s is quarantined there", bad);
    candidate->score += 10.0 / (1 + count / 10.0) - (quarantined ? 30 : 0);
}

/* --- ports -------------------------------------------------------------------------------------------------------- */

/* In "8080→80/tcp, …": the number of the host's port, as a whole. */
static bool publishes(const char *ports, long port)
{
    char wanted[32];
    str_format(wanted, sizeof wanted, "%ld→", port);
    for (const char *at = ports; (at = strstr(at, wanted)); at++)
        if (at == ports || at[-1] < '0' || at[-1] > '9')
            return true;
    return false;
}

static const struct container_state *who_publishes(
    const struct plan_request *request, const char *host, const char *but_site, long port)
{
    for (size_t i = 0; i < request->snapshot->container_count; i++) {
        const struct container_state *container = &request->snapshot->containers[i];
        if (strcmp(container->host, host) == 0 && strcmp(container->site, but_site) != 0 && is_active(container) &&
            publishes(container->ports, port))
            return container;
    }
    return NULL;
}

static void judge_ports_of(
    const struct plan_request *request, const struct container_state *container, struct candidate *candidate)
{
    for (const char *arrow = container->ports; (arrow = strstr(arrow, "→")); arrow++) {
        const char *digits = arrow;
        while (digits > container->ports && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        long port = strtol(digits, NULL, 10);
        const struct container_state *other =
            port > 0 ? who_publishes(request, candidate->def->name, container->site, port) : NULL;
        if (other)
            refuse(candidate, "port %ld is taken there by %s", port, other->name);
    }
}

static void judge_ports(const struct plan_request *request, const struct need *need, struct candidate *candidate)
{
    for (size_t i = 0; i < request->snapshot->container_count; i++)
        if (subject_has(&request->snapshot->containers[i], need->site->name, need->site->host))
            judge_ports_of(request, &request->snapshot->containers[i], candidate);
}

/* --- ranking ------------------------------------------------------------------------------------------------------ */

static void judge(const struct plan_request *request, const struct need *need, struct candidate *candidate)
{
    json_array_clear(candidate->reasons);
    candidate->fits = true;
    candidate->score = 0;
    if (!judge_reach(candidate))
        return;
    judge_memory(need, candidate);
    judge_cpu(need, candidate);
    judge_disk(request, need, candidate);
    judge_runtime(need, candidate);
    judge_neighbours(request, need, candidate);
    judge_ports(request, need, candidate);
    if (strcmp(need->site->kept_host, candidate->def->name) == 0)
        say(candidate, "the copy from before its last move is kept there");
    candidate->score = fmax(0, fmin(100, candidate->score));
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->fits != right->fits)
        return left->fits ? -1 : 1;
    if (fabs(left->score - right->score) >= 1)
        return left->score > right->score ? -1 : 1;
    return strcmp(left->def->name, right->def->name);
}

static void read_history(const struct plan_request *request, struct candidate *candidate)
{
    double memory = p95(request, KIND_HOST, candidate->def->name, HOST_MEM_USED);
    double cpu = p95(request, KIND_HOST, candidate->def->name, HOST_CPU);
    candidate->from_history = !isnan(memory) && !isnan(cpu);
    if (!candidate->from_history)
        return;
    candidate->memory_used = memory;
    candidate->cpu_pct = cpu;
}

static struct candidate *gather(const struct plan_request *request, const struct need *need, size_t *count)
{
    struct candidate *candidates = xcalloc(request->fleet->hosts.count + 1, sizeof *candidates);
    *count = 0;
    vec_each (&request->fleet->hosts, const struct host_def, def) {
        if (!(def->roles & ROLE_COMPUTE) || strcmp(def->name, need->site->host) == 0)
            continue;
        struct candidate *candidate = &candidates[(*count)++];
        candidate->def = def;
        candidate->state = snapshot_host(request->snapshot, def->name);
        candidate->reasons = json_array();
        candidate->memory_used = candidate->state ? candidate->state->metrics[HOST_MEM_USED] : (double)NAN;
        candidate->cpu_pct = candidate->state ? candidate->state->metrics[HOST_CPU] : (double)NAN;
        judge(request, need, candidate);
    }
    return candidates;
}

static json_t *to_json(const struct candidate *candidate)
{
    json_t *row = json_object();
    json_put_text(row, "host", candidate->def->name);
    json_put_bool(row, "fits", candidate->fits);
    json_put_i64(row, "score", llround(candidate->score));
    json_object_set(row, "reasons", candidate->reasons);
    return row;
}

enum err placement_rank(
    const struct plan_request *request, const char *site_name, json_t **targets, struct err_info *info)
{
    struct plan_request about = *request;
    const struct site_state *site;
    size_t count;
    about.object = site_name;
    *targets = NULL;
    enum err err = subject_find(&about, &site, info);
    if (err)
        return err;
    struct need need = find_need(request, site);
    struct candidate *candidates = gather(request, &need, &count);
    if (count)
        qsort(candidates, count, sizeof *candidates, compare_candidates);
    for (size_t i = 0; i < count && i < HISTORIES_READ; i++) {
        read_history(request, &candidates[i]);
        judge(request, &need, &candidates[i]);
    }
    if (count)
        qsort(candidates, count, sizeof *candidates, compare_candidates);
    *targets = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(*targets, to_json(&candidates[i]));
        json_decref(candidates[i].reasons);
    }
    free(candidates);
    return ERR_OK;
}

static enum err refuse_all(const json_t *targets, const char *site, struct err_info *info)
{
    struct buf why = BUF(800);
    const json_t *row;
    size_t i;
    json_array_foreach (targets, i, row)
        buf_printf(&why, "%s%s: %s", i ? "; " : "", json_get_text(row, "host"),
            json_string_value(json_array_get(json_object_get(row, "reasons"), 0)));
    enum err err =
        err_set(info, ERR_INVALID, "no other host can take %s%s%s", site, why.length ? ": " : "", buf_text(&why));
    buf_free(&why);
    return err;
}

static void join_reasons(const json_t *target, char *out, size_t size)
{
    struct buf line = BUF(4096);
    const json_t *reason;
    size_t i;
    json_array_foreach (json_object_get(target, "reasons"), i, reason)
        buf_printf(&line, "%s%s", i ? "; " : "", json_string_value(reason));
    str_copy(out, size, buf_text(&line));
    buf_free(&line);
}

enum err placement_best(const struct plan_request *request, const char *site, char host[NAME_SIZE], char *why,
    size_t why_size, struct err_info *info)
{
    json_t *targets = NULL;
    host[0] = '\0';
    if (why)
        str_copy(why, why_size, "");
    enum err err = placement_rank(request, site, &targets, info);
    if (err)
        return err;
    const json_t *first = json_array_get(targets, 0);
    if (!first || !json_is_true(json_object_get(first, "fits")))
        err = refuse_all(targets, site, info);
    else
        json_copy_text(first, "host", host, NAME_SIZE);
    if (!err && why)
        join_reasons(first, why, why_size);
    json_decref(targets);
    return err;
}
