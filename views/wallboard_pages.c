/* The pages of the wallboard. Everything is judged by views/freshness.h and formatted by views/columns.h, like screens
 * and reports; what is unknown counts as unknown, never as fine and never as zero. Pure functions. */
#include "views/wallboard_pages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/mem.h"
#include "tui/big.h"
#include "tui/chart.h"
#include "views/columns.h"
#include "views/progress.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum concern wallboard_host_concern(const struct host_state *host, struct freshness freshness)
{
    enum concern worst = shown_host(host, freshness).concern;
    size_t count;
    const struct column *columns = columns_of(ROWS_HOSTS, &count);
    if (worst != CONCERN_OK)
        return worst;
    for (size_t i = 0; i < count; i++) {
        if (columns[i].kind != VALUE_NUMBER)
            continue;
        unsigned style = column_style(&columns[i], host, freshness);
        if (style == ROLE_CRITICAL)
            return CONCERN_CRITICAL;
        if (style == ROLE_WARNING)
            worst = CONCERN_WARNING;
    }
    return worst;
}

/* --- totals --- */

struct tile {
    const char *caption;
    char figure[FORMAT_SIZE];
    char note[128];
    char short_note[128]; /* for narrow places; "": none */
    unsigned style;
};
enum { TILE_COUNT = 6, BAR_MOST = 40 };

struct tally {
    size_t all, good, by_concern[CONCERN_COUNT];
};

static void tally_add(struct tally *tally, enum concern concern, bool good)
{
    tally->all++;
    tally->good += good;
    tally->by_concern[concern]++;
}

/* What is wrong, the worst first: "of 75 hosts  ✖ 1 critical  ? 2 unknown"; without a noun shorter: "of 75  ✖ 1  ? 2".
 * Returns the style of the figure. */
static unsigned tell_tally(const struct tally *tally, const char *noun, char *note, size_t size)
{
    static const struct {
        enum concern concern;
        const char *word;
    } troubles[] = {{CONCERN_CONFLICT, " in conflict"}, {CONCERN_QUARANTINED, " quarantined"},
        {CONCERN_CRITICAL, " critical"}, {CONCERN_UNKNOWN, " unknown"}, {CONCERN_WARNING, " warning"}};
    enum concern worst = tally->all ? CONCERN_OK : CONCERN_NONE;
    str_format(note, size, "of %zu%s%s", tally->all, noun ? " " : "", noun ? noun : "");
    for (size_t i = 0; i < COUNT(troubles); i++) {
        enum concern concern = troubles[i].concern;
        size_t length = strlen(note), count = tally->by_concern[concern];
        if (!count)
            continue;
        const char *word = noun ? troubles[i].word : "";
        str_format(note + length, size - length, "  %s %zu%s", concern_symbol(concern), count, word);
        if (worst == CONCERN_OK)
            worst = concern;
    }
    return concern_style(worst);
}

static void count_tile(struct tile *tile, const char *caption, const char *noun, const struct tally *tally)
{
    tile->caption = caption;
    str_format(tile->figure, sizeof tile->figure, "%zu", tally->good);
    tile->style = tell_tally(tally, noun, tile->note, sizeof tile->note);
    tell_tally(tally, NULL, tile->short_note, sizeof tile->short_note);
}

static void fill_counts(struct tile tiles[3], const struct snapshot *snapshot, struct freshness freshness)
{
    struct tally hosts = {0}, sites = {0}, containers = {0};
    for (size_t i = 0; i < snapshot->host_count; i++) {
        enum concern concern = shown_host(&snapshot->hosts[i], freshness).concern;
        tally_add(&hosts, concern, concern == CONCERN_OK);
    }
    for (size_t i = 0; i < snapshot->site_count; i++) {
        enum concern concern = shown_site(&snapshot->sites[i], freshness).concern;
        tally_add(&sites, concern, concern == CONCERN_OK);
    }
    for (size_t i = 0; i < snapshot->container_count; i++) {
        enum concern concern = shown_container(&snapshot->containers[i], freshness).concern;
        tally_add(&containers, concern, concern == CONCERN_OK);
    }
    count_tile(&tiles[0], "HOSTS UP", "hosts", &hosts);
    count_tile(&tiles[1], "SITES RUNNING", "sites", &sites);
    count_tile(&tiles[2], "CONTAINERS RUNNING", "containers", &containers);
}

static bool host_is_up(const struct host_state *host, struct freshness freshness)
{
    return shown_host(host, freshness).concern == CONCERN_OK;
}

