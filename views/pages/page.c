/* A page's life: what it wishes for, its panes and who has the focus, its keys. How it is laid out: page_draw.c. */
#include "views/pages/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "views/console/objects.h"
#include "views/pages/lines.h"
#include "views/pages/page_private.h"

enum { LOG_LINES = 200, EVENT_LINES = 50 };

enum command { PAGE_NEXT = 1, PAGE_BEFORE, PAGE_WIDER, PAGE_NARROWER, PAGE_OPEN };

static const struct key_binding bindings[] = {
    {KEYS_TAB, PAGE_NEXT, "pane-next", "pane", "To the next pane", 3},
    {KEYS_BACK_TAB, PAGE_BEFORE, "pane-before", NULL, "To the pane before", 9},
    {'-', PAGE_WIDER, "range-longer", "longer", "Charts over a longer time", 5},
    {'+', PAGE_NARROWER, "range-shorter", "shorter", "Charts over a shorter time", 5},
    {'=', PAGE_NARROWER, "range-shorter", NULL, NULL, 9},
    {KEYS_ENTER, PAGE_OPEN, "open", "open", "Open the selected row", 4},
};
static const struct keymap page_keymap = KEYMAP("Page", bindings);

const struct page_range page_ranges[PAGE_RANGES] = {
    {"30 min", 30 * 60},
    {"1 h", 3600},
    {"3 h", 3 * 3600},
    {"24 h", 24 * 3600},
    {"7 days", 7 * 24 * 3600},
};

static const struct page_screen *const screens[KIND_COUNT] = {
    [KIND_HOST] = &host_page,
    [KIND_SITE] = &site_page,
    [KIND_CONTAINER] = &container_page,
    [KIND_VOLUME] = &volume_page,
};

/* --- life --- */

static const struct view_ops page_ops;

static void add_pane(struct page *page, enum pane_kind kind, const char *title)
{
    page->panes[page->pane_count++] = (struct pane){.kind = kind, .title = title};
}

struct view *page_new(struct console *console, const struct subject *subject)
{
    static const char *const hidden_on_host[] = {"host", NULL}, *const hidden_on_site[] = {"site", NULL};
    struct page *page = xcalloc(1, sizeof *page);
    page->view = (struct view){.ops = &page_ops, .console = console};
    page->screen = screens[subject->kind];
    page->subject = *subject;
    page->log = text_new(LOG_LINES + 1);
    page->events = text_new(EVENT_LINES + 1);
    text_set_follow(page->log, true);
    text_set_empty(page->log, "reading the log…");
    text_set_empty(page->events, "nothing happened yet");
    if (page->screen->children != ROWS_COUNT) {
        page->rows = rows_new(page->screen->children, subject->kind == KIND_HOST ? hidden_on_host : hidden_on_site);
        page->children = rows_table(page->rows);
        table_set_empty(page->children, page->screen->children_empty);
        table_sort(page->children, "state", true);
        add_pane(page, PANE_CHILDREN, page->screen->children_title);
    }
    if (page->screen->has_log)
        add_pane(page, PANE_LOG, subject->kind == KIND_HOST ? "System log" : "Log");
    add_pane(page, PANE_EVENTS, "Timeline");
    return &page->view;
}

static void page_free(struct view *view)
{
    struct page *page = (struct page *)view;
    rows_free(page->rows);
    text_free(page->log);
    text_free(page->events);
    free(page);
}

static const char *page_crumb(struct view *view)
{
    return ((struct page *)view)->subject.key;
}

/* --- data --- */

const struct page_range *page_range(const struct page *page)
{
    return &page_ranges[*console_range(page->view.console)];
}

const void *page_object(const struct page *page)
{
    const struct snapshot *snapshot = console_picture(page->view.console)->snapshot;
    if (!snapshot)
        return NULL;
    switch (page->subject.kind) {
    case KIND_HOST:
        return snapshot_host(snapshot, page->subject.key);
    case KIND_SITE:
        return snapshot_site(snapshot, page->subject.key);
    case KIND_CONTAINER:
        return snapshot_container(snapshot, page->subject.key);
    default:
        return snapshot_volume(snapshot, page->subject.key);
    }
}

static void page_update(struct view *view)
{
    struct page *page = (struct page *)view;
    const struct picture *picture = console_picture(view->console);
    struct freshness freshness = console_freshness(view->console);
    if (page->rows)
        rows_update(page->rows, picture, &page->subject, freshness);
    if (page->log_serial != picture->logs_serial &&
        lines_of_log(page->log, picture, &page->subject, page->subject.kind != KIND_CONTAINER)) {
        page->log_serial = picture->logs_serial;
        text_set_empty(page->log, "no lines yet");
    }
    if (page->events_serial != picture->events_serial &&
        lines_of_events(page->events, picture, &page->subject, freshness))
        page->events_serial = picture->events_serial;
}

