/* The timeline: which differences between two states are worth telling, and in which words. The table of kinds is the
 * one place where severities are decided. No state of its own; called by the model thread. */
#include "engine/timeline.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"

const struct event_kind event_kinds[] = {
    {"host.up", SEVERITY_NOTICE, "the host answers (again)"},
    {"host.unknown", SEVERITY_CRITICAL, "the host cannot be reached; the text says why"},
    {"host.rebooted", SEVERITY_WARNING, "the host's boot id changed"},
    {"host.flood", SEVERITY_WARNING, "a host reported more than 100 changes within a minute; the rest is counted"},
    {"container.created", SEVERITY_INFO, "a container appeared and does not run"},
    {"container.started", SEVERITY_NOTICE, "a container runs that did not, or is new"},
    {"container.restarted", SEVERITY_WARNING, "the same container runs, started anew"},
    {"container.replaced", SEVERITY_NOTICE, "another container has taken the name"},
    {"container.stopped", SEVERITY_NOTICE, "a container ended as asked: exit 0, or SIGTERM"},
    {"container.died", SEVERITY_WARNING, "a container ended otherwise; the text has its exit code"},
    {"container.oom", SEVERITY_CRITICAL, "the kernel killed a process of it for memory"},
    {"container.paused", SEVERITY_NOTICE, "a container was frozen"},
    {"container.unhealthy", SEVERITY_WARNING, "its health check fails"},
    {"container.healthy", SEVERITY_NOTICE, "its health check is good again"},
    {"container.removed", SEVERITY_NOTICE, "a container is gone"},
    {"image.changed", SEVERITY_NOTICE, "a container of that name runs from another image"},
    {"volume.low", SEVERITY_WARNING,
        "less than 5 % free on the file system below the volume; told once, not for each volume"},
    {"volume.room", SEVERITY_NOTICE, "at least 10 % free there again"},
    {"site.running", SEVERITY_NOTICE, "all containers of the site run"},
    {"site.degraded", SEVERITY_WARNING, "some container of the site does not run or is unhealthy"},
    {"site.stopped", SEVERITY_WARNING, "no container of the site runs"},
    {"site.missing", SEVERITY_CRITICAL, "a declared site is on no host"},
    {"site.conflict", SEVERITY_CRITICAL, "the site runs, or would start at boot, on more than one host"},
    {"site.quarantined", SEVERITY_CRITICAL, "the site was contained: nothing in or out"},
    {"site.marked", SEVERITY_NOTICE,
        "its containers on a host do not start any more: stopped, incoming, leaving, kept"},
    {"site.unmarked", SEVERITY_NOTICE, "they may start again, or are gone"},
    {"site.drift", SEVERITY_WARNING, "the site differs from its declaration"},
    {"site.drift.gone", SEVERITY_INFO, "the site is as declared again"},
    {"fleet.reloaded", SEVERITY_INFO, "the fleet files were read again"},
    {"fleet.refused", SEVERITY_WARNING, "the fleet files have errors; the earlier ones go on"},
    {"engine.started", SEVERITY_INFO, "the engine began"},
    {"engine.stopped", SEVERITY_INFO, "the engine ended as asked"},
    {"engine.died", SEVERITY_WARNING, "the engine before this one did not end as asked"},
    {NULL, SEVERITY_INFO, NULL},
};

static enum severity severity_of(const char *kind)
{
    for (const struct event_kind *row = event_kinds; row->kind; row++)
        if (strcmp(row->kind, kind) == 0)
            return row->severity;
    return SEVERITY_INFO;
}

struct subject {
    enum object_kind kind;
    const char *key, *host, *site;
};

__attribute__((format(printf, 5, 6))) static void tell(const struct present_writer *writer,
    const struct subject *subject, const char *kind, int64_t now_us, const char *format, ...)
{
    struct event event = {.at_us = now_us, .severity = severity_of(kind), .object_kind = subject->kind};
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sanitize(event.text, sizeof event.text, text, strlen(text));
    str_copy(event.kind, sizeof event.kind, kind);
    str_copy(event.object, sizeof event.object, subject->key);
    str_copy(event.host, sizeof event.host, subject->host);
    str_copy(event.site, sizeof event.site, subject->site);
    writer->event(writer->owner, &event);
}

