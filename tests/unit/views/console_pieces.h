/* Invented history, logs, events and jobs as the data thread would hand them over. */
#ifndef TESTS_UNIT_VIEWS_CONSOLE_PIECES_H
#define TESTS_UNIT_VIEWS_CONSOLE_PIECES_H

#include "tests/unit/views/console_stage.h"

/* Waves, with a gap in the middle. */
static inline struct history *some_history(enum object_kind kind, const char *key, int64_t seconds)
{
    enum { POINTS = 120 };
    const struct metric_table *table = metric_table(kind);
    struct history *history = xcalloc(1, sizeof *history);
    struct series_points *points = &history->points;
    history->of = subject_of(kind, key);
    history->range_us = seconds * USEC_PER_SEC;
    points->step_us = history->range_us / POINTS;
    points->first_us = NOW_US - history->range_us + points->step_us;
    points->count = POINTS;
    for (size_t i = 0; i < table->count; i++)
        if (table->metrics[i].in_rrd)
            points->metrics[points->columns++] = (int)i;
    points->values = xcalloc(POINTS * points->columns, sizeof *points->values);
    for (size_t i = 0; i < POINTS; i++)
        for (size_t c = 0; c < points->columns; c++) {
            double scale = table->metrics[points->metrics[c]].unit == UNIT_PCT ? 30 : 100e6;
            double wave = (double)((i * (c + 2)) % 60) / 60.0;
            points->values[i * points->columns + c] = i > 50 && i < 60 ? (double)NAN : scale * wave;
        }
    return history;
}

static inline struct log_tail *some_log(enum object_kind kind, const char *key)
{
    static const char *const texts[] = {"GET / 200", "\x1b[31mred warning\x1b[0m",
        ("evil \x1b]0;title\x07 \xe2\x80\xae"
         "gnp.exe"),
        "a line that is much longer than any pane could ever show in one row, and goes on and on"};
    struct log_tail *tail = xcalloc(1, sizeof *tail);
    tail->of = subject_of(kind, key);
    for (int i = 0; i < 30; i++) {
        struct log_tail_line *line = vec_add(&tail->lines);
        *line = (struct log_tail_line){.at_us = NOW_US - (30 - i) * USEC_PER_SEC,
            .origin = xstrdup("web"),
            .text = xstrdup(texts[i % 4]),
            .priority = i % 4 == 1 ? 4 : 6,
            .dropped = i == 20 ? 1234 : 0};
    }
    return tail;
}

static inline struct events *some_events(enum object_kind kind, const char *key)
{
    struct events *events = xcalloc(1, sizeof *events);
    events->of = subject_of(kind, key);
    for (int i = 0; i < 12; i++) {
        struct event *event = vec_add(&events->list.items);
        event->id = 100 - i;
        event->at_us = NOW_US - i * 600 * USEC_PER_SEC;
        event->severity = i % 4 == 1 ? SEVERITY_WARNING : SEVERITY_INFO;
        event->object_kind = KIND_SITE;
        str_copy(event->kind, sizeof event->kind, i % 4 == 1 ? "container.died" : "container.started");
        str_copy(event->object, sizeof event->object, "garden0000.example");
        str_copy(event->host, sizeof event->host, "host03");
        str_copy(event->site, sizeof event->site, "garden0000.example");
        str_copy(event->text, sizeof event->text, i % 4 == 1 ? "web ended with status 137" : "web started");
    }
    return events;
}

static inline struct job_record some_job(enum job_state job_state)
{
    struct job_record job = {.id = 7, .state = job_state, .progress_pct = -1, .object_kind = KIND_SITE};
    job.created_us = job.started_us = NOW_US - 12 * USEC_PER_SEC;
    job.ended_us = job_state == JOB_RUNNING ? 0 : NOW_US - 2 * USEC_PER_SEC;
    str_copy(job.action, sizeof job.action, "restart");
    str_copy(job.object, sizeof job.object, "garden0000.example");
    str_copy(job.site, sizeof job.site, "garden0000.example");
    str_copy(job.host, sizeof job.host, "host02");
    str_copy(job.who, sizeof job.who, "ada");
    str_copy(
        job.message, sizeof job.message, job_state == JOB_FAILED ? "HTTP 502, wanted 200" : "waiting for the gate");
    return job;
}

static inline void add_step(struct job_step_list *steps, const char *command, enum step_state state)
{
    int index = (int)steps->items.count;
    struct job_step_record *step = vec_add(&steps->items);
    step->index = index;
    step->state = state;
    step->command = xstrdup(command);
    step->outcome = xstrdup(state == STEP_FAILED ? "HTTP 502, wanted 200" : state == STEP_DONE ? "as planned" : "");
    step->progress = xstrdup(state == STEP_RUNNING ? "HTTP 200, once" : "");
    step->started_us = state == STEP_PENDING ? 0 : NOW_US - (12 - index * 3) * USEC_PER_SEC;
    step->ended_us = state == STEP_PENDING || state == STEP_RUNNING ? 0 : step->started_us + 2 * USEC_PER_SEC;
}

/* The job in the list and, where its page is open, its detail. */
static inline void stage_show_other_job(struct stage *stage, const char *action, enum job_state job_state)
{
    struct picture fresh = {0};
    struct job_detail *detail = xcalloc(1, sizeof *detail);
    fresh.jobs = xcalloc(1, sizeof *fresh.jobs);
    struct job_record job = some_job(job_state);
    str_copy(job.action, sizeof job.action, action);
    vec_push(&fresh.jobs->items, job);
    detail->id = 7;
    detail->found = true;
    detail->job = job;
    add_step(&detail->steps, "take the lease", STEP_DONE);
    add_step(&detail->steps, "restart the containers, grace 10 s", STEP_DONE);
    add_step(&detail->steps, "wait until the site is well", job_state == JOB_FAILED ? STEP_FAILED : STEP_RUNNING);
    add_step(&detail->steps, "give the lease back", STEP_PENDING);
    fresh.job = detail;
    console_update(stage->console, &fresh);
    picture_clear(&fresh);
}

