/* dogwatch log: what is found and in which order, what a hostile line can do (nothing), and following without gap or
 * double. The command runs in a child; what it prints is read from a pipe. */
#include "tests/unit/views/fleet.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/json.h"
#include "store/logs.h"
#include "views/log_command.h"

#define DEADLINE_US (20 * USEC_PER_SEC)

struct fixture {
    char *dir;
    struct log_store *logs;
    struct buf out; /* what the command has printed so far */
    pid_t child;
    int pipe; /* its standard output */
};

static void append(struct fixture *f, const char *container, int64_t at_us, uint64_t dropped, const char *text)
{
    static int cursor;
    struct log_batch *batch = xcalloc(1, sizeof *batch);
    str_copy(batch->host, sizeof batch->host, "mosh01");
    str_format(batch->source, sizeof batch->source, "podman/%s", container);
    str_copy(batch->container, sizeof batch->container, container);
    str_copy(batch->site, sizeof batch->site, "example.org");
    str_copy(batch->unit, sizeof batch->unit, container);
    str_format(batch->cursor, sizeof batch->cursor, "c%d", ++cursor);
    batch->dropped = dropped;
    batch->lines = xcalloc(1, sizeof *batch->lines);
    batch->lines[0] = (struct log_line){.at_us = at_us, .text = xstrdup(text), .priority = 6};
    batch->count = 1;
    log_store_append(f->logs, batch);
    assert_true(log_store_flush(f->logs, DEADLINE_US));
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = temp_dir_new();
    f->out = BUF(1 << 20);
    fleet_store(f->dir);
    assert_int_equal(log_store_open(f->dir, 30, &f->logs, NULL), ERR_OK);
    append(f, "web", FLEET_NOW - 3 * 3600 * USEC_PER_SEC, 0, "oldest");
    append(f, "web", FLEET_NOW - 60 * USEC_PER_SEC, 0, "request failed with error 500");
    append(f, "db", FLEET_NOW - 50 * USEC_PER_SEC, 123, "after the gap");
    append(f, "web", FLEET_NOW - 40 * USEC_PER_SEC, 0, "evil " HOSTILE "\r\nfake line");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_store_close(f->logs);
    temp_dir_free(f->dir);
    buf_free(&f->out);
    free(f);
    return 0;
}

/* --- the command in a child */

static void start_command(struct fixture *f, const char *const *words)
{
    const char *argv[24] = {"log", "--state", f->dir};
    int argc = 3, fds[2];
    for (; *words; words++)
        argv[argc++] = *words;
    assert_int_equal(pipe(fds), 0);
    buf_clear(&f->out);
    f->child = fork();
    if (f->child == 0) {
        if (dup2(fds[1], STDOUT_FILENO) < 0)
            _exit(99);
        close(fds[0]);
        close(fds[1]);
        _exit(log_main(argc, (char **)argv));
    }
    close(fds[1]);
    f->pipe = fds[0];
}

static bool read_some(struct fixture *f) /* false at the end */
{
    char bytes[4096];
    struct pollfd fd = {.fd = f->pipe, .events = POLLIN};
    if (poll(&fd, 1, 100) <= 0)
        return true;
    ssize_t got = read(f->pipe, bytes, sizeof bytes);
    if (got > 0)
        buf_append(&f->out, bytes, (size_t)got);
    return got > 0;
}

static void wait_for(struct fixture *f, const char *text)
{
    int64_t deadline = clock_mono_us() + DEADLINE_US;
    while (!strstr(buf_text(&f->out), text))
        if (clock_mono_us() > deadline || !read_some(f))
            fail_msg("\"%s\" never came; there is: %s", text, buf_text(&f->out));
}

