/* Reports: what scripts rely on (names, types, exit statuses, bytes), and that hostile text stays text. */
#include "tests/unit/views/fleet.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/paths.h"
#include "tui/cells.h"
#include "views/report.h"

struct fixture {
    char *dir;
    struct store_reader *reader;
    char *text; /* of the last report */
    size_t length;
    bool critical;
    struct err_info info;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = temp_dir_new();
    fleet_store(f->dir);
    assert_int_equal(store_reader_open(f->dir, &f->reader, NULL), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_reader_close(f->reader);
    temp_dir_free(f->dir);
    free(f->text);
    free(f);
    return 0;
}

static enum err write_at(struct fixture *f, const struct report_request *request, int64_t now_us)
{
    free(f->text);
    f->text = NULL;
    FILE *out = open_memstream(&f->text, &f->length);
    enum err err = report_write(f->reader, request, now_us, out, &f->critical, &f->info);
    fclose(out);
    return err;
}

static json_t *json_of(struct fixture *f, struct report_request request)
{
    json_t *report = NULL;
    request.format = REPORT_JSON;
    assert_int_equal(write_at(f, &request, FLEET_NOW), ERR_OK);
    assert_int_equal(json_parse(f->text, f->length, &report, NULL), ERR_OK);
    return report;
}

static json_t *row_named(json_t *report, const char *key, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach (json_object_get(report, "rows"), index, row) {
        const char *text = json_get_text(row, key);
        if (text && strcmp(text, name) == 0)
            return row;
    }
    fail_msg("no row with %s %s", key, name);
    return NULL;
}

/* --- JSON */

static void json_is_one_object_with_fleet_and_moment(void **state)
{
    struct fixture *f = *state;
    json_t *report = json_of(f, (struct report_request){.kind = ROWS_HOSTS});
    assert_string_equal(json_get_text(report, "report"), "hosts");
    assert_string_equal(json_get_text(report, "fleet"), "example-coop");
    assert_string_equal(json_get_text(report, "at"), "2026-01-02T03:04:05Z");
    assert_int_equal(json_array_size(json_object_get(report, "rows")), FLEET_HOSTS);
    assert_int_equal(f->text[f->length - 1], '\n');
    json_decref(report);
}

static void every_row_has_every_key_in_the_order_of_the_columns(void **state)
{
    struct fixture *f = *state;
    for (int kind = 0; kind < ROWS_COUNT; kind++) {
        size_t count, index;
        const struct column *columns = columns_of((enum row_kind)kind, &count);
        json_t *report = json_of(f, (struct report_request){.kind = (enum row_kind)kind});
        json_t *row, *value;
        assert_true(json_array_size(json_object_get(report, "rows")) > 0);
        json_array_foreach (json_object_get(report, "rows"), index, row) {
            const char *key;
            size_t c = 0;
            assert_int_equal(json_object_size(row), count);
            json_object_foreach (row, key, value)
                assert_string_equal(key, columns[c++].key);
        }
        json_decref(report);
    }
}

static void unknown_values_are_null_and_known_ones_have_their_type(void **state)
{
    struct fixture *f = *state;
    json_t *report = json_of(f, (struct report_request){.kind = ROWS_HOSTS});
    json_t *lost = row_named(report, "host", "nas1"), *fine = row_named(report, "host", "mosh01");
    assert_true(json_is_null(json_object_get(lost, "cpu_pct")));
    assert_string_equal(json_get_text(lost, "state"), "unknown");
    assert_string_equal(json_get_text(lost, "reason_code"), "timeout");
    assert_true(json_get_number(lost, "age_s") == 600);
    assert_true(json_get_number(fine, "cpu_pct") == 12);
    assert_true(json_is_integer(json_object_get(fine, "mem_used_bytes")));
    assert_true(json_is_null(json_object_get(fine, "load1")));
    assert_string_equal(json_get_text(fine, "reason"), "");
    assert_string_equal(json_get_text(fine, "since"), "2026-01-01T03:04:05.000Z");
    json_decref(report);
    report = json_of(f, (struct report_request){.kind = ROWS_SITES});
    assert_non_null(strstr(f->text, "\"cpu_pct\":12.34,"));
    assert_true(json_is_false(json_object_get(row_named(report, "site", "wild"), "declared")));
    assert_true(json_is_null(json_object_get(row_named(report, "site", "gone.example"), "age_s")));
    json_decref(report);
}

static void json_carries_hostile_text_unchanged_yet_harmless(void **state)
{
    struct fixture *f = *state;
    json_t *report = json_of(f, (struct report_request){.kind = ROWS_HOSTS});
    assert_string_equal(json_get_text(row_named(report, "host", "nas1"), "reason"), "no answer within 10 s " HOSTILE);
    for (size_t i = 0; i < f->length; i++)
        assert_true(f->text[i] == '\n' || (f->text[i] >= ' ' && f->text[i] < 0x7f));
    json_decref(report);
}

/* --- CSV */

static void csv_has_a_heading_and_as_many_fields_in_each_row(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        write_at(f, &(struct report_request){.kind = ROWS_VOLUMES, .format = REPORT_CSV}, FLEET_NOW), ERR_OK);
    assert_string_equal(f->text,
        "volume,state,host,site,used_bytes,files,free_bytes,total_bytes,age_s,measured,driver,path,runtime,key\r\n"
        "data,ok,mosh01,example.org,4096,12,,,4,,local,,,mosh01/data\r\n");
}