static void page_wish(struct view *view, struct wish *wish)
{
    const struct page *page = (const struct page *)view;
    if (page->rows)
        rows_wish(page->rows, wish);
    wish->history = true;
    wish->history_of = page->subject;
    wish->range_us = page_range(page)->seconds * INT64_C(1000000);
    wish->events = true;
    wish->events_of = page->subject;
    if (page->screen->has_log)
        lines_wish(view->console, &page->subject, LOG_LINES, wish);
}

/* --- keys --- */

static struct pane *focused(struct page *page)
{
    return &page->panes[page->focus];
}

static struct text *focused_text(struct page *page)
{
    return focused(page)->kind == PANE_LOG ? page->log : page->events;
}

static void open_child(struct page *page)
{
    struct subject child;
    if (focused(page)->kind == PANE_CHILDREN && rows_selected(page->rows, &child))
        objects_open(page->view.console, &child);
}

static void run_command(struct page *page, int command)
{
    size_t *range = console_range(page->view.console);
    switch ((enum command)command) {
    case PAGE_NEXT:
        page->focus = (page->focus + 1) % page->pane_count;
        break;
    case PAGE_BEFORE:
        page->focus = (page->focus + page->pane_count - 1) % page->pane_count;
        break;
    case PAGE_WIDER:
        *range += *range + 1 < PAGE_RANGES;
        break;
    case PAGE_NARROWER:
        *range -= *range > 0;
        break;
    case PAGE_OPEN:
        open_child(page);
        break;
    }
}

static bool page_key(struct view *view, int key)
{
    struct page *page = (struct page *)view;
    int command = keymap_command(&page_keymap, key);
    if (command) {
        run_command(page, command);
        return true;
    }
    if (focused(page)->kind == PANE_CHILDREN)
        return table_key(page->children, key);
    return text_key(focused_text(page), key);
}

static bool page_back(struct view *view)
{
    struct page *page = (struct page *)view;
    if (!page->children)
        return false;
    bool marks = table_mark_count(page->children) > 0, filter = table_filter(page->children)[0] != '\0';
    if (marks)
        table_clear_marks(page->children);
    else if (filter)
        (void)table_set_filter(page->children, "", NULL);
    return marks || filter;
}

static enum err page_filter(struct view *view, const char *text, struct err_info *info)
{
    struct page *page = (struct page *)view;
    if (focused(page)->kind == PANE_CHILDREN)
        return table_set_filter(page->children, text, info);
    return text_search(focused_text(page), text, info);
}

/* The row under the selection where the focus is on rows, else the page's own object. */
static bool page_selected(struct view *view, struct subject *out)
{
    struct page *page = (struct page *)view;
    if (focused(page)->kind == PANE_CHILDREN && rows_selected(page->rows, out))
        return true;
    *out = page->subject;
    return true;
}

static unsigned page_why(struct view *view, char out[VIEW_WHY_SIZE])
{
    struct subject subject;
    (void)page_selected(view, &subject);
    return objects_why(view->console, &subject, out);
}

static size_t page_marked(struct view *view)
{
    struct page *page = (struct page *)view;
    return page->children ? table_mark_count(page->children) : 0;
}

struct marked_child {
    enum object_kind kind;
    void (*each)(void *context, const struct subject *subject);
    void *context;
};

static void tell_marked(void *context, const char *id)
{
    struct marked_child *child = context;
    struct subject subject = subject_of(child->kind, id);
    child->each(child->context, &subject);
}

static void page_each_marked(
    struct view *view, void (*each)(void *context, const struct subject *subject), void *context)
{
    struct page *page = (struct page *)view;
    struct marked_child child = {.kind = rows_object_kind(page->screen->children), .each = each, .context = context};
    if (page->children)
        table_each_target(page->children, tell_marked, &child);
}

static size_t page_keymaps(struct view *view, const struct keymap **maps, size_t max)
{
    struct page *page = (struct page *)view;
    struct subject selected;
    if (max < 3)
        return 0;
    maps[0] = &page_keymap;
    (void)page_selected(view, &selected);
    maps[1] = objects_keymap(view->console, &selected);
    maps[2] = focused(page)->kind == PANE_CHILDREN ? &table_keymap : &text_keymap;
    return 3;
}

static const struct view_ops page_ops = {
    .name = "page",
    .free = page_free,
    .crumb = page_crumb,
    .update = page_update,
    .wish = page_wish,
    .draw = page_draw,
    .key = page_key,
    .back = page_back,
    .filter = page_filter,
    .selected = page_selected,
    .why = page_why,
    .marked = page_marked,
    .each_marked = page_each_marked,
    .keymaps = page_keymaps,
};