/* The host with the largest figure in that column; NULL where no host that is up has one. */
static const struct host_state *host_of_most(
    const struct snapshot *snapshot, struct freshness freshness, enum host_metric metric)
{
    const struct host_state *most = NULL;
    for (size_t i = 0; i < snapshot->host_count; i++) {
        const struct host_state *host = &snapshot->hosts[i];
        if (!host_is_up(host, freshness) || isnan(host->metrics[metric]))
            continue;
        if (!most || host->metrics[metric] > most->metrics[metric])
            most = host;
    }
    return most;
}

static void put_pct(struct tile *tile, double pct)
{
    if (isnan(pct))
        str_copy(tile->figure, sizeof tile->figure, "–");
    else
        str_format(tile->figure, sizeof tile->figure, "%.0f%%", pct);
    tile->style = isnan(pct) ? ROLE_UNKNOWN : ROLE_NORMAL;
}

/* A percentage of one host, coloured as everywhere. */
static void most_tile(struct tile *tile, const char *caption, const struct snapshot *snapshot,
    struct freshness freshness, enum host_metric metric)
{
    const struct host_state *host = host_of_most(snapshot, freshness, metric);
    const struct column *column = column_find(ROWS_HOSTS, metric_table(KIND_HOST)->metrics[metric].key);
    tile->caption = caption;
    put_pct(tile, host ? host->metrics[metric] : (double)NAN);
    str_format(tile->note, sizeof tile->note, host ? "on %s" : "unknown", host ? host->name : "");
    if (host)
        tile->style = column_style(column, host, freshness);
}

static void memory_tile(struct tile *tile, const struct snapshot *snapshot, struct freshness freshness)
{
    char used_text[FORMAT_SIZE], total_text[FORMAT_SIZE];
    double used = 0, total = 0;
    for (size_t i = 0; i < snapshot->host_count; i++) {
        const struct host_state *host = &snapshot->hosts[i];
        double of_host = host->metrics[HOST_MEM_USED] + host->metrics[HOST_MEM_TOTAL]; /* NaN where either is */
        if (!host_is_up(host, freshness) || isnan(of_host))
            continue;
        used += host->metrics[HOST_MEM_USED];
        total += host->metrics[HOST_MEM_TOTAL];
    }
    tile->caption = "MEMORY IN USE";
    put_pct(tile, total > 0 ? 100 * used / total : (double)NAN);
    str_format(tile->note, sizeof tile->note, total > 0 ? "%s of %s" : "unknown", format_bytes(used, used_text),
        format_bytes(total, total_text));
}

static void draw_tile(struct area area, const struct tile *tile, int size)
{
    area_fit(area, 0, 0, area.width, CELLS_CENTER, ROLE_HEADER, tile->caption);
    big_draw(area_sub(area, 0, 1, area.width, area.height - 2), size, tile->style, tile->figure);
    bool fits = text_columns(tile->note) <= area.width || !tile->short_note[0];
    const char *note = fits ? tile->note : tile->short_note;
    area_fit(area, 0, area.height - 1, area.width, CELLS_CENTER, tile->style, note);
}

static struct area tile_area(struct area area, int columns, int index)
{
    int rows = TILE_COUNT / columns, width = area.width / columns, height = area.height / rows;
    return area_sub(area, index % columns * width + 1, index / columns * height, width - 2, height);
}

void wallboard_totals(struct area area, const struct wallboard *board, struct freshness freshness)
{
    struct tile tiles[TILE_COUNT] = {0};
    fill_counts(tiles, board->snapshot, freshness);
    most_tile(&tiles[3], "BUSIEST CPU", board->snapshot, freshness, HOST_CPU);
    memory_tile(&tiles[4], board->snapshot, freshness);
    most_tile(&tiles[5], "FULLEST DISK", board->snapshot, freshness, HOST_DISK_WORST);
    int columns = area.width >= 100 || area.height < 18 ? 3 : 2, size = big_size_largest();
    for (int i = 0; i < TILE_COUNT; i++) { /* one size for all; a figure that is not known is drawn as text anyhow */
        struct area place = tile_area(area, columns, i);
        int fitting = big_size(area_sub(place, 0, 1, place.width, place.height - 2), tiles[i].figure);
        if (fitting < size && strcmp(tiles[i].figure, "–") != 0)
            size = fitting;
    }
    for (int i = 0; i < TILE_COUNT; i++)
        draw_tile(tile_area(area, columns, i), &tiles[i], size);
}

/* --- hosts --- */

struct ranked {
    const void *object;
    enum concern concern;
    double load; /* NaN: unknown */
};

