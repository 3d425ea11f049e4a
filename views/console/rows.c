/* Table source over state structs. The array of pointers into the snapshot is made anew at each update; only rows on
 * screen are formatted. */
#include "views/console/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"

enum { COLUMNS_MAX = 32, SYMBOL_COLUMNS = 2, SPARK_MIN = 10, SPARK_MAX = 16, SPARK_PRIORITY = 3 };
enum { NAME_MOST = 30, NO_WORDS_PRIORITY = 8 };

struct rows {
    enum row_kind kind;
    struct table_column table_columns[COLUMNS_MAX];
    const struct column *columns[COLUMNS_MAX]; /* NULL: the sparkline */
    size_t column_count;
    struct table *table;
    VEC(const void *) items;
    struct freshness freshness;
    const struct picture *picture;
    const char *drawn[WISH_SPARKS]; /* keys whose sparkline was drawn */
    size_t drawn_count;
};

enum object_kind rows_object_kind(enum row_kind kind)
{
    static const enum object_kind kinds[ROWS_COUNT] = {[ROWS_HOSTS] = KIND_HOST,
        [ROWS_SITES] = KIND_SITE,
        [ROWS_CONTAINERS] = KIND_CONTAINER,
        [ROWS_VOLUMES] = KIND_VOLUME,
        [ROWS_JOBS] = KIND_COUNT,
        [ROWS_TIMELINE] = KIND_COUNT,
        [ROWS_ENGINE] = KIND_ENGINE};
    return kinds[kind];
}

/* --- the state of a row --- */

static struct shown_state state_of(const struct rows *rows, const void *object)
{
    switch (rows->kind) {
    case ROWS_HOSTS:
        return shown_host(object, rows->freshness);
    case ROWS_SITES:
        return shown_site(object, rows->freshness);
    case ROWS_CONTAINERS:
        return shown_container(object, rows->freshness);
    case ROWS_VOLUMES:
        return shown_volume(object, rows->freshness);
    case ROWS_JOBS:
        return shown_job(object);
    default:
        return shown_event(object);
    }
}

/* Worst first; among equals the busiest, in steps of 10 % so that rows do not dance. */
static double state_rank(const struct rows *rows, const void *object)
{
    static const char *const cpu_key = "cpu_pct";
    const struct column *cpu = column_find(rows->kind, cpu_key);
    double load = cpu ? column_value(cpu, object, rows->freshness).number : NAN;
    double step = isnan(load) ? 0 : floor(fmin(fmax(load, 0), 9990) / 10);
    return (double)state_of(rows, object).concern * 1000 + step;
}

/* --- the source --- */

static const char *key_of(enum row_kind kind, const void *object)
{
    switch (kind) {
    case ROWS_HOSTS:
        return ((const struct host_state *)object)->name;
    case ROWS_SITES:
        return ((const struct site_state *)object)->name;
    case ROWS_CONTAINERS:
        return ((const struct container_state *)object)->key;
    default:
        return ((const struct volume_state *)object)->key;
    }
}

static const char *row_id(void *context, size_t row)
{
    const struct rows *rows = context;
    return key_of(rows->kind, rows->items.items[row]);
}

static int64_t row_number(void *context, size_t row)
{
    const struct rows *rows = context;
    const void *object = rows->items.items[row];
    return rows->kind == ROWS_JOBS ? ((const struct job_record *)object)->id : ((const struct event *)object)->id;
}

static void spark_cell(struct rows *rows, const char *key, struct table_cell *out)
{
    if (rows->drawn_count < WISH_SPARKS)
        rows->drawn[rows->drawn_count++] = key;
    const struct spark *spark = sparks_find(rows->picture->sparks, rows_object_kind(rows->kind), key);
    if (!spark || spark->count == 0)
        return;
    double peak = 0;
    for (size_t i = 0; i < spark->count; i++)
        peak = spark->values[i] > peak ? spark->values[i] : peak;
    out->spark = spark->values;
    out->spark_count = spark->count;
    double least = rows->kind == ROWS_HOSTS ? 20 : 5;
    out->spark_max = peak > least ? NAN : least; /* an idle row is a flat line, not noise blown up to full height */
    if (out->style == ROLE_NORMAL)
        out->style = ROLE_CHART1;
}

static bool keeps_its_style(const struct column *column)
{
    return strcmp(column->key, "state") == 0 || strcmp(column->key, "reason") == 0;
}

static void row_cell(void *context, size_t row, size_t index, struct table_cell *out)
{
    struct rows *rows = context;
    const void *object = rows->items.items[row];
    const struct column *column = rows->columns[index];
    if (!column) {
        spark_cell(rows, key_of(rows->kind, object), out);
        return;
    }
    char text[COLUMN_TEXT_SIZE];
    bool is_state = strcmp(column->key, "state") == 0;
    str_format(out->text, sizeof out->text, "%s%s%s", is_state ? state_of(rows, object).symbol : "",
        is_state ? " " : "", column_text(column, object, rows->freshness, text));
    unsigned style = column_style(column, object, rows->freshness);
    if (style != ROLE_NORMAL && (out->style == ROLE_NORMAL || keeps_its_style(column)))
        out->style = style;
}

