/* What the drawing thread knows of the world, and what it would like to know. The data thread reads the store and hands
 * over pieces by pointer; a piece never changes after that. Each piece about one object says about which: a piece that
 * comes late, after the person has gone elsewhere, is recognised and not shown. */
#ifndef VIEWS_CONSOLE_PICTURE_H
#define VIEWS_CONSOLE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "fleet/state.h"
#include "store/jobs.h"
#include "store/reader.h"
#include "store/series.h"

struct subject { /* one object; kind KIND_COUNT: everything */
    enum object_kind kind;
    char key[KEY_SIZE];
};
struct subject subject_of(enum object_kind kind, const char *key);
bool subject_is(const struct subject *a, const struct subject *b);

/* --- pieces ------------------------------------------------------------------------------------------------------- */

#define SPARK_POINTS 30
#define SPARK_RANGE_US (30 * 60 * INT64_C(1000000))
struct spark { /* CPU of the last half hour, oldest first; NaN is a gap */
    char key[KEY_SIZE];
    size_t count;
    double values[SPARK_POINTS];
};
struct sparks {
    enum object_kind kind;
    VEC(struct spark) items;
};

struct history { /* of all metrics with a history; points.count 0: there is none yet */
    struct subject of;
    int64_t range_us;
    struct series_points points;
};

struct log_tail_line {
    int64_t at_us;
    char *origin; /* owned: container or unit */
    char *text;   /* owned, not sanitised */
    uint8_t priority;
    uint64_t dropped; /* not 0: no line, so many were left out here */
};
struct log_tail { /* oldest first */
    struct subject of;
    VEC(struct log_tail_line) lines;
    char problem[256]; /* "" while all is well */
};

struct events {
    struct subject of;
    struct event_list list; /* newest first */
};

struct job_detail {
    int64_t id;
    bool found;
    struct job_record job;
    struct job_step_list steps;
};

/* Every member may be NULL: not known yet. */
struct picture {
    struct snapshot *snapshot;
    struct job_list *jobs; /* newest first, bounded */
    struct events *events;
    struct job_detail *job;
    struct sparks *sparks;
    struct history *history;
    struct log_tail *logs;
    char *problem;                       /* why the store cannot be read; "" where it can */
    uint64_t logs_serial, events_serial; /* how often that piece was replaced */
};

/* Move every piece of `fresh` into `current`. The snapshot that was there before is left in `fresh`, so that it can be
 * brought up to date again instead of being read anew; all other former pieces are freed. */
void picture_merge(struct picture *current, struct picture *fresh);
void picture_clear(struct picture *picture); /* frees all pieces */

const struct spark *sparks_find(const struct sparks *sparks, enum object_kind kind, const char *key); /* or NULL */

void sparks_free(struct sparks *sparks); /* NULL allowed, as with all below */
void history_free(struct history *history);
void log_tail_free(struct log_tail *tail);
void log_tail_line_free(struct log_tail_line *line); /* what it owns */
void events_free(struct events *events);
void job_detail_free(struct job_detail *detail);

/* --- wishes ------------------------------------------------------------------------------------------------------- */

#define WISH_SPARKS 128

struct wish {
    size_t spark_count; /* rows on screen */
    enum object_kind spark_kind;
    char spark_keys[WISH_SPARKS][KEY_SIZE];
    bool history;
    struct subject history_of;
    int64_t range_us;
    bool events;
    struct subject events_of;
    int64_t job; /* 0: none */
    bool logs;
    struct subject logs_of; /* and where its lines are found; "" is any, in system logs no container: */
    char log_host[NAME_SIZE], log_site[NAME_SIZE], log_container[CONTAINER_NAME_SIZE];
    bool log_system;
    size_t log_lines; /* at most so many */
};

#endif
