/* The page of one object: present figures, charts of the past, what belongs to it, its log, what happened to it. What
 * differs between kinds is in a const struct, one file each. Drawing thread only. */
#ifndef VIEWS_PAGES_PAGE_H
#define VIEWS_PAGES_PAGE_H

#include "base/format.h"
#include "tui/layout.h"
#include "views/columns.h"
#include "views/console/core.h"

/* A row "name  value", or "value of other" where there is a second column. */
struct page_field {
    const char *name;
    const char *key, *of_key; /* of views/columns.h; of_key may be NULL */
};

struct page_chart {
    const char *title;
    const char *unit;       /* NULL: the format says it */
    const char *metrics[2]; /* keys of fleet/metrics.h; the second may be NULL */
    const char *labels[2];  /* NULL with one series */
    const char *max_key;    /* figure of the object that is the top of the axis, where it is known; may be NULL */
    double least_max;       /* the axis reaches at least to here: small values look small */
    const char *(*format)(double value, char out[FORMAT_SIZE]); /* NULL: format_count */
};

#define PAGE_CHARTS_MAX 4

struct page_screen {
    enum object_kind kind;
    enum row_kind rows;         /* what its columns are of */
    enum row_kind children;     /* ROWS_COUNT: it has none */
    const char *children_title; /* "Containers" */
    const char *children_empty;
    const struct page_field *fields; /* the most important first; the list ends with a NULL name */
    const struct page_chart *charts; /* the list ends with a NULL title */
    bool has_log;
};

extern const struct page_screen host_page, site_page, container_page, volume_page;

/* The object must be there now (objects_open checks). */
struct view *page_new(struct console *console, const struct subject *subject);

#endif