static void row_sort_key(void *context, size_t row, size_t index, struct table_key_value *out)
{
    const struct rows *rows = context;
    const void *object = rows->items.items[row];
    const struct column *column = rows->columns[index];
    if (strcmp(column->key, "state") == 0) {
        out->number = state_rank(rows, object);
        return;
    }
    struct value value = column_value(column, object, rows->freshness);
    out->text = value.kind == VALUE_TEXT && value.text && value.text[0] ? value.text : NULL;
    out->number = value.kind == VALUE_TIME ? (value.time_us ? (double)value.time_us : (double)NAN) : value.number;
}

static const char *row_filter_text(void *context, size_t row, char *buffer, size_t size)
{
    const struct rows *rows = context;
    const void *object = rows->items.items[row];
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < rows->column_count && used + 1 < size; i++) {
        const struct column *column = rows->columns[i];
        if (!column || column->kind != VALUE_TEXT)
            continue;
        struct value value = column_value(column, object, rows->freshness);
        str_format(buffer + used, size - used, "%s%s", used ? " " : "", value.text ? value.text : "");
        used += strlen(buffer + used);
    }
    return buffer;
}

/* Rows that cannot be believed any more are drawn as what they are: last known. */
static unsigned row_style(void *context, size_t row)
{
    const struct rows *rows = context;
    return state_of(rows, rows->items.items[row]).concern == CONCERN_UNKNOWN ? ROLE_DIM : ROLE_NORMAL;
}

/* --- columns --- */

static bool is_hidden(const char *const *hidden, const char *key)
{
    for (; hidden && *hidden; hidden++)
        if (strcmp(*hidden, key) == 0)
            return true;
    return false;
}

static void add_spark_column(struct rows *rows)
{
    rows->columns[rows->column_count] = NULL;
    rows->table_columns[rows->column_count++] = (struct table_column){.id = "cpu_trend",
        .title = "CPU 30m",
        .min_width = SPARK_MIN,
        .max_width = SPARK_MAX,
        .align = CELLS_LEFT,
        .priority = SPARK_PRIORITY,
        .compare = TABLE_UNSORTED};
}

static void add_column(struct rows *rows, const struct column *column)
{
    bool is_state = strcmp(column->key, "state") == 0;
    bool is_text = column->kind == VALUE_TEXT;
    rows->columns[rows->column_count] = column;
    rows->table_columns[rows->column_count++] = (struct table_column){.id = column->key,
        .title = column->title,
        .min_width = column->min_width + (is_state ? SYMBOL_COLUMNS : 0),
        .max_width = column->max_width + (is_state ? SYMBOL_COLUMNS : 0),
        .align = column_is_right_aligned(column) ? CELLS_RIGHT : CELLS_LEFT,
        .priority = column->priority,
        .compare = is_text && !is_state ? TABLE_BY_TEXT : TABLE_BY_NUMBER,
        .largest_first = is_state || column->largest_first};
}

static void make_columns(struct rows *rows, const char *const *hidden)
{
    size_t count;
    const struct column *columns = columns_of(rows->kind, &count);
    for (size_t i = 0; i < count && rows->column_count + 2 < COLUMNS_MAX; i++) {
        if (!(columns[i].where & COLUMN_TABLE) || is_hidden(hidden, columns[i].key))
            continue;
        add_column(rows, &columns[i]);
        if (strcmp(columns[i].key, "cpu_pct") == 0)
            add_spark_column(rows);
    }
}

struct rows *rows_new(enum row_kind kind, const char *const *hidden)
{
    struct rows *rows = xcalloc(1, sizeof *rows);
    rows->kind = kind;
    make_columns(rows, hidden);
    bool numbered = kind == ROWS_JOBS || kind == ROWS_TIMELINE;
    struct table_source source = {.context = rows,
        .id = numbered ? NULL : row_id,
        .number_id = numbered ? row_number : NULL,
        .cell = row_cell,
        .sort_key = row_sort_key,
        .filter_text = row_filter_text,
        .row_style = row_style};
    rows->table = table_new(rows->table_columns, rows->column_count, &source);
    return rows;
}

void rows_free(struct rows *rows)
{
    if (!rows)
        return;
    table_free(rows->table);
    vec_free(&rows->items);
    free(rows);
}

struct table *rows_table(struct rows *rows)
{
    return rows->table;
}

/* --- taking over --- */