/* The worst first, then the busiest, else as they came (by name). */
static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->concern != b->concern)
        return a->concern < b->concern ? 1 : -1;
    double a_load = isnan(a->load) ? -1 : a->load, b_load = isnan(b->load) ? -1 : b->load;
    if (a_load < b_load || a_load > b_load)
        return a_load < b_load ? 1 : -1;
    return (a->object > b->object) - (a->object < b->object);
}

struct heat_grid {
    int width, pitch; /* columns and rows from one cell to the next */
};
enum { HEAT_TALL = 3, HEAT_TALL_WIDTH = 20, HEAT_FIGURE = 5 };

/* The largest cells with which all hosts have room: two lines and a gap, else one line, at last only symbols. */
static struct heat_grid heat_grid(struct area area, size_t count)
{
    static const int widths[] = {34, 26, HEAT_TALL_WIDTH, 16, 12, 8, 4, 2};
    for (int pitch = HEAT_TALL; pitch >= 1; pitch -= HEAT_TALL - 1)
        for (size_t i = 0; i < COUNT(widths); i++) {
            bool sensible = widths[i] <= area.width && (pitch == 1 || widths[i] >= HEAT_TALL_WIDTH);
            if (sensible && (size_t)(area.width / widths[i]) * (size_t)(area.height / pitch) >= count)
                return (struct heat_grid){widths[i], pitch};
        }
    return (struct heat_grid){2, 1};
}

/* Why it is not up, or what else is to know. */
static void heat_second_line(const struct host_state *host, struct freshness freshness, char *out, size_t size)
{
    char memory[FORMAT_SIZE], disk[FORMAT_SIZE];
    if (!host_is_up(host, freshness)) {
        str_copy(out, size, shown_host_reason(host, freshness));
        return;
    }
    format_pct(100 * host->metrics[HOST_MEM_USED] / host->metrics[HOST_MEM_TOTAL], memory);
    format_pct(host->metrics[HOST_DISK_WORST], disk);
    str_format(out, size, "mem %s  disk %s", memory, disk);
}

static void draw_heat_cell(struct area cell, const struct ranked *ranked, struct freshness freshness)
{
    const struct host_state *host = ranked->object;
    bool loud = ranked->concern > CONCERN_OK;
    unsigned style = concern_style(ranked->concern) | (loud ? STYLE_REVERSE | STYLE_BOLD : 0);
    char text[COLUMN_TEXT_SIZE] = "";
    int right = cell.width >= 14 ? HEAT_FIGURE : 0;
    area_fill(cell, style);
    area_text(cell, 0, 0, style, concern_symbol(ranked->concern));
    area_fit(cell, 2, 0, cell.width - 2 - right, CELLS_LEFT, style, host->name);
    if (right && host_is_up(host, freshness))
        column_text(column_find(ROWS_HOSTS, "cpu_pct"), host, freshness, text);
    if (right)
        area_fit(cell, cell.width - right, 0, right - 1, CELLS_RIGHT, style, text);
    if (cell.height < 2)
        return;
    heat_second_line(host, freshness, text, sizeof text);
    area_fit(cell, 2, 1, cell.width - 3, CELLS_LEFT, loud ? style : ROLE_DIM, text);
}

static void draw_heat(struct area area, const struct ranked *ranked, size_t count, struct freshness freshness)
{
    struct heat_grid grid = heat_grid(area, count);
    int columns = grid.width <= area.width ? area.width / grid.width : 1;
    size_t room = (size_t)columns * (size_t)(area.height / grid.pitch);
    for (size_t i = 0; i < count && i < room; i++) {
        int x = (int)i % columns * grid.width, y = (int)i / columns * grid.pitch;
        struct area cell = area_sub(area, x, y, grid.width - 1, grid.pitch == 1 ? 1 : grid.pitch - 1);
        draw_heat_cell(cell, &ranked[i], freshness);
    }
}

void wallboard_hosts(struct area area, const struct wallboard *board, struct freshness freshness)
{
    size_t count = board->snapshot->host_count;
    struct ranked *ranked = xcalloc(count + 1, sizeof *ranked);
    struct tally tally = {0};
    char note[128];
    for (size_t i = 0; i < count; i++) {
        const struct host_state *host = &board->snapshot->hosts[i];
        ranked[i] = (struct ranked){host, wallboard_host_concern(host, freshness), NAN};
        tally_add(&tally, ranked[i].concern, host_is_up(host, freshness));
    }
    qsort(ranked, count, sizeof *ranked, compare_ranked);
    unsigned style = tell_tally(&tally, "hosts up", note, sizeof note);
    int used = area_textf(area, 1, 0, style | STYLE_BOLD, "%zu %s", tally.good, note) + 3;
    area_fit(area, used, 0, area.width - used - 1, CELLS_RIGHT, ROLE_DIM, "figures: CPU, memory, disk in %");
    draw_heat(area_sub(area, 1, 2, area.width - 1, area.height - 2), ranked, count, freshness);
    free(ranked);
}

