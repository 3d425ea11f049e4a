/* The columns of every kind of object, once: console tables, reports and wallboard pages are made of them. A column has
 * a stable key (JSON and CSV, documented in docs/reports.md), a heading, a way to get its value, and how much it is
 * worth on a narrow screen. Columns of figures come from fleet/metrics.h. */
#ifndef VIEWS_COLUMNS_H
#define VIEWS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/metrics.h"
#include "views/freshness.h"

/* What rows are made of; the struct behind `object` in parentheses. */
enum row_kind {
    ROWS_HOSTS,      /* struct host_state */
    ROWS_SITES,      /* struct site_state */
    ROWS_CONTAINERS, /* struct container_state */
    ROWS_VOLUMES,    /* struct volume_state */
    ROWS_JOBS,       /* struct job_record */
    ROWS_TIMELINE,   /* struct event */
    ROWS_ENGINE,     /* struct snapshot */
    ROWS_COUNT
};

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_COUNT, VALUE_TIME, VALUE_BOOL };

struct value {
    enum value_kind kind;
    const char *text; /* TEXT: borrowed from the object, not sanitised; NULL: unknown. May be "" */
    double number;    /* NUMBER, COUNT: NaN is unknown */
    int64_t time_us;  /* TIME: 0 is unknown */
    bool truth;
};

struct column;
typedef struct value column_get(const void *object, const struct column *column, struct freshness freshness);

enum {
    COLUMN_REPORT = 1, /* in CSV and JSON reports */
    COLUMN_TABLE = 2,  /* on screens and in text reports */
};

struct column {
    const char *key;   /* "mem_used_bytes" */
    const char *title; /* "MEM" */
    column_get *get;
    enum value_kind kind;
    enum metric_unit unit; /* of numbers */
    unsigned metric;       /* index of a figure in the kind's metric table */
    unsigned where;        /* COLUMN_… */
    int min_width, max_width;
    int priority;       /* 0: stays on the narrowest screen; the larger, the sooner it goes */
    bool largest_first; /* sorting begins with the largest */
};

/* The columns of a kind in reading order: those of screens first. Any thread. */
const struct column *columns_of(enum row_kind kind, size_t *count);
/* By key; NULL where there is none. */
const struct column *column_find(enum row_kind kind, const char *key);
const char *row_kind_word(enum row_kind kind); /* "hosts", …, also the report's name */

struct value column_value(const struct column *column, const void *object, struct freshness freshness);

/* For a person: short, "–" for unknown; ages for times ("4m"). TEXT values are sanitised. Returns out. */
#define COLUMN_TEXT_SIZE 256
const char *column_text(
    const struct column *column, const void *object, struct freshness freshness, char out[COLUMN_TEXT_SIZE]);

/* The style of a cell: states by concern, figures by thresholds (fleet-wide, docs/reports.md), else ROLE_NORMAL. */
unsigned column_style(const struct column *column, const void *object, struct freshness freshness);

bool column_is_right_aligned(const struct column *column);

#endif