static inline void stage_show_job(struct stage *stage, enum job_state job_state)
{
    stage_show_other_job(stage, "restart", job_state);
}

static inline json_t *some_targets(void)
{
    return json_pack("{s:[{s:s,s:b,s:[s,s]},{s:s,s:b,s:[s]},{s:s,s:b,s:[s]}]}", "targets", "host", "host04", "fits",
        true, "reasons", "2.1 GiB free of memory, needs 128 MiB", "evil \x1b[2J", "host", "host01", "fits", true,
        "reasons", "1.0 GiB free of memory", "host", "host02", "fits", false, "reasons", "host02 is down since 03:12");
}

static inline json_t *a_plan(void)
{
    json_t *answer = json_object(), *expect = json_array();
    json_array_append_new(expect, json_string("0123456789ab"));
    json_object_set_new(answer, "expect", expect);
    json_object_set_new(answer, "text", json_string("1. restart it\n2. look whether it is well"));
    return answer;
}

static inline json_t *a_move(void)
{
    return json_pack("{s:{s:s,s:s,s:[s],s:[{},{}],s:i,s:s},s:s,s:[s]}", "plan", "action", "migrate", "object",
        "bakery0005.example", "warnings", "PID 1 ignores SIGTERM", "steps", "cut_ms", 2400, "loses",
        "Nothing that was acknowledged is lost.", "text",
        "migrate bakery0005.example from host03 to host04\n\n 1. host03: take the lease\n      undo: release it\n 2. "
        "host04: "
        "take the lease\n\nVisitors are cut off for about 2.4s: as in job 3.\n\nNothing that was acknowledged is "
        "lost.\n\nWarnings:\n  ! PID 1 ignores SIGTERM\n",
        "expect", "0123456789ab");
}

static inline struct snapshot *fleet_in_trouble(void)
{
    struct snapshot *snapshot = synthetic_snapshot(&small_fleet);
    snapshot->sites[3].status = SITE_CONFLICT;
    snapshot->sites[4].status = SITE_QUARANTINED;
    snapshot->sites[4].mark = MARK_QUARANTINED;
    snapshot->sites[4].mark_since_us = NOW_US - 3 * 3600 * USEC_PER_SEC;
    for (int i = 3; i < 5; i++)
        snapshot->sites[i].seen_us = NOW_US;
    return snapshot;
}

/* A move in the middle of copying, 20 s after it last said anything. */
static inline void stage_show_copying(struct stage *stage)
{
    struct picture fresh = {0};
    struct job_detail *detail = xcalloc(1, sizeof *detail);
    struct job_record job = some_job(JOB_RUNNING), waiting = some_job(JOB_PLANNED);
    str_copy(job.action, sizeof job.action, "migrate");
    str_copy(job.message, sizeof job.message, "copy: volume data");
    str_copy(job.reason, sizeof job.reason, "host02 is full");
    job.progress_pct = 31;
    waiting.id = 8;
    waiting.started_us = waiting.ended_us = 0;
    str_copy(waiting.message, sizeof waiting.message, "waits for job 7");
    fresh.jobs = xcalloc(1, sizeof *fresh.jobs);
    vec_push(&fresh.jobs->items, waiting);
    vec_push(&fresh.jobs->items, job);
    detail->id = 7;
    detail->found = true;
    detail->job = job;
    add_step(&detail->steps, "take the lease of garden0000.example", STEP_DONE);
    add_step(&detail->steps, "copy volume data to host04, 2.1G", STEP_RUNNING);
    add_step(&detail->steps, "stop garden0000.example", STEP_PENDING);
    struct job_step_record *step = &detail->steps.items.items[1];
    str_copy(step->name, sizeof step->name, "copy");
    str_copy(step->host, sizeof step->host, "host02");
    step->started_us = NOW_US - 90 * USEC_PER_SEC;
    step->alive_us = NOW_US - 20 * USEC_PER_SEC;
    step->pass = 2;
    step->done_bytes = INT64_C(640) << 20;
    step->total_bytes = INT64_C(2100) << 20;
    step->bytes_s = INT64_C(31) << 20;
    fresh.job = detail;
    console_update(stage->console, &fresh);
    picture_clear(&fresh);
}

static inline json_t *a_conflict(void)
{
    return json_pack(
        "{s:[{s:s,s:b,s:s,s:i,s:[s]},{s:s,s:b,s:s,s:i,s:[s]},{s:s,s:b,s:s,s:s,s:I,s:I},{s:s,s:b,s:s},{s:s,s:b,s:s}],"
        "s:s,s:[s,s]}",
        "hosts", "host", "host03", "answered", 1, "state", "active", "running", 1, "containers", "garden-web", "host",
        "host04", "answered", 1, "state", "active", "running", 0, "containers", "garden-web", "host", "host05",
        "answered", 1, "state", "kept", "job", "a1b2.7", "since_us", (json_int_t)(NOW_US - 7200 * USEC_PER_SEC),
        "until_us", (json_int_t)(NOW_US + 2 * 86400 * USEC_PER_SEC), "host", "host02", "answered", 0, "why",
        "no answer within 5 s", "host", "host01", "answered", 1, "state", "absent", "verdict",
        "conflict: two startable copies on host03 and host04", "way_out", "dogwatch stop garden --to host04",
        "dogwatch stop garden --to host03");
}

#endif
