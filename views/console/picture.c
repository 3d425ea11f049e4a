/* Owning and replacing the pieces of a picture. No thread of its own: a picture belongs to one thread at a time. */
#include "views/console/picture.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct subject subject_of(enum object_kind kind, const char *key)
{
    struct subject subject = {.kind = kind};
    str_copy(subject.key, sizeof subject.key, key ? key : "");
    return subject;
}

bool subject_is(const struct subject *a, const struct subject *b)
{
    return a->kind == b->kind && strcmp(a->key, b->key) == 0;
}

void sparks_free(struct sparks *sparks)
{
    if (!sparks)
        return;
    vec_free(&sparks->items);
    free(sparks);
}

void history_free(struct history *history)
{
    if (!history)
        return;
    series_points_free(&history->points);
    free(history);
}

void log_tail_line_free(struct log_tail_line *line)
{
    free(line->origin);
    free(line->text);
}

void log_tail_free(struct log_tail *tail)
{
    if (!tail)
        return;
    vec_each (&tail->lines, struct log_tail_line, line)
        log_tail_line_free(line);
    vec_free(&tail->lines);
    free(tail);
}

void events_free(struct events *events)
{
    if (!events)
        return;
    event_list_free(&events->list);
    free(events);
}

void job_detail_free(struct job_detail *detail)
{
    if (!detail)
        return;
    job_record_free(&detail->job);
    job_step_list_free(&detail->steps);
    free(detail);
}

static void jobs_free(struct job_list *jobs)
{
    if (!jobs)
        return;
    job_list_free(jobs);
    free(jobs);
}

const struct spark *sparks_find(const struct sparks *sparks, enum object_kind kind, const char *key)
{
    if (!sparks || sparks->kind != kind)
        return NULL;
    vec_each (&sparks->items, const struct spark, spark)
        if (strcmp(spark->key, key) == 0)
            return spark;
    return NULL;
}

#define MOVE(member, release)                                                                                          \
    do {                                                                                                               \
        if (fresh->member) {                                                                                           \
            release(current->member);                                                                                  \
            current->member = fresh->member;                                                                           \
            fresh->member = NULL;                                                                                      \
        }                                                                                                              \
    } while (0)

void picture_merge(struct picture *current, struct picture *fresh)
{
    if (fresh->snapshot) {
        struct snapshot *former = current->snapshot;
        current->snapshot = fresh->snapshot;
        fresh->snapshot = former;
    }
    current->logs_serial += fresh->logs != NULL;
    current->events_serial += fresh->events != NULL;
    MOVE(jobs, jobs_free);
    MOVE(events, events_free);
    MOVE(job, job_detail_free);
    MOVE(sparks, sparks_free);
    MOVE(history, history_free);
    MOVE(logs, log_tail_free);
    MOVE(problem, free);
}

void picture_clear(struct picture *picture)
{
    snapshot_free(picture->snapshot);
    jobs_free(picture->jobs);
    events_free(picture->events);
    job_detail_free(picture->job);
    sparks_free(picture->sparks);
    history_free(picture->history);
    log_tail_free(picture->logs);
    free(picture->problem);
    *picture = (struct picture){0};
}