static bool matches(const struct subject *scope, const char *host, const char *site)
{
    if (scope->kind == KIND_HOST)
        return strcmp(scope->key, host) == 0;
    if (scope->kind == KIND_SITE)
        return strcmp(scope->key, site) == 0;
    return true;
}

#define ADD_ALL(array, count, type, host_member, site_member)                                                          \
    for (size_t i = 0; i < (count); i++) {                                                                             \
        const type *object = &(array)[i];                                                                              \
        if (matches(scope, object->host_member, object->site_member))                                                  \
            vec_push(&rows->items, object);                                                                            \
    }

/* Columns of words that are read, not compared: they take room while there are such words, and none otherwise. */
static const struct {
    const char *key;
    int most;
} words[] = {
    {"state", 11}, {"kept_host", 20}, {"reason", 34}, {"drift", 24}, {"text", 40}, {"message", 24}, {"object", 30}};

static int words_most(const struct column *column)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].key, column->key) == 0)
            return words[i].most;
    return 0;
}

static int longest_text(const struct rows *rows, const struct column *column, int most)
{
    size_t longest = 0;
    vec_each (&rows->items, const void *const, item) {
        const char *text = column->get(*item, column, rows->freshness).text;
        size_t length = text ? strnlen(text, (size_t)most) : 0;
        longest = length > longest ? length : longest;
    }
    return (int)longest;
}

/* The name is what a person looks for: where it fits it is not cut. */
static void fit_columns(struct rows *rows)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        const struct column *column = rows->columns[i];
        int most = !column || column->kind != VALUE_TEXT ? 0 : i == 0 ? NAME_MOST : words_most(column);
        if (most == 0)
            continue;
        int longest = longest_text(rows, column, most), symbol = strcmp(column->key, "state") == 0 ? SYMBOL_COLUMNS : 0;
        rows->table_columns[i].min_width = (longest > column->min_width ? longest : column->min_width) + symbol;
        if (i > 0)
            rows->table_columns[i].priority = longest > 0 ? column->priority : NO_WORDS_PRIORITY;
    }
}

static void add_state(struct rows *rows, const struct snapshot *snapshot, const struct subject *scope)
{
    if (rows->kind == ROWS_HOSTS)
        ADD_ALL(snapshot->hosts, snapshot->host_count, struct host_state, name, name)
    if (rows->kind == ROWS_SITES)
        ADD_ALL(snapshot->sites, snapshot->site_count, struct site_state, host, name)
    if (rows->kind == ROWS_CONTAINERS)
        ADD_ALL(snapshot->containers, snapshot->container_count, struct container_state, host, site)
    if (rows->kind == ROWS_VOLUMES)
        ADD_ALL(snapshot->volumes, snapshot->volume_count, struct volume_state, host, site)
}

void rows_update(
    struct rows *rows, const struct picture *picture, const struct subject *scope, struct freshness freshness)
{
    rows->picture = picture;
    rows->freshness = freshness;
    vec_clear(&rows->items);
    rows->drawn_count = 0;
    if (picture->snapshot)
        add_state(rows, picture->snapshot, scope);
    if (rows->kind == ROWS_JOBS && picture->jobs)
        ADD_ALL(picture->jobs->items.items, picture->jobs->items.count, struct job_record, host, site)
    if (rows->kind == ROWS_TIMELINE && picture->events && subject_is(&picture->events->of, scope))
        ADD_ALL(picture->events->list.items.items, picture->events->list.items.count, struct event, host, site)
    fit_columns(rows);
    table_refresh(rows->table, rows->items.count);
}

bool rows_selected(const struct rows *rows, struct subject *out)
{
    const void *object = rows_selected_object(rows);
    const struct job_record *job = object;
    const struct event *event = object;
    *out = subject_of(KIND_COUNT, "");
    if (!object)
        return false;
    if (rows->kind == ROWS_JOBS)
        *out = subject_of(job->site[0] ? KIND_SITE : job->object_kind, job->site[0] ? job->site : job->object);
    else if (rows->kind == ROWS_TIMELINE)
        *out = subject_of(event->object_kind, event->object);
    else
        *out = subject_of(rows_object_kind(rows->kind), key_of(rows->kind, object));
    return true;
}

const void *rows_selected_object(const struct rows *rows)
{
    size_t row;
    return table_selected_row(rows->table, &row) ? rows->items.items[row] : NULL;
}

void rows_wish(struct rows *rows, struct wish *wish)
{
    wish->spark_kind = rows_object_kind(rows->kind);
    for (size_t i = 0; i < rows->drawn_count; i++) {
        bool there = false;
        for (size_t j = 0; j < wish->spark_count && !there; j++)
            there = strcmp(wish->spark_keys[j], rows->drawn[i]) == 0;
        if (!there && wish->spark_count < WISH_SPARKS)
            str_copy(wish->spark_keys[wish->spark_count++], KEY_SIZE, rows->drawn[i]);
    }
    rows->drawn_count = 0;
}
