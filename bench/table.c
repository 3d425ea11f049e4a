/* What the table costs with 50,000 rows: from a key to a finished buffer. The budget is 16 ms. Each figure is the
 * median and the worst of several runs, in milliseconds of wall clock. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "tui/keys.h"
#include "tui/table.h"

enum { ROWS = 50000, COLUMNS = 8, RUNS = 25, WIDTH = 140, HEIGHT = 45 };

struct site {
    char name[48];
    char host[16];
    const char *state;
    double figures[5];
};

static const struct table_column columns[COLUMNS] = {
    {"name", "SITE", NULL, 12, 40, CELLS_LEFT, 0, TABLE_BY_TEXT, false},
    {"host", "HOST", NULL, 8, 16, CELLS_LEFT, 1, TABLE_BY_TEXT, false},
    {"state", "STATE", NULL, 7, 12, CELLS_LEFT, 1, TABLE_BY_TEXT, false},
    {"cpu", "CPU", "%", 6, 8, CELLS_RIGHT, 2, TABLE_BY_NUMBER, true},
    {"mem", "MEM", NULL, 6, 8, CELLS_RIGHT, 2, TABLE_BY_NUMBER, true},
    {"rx", "RX", NULL, 7, 9, CELLS_RIGHT, 3, TABLE_BY_NUMBER, true},
    {"tx", "TX", NULL, 7, 9, CELLS_RIGHT, 3, TABLE_BY_NUMBER, true},
    {"age", "AGE", NULL, 4, 6, CELLS_RIGHT, 4, TABLE_BY_NUMBER, false},
};

static const char *site_id(void *context, size_t row)
{
    return ((struct site *)context)[row].name;
}

static void site_cell(void *context, size_t row, size_t column, struct table_cell *out)
{
    const struct site *site = &((struct site *)context)[row];
    char figure[FORMAT_SIZE];
    const char *const texts[] = {site->name, site->host, site->state};
    str_copy(out->text, sizeof out->text, column < 3 ? texts[column] : format_bytes(site->figures[column - 3], figure));
}

static void site_sort_key(void *context, size_t row, size_t column, struct table_key_value *out)
{
    const struct site *site = &((struct site *)context)[row];
    const char *const texts[] = {site->name, site->host, site->state};
    if (column < 3)
        out->text = texts[column];
    else
        out->number = site->figures[column - 3];
}

static const char *site_filter(void *context, size_t row, char *buffer, size_t buffer_size)
{
    const struct site *site = &((struct site *)context)[row];
    str_format(buffer, buffer_size, "%s %s %s", site->name, site->host, site->state);
    return buffer;
}

static struct site *make_sites(void)
{
    static const char *const states[] = {"running", "running", "running", "stopped", "unknown"};
    struct site *sites = xcalloc(ROWS, sizeof *sites);
    unsigned seed = 42;
    for (size_t i = 0; i < ROWS; i++) {
        seed = seed * 1103515245 + 12345;
        str_format(sites[i].name, sizeof sites[i].name, "member-%u.site-%zu.example.org", seed >> 16 & 1023, i);
        str_format(sites[i].host, sizeof sites[i].host, "mosh%02zu", i % 75);
        sites[i].state = states[seed >> 20 & 3];
        for (size_t k = 0; k < 5; k++)
            sites[i].figures[k] = (double)((seed = seed * 1103515245 + 12345) >> 8 & 0xFFFFF);
    }
    return sites;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench {
    struct table *table;
    struct cells *cells;
};

static void measure(const struct bench *bench, const char *what, void (*step)(struct table *table, int run))
{
    double taken[RUNS];
    for (int run = 0; run < RUNS; run++) {
        int64_t started_us = clock_mono_us();
        step(bench->table, run);
        cells_clear(bench->cells);
        table_draw(bench->table, cells_area(bench->cells));
        taken[run] = (double)(clock_mono_us() - started_us) / 1000;
    }
    qsort(taken, RUNS, sizeof *taken, by_value);
    printf("  %-44s %7.2f ms   worst %7.2f ms\n", what, taken[RUNS / 2], taken[RUNS - 1]);
}

static void press_down(struct table *table, int run)
{
    table_key(table, run % 7 == 6 ? KEYS_END : KEYS_PAGE_DOWN);
}

static void sort_by_name(struct table *table, int run)
{
    table_sort(table, "name", run % 2);
}

static void sort_by_cpu(struct table *table, int run)
{
    table_sort(table, "cpu", run % 2);
}

static void type_plain(struct table *table, int run)
{
    static const char *const typed[] = {"m", "me", "mem", "memb", "member-7"};
    table_set_filter(table, typed[run % 5], NULL);
}

static void type_regex(struct table *table, int run)
{
    static const char *const typed[] = {
        "mosh0[1-3]", "site-.*7\\.", "(stopped|unknown)$", "!running$", "^member-1.3\\."};
    table_set_filter(table, typed[run % 5], NULL);
}

static void clear_filter(struct table *table, int run)
{
    (void)run;
    table_set_filter(table, NULL, NULL);
}

static void refresh(struct table *table, int run)
{
    (void)run;
    table_refresh(table, ROWS);
}

int main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    struct site *sites = make_sites();
    struct table_source source = {
        .context = sites, .id = site_id, .cell = site_cell, .sort_key = site_sort_key, .filter_text = site_filter};
    struct bench bench = {table_new(columns, COLUMNS, &source), cells_new(WIDTH, HEIGHT)};
    table_refresh(bench.table, ROWS);
    printf("table: %d rows, %d columns, drawn at %dx%d; from key to finished buffer (budget 16 ms)\n", ROWS, COLUMNS,
        WIDTH, HEIGHT);
    measure(&bench, "page down, end", press_down);
    measure(&bench, "sort by name (natural order)", sort_by_name);
    measure(&bench, "sort by a number", sort_by_cpu);
    measure(&bench, "a letter of a plain filter", type_plain);
    measure(&bench, "a regular expression", type_regex);
    measure(&bench, "filter off", clear_filter);
    measure(&bench, "new data (sorted by a number)", refresh);
    table_sort(bench.table, "name", false);
    table_set_filter(bench.table, "mosh0[1-3]", NULL);
    measure(&bench, "new data (sorted by name, with a filter)", refresh);
    table_free(bench.table);
    cells_free(bench.cells);
    free(sites);
    return 0;
}