/* --- lists --- */

enum { LIST_COLUMNS_MAX = 12, LIST_LAST_WIDTH = 24 };

struct list {
    enum row_kind kind;
    const char
        *keys[LIST_COLUMNS_MAX + 1]; /* of views/columns.h, in order; ends with NULL. The last takes what is left */
};

struct list_layout {
    const struct column *columns[LIST_COLUMNS_MAX];
    int widths[LIST_COLUMNS_MAX];
    int count;
};

static int widest(const struct column *column, const struct ranked *rows, size_t count, struct freshness freshness)
{
    char text[COLUMN_TEXT_SIZE];
    int width = text_columns(column->title);
    for (size_t i = 0; i < count; i++) {
        int columns = text_columns(column_text(column, rows[i].object, freshness, text));
        width = columns > width ? columns : width;
    }
    return width < column->max_width ? width : column->max_width;
}

static int layout_width(const struct list_layout *layout)
{
    int total = 0;
    for (int c = 0; c < layout->count; c++)
        total += layout->widths[c] + 2;
    return total;
}

/* The least important columns go until the rest fits; those of priority 0 stay, and the last, which says why. */
static void drop_columns(struct list_layout *layout, int width)
{
    while (layout_width(layout) > width) {
        int least = 0;
        for (int c = 1; c + 1 < layout->count; c++)
            if (layout->columns[c]->priority >= layout->columns[least]->priority)
                least = c;
        if (layout->columns[least]->priority == 0)
            return;
        layout->count--;
        for (int c = least; c < layout->count; c++) {
            layout->columns[c] = layout->columns[c + 1];
            layout->widths[c] = layout->widths[c + 1];
        }
    }
}

static struct list_layout lay_out(
    const struct list *list, const struct ranked *rows, size_t count, int width, struct freshness freshness)
{
    struct list_layout layout = {.count = 0};
    for (size_t i = 0; list->keys[i]; i++) {
        const struct column *column = column_find(list->kind, list->keys[i]);
        if (!column)
            continue;
        layout.columns[layout.count] = column;
        layout.widths[layout.count++] = widest(column, rows, count, freshness);
    }
    int *last = &layout.widths[layout.count - 1];
    *last = *last < LIST_LAST_WIDTH ? *last : LIST_LAST_WIDTH;
    drop_columns(&layout, width);
    last = &layout.widths[layout.count - 1];
    int room = width - (layout_width(&layout) - *last);
    *last = room > *last ? room : *last;
    return layout;
}

static void draw_list_row(
    struct area area, int y, const struct list_layout *layout, const struct ranked *row, struct freshness freshness)
{
    char text[COLUMN_TEXT_SIZE];
    int x = 2;
    if (row)
        area_text(area, 0, y, concern_style(row->concern), concern_symbol(row->concern));
    for (int c = 0; c < layout->count; c++) {
        const struct column *column = layout->columns[c];
        enum cells_align align = column_is_right_aligned(column) ? CELLS_RIGHT : CELLS_LEFT;
        unsigned style = row ? column_style(column, row->object, freshness) : ROLE_HEADER;
        if (row)
            column_text(column, row->object, freshness, text);
        else
            str_copy(text, sizeof text, column->title);
        int width = x + layout->widths[c] <= area.width ? layout->widths[c] : area.width - x;
        if (width > 0)
            area_fit(area, x, y, width, align, style, text);
        x += layout->widths[c] + 2;
    }
}

/* Heading and rows; returns the rows of the area it took. */
static int draw_list(
    struct area area, const struct list *list, const struct ranked *rows, size_t count, struct freshness freshness)
{
    size_t shown = area.height < 2 ? 0 : count < (size_t)area.height - 1 ? count : (size_t)area.height - 1;
    struct list_layout layout = lay_out(list, rows, shown, area.width - 2, freshness);
    draw_list_row(area, 0, &layout, NULL, freshness);
    for (size_t i = 0; i < shown; i++)
        draw_list_row(area, (int)i + 1, &layout, &rows[i], freshness);
    return (int)shown + 1;
}

/* --- worst sites --- */

