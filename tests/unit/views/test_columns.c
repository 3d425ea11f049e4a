/* The column tables: complete, unambiguous, documented; and what a person reads in them. */
#include "tests/unit/views/fleet.h"

#include "base/buf.h"
#include "tui/cells.h"
#include "views/columns.h"

static const struct freshness now = {.now_us = FLEET_NOW, .limit_us = 30 * USEC_PER_SEC};

static void each_key_is_there_once_and_can_be_found(void **state)
{
    (void)state;
    for (int kind = 0; kind < ROWS_COUNT; kind++) {
        size_t count;
        const struct column *columns = columns_of((enum row_kind)kind, &count);
        for (size_t i = 0; i < count; i++) {
            assert_ptr_equal(column_find((enum row_kind)kind, columns[i].key), &columns[i]);
            assert_non_null(columns[i].title);
            assert_true(columns[i].min_width <= columns[i].max_width);
            assert_true(columns[i].where & COLUMN_REPORT);
        }
        assert_null(column_find((enum row_kind)kind, "no_such"));
    }
}

static void every_figure_is_a_column_with_its_own_unit_and_value(void **state)
{
    (void)state;
    static const struct {
        enum object_kind object;
        enum row_kind rows;
    } kinds[] = {{KIND_HOST, ROWS_HOSTS}, {KIND_SITE, ROWS_SITES}, {KIND_CONTAINER, ROWS_CONTAINERS},
        {KIND_VOLUME, ROWS_VOLUMES}, {KIND_ENGINE, ROWS_ENGINE}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct metric_table *table = metric_table(kinds[k].object);
        for (size_t m = 0; m < table->count; m++) {
            const struct column *column = column_find(kinds[k].rows, table->metrics[m].key);
            if (!column)
                fail_msg("%s: no column %s", table->kind, table->metrics[m].key);
            assert_int_equal(column->unit, table->metrics[m].unit);
            assert_int_equal(column->metric, m);
            assert_int_equal(column->kind, VALUE_NUMBER);
        }
    }
}

/* Reports promise these for every row of the present. */
static void rows_have_name_state_and_age(void **state)
{
    (void)state;
    static const char *const names[] = {"host", "site", "container", "volume", "job", "event", "engine"};
    for (int kind = 0; kind < ROWS_COUNT; kind++) {
        assert_non_null(column_find((enum row_kind)kind, names[kind]));
        assert_non_null(column_find((enum row_kind)kind, "state"));
        assert_non_null(column_find((enum row_kind)kind, "age_s"));
    }
}

/* The part of docs/reports.md below "## NAME", up to the next. */
static const char *section_of(const struct buf *text, const char *name, char *out, size_t size)
{
    char heading[64];
    str_format(heading, sizeof heading, "\n## %s\n", name);
    const char *begin = strstr(buf_text(text), heading);
    if (!begin)
        fail_msg("docs/reports.md has no section %s", name);
    const char *end = strstr(begin + strlen(heading), "\n## ");
    str_format(out, size, "%.*s", end ? (int)(end - begin) : (int)strlen(begin), begin);
    return out;
}

static void every_key_is_documented(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 20);
    static char section[1 << 16];
    assert_int_equal(buf_read_file(&text, "docs/reports.md", NULL), ERR_OK);
    for (int kind = 0; kind < ROWS_COUNT; kind++) {
        size_t count;
        const struct column *columns = columns_of((enum row_kind)kind, &count);
        section_of(&text, row_kind_word((enum row_kind)kind), section, sizeof section);
        for (size_t i = 0; i < count; i++) {
            char quoted[64];
            str_format(quoted, sizeof quoted, "| `%s` |", columns[i].key);
            if (!strstr(section, quoted))
                fail_msg("docs/reports.md, %s: no row for %s", row_kind_word((enum row_kind)kind), columns[i].key);
        }
    }
    buf_free(&text);
}

static const char *text_of(enum row_kind kind, const char *key, const void *object)
{
    static char out[COLUMN_TEXT_SIZE];
    return column_text(column_find(kind, key), object, now, out);
}

static void figures_are_short_and_unknown_is_a_dash(void **state)
{
    (void)state;
    struct host_state host = fleet_host("mosh01", 12.4, 41);
    assert_string_equal(text_of(ROWS_HOSTS, "cpu_pct", &host), "12");
    assert_string_equal(text_of(ROWS_HOSTS, "mem_used_bytes", &host), "3.0G");
    assert_string_equal(text_of(ROWS_HOSTS, "age_s", &host), "4s");
    assert_string_equal(text_of(ROWS_HOSTS, "since", &host), "1d");
    assert_string_equal(text_of(ROWS_HOSTS, "load1", &host), "–");
    assert_string_equal(text_of(ROWS_HOSTS, "lag_ms", &host), "–");
    host.metrics[HOST_LOAD1] = 0.53;
    assert_string_equal(text_of(ROWS_HOSTS, "load1", &host), "0.5");
    host.metrics[HOST_CORES] = 16;
    assert_string_equal(text_of(ROWS_HOSTS, "cores", &host), "16");
    host.seen_us = 0;
    assert_string_equal(text_of(ROWS_HOSTS, "age_s", &host), "–");
    assert_string_equal(text_of(ROWS_HOSTS, "containers_running", &host), "–");
}

