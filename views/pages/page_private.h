/* Shared by page.c (life and keys) and page_draw.c (layout). */
#ifndef VIEWS_PAGES_PAGE_PRIVATE_H
#define VIEWS_PAGES_PAGE_PRIVATE_H

#include "tui/text.h"
#include "views/console/rows.h"
#include "views/pages/page.h"

enum { PAGE_RANGES = 5, PANES_MAX = 3 };

struct page_range {
    const char *name;
    int64_t seconds;
};
extern const struct page_range page_ranges[PAGE_RANGES];

enum pane_kind { PANE_CHILDREN, PANE_LOG, PANE_EVENTS };
struct pane {
    enum pane_kind kind;
    const char *title;
};

struct page {
    struct view view;
    const struct page_screen *screen;
    struct subject subject;
    struct rows *rows;      /* the children; NULL: none */
    struct table *children; /* borrowed from rows */
    struct text *log, *events;
    uint64_t log_serial, events_serial; /* of the pieces that are in the texts */
    struct pane panes[PANES_MAX];
    size_t pane_count, focus;
};

const struct page_range *page_range(const struct page *page); /* what its charts show */
const void *page_object(const struct page *page);             /* NULL: gone, or not read yet */
void page_draw(struct view *view, struct area area);

#endif