static void csv_quotes_and_defuses_formulas(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        write_at(f, &(struct report_request){.kind = ROWS_SITES, .format = REPORT_CSV}, FLEET_NOW), ERR_OK);
    assert_non_null(strstr(f->text, ",\"'=cmd|' /C calc'!A0 a\xEF\xBF\xBD[2J"));
    assert_non_null(strstr(f->text, ",\"stopped, desired running\","));
    assert_null(strchr(f->text, '\x1b'));
    assert_int_equal(
        write_at(f, &(struct report_request){.kind = ROWS_CONTAINERS, .format = REPORT_CSV}, FLEET_NOW), ERR_OK);
    assert_non_null(strstr(f->text, "\r\n\"'=web\",exited,"));
}

/* --- text */

static int widest_line(const char *text)
{
    int widest = 0;
    char line[4096];
    while (*text) {
        size_t length = strcspn(text, "\n");
        str_format(line, sizeof line, "%.*s", (int)length, text);
        int columns = text_columns(line);
        widest = columns > widest ? columns : widest;
        text += length + (text[length] == '\n');
    }
    return widest;
}

static void text_fits_the_terminal_and_keeps_what_matters(void **state)
{
    struct fixture *f = *state;
    for (int kind = 0; kind < ROWS_COUNT; kind++)
        for (int width = 60; width <= 200; width += 20) {
            const struct report_request request = {.kind = (enum row_kind)kind, .width = width};
            assert_int_equal(write_at(f, &request, FLEET_NOW), ERR_OK);
            assert_true(widest_line(f->text) <= width);
        }
    assert_int_equal(write_at(f, &(struct report_request){.kind = ROWS_HOSTS, .width = 40}, FLEET_NOW), ERR_OK);
    assert_true(widest_line(f->text) <= 40);
    assert_non_null(strstr(f->text, "unknown"));
    assert_non_null(strstr(f->text, "no answer"));
    assert_non_null(strstr(f->text, "…"));
}

static void text_elsewhere_is_whole_and_sanitised(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write_at(f, &(struct report_request){.kind = ROWS_HOSTS}, FLEET_NOW), ERR_OK);
    assert_non_null(strstr(f->text, "ENGINES"));
    assert_non_null(strstr(f->text, "no answer within 10 s a\xEF\xBF\xBD[2Jb\xEF\xBF\xBDr\xEF\xBF\xBD"));
    assert_null(strchr(f->text, '\x1b'));
}

static void colours_are_the_only_escapes_and_only_where_asked_for(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write_at(f, &(struct report_request){.kind = ROWS_HOSTS, .colour = true}, FLEET_NOW), ERR_OK);
    assert_non_null(strstr(f->text, "\033[32mup\033[0m"));
    assert_non_null(strstr(f->text, "\033[35munknown\033[0m"));
    assert_null(strstr(f->text, "\033[2J"));
}

