/* Reports: gather the rows of a kind, keep those asked for, write them as aligned text, CSV (RFC 4180) or JSON. Whole
 * or not at all: a report is made in memory before the first byte leaves. One thread. */
#include "views/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "base/name.h"
#include "tui/cells.h"

/* --- rows --------------------------------------------------------------------------------------------------------- */

struct rows {
    struct snapshot *snapshot;
    struct job_list jobs;
    struct event_list events;
    VEC(const void *) objects; /* borrowed from the above */
    struct freshness freshness;
};

static void rows_free(struct rows *rows)
{
    vec_free(&rows->objects);
    job_list_free(&rows->jobs);
    event_list_free(&rows->events);
    snapshot_free(rows->snapshot);
}

static void add_all(struct rows *rows, const void *items, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        vec_push(&rows->objects, (const char *)items + i * size);
}

static enum err gather_jobs(
    struct store_reader *reader, const struct report_request *request, struct rows *rows, struct err_info *info)
{
    enum err err = store_read_jobs(reader, 0, &rows->jobs, info);
    vec_each (&rows->jobs.items, const struct job_record, job)
        if (job->created_us >= request->since_us || shown_job(job).concern == CONCERN_ACTIVE)
            vec_push(&rows->objects, job);
    return err;
}

static enum err gather_events(
    struct store_reader *reader, const struct report_request *request, struct rows *rows, struct err_info *info)
{
    const struct event_filter filter = {.object_kind = -1,
        .host = request->host,
        .site = request->site,
        .since_us = request->since_us,
        .limit = 100000};
    enum err err = store_read_events(reader, &filter, &rows->events, info);
    add_all(rows, rows->events.items.items, rows->events.items.count, sizeof(struct event));
    return err;
}

static enum err gather(struct store_reader *reader, const struct report_request *request, int64_t now_us,
    struct rows *rows, struct err_info *info)
{
    enum err err = store_read_snapshot(reader, &rows->snapshot, info);
    if (err)
        return err;
    const struct snapshot *snapshot = rows->snapshot;
    rows->freshness = freshness_of(snapshot, now_us);
    switch (request->kind) {
    case ROWS_HOSTS:
        add_all(rows, snapshot->hosts, snapshot->host_count, sizeof *snapshot->hosts);
        break;
    case ROWS_SITES:
        add_all(rows, snapshot->sites, snapshot->site_count, sizeof *snapshot->sites);
        break;
    case ROWS_CONTAINERS:
        add_all(rows, snapshot->containers, snapshot->container_count, sizeof *snapshot->containers);
        break;
    case ROWS_VOLUMES:
        add_all(rows, snapshot->volumes, snapshot->volume_count, sizeof *snapshot->volumes);
        break;
    case ROWS_ENGINE:
        vec_push(&rows->objects, snapshot);
        break;
    case ROWS_JOBS:
        return gather_jobs(reader, request, rows, info);
    default:
        return gather_events(reader, request, rows, info);
    }
    return ERR_OK;
}

/* --- choosing ----------------------------------------------------------------------------------------------------- */