static int end_command(struct fixture *f)
{
    int status;
    int64_t deadline = clock_mono_us() + DEADLINE_US;
    while (read_some(f))
        if (clock_mono_us() > deadline)
            kill(f->child, SIGKILL);
    close(f->pipe);
    assert_int_equal(waitpid(f->child, &status, 0), f->child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *output_of(struct fixture *f, int expected, const char *const *words)
{
    start_command(f, words);
    assert_int_equal(end_command(f), expected);
    return buf_text(&f->out);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

/* --- finding */

static void lines_are_printed_oldest_first_with_time_host_and_container(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(output_of(f, 0, WORDS("--host", "mosh01")),
        "2026-01-02 00:04:05 mosh01 web oldest\n"
        "2026-01-02 03:03:05 mosh01 web request failed with error 500\n"
        "2026-01-02 03:03:15 mosh01 db … 123 lines dropped by the rate limit\n"
        "2026-01-02 03:03:15 mosh01 db after the gap\n"
        "2026-01-02 03:03:25 mosh01 web evil a�[2Jb�r���fake line\n");
}

static void words_times_and_names_narrow_what_is_found(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(output_of(f, 0, WORDS("--grep", "ERROR failed")),
        "2026-01-02 03:03:05 mosh01 web request failed with error 500\n");
    assert_string_equal(output_of(f, 0, WORDS("--grep", "\"failed with\"")),
        "2026-01-02 03:03:05 mosh01 web request failed with error 500\n");
    assert_string_equal(output_of(f, 0, WORDS("--until", "2h")), "2026-01-02 00:04:05 mosh01 web oldest\n");
    assert_null(strstr(output_of(f, 0, WORDS("--since", "1h")), "oldest"));
    assert_null(strstr(output_of(f, 0, WORDS("--container", "web")), "gap"));
    assert_string_equal(output_of(f, 0, WORDS("--site", "wild")), "");
}

static void lines_keeps_the_newest(void **state)
{
    struct fixture *f = *state;
    const char *text = output_of(f, 0, WORDS("--lines", "1"));
    assert_non_null(strstr(text, "fake line"));
    assert_int_equal(count_of(text, "\n"), 1);
}

static void json_is_an_object_a_line_with_the_text_unchanged(void **state)
{
    struct fixture *f = *state;
    json_t *entry = NULL;
    const char *text = output_of(f, 0, WORDS("--grep", "evil", "--format", "json"));
    assert_int_equal(count_of(text, "\n"), 1);
    assert_int_equal(json_parse(text, strlen(text), &entry, NULL), ERR_OK);
    assert_string_equal(json_get_text(entry, "at"), "2026-01-02T03:03:25.000000Z");
    assert_string_equal(json_get_text(entry, "host"), "mosh01");
    assert_string_equal(json_get_text(entry, "site"), "example.org");
    assert_string_equal(json_get_text(entry, "container"), "web");
    assert_string_equal(json_get_text(entry, "stream"), "stdout");
    assert_true(json_get_number(entry, "priority") == 6);
    assert_string_equal(json_get_text(entry, "text"), "evil " HOSTILE "\r\nfake line");
    for (const char *c = text; *c; c++)
        assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
    json_decref(entry);
}

static void colour_marks_errors_and_lets_no_other_escape_through(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    const struct log_entry entry = {.at_us = FLEET_NOW,
        .host = "h" HOSTILE,
        .site = "",
        .container = "",
        .unit = "kernel" HOSTILE,
        .source = "journal",
        .priority = 3,
        .text = "\033[31mboo\033]0;title\a"};
    log_entry_print(&entry, LOG_FORMAT_TEXT, true, out);
    fclose(out);
    assert_non_null(strstr(text, "\033[31m�[31mboo�]0;title�\033[0m\n"));
    assert_int_equal(count_of(text, "\033"), 8);
    free(text);
}

/* --- wrong words */

static void mistakes_are_refused_with_status_2(void **state)
{
    struct fixture *f = *state;
    output_of(f, 2, WORDS("--site", "exmaple.org"));
    output_of(f, 2, WORDS("--host", "mosh1"));
    output_of(f, 2, WORDS("--since", "soon"));
    output_of(f, 2, WORDS("--lines", "-1"));
    output_of(f, 2, WORDS("--format", "xml"));
    output_of(f, 2, WORDS("--follow", "--until", "1h"));
    output_of(f, 2, WORDS("--state", "/nonexistent"));
}

/* --- following */

/* What comes between taking the place and searching must not be found by both. */
static void what_comes_after_the_place_is_left_to_following(void **state)
{
    struct fixture *f = *state;
    struct log_reader *reader;
    struct log_place place;
    const struct log_filter newest = {.limit = 1}, all = {.limit = 0};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_int_equal(log_reader_open(f->dir, &reader, NULL), ERR_OK);
    assert_int_equal(log_place_now(reader, &place, NULL), ERR_OK);
    append(f, "web", FLEET_NOW, 0, "later, the same day");
    append(f, "web", FLEET_NOW - 20 * 3600 * USEC_PER_SEC, 0, "later, in another day's file");
    assert_int_equal(log_print_found(reader, &newest, &place, LOG_FORMAT_TEXT, false, out, NULL), ERR_OK);
    fflush(out);
    assert_int_equal(count_of(text, "\n"), 1);
    assert_non_null(strstr(text, "fake line"));
    assert_int_equal(log_print_found(reader, &all, &place, LOG_FORMAT_TEXT, false, out, NULL), ERR_OK);
    fclose(out);
    assert_int_equal(count_of(text, "\n"), 1 + 5);
    assert_null(strstr(text, "later"));
    free(text);
    log_reader_close(reader);
}

static void following_prints_each_line_once_in_order_and_ends_on_sigint(void **state)
{
    struct fixture *f = *state;
    char line[32];
    start_command(f, WORDS("--follow", "--container", "web"));
    for (int i = 0; i < 60; i++) { /* from before the first query until well into following */
        str_format(line, sizeof line, "number %03d.", i);
        append(f, "web", FLEET_NOW, 0, line);
        append(f, "db", FLEET_NOW, 0, "other");
    }
    wait_for(f, "number 059.");
    append(f, "web", FLEET_NOW, 0, "last one");
    wait_for(f, "last one");
    kill(f->child, SIGINT);
    assert_int_equal(end_command(f), 0);
    const char *at = buf_text(&f->out);
    assert_int_equal(count_of(at, "oldest"), 1);
    assert_int_equal(count_of(at, "other"), 0);
    for (int i = 0; i < 60; i++) {
        str_format(line, sizeof line, "number %03d.", i);
        assert_int_equal(count_of(buf_text(&f->out), line), 1);
        at = strstr(at, line);
        assert_non_null(at);
    }
}

static void following_ends_when_nobody_reads(void **state)
{
    struct fixture *f = *state;
    int status;
    start_command(f, WORDS("--follow"));
    wait_for(f, "fake line");
    close(f->pipe);
    assert_int_equal(waitpid(f->child, &status, 0), f->child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_printed_oldest_first_with_time_host_and_container),
        TEST(words_times_and_names_narrow_what_is_found),
        TEST(lines_keeps_the_newest),
        TEST(json_is_an_object_a_line_with_the_text_unchanged),
        cmocka_unit_test(colour_marks_errors_and_lets_no_other_escape_through),
        TEST(mistakes_are_refused_with_status_2),
        TEST(what_comes_after_the_place_is_left_to_following),
        TEST(following_prints_each_line_once_in_order_and_ends_on_sigint),
        TEST(following_ends_when_nobody_reads),
    };
    fleet_locale();
    return cmocka_run_group_tests_name("log command", tests, NULL, NULL);
}