static void an_exit_code_is_told_only_of_what_ended(void **state)
{
    (void)state;
    struct container_state container = fleet_container("a", "c", RUN_RUNNING);
    assert_string_equal(text_of(ROWS_CONTAINERS, "exit_code", &container), "–");
    container.state = RUN_EXITED;
    container.exit_code = 137;
    assert_string_equal(text_of(ROWS_CONTAINERS, "exit_code", &container), "137");
}

static void hostile_text_is_harmless_and_bounded(void **state)
{
    (void)state;
    struct site_state site = fleet_site("s", SITE_DEGRADED, HOSTILE);
    const char *text = text_of(ROWS_SITES, "drift", &site);
    assert_null(strchr(text, '\x1b'));
    assert_null(strstr(text, "\xE2\x80\xAE"));
    assert_null(strstr(text, "\xC2\x9B"));
    struct job_record job = {.id = 1};
    memset(job.message, 'x', sizeof job.message - 1);
    assert_true(strlen(text_of(ROWS_JOBS, "message", &job)) < COLUMN_TEXT_SIZE);
}

static void thresholds_colour_figures(void **state)
{
    (void)state;
    static const struct {
        double pct;
        unsigned style;
    } cases[] = {
        {84.9, ROLE_NORMAL}, {85, ROLE_WARNING}, {96.9, ROLE_WARNING}, {97, ROLE_CRITICAL}, {(double)NAN, ROLE_NORMAL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct host_state host = fleet_host("a", cases[i].pct, 1);
        assert_int_equal(column_style(column_find(ROWS_HOSTS, "cpu_pct"), &host, now), cases[i].style);
    }
    struct host_state host = fleet_host("a", 1, 95);
    assert_int_equal(column_style(column_find(ROWS_HOSTS, "disk_worst_pct"), &host, now), ROLE_CRITICAL);
}

/* 100 % is one core there, which they may be meant to use. */
static void cpu_of_sites_and_containers_is_no_alarm(void **state)
{
    (void)state;
    struct site_state site = {.metrics = {[SITE_CPU] = 180}};
    struct container_state container = {.metrics = {[CONTAINER_CPU] = 100, [CONTAINER_THROTTLED] = 70}};
    assert_int_equal(column_style(column_find(ROWS_SITES, "cpu_pct"), &site, now), ROLE_NORMAL);
    assert_int_equal(column_style(column_find(ROWS_CONTAINERS, "cpu_pct"), &container, now), ROLE_NORMAL);
    assert_int_equal(column_style(column_find(ROWS_CONTAINERS, "throttled_pct"), &container, now), ROLE_CRITICAL);
}

static void containers_of_a_site_never_seen_are_unknown(void **state)
{
    (void)state;
    struct site_state site = {.declared = true};
    char text[COLUMN_TEXT_SIZE];
    assert_string_equal(column_text(column_find(ROWS_SITES, "containers"), &site, now, text), "–");
    assert_string_equal(column_text(column_find(ROWS_SITES, "containers_running"), &site, now, text), "–");
    site.seen_us = FLEET_NOW;
    assert_string_equal(column_text(column_find(ROWS_SITES, "containers_running"), &site, now, text), "0");
}

static void states_are_coloured_by_what_is_shown_not_by_what_was_stored(void **state)
{
    (void)state;
    struct host_state host = fleet_host("a", 1, 1);
    const struct column *column = column_find(ROWS_HOSTS, "state");
    assert_int_equal(column_style(column, &host, now), ROLE_OK);
    host.seen_us = FLEET_NOW - 60 * USEC_PER_SEC;
    assert_int_equal(column_style(column, &host, now), ROLE_UNKNOWN);
    assert_string_equal(text_of(ROWS_HOSTS, "state", &host), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_is_there_once_and_can_be_found),
        cmocka_unit_test(every_figure_is_a_column_with_its_own_unit_and_value),
        cmocka_unit_test(rows_have_name_state_and_age),
        cmocka_unit_test(every_key_is_documented),
        cmocka_unit_test(figures_are_short_and_unknown_is_a_dash),
        cmocka_unit_test(an_exit_code_is_told_only_of_what_ended),
        cmocka_unit_test(hostile_text_is_harmless_and_bounded),
        cmocka_unit_test(thresholds_colour_figures),
        cmocka_unit_test(cpu_of_sites_and_containers_is_no_alarm),
        cmocka_unit_test(containers_of_a_site_never_seen_are_unknown),
        cmocka_unit_test(states_are_coloured_by_what_is_shown_not_by_what_was_stored),
    };
    fleet_locale();
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