static void nothing_to_show_is_said(void **state)
{
    struct fixture *f = *state;
    const struct report_request request = {.kind = ROWS_VOLUMES, .host = "mosh02"};
    assert_int_equal(write_at(f, &request, FLEET_NOW), ERR_OK);
    assert_non_null(strstr(f->text, "(no volumes)\n"));
}

/* --- choosing rows */

static size_t rows_of(struct fixture *f, struct report_request request)
{
    json_t *report = json_of(f, request);
    size_t count = json_array_size(json_object_get(report, "rows"));
    json_decref(report);
    return count;
}

static void filters_keep_the_rows_asked_for(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_HOSTS, .host = "mosh01"}), 1);
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_CONTAINERS, .site = "example.org"}), 2);
    assert_int_equal(
        rows_of(f, (struct report_request){.kind = ROWS_CONTAINERS, .site = "example.org", .host = "mosh02"}), 1);
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_VOLUMES, .site = "wild"}), 0);
}

static void history_reaches_back_as_far_as_asked_for(void **state)
{
    struct fixture *f = *state;
    const int64_t day_ago = FLEET_NOW - 86400 * USEC_PER_SEC;
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_TIMELINE, .since_us = day_ago}), 1);
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_TIMELINE}), 2);
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_JOBS, .since_us = day_ago}), 1);
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_JOBS}), 2);
    assert_int_equal(rows_of(f, (struct report_request){.kind = ROWS_TIMELINE, .host = "mosh01"}), 0);
}

static void a_mistyped_name_is_refused_with_the_nearest(void **state)
{
    struct fixture *f = *state;
    struct report_request request = {.kind = ROWS_SITES, .site = "exmaple.org"};
    assert_int_equal(write_at(f, &request, FLEET_NOW), ERR_NOT_FOUND);
    assert_non_null(strstr(f->info.message, "did you mean \"example.org\"?"));
    request = (struct report_request){.kind = ROWS_HOSTS, .site = "example.org"};
    assert_int_equal(write_at(f, &request, FLEET_NOW), ERR_INVALID);
}

/* --- what is critical */

static bool is_critical(struct fixture *f, struct report_request request, int64_t now_us)
{
    assert_int_equal(write_at(f, &request, now_us), ERR_OK);
    return f->critical;
}

static void only_shown_rows_decide_what_is_critical(void **state)
{
    struct fixture *f = *state;
    assert_true(is_critical(f, (struct report_request){.kind = ROWS_HOSTS}, FLEET_NOW));
    assert_false(is_critical(f, (struct report_request){.kind = ROWS_HOSTS, .host = "mosh01"}, FLEET_NOW));
    static const struct {
        const char *site;
        bool critical;
    } sites[] = {{"clash.example", true}, {"example.org", false}, {"gone.example", true}, {"half.example", false},
        {"off.example", true}, {"wild", false}};
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        const struct report_request request = {.kind = ROWS_SITES, .site = sites[i].site};
        assert_int_equal(is_critical(f, request, FLEET_NOW), sites[i].critical);
    }
    assert_true(is_critical(f, (struct report_request){.kind = ROWS_JOBS}, FLEET_NOW));
    const struct report_request today = {.kind = ROWS_JOBS, .since_us = FLEET_NOW - 86400 * USEC_PER_SEC};
    assert_false(is_critical(f, today, FLEET_NOW));
}

static void a_silent_engine_is_critical_in_every_report(void **state)
{
    struct fixture *f = *state;
    const int64_t later = FLEET_NOW + 60 * USEC_PER_SEC;
    for (int kind = 0; kind < ROWS_COUNT; kind++)
        assert_true(is_critical(f, (struct report_request){.kind = (enum row_kind)kind}, later));
    write_at(f, &(struct report_request){.kind = ROWS_SITES, .format = REPORT_JSON}, later);
    assert_null(strstr(f->text, "\"state\":\"running\""));
    assert_null(strstr(f->text, "\"state\":\"missing\""));
    write_at(f, &(struct report_request){.kind = ROWS_SITES}, later);
    assert_non_null(strstr(f->text, "(the engine is silent for 1m:"));
}