static enum err refuse_unknown(const struct rows *rows, const char *key, const char *wanted, struct err_info *info)
{
    const struct snapshot *snapshot = rows->snapshot;
    bool of_site = strcmp(key, "site") == 0;
    size_t count = of_site ? snapshot->site_count : snapshot->host_count;
    const char **names = xcalloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = of_site ? snapshot->sites[i].name : snapshot->hosts[i].name;
    const char *nearest = name_nearest(wanted, names, count);
    enum err err = err_set(info, ERR_NOT_FOUND, "no %s is called \"%s\"%s%s%s", key, wanted,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return err;
}

static enum err keep_only(
    struct rows *rows, enum row_kind kind, const char *key, const char *wanted, struct err_info *info)
{
    if (!wanted)
        return ERR_OK;
    const struct column *column = column_find(kind, key);
    if (!column)
        return err_set(info, ERR_INVALID, "--%s cannot be used with the report %s: its rows have no %s", key,
            row_kind_word(kind), key);
    bool known = strcmp(key, "site") == 0 ? snapshot_site(rows->snapshot, wanted) != NULL
                                          : snapshot_host(rows->snapshot, wanted) != NULL;
    size_t kept = 0;
    vec_each (&rows->objects, const void *, object) {
        const char *text = column_value(column, *object, rows->freshness).text;
        if (text && strcmp(text, wanted) == 0)
            rows->objects.items[kept++] = *object;
    }
    rows->objects.count = kept;
    return known || kept ? ERR_OK : refuse_unknown(rows, key, wanted, info);
}

static bool is_critical(enum row_kind kind, const void *object, struct freshness freshness)
{
    switch (kind) {
    case ROWS_HOSTS:
        return shown_host(object, freshness).concern != CONCERN_OK;
    case ROWS_SITES: {
        enum concern concern = shown_site(object, freshness).concern;
        return concern >= CONCERN_CRITICAL || concern == CONCERN_UNKNOWN;
    }
    case ROWS_CONTAINERS:
        return shown_container(object, freshness).concern >= CONCERN_CRITICAL;
    case ROWS_JOBS:
        return shown_job(object).concern == CONCERN_CRITICAL;
    default:
        return false; /* the timeline is history */
    }
}

/* --- JSON: the text as the host said it; what is not ASCII is escaped, so that a terminal that shows it is safe --- */

static json_t *json_number(const struct column *column, double number)
{
    if (isnan(number))
        return json_null();
    bool whole = column->unit == UNIT_BYTES || column->unit == UNIT_BYTES_S;
    double rounded = whole ? round(number) : round(number * 100) / 100;
    return rounded == round(rounded) && fabs(rounded) < 9e15 ? json_integer((json_int_t)rounded) : json_real(rounded);
}

static void put_value(json_t *row, const struct column *column, struct value value)
{
    char at[CLOCK_RFC3339_SIZE];
    json_t *json = NULL;
    if (value.kind == VALUE_NUMBER || value.kind == VALUE_COUNT)
        json = json_number(column, value.number);
    else if (value.kind == VALUE_BOOL)
        json = json_boolean(value.truth);
    else if (value.kind == VALUE_TIME)
        json = value.time_us ? json_string(clock_rfc3339(value.time_us, 3, at)) : json_null();
    else if (value.text)
        json_put_text(row, column->key, value.text);
    else
        json = json_null();
    if (json)
        json_object_set_new(row, column->key, json);
}

static void write_json_text(FILE *out, const char *text)
{
    json_t *object = json_object();
    json_put_text(object, "t", text);
    json_t *string = json_object_get(object, "t");
    if (string)
        json_dumpf(string, out, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    else
        fputs("\"\"", out);
    json_decref(object);
}

static void write_json(const struct rows *rows, enum row_kind kind, FILE *out)
{
    size_t count;
    char at[CLOCK_RFC3339_SIZE];
    const struct column *columns = columns_of(kind, &count);
    fprintf(out, "{\"report\":\"%s\",\"fleet\":", row_kind_word(kind));
    write_json_text(out, rows->snapshot->fleet);
    fprintf(out, ",\"at\":\"%s\",\"rows\":[", clock_rfc3339(rows->freshness.now_us, 0, at));
    for (size_t i = 0; i < rows->objects.count; i++) {
        json_t *row = json_object();
        for (size_t c = 0; c < count; c++)
            put_value(row, &columns[c], column_value(&columns[c], rows->objects.items[i], rows->freshness));
        fputs(i ? ",\n" : "\n", out);
        json_dumpf(row, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
        json_decref(row);
    }
    fputs(rows->objects.count ? "\n]}\n" : "]}\n", out);
}

/* --- CSV ---------------------------------------------------------------------------------------------------------- */

/* A spreadsheet would run text that begins like a formula: such text gets an apostrophe in front. */
static void write_csv_text(FILE *out, const char *text)
{
    char *clean = sanitize_dup(text, strlen(text), 4096);
    bool formula = *clean && strchr("=+-@", *clean);
    bool quote = formula || strpbrk(clean, ",\"\r\n") || *clean == ' ';
    if (!quote) {
        fputs(clean, out);
    } else {
        fputs(formula ? "\"'" : "\"", out);
        for (const char *c = clean; *c; c++) {
            if (*c == '"')
                fputc('"', out);
            fputc(*c, out);
        }
        fputc('"', out);
    }
    free(clean);
}

static void write_csv_value(FILE *out, const struct column *column, struct value value)
{
    char at[CLOCK_RFC3339_SIZE];
    if (value.kind == VALUE_TEXT)
        write_csv_text(out, value.text ? value.text : "");
    else if (value.kind == VALUE_BOOL)
        fputs(value.truth ? "true" : "false", out);
    else if (value.kind == VALUE_TIME)
        fputs(clock_rfc3339(value.time_us, 3, at), out);
    else if (!isnan(value.number)) {
        json_t *number = json_number(column, value.number);
        json_dumpf(number, out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        json_decref(number);
    }
}

static void write_csv(const struct rows *rows, enum row_kind kind, FILE *out)
{
    size_t count;
    const struct column *columns = columns_of(kind, &count);
    for (size_t c = 0; c < count; c++)
        fprintf(out, "%s%s", c ? "," : "", columns[c].key);
    fputs("\r\n", out);
    vec_each (&rows->objects, const void *const, object) {
        for (size_t c = 0; c < count; c++) {
            if (c)
                fputc(',', out);
            write_csv_value(out, &columns[c], column_value(&columns[c], *object, rows->freshness));
        }
        fputs("\r\n", out);
    }
}

/* --- text --------------------------------------------------------------------------------------------------------- */

#define TEXT_COLUMNS_MAX 64
#define TEXT_WIDTH_LEAST 8     /* a column is not cut to less */
#define TEXT_WIDTH_FLEXIBLE 24 /* what text may ask for before other columns have to go */

struct text_table {
    const struct column *columns[TEXT_COLUMNS_MAX];
    int widths[TEXT_COLUMNS_MAX];  /* as drawn */
    int natural[TEXT_COLUMNS_MAX]; /* as wide as the widest text */
    size_t count;
    bool colour;
};

static void measure(struct text_table *table, const struct rows *rows, int width)
{
    char text[COLUMN_TEXT_SIZE];
    for (size_t c = 0; c < table->count; c++) {
        int *natural = &table->natural[c];
        *natural = text_columns(table->columns[c]->title);
        vec_each (&rows->objects, const void *const, object) {
            int columns = text_columns(column_text(table->columns[c], *object, rows->freshness, text));
            *natural = columns > *natural ? columns : *natural;
        }
        bool flexible = width && table->columns[c]->kind == VALUE_TEXT && *natural > TEXT_WIDTH_FLEXIBLE;
        table->widths[c] = flexible ? TEXT_WIDTH_FLEXIBLE : *natural;
    }
}

static int total_width(const struct text_table *table)
{
    int total = 0;
    for (size_t c = 0; c < table->count; c++)
        total += table->widths[c] + (c ? 2 : 0);
    return total;
}

/* On a terminal the least important columns go until the rest fits. */
static void drop_columns(struct text_table *table, int width)
{
    while (width && table->count > 1 && total_width(table) > width) {
        size_t least = 0;
        for (size_t c = 1; c < table->count; c++)
            if (table->columns[c]->priority >= table->columns[least]->priority)
                least = c;
        if (table->columns[least]->priority == 0)
            return;
        table->count--;
        memmove(&table->columns[least], &table->columns[least + 1], (table->count - least) * sizeof *table->columns);
        memmove(&table->widths[least], &table->widths[least + 1], (table->count - least) * sizeof *table->widths);
        memmove(&table->natural[least], &table->natural[least + 1], (table->count - least) * sizeof *table->natural);
    }
}

/* Room that is left goes to text that was held back, from the left. */
static void widen_columns(struct text_table *table, int width)
{
    int room = width - total_width(table);
    for (size_t c = 0; c < table->count && room > 0; c++) {
        int more = table->natural[c] - table->widths[c];
        more = more < room ? more : room;
        table->widths[c] += more;
        room -= more;
    }
}

/* Where even what must stay is too much, it is cut where it is widest. */
static void narrow_columns(struct text_table *table, int width)
{
    int excess;
    while (width && (excess = total_width(table) - width) > 0) {
        size_t most = 0;
        for (size_t c = 1; c < table->count; c++)
            if (table->widths[c] > table->widths[most])
                most = c;
        if (table->widths[most] <= TEXT_WIDTH_LEAST)
            return;
        int narrower = table->widths[most] - excess;
        table->widths[most] = narrower < TEXT_WIDTH_LEAST ? TEXT_WIDTH_LEAST : narrower;
    }
}

/* Cut text (already sanitised) to so many columns, with "…" where something is gone. */
static void cut_text(char *text, int width)
{
    size_t length = strlen(text);
    if (text_columns(text) <= width)
        return;
    while (length > 0 && (text_columns(text) > width - 1 || length + sizeof "…" > COLUMN_TEXT_SIZE))
        text[length = utf8_whole_length(text, length - 1)] = '\0';
    str_copy(text + length, COLUMN_TEXT_SIZE - length, "…");
}

static const char *ansi_of(unsigned style)
{
    static const char *const colours[ROLE_COUNT] = {[ROLE_OK] = "\033[32m",
        [ROLE_WARNING] = "\033[1;33m",
        [ROLE_CRITICAL] = "\033[1;31m",
        [ROLE_UNKNOWN] = "\033[35m",
        [ROLE_ACTIVE] = "\033[36m",
        [ROLE_HEADER] = "\033[1m"};
    return colours[style & STYLE_ROLE_MASK];
}

static void write_cell(FILE *out, const struct text_table *table, size_t c, unsigned style, char text[COLUMN_TEXT_SIZE])
{
    cut_text(text, table->widths[c]);
    int padding = table->widths[c] - text_columns(text);
    bool right = column_is_right_aligned(table->columns[c]), last = c + 1 == table->count;
    const char *ansi = table->colour && text[0] ? ansi_of(style) : NULL;
    fprintf(out, "%s%*s", c ? "  " : "", right ? padding : 0, "");
    fprintf(out, "%s%s%s", ansi ? ansi : "", text, ansi ? "\033[0m" : "");
    fprintf(out, "%*s%s", right || last ? 0 : padding, "", last ? "\n" : "");
}

/* Otherwise a person wonders why everything is unknown. */
static void write_silence(const struct rows *rows, FILE *out)
{
    char age[FORMAT_SIZE];
    int64_t at_us = rows->snapshot->engine_at_us;
    if (at_us)
        fprintf(out, "(the engine is silent for %s: states are unknown, figures are the last known)\n",
            format_age(rows->freshness.now_us - at_us, age));
    else
        fputs("(the engine has not written anything yet)\n", out);
}

static void write_text(const struct rows *rows, const struct report_request *request, FILE *out)
{
    struct text_table table = {.colour = request->colour};
    char text[COLUMN_TEXT_SIZE];
    size_t count;
    const struct column *columns = columns_of(request->kind, &count);
    for (size_t c = 0; c < count && table.count < TEXT_COLUMNS_MAX; c++)
        if (columns[c].where & COLUMN_TABLE)
            table.columns[table.count++] = &columns[c];
    measure(&table, rows, request->width);
    drop_columns(&table, request->width);
    widen_columns(&table, request->width);
    narrow_columns(&table, request->width);
    for (size_t c = 0; c < table.count; c++) {
        str_copy(text, sizeof text, table.columns[c]->title);
        write_cell(out, &table, c, ROLE_HEADER, text);
    }
    vec_each (&rows->objects, const void *const, object)
        for (size_t c = 0; c < table.count; c++) {
            column_text(table.columns[c], *object, rows->freshness, text);
            write_cell(out, &table, c, column_style(table.columns[c], *object, rows->freshness), text);
        }
    if (!rows->objects.count)
        fprintf(out, "(no %s)\n", row_kind_word(request->kind));
    if (rows->freshness.silent)
        write_silence(rows, out);
}

/* --- the command -------------------------------------------------------------------------------------------------- */

enum err report_write(struct store_reader *reader, const struct report_request *request, int64_t now_us, FILE *out,
    bool *critical, struct err_info *info)
{
    struct rows rows = {0};
    *critical = false;
    enum err err = gather(reader, request, now_us, &rows, info);
    if (!err)
        err = keep_only(&rows, request->kind, "site", request->site, info);
    if (!err)
        err = keep_only(&rows, request->kind, "host", request->host, info);
    if (err)
        goto out;
    *critical = freshness_engine_silent(rows.freshness, rows.snapshot);
    vec_each (&rows.objects, const void *, object)
        *critical |= is_critical(request->kind, *object, rows.freshness);
    if (request->format == REPORT_JSON)
        write_json(&rows, request->kind, out);
    else if (request->format == REPORT_CSV)
        write_csv(&rows, request->kind, out);
    else
        write_text(&rows, request, out);
out:
    rows_free(&rows);
    return err;
}

static const char *const format_names[] = {[REPORT_TEXT] = "text", [REPORT_CSV] = "csv", [REPORT_JSON] = "json"};

static enum err choose(
    const char *what, const char *given, const char *const *names, size_t count, size_t *chosen, struct err_info *info)
{
    char all[256] = "";
    for (*chosen = 0; *chosen < count; (*chosen)++) {
        if (strcmp(given, names[*chosen]) == 0)
            return ERR_OK;
        char before[sizeof all];
        str_copy(before, sizeof before, all);
        str_format(all, sizeof all, "%s%s%s", before, *chosen ? ", " : "", names[*chosen]);
    }
    const char *nearest = name_nearest(given, names, count);
    return err_set(info, ERR_INVALID, "no %s is called \"%s\"%s%s%s there are: %s", what, given,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : ";", all);
}

static int terminal_width(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static enum err make(const char *state_dir, const struct report_request *request, const char *output, bool *critical,
    struct err_info *info)
{
    struct store_reader *reader = NULL;
    char *text = NULL;
    size_t length = 0;
    enum err err = store_reader_open(state_dir, &reader, info);
    if (err)
        return err;
    FILE *memory = open_memstream(&text, &length);
    err = memory ? report_write(reader, request, clock_wall_us(), memory, critical, info)
                 : err_set(info, ERR_IO, "cannot make the report: no memory");
    if (memory && fclose(memory) && !err)
        err = err_set(info, ERR_IO, "cannot make the report: no memory");
    if (!err && output)
        err = paths_write_atomic(output, text, length, 0644, info);
    else if (!err && (fwrite(text, 1, length, stdout) != length || fflush(stdout)))
        err = err_set(info, ERR_IO, "cannot write the report to standard output");
    free(text);
    store_reader_close(reader);
    return err;
}

int report_main(int argc, char **argv)
{
    const char *format = "text", *output = NULL, *since = "24h";
    struct report_request request = {.width = 0};
    const struct cli_option options[] = {
        {"format", "text|csv|json", "how to write it (text)", &format, NULL},
        {"output", "FILE", "where to: the file is replaced whole or not at all (standard output)", &output, NULL},
        {"since", "TIME", "jobs, timeline: how far back; 24h, 7d, 2026-01-31 (24h)", &since, NULL},
        {"site", "NAME", "only rows of this site", &request.site, NULL},
        {"host", "NAME", "only rows of this host", &request.host, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct cli cli = {.usage = "dogwatch --report hosts|sites|containers|volumes|jobs|timeline|engine [OPTION…]",
        .summary = "Print what the store knows. Exit status: 0 fine, 1 something critical, 2 no report could be made.",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    const char *kinds[ROWS_COUNT];
    struct err_info info = {0};
    size_t kind = 0, chosen = 0;
    bool critical = false;
    for (size_t i = 0; i < ROWS_COUNT; i++)
        kinds[i] = row_kind_word((enum row_kind)i);
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err || cli.help)
        goto out;
    err = choose("report", cli.words[0], kinds, ROWS_COUNT, &kind, &info);
    if (!err)
        err = choose("format", format, format_names, 3, &chosen, &info);
    if (!err && !clock_parse_moment(since, clock_wall_us(), &request.since_us))
        err = err_set(&info, ERR_INVALID, "--since %s is no time; try 24h, 7d or 2026-01-31", since);
    if (err)
        goto out;
    request.kind = (enum row_kind)kind;
    request.format = (enum report_format)chosen;
    request.width = output ? 0 : terminal_width();
    request.colour = request.width && !getenv("NO_COLOR");
    char *state_dir = paths_state_dir(cli.state_dir);
    err = make(state_dir, &request, output, &critical, &info);
    free(state_dir);
out:
    cli_free(&cli);
    return err ? cli_fail(&info) : critical;
}