static bool is_live(enum run_state state)
{
    return state == RUN_RUNNING || state == RUN_PAUSED;
}

/* Exit codes are 128 + signal for a death by signal: 143 is SIGTERM, what stop sends first. */
static void tell_end(const struct present_writer *writer, const struct subject *subject,
    const struct container_state *after, int64_t now_us)
{
    if (after->oom_killed)
        tell(writer, subject, "container.oom", now_us, "%s ran out of memory and ended with exit code %d", after->name,
            after->exit_code);
    else if (after->exit_code == 0 || after->exit_code == 143)
        tell(writer, subject, "container.stopped", now_us, "%s stopped (exit code %d)", after->name, after->exit_code);
    else if (after->exit_code > 128)
        tell(writer, subject, "container.died", now_us, "%s was ended by signal %d (exit code %d)", after->name,
            after->exit_code - 128, after->exit_code);
    else
        tell(writer, subject, "container.died", now_us, "%s ended with exit code %d", after->name, after->exit_code);
}

static void tell_run_state(const struct present_writer *writer, const struct subject *subject,
    const struct container_state *before, const struct container_state *after, int64_t now_us)
{
    bool same = strcmp(before->id, after->id) == 0;
    if (!same)
        tell(writer, subject, "container.replaced", now_us, "%s is now container %.12s", after->name, after->id);
    if (after->image_id[0] && before->image_id[0] && strcmp(before->image_id, after->image_id) != 0)
        tell(writer, subject, "image.changed", now_us, "%s: image %s (%.12s), was %s (%.12s)", after->name,
            after->image, after->image_id, before->image, before->image_id);
    if (is_live(before->state) && !is_live(after->state) && after->state != RUN_RESTARTING)
        tell_end(writer, subject, after, now_us);
    else if (!is_live(before->state) && after->state == RUN_RUNNING)
        tell(writer, subject, "container.started", now_us, "%s runs", after->name);
    else if (same && is_live(before->state) && is_live(after->state) && before->started_us && after->started_us &&
             before->started_us != after->started_us)
        tell(writer, subject, "container.restarted", now_us, "%s was started anew", after->name);
    if (before->state == RUN_RUNNING && after->state == RUN_PAUSED)
        tell(writer, subject, "container.paused", now_us, "%s is paused", after->name);
    else if (before->state == RUN_PAUSED && after->state == RUN_RUNNING && before->started_us == after->started_us)
        tell(writer, subject, "container.started", now_us, "%s runs again after a pause", after->name);
}

static void tell_condition(const struct present_writer *writer, const struct subject *subject,
    const struct container_state *before, const struct container_state *after, int64_t now_us)
{
    double kills_before = before->metrics[CONTAINER_OOM_KILLS], kills = after->metrics[CONTAINER_OOM_KILLS];
    if (is_live(after->state) && before->started_us == after->started_us && kills > kills_before)
        tell(writer, subject, "container.oom", now_us, "the kernel killed %.0f process%s of %s for memory",
            kills - kills_before, kills - kills_before > 1 ? "es" : "", after->name);
    if (before->health == after->health)
        return;
    if (after->health == HEALTH_UNHEALTHY)
        tell(writer, subject, "container.unhealthy", now_us, "the health check of %s fails", after->name);
    else if (after->health == HEALTH_HEALTHY && before->health == HEALTH_UNHEALTHY)
        tell(writer, subject, "container.healthy", now_us, "the health check of %s is good again", after->name);
}

void timeline_container(const struct present_writer *writer, const struct container_state *before,
    const struct container_state *after, int64_t now_us)
{
    const struct container_state *any = after ? after : before;
    struct subject subject = {KIND_CONTAINER, any->key, any->host, any->site};
    if (!after) {
        tell(writer, &subject, "container.removed", now_us, "%s is gone", before->name);
        return;
    }
    if (!before) {
        bool runs = after->state == RUN_RUNNING;
        tell(writer, &subject, runs ? "container.started" : "container.created", now_us, "%s is new%s", after->name,
            runs ? " and runs" : "");
        return;
    }
    if (after->state == RUN_UNKNOWN || before->state == RUN_UNKNOWN)
        return; /* its engine does not answer: nothing is known to have changed */
    tell_run_state(writer, &subject, before, after, now_us);
    tell_condition(writer, &subject, before, after, now_us);
}