/* --- the command: in a child, its output in a file */

static int run_command(const char *out, int argc, char **argv)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
            _exit(99);
        clock_freeze_wall(FLEET_NOW);
        _exit(report_main(argc, argv));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(f, ...)                                                                                                    \
    run_command(out, (int)(sizeof(const char *[]){__VA_ARGS__} / sizeof(char *)) + 3,                                  \
        (char **)(const char *[]){"--report", "--state", (f)->dir, __VA_ARGS__, NULL})

static void exit_statuses_are_0_1_and_2(void **state)
{
    struct fixture *f = *state;
    char *out = paths_join(f->dir, "out");
    assert_int_equal(RUN(f, "hosts", "--host", "mosh01"), 0);
    assert_int_equal(RUN(f, "hosts"), 1);
    assert_int_equal(RUN(f, "hosts", "--host", "nobody"), 2);
    assert_int_equal(RUN(f, "hots"), 2);
    assert_int_equal(RUN(f, "hosts", "--format", "xml"), 2);
    assert_int_equal(RUN(f, "jobs", "--since", "soon"), 2);
    assert_int_equal(RUN(f, "hosts", "--state", "/nonexistent"), 2);
    free(out);
}

static void output_replaces_a_file_whole_or_leaves_it(void **state)
{
    struct fixture *f = *state;
    struct buf text = BUF(1 << 20);
    char *out = paths_join(f->dir, "out"), *file = paths_join(f->dir, "report.csv");
    assert_int_equal(RUN(f, "volumes", "--format", "csv", "--output", file), 0);
    assert_int_equal(buf_read_file(&text, file, NULL), ERR_OK);
    assert_true(str_starts(buf_text(&text), "volume,state,"));
    assert_int_equal(RUN(f, "volumes", "--format", "csv", "--output", file, "--site", "nobody"), 2);
    struct buf after = BUF(1 << 20);
    assert_int_equal(buf_read_file(&after, file, NULL), ERR_OK);
    assert_string_equal(buf_text(&after), buf_text(&text));
    buf_free(&text);
    buf_free(&after);
    free(out);
    free(file);
}

static void a_store_that_holds_nothing_yet_makes_empty_reports(void **state)
{
    struct fixture *f = *state;
    char *dir = temp_dir_new(), *old = f->dir;
    struct store *store;
    assert_int_equal(store_open(dir, &store, NULL), ERR_OK);
    store_close(store);
    store_reader_close(f->reader);
    assert_int_equal(store_reader_open(dir, &f->reader, NULL), ERR_OK);
    for (int kind = 0; kind < ROWS_COUNT; kind++)
        assert_int_equal(rows_of(f, (struct report_request){.kind = (enum row_kind)kind}), kind == ROWS_ENGINE);
    assert_true(f->critical);
    temp_dir_free(dir);
    f->dir = old;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json_is_one_object_with_fleet_and_moment),
        TEST(every_row_has_every_key_in_the_order_of_the_columns),
        TEST(unknown_values_are_null_and_known_ones_have_their_type),
        TEST(json_carries_hostile_text_unchanged_yet_harmless),
        TEST(csv_has_a_heading_and_as_many_fields_in_each_row),
        TEST(csv_quotes_and_defuses_formulas),
        TEST(text_fits_the_terminal_and_keeps_what_matters),
        TEST(text_elsewhere_is_whole_and_sanitised),
        TEST(colours_are_the_only_escapes_and_only_where_asked_for),
        TEST(nothing_to_show_is_said),
        TEST(filters_keep_the_rows_asked_for),
        TEST(history_reaches_back_as_far_as_asked_for),
        TEST(a_mistyped_name_is_refused_with_the_nearest),
        TEST(only_shown_rows_decide_what_is_critical),
        TEST(a_silent_engine_is_critical_in_every_report),
        TEST(exit_statuses_are_0_1_and_2),
        TEST(output_replaces_a_file_whole_or_leaves_it),
        TEST(a_store_that_holds_nothing_yet_makes_empty_reports),
    };
    fleet_locale();
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