void wallboard_worst(struct area area, const struct wallboard *board, struct freshness freshness)
{
    static const struct list list = {ROWS_SITES, {"site", "state", "host", "cpu_pct", "mem_used_bytes",
                                                     "net_rx_bytes_s", "net_tx_bytes_s", "age_s", "drift", NULL}};
    size_t count = board->snapshot->site_count, troubled = 0;
    struct ranked *rows = xcalloc(count + 1, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        const struct site_state *site = &board->snapshot->sites[i];
        rows[i] = (struct ranked){site, shown_site(site, freshness).concern, site->metrics[SITE_CPU]};
        if (rows[i].concern == CONCERN_OK && site->drift[0])
            rows[i].concern = CONCERN_WARNING;
        troubled += rows[i].concern > CONCERN_OK;
    }
    qsort(rows, count, sizeof *rows, compare_ranked);
    enum concern worst = count ? rows[0].concern : CONCERN_NONE;
    const char *say = troubled == 1 ? "site needs a look" : troubled ? "sites need a look" : "No site is in trouble";
    if (troubled)
        area_textf(area, 1, 0, concern_style(worst) | STYLE_BOLD, "%zu of %zu %s", troubled, count, say);
    else
        area_text(area, 1, 0, ROLE_OK | STYLE_BOLD, say);
    draw_list(area_sub(area, 1, 2, area.width - 2, area.height - 2), &list, rows, count, freshness);
    free(rows);
}

/* --- now --- */

static int draw_jobs(struct area area, const struct wallboard *board, struct freshness freshness)
{
    static const struct list list = {
        ROWS_JOBS, {"job", "state", "action", "object", "progress_pct", "age_s", "who", "message", NULL}};
    size_t all = board->jobs ? board->jobs->items.count : 0, running = 0;
    struct ranked *rows = xcalloc(all + 1, sizeof *rows);
    for (size_t i = 0; i < all; i++) {
        enum concern concern = shown_job(&board->jobs->items.items[i]).concern;
        if (concern == CONCERN_ACTIVE)
            rows[running++] = (struct ranked){&board->jobs->items.items[i], concern, NAN};
    }
    int taken = 1;
    if (running)
        area_textf(area, 1, 0, ROLE_ACTIVE | STYLE_BOLD, "%zu %s running", running, running == 1 ? "job" : "jobs");
    else
        area_text(area, 1, 0, ROLE_DIM, "No job is running");
    if (running) /* at most a third of the screen: what changed is to be seen as well */
        taken += draw_list(area_sub(area, 1, 1, area.width - 2, 1 + area.height / 3), &list, rows, running, freshness);
    free(rows);
    return taken;
}

/* A bar and words for each job that runs: which step, how far, and how long it has been silent. */
static int draw_progress(struct area area, const struct wallboard *board, struct freshness freshness)
{
    int y = 0, bar = area.width / 4 < BAR_MOST ? area.width / 4 : BAR_MOST;
    for (size_t i = 0; i < board->progress_count && y < area.height / 4; i++) {
        const struct wallboard_progress *progress = &board->progress[i];
        const struct job_step_record *step = progress_current(&progress->steps);
        char copied[PROGRESS_SIZE], alive[PROGRESS_SIZE];
        if (!step)
            continue;
        double share = progress_fraction(step);
        if (isnan(share)) /* nothing is copied: steps that are over */
            share = (double)step->index / (double)progress->steps.items.count;
        enum concern concern = progress_alive(step, freshness.now_us, alive);
        gauge_draw(area_sub(area, 1, 0, bar, area.height), y, share, ROLE_ACTIVE, "");
        char *words = xasprintf("job %lld: %s%s%s%s%s", (long long)progress->job, step->name,
            step->host[0] ? " on " : "", step->host, progress_words(step, copied)[0] ? ", " : "", copied);
        int x = bar + 2;
        if (concern > CONCERN_ACTIVE) /* silence is what is to be seen first */
            x += area_text(area, x, y, concern_style(concern), alive) + 2;
        area_text(area, x, y, ROLE_ACTIVE, words);
        free(words);
        y++;
    }
    return y;
}

void wallboard_now(struct area area, const struct wallboard *board, struct freshness freshness)
{
    static const struct list list = {ROWS_TIMELINE, {"age_s", "state", "kind", "host", "text", NULL}};
    int top = draw_jobs(area, board, freshness);
    top += draw_progress(area_sub(area, 0, top, area.width, area.height - top), board, freshness) + 1;
    size_t count = board->events ? board->events->items.count : 0;
    struct ranked *rows = xcalloc(count + 1, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] =
            (struct ranked){&board->events->items.items[i], shown_event(&board->events->items.items[i]).concern, NAN};
    area_text(area, 1, top, ROLE_TITLE, count ? "What changed last" : "Nothing has changed yet");
    if (count)
        draw_list(area_sub(area, 1, top + 1, area.width - 2, area.height - top - 1), &list, rows, count, freshness);
    free(rows);
}