bool timeline_volume(
    const struct present_writer *writer, bool was_low, const struct volume_state *volume, int64_t now_us)
{
    struct subject subject = {KIND_VOLUME, volume->key, volume->host, volume->site};
    double free_pct = 100 * volume->metrics[VOLUME_FREE] / volume->metrics[VOLUME_TOTAL];
    if (!was_low && free_pct < VOLUME_LOW_PCT) {
        char room[FORMAT_SIZE];
        tell(writer, &subject, "volume.low", now_us, "only %.1f %% (%s) free below %s on %s", free_pct,
            format_bytes(volume->metrics[VOLUME_FREE], room), volume->name, volume->host);
        return true;
    }
    if (was_low && free_pct >= 2 * VOLUME_LOW_PCT) {
        tell(writer, &subject, "volume.room", now_us, "%.0f %% free below %s on %s again", free_pct, volume->name,
            volume->host);
        return false;
    }
    return was_low; /* also where it is not known */
}

void timeline_host(const struct present_writer *writer, const struct host_state *before, const struct host_state *after,
    int64_t now_us)
{
    struct subject subject = {KIND_HOST, after->name, after->name, ""};
    if (before->boot_id[0] && after->boot_id[0] && strcmp(before->boot_id, after->boot_id) != 0)
        tell(writer, &subject, "host.rebooted", now_us, "%s was rebooted", after->name);
    if (after->status == HOST_UP && before->status != HOST_UP) {
        char age[FORMAT_SIZE] = "";
        if (before->since_us && before->reason_code != ERR_OK) /* it was lost, not new */
            format_age(now_us - before->since_us, age);
        tell(writer, &subject, "host.up", now_us, "%s answers%s%s", after->name, age[0] ? " after " : "", age);
    } else if (after->status == HOST_UNKNOWN &&
               (before->status == HOST_UP || before->reason_code != after->reason_code)) {
        tell(writer, &subject, "host.unknown", now_us, "%s: %s", after->name, after->reason);
    }
}

void timeline_site(const struct present_writer *writer, enum site_status last_known, const char *drift_before,
    const char *drift, const struct site_state *after, int64_t now_us)
{
    struct subject subject = {KIND_SITE, after->name, after->host, after->name};
    if (after->status == SITE_UNKNOWN)
        return;
    bool quiet = last_known == SITE_UNKNOWN && (after->status == SITE_RUNNING || after->status == SITE_STOPPED);
    quiet |= after->status == SITE_QUARANTINED; /* the mark tells it */
    if (after->status == SITE_CONFLICT && last_known != SITE_CONFLICT)
        tell(writer, &subject, "site.conflict", now_us, "%s is in conflict: it %s", after->name, after->drift);
    else if (after->status != last_known && !quiet) {
        char kind[32];
        str_format(kind, sizeof kind, "site.%s", site_status_word(after->status));
        tell(writer, &subject, kind, now_us, "%s is %s%s%s", after->name, site_status_word(after->status),
            after->host[0] ? " on " : "", after->host);
    }
    if (strcmp(drift_before, drift) == 0)
        return;
    if (drift[0])
        tell(writer, &subject, "site.drift", now_us, "%s", drift);
    else
        tell(writer, &subject, "site.drift.gone", now_us, "%s is as declared again", after->name);
}

void timeline_mark(const struct present_writer *writer, const char *host, const struct site_marking *before,
    const struct site_marking *after, int64_t now_us)
{
    const char *site = after ? after->site : before->site;
    struct subject subject = {KIND_SITE, site, host, site};
    if (before && after && before->mark == after->mark)
        return;
    if (!after) {
        tell(writer, &subject, "site.unmarked", now_us, "%s is no longer %s on %s", site, site_mark_word(before->mark),
            host);
        return;
    }
    tell(writer, &subject, after->mark == MARK_QUARANTINED ? "site.quarantined" : "site.marked", now_us,
        "%s is %s on %s%s%s", site, site_mark_word(after->mark), host, after->job[0] ? ", by job " : "", after->job);
}

void timeline_engine(const struct present_writer *writer, const char *kind, const char *text, int64_t now_us)
{
    struct subject subject = {KIND_ENGINE, "engine", "", ""};
    tell(writer, &subject, kind, now_us, "%s", text);
}
