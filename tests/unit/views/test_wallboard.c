/* The wallboard: what it says, at sizes of real walls and of none; when it must shout; and that it runs on a terminal,
 * survives resizes, and quits by q alone. */
#include "tests/unit/views/fleet.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

#include "base/buf.h"
#include "tests/support/golden.h"
#include "tui/big.h"
#include "views/wallboard.h"
#include "views/wallboard_pages.h"

#define DEADLINE_US (20 * USEC_PER_SEC)

static void draw(struct cells *cells, const struct snapshot *snapshot, enum wallboard_page page, int64_t now_us)
{
    static struct event event = {.at_us = FLEET_NOW - 65 * USEC_PER_SEC,
        .severity = SEVERITY_CRITICAL,
        .kind = "container.died",
        .host = "mosh02",
        .text = "web ended with status 137 " HOSTILE};
    static struct job_record job = {.id = 7,
        .action = "restart",
        .object = "example.org",
        .state = JOB_RUNNING,
        .progress_pct = 40,
        .who = "ada",
        .message = "waiting for the health check",
        .created_us = FLEET_NOW - 5 * USEC_PER_SEC};
    struct job_list jobs = {.items = {.items = &job, .count = 1}};
    struct event_list events = {.items = {.items = &event, .count = 1}};
    wallboard_draw(cells,
        &(struct wallboard){.snapshot = snapshot, .jobs = &jobs, .events = &events, .now_us = now_us, .page = page});
}

static bool shows(const struct cells *cells, const char *text)
{
    struct buf buf = BUF(1 << 20);
    cells_to_text(cells, &buf);
    bool found = strstr(buf_text(&buf), text) != NULL;
    if (!found)
        fprintf(stderr, "no \"%s\" in\n%s", text, buf_text(&buf));
    buf_free(&buf);
    return found;
}

static void golden(const char *name, int width, int height, enum wallboard_page page)
{
    struct snapshot *snapshot = fleet_snapshot();
    struct cells *cells = cells_new(width, height);
    struct buf text = BUF(1 << 20);
    char path[128];
    draw(cells, snapshot, page, FLEET_NOW);
    cells_to_styles(cells, &text);
    str_format(path, sizeof path, "tests/unit/views/golden/wallboard-%s-%dx%d.txt", name, width, height);
    bool same = golden_matches(path, buf_text(&text));
    buf_free(&text);
    cells_free(cells);
    snapshot_free(snapshot);
    assert_true(same);
}

static void every_page_looks_as_when_last_looked_at(void **state)
{
    (void)state;
    static const char *const names[] = {"totals", "hosts", "worst", "now"};
    for (int page = 0; page < WALLBOARD_PAGES; page++) {
        golden(names[page], 80, 24, (enum wallboard_page)page);
        golden(names[page], 140, 45, (enum wallboard_page)page);
    }
}

static void no_size_is_too_small_or_too_large(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 3}, {5, 20}, {20, 5}, {7, 7}, {33, 9}, {300, 2}, {1000, 1000}};
    struct snapshot *snapshot = fleet_snapshot();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int page = 0; page < WALLBOARD_PAGES; page++)
            for (int glyphs = GLYPHS_BRAILLE; glyphs <= GLYPHS_ASCII; glyphs++) {
                struct cells *cells = cells_new(sizes[i][0], sizes[i][1]);
                cells_set_glyphs(cells, (enum glyphs)glyphs);
                draw(cells, snapshot, (enum wallboard_page)page, FLEET_NOW);
                draw(cells, snapshot, (enum wallboard_page)page, FLEET_NOW + 3600 * USEC_PER_SEC);
                cells_free(cells);
            }
    snapshot_free(snapshot);
}

static void a_running_copy_has_a_bar_and_says_when_it_falls_silent(void **state)
{
    (void)state;
    struct snapshot *snapshot = fleet_snapshot();
    struct cells *cells = cells_new(100, 24);
    struct job_step_record steps[2] = {
        {.index = 0, .name = "lease", .state = STEP_DONE}, {.index = 1,
                                                               .name = "copy",
                                                               .host = "mosh02",
                                                               .state = STEP_RUNNING,
                                                               .started_us = FLEET_NOW - 90 * USEC_PER_SEC,
                                                               .alive_us = FLEET_NOW - 70 * USEC_PER_SEC,
                                                               .pass = 2,
                                                               .done_bytes = INT64_C(512) << 20,
                                                               .total_bytes = INT64_C(1) << 30}};
    struct wallboard_progress progress = {.job = 7, .steps = {.items = {.items = steps, .count = 2}}};
    struct wallboard board = {
        .snapshot = snapshot, .progress = &progress, .progress_count = 1, .now_us = FLEET_NOW, .page = WALLBOARD_NOW};
    wallboard_draw(cells, &board);
    assert_true(shows(cells, "job 7: copy on mosh02, pass 2, 512M of 1.0G"));
    assert_true(shows(cells, "no sign of life for 1m"));
    assert_true(shows(cells, "[██████████"));
    cells_free(cells);
    snapshot_free(snapshot);
}

static void conflict_and_quarantine_are_shouted_on_every_page(void **state)
{
    (void)state;
    struct snapshot *snapshot = fleet_snapshot();
    struct cells *cells = cells_new(80, 24);
    for (size_t i = 0; i < snapshot->site_count; i++)
        if (strcmp(snapshot->sites[i].name, "wild") == 0)
            snapshot->sites[i].status = SITE_QUARANTINED;
    for (int page = 0; page < WALLBOARD_PAGES; page++) {
        draw(cells, snapshot, (enum wallboard_page)page, FLEET_NOW);
        assert_true(shows(cells, "‡ CONFLICT: clash.example"));
        assert_true(shows(cells, "■ QUARANTINED: wild"));
    }
    cells_free(cells);
    snapshot_free(snapshot);
}

static void a_silent_engine_is_shouted_on_every_page(void **state)
{
    (void)state;
    struct snapshot *snapshot = fleet_snapshot();
    struct cells *cells = cells_new(80, 24);
    for (int page = 0; page < WALLBOARD_PAGES; page++) {
        draw(cells, snapshot, (enum wallboard_page)page, FLEET_NOW + 300 * USEC_PER_SEC);
        assert_true(shows(cells, "✖ DATA ARE STALE: the engine is silent for 5m"));
        assert_int_equal(cells_at(cells, 0, 1)->style, ROLE_CRITICAL | STYLE_REVERSE);
    }
    draw(cells, snapshot, WALLBOARD_TOTALS, FLEET_NOW + 300 * USEC_PER_SEC);
    assert_true(shows(cells, "of 3 hosts  ? 3 unknown"));
    snapshot_free(snapshot);
    cells_free(cells);
}

static void an_unreadable_store_is_shouted_above_what_was_last_known(void **state)
{
    (void)state;
    struct snapshot *snapshot = fleet_snapshot();
    struct cells *cells = cells_new(80, 24);
    struct wallboard board = {.snapshot = snapshot, .problem = "no store at /x", .now_us = FLEET_NOW};
    wallboard_draw(cells, &board);
    assert_true(shows(cells, "STORE UNREADABLE: no store at /x"));
    assert_true(shows(cells, "HOSTS UP"));
    board.snapshot = NULL;
    wallboard_draw(cells, &board);
    assert_true(shows(cells, "STORE UNREADABLE: no store at /x"));
    snapshot_free(snapshot);
    cells_free(cells);
}

static void an_engine_that_never_wrote_and_an_empty_fleet_say_so(void **state)
{
    (void)state;
    struct snapshot empty = {.interval_us = 0};
    struct cells *cells = cells_new(80, 24);
    wallboard_draw(cells, &(struct wallboard){.snapshot = &empty, .now_us = FLEET_NOW});
    assert_true(shows(cells, "NO DATA: the engine has not written anything yet"));
    assert_true(shows(cells, "dogwatch host add"));
    cells_free(cells);
}

static void a_host_is_as_bad_as_its_worst_figure_and_unknown_is_not_fine(void **state)
{
    (void)state;
    struct snapshot *snapshot = fleet_snapshot();
    struct freshness freshness = freshness_of(snapshot, FLEET_NOW);
    assert_int_equal(wallboard_host_concern(&snapshot->hosts[0], freshness), CONCERN_OK);
    assert_int_equal(wallboard_host_concern(&snapshot->hosts[1], freshness), CONCERN_CRITICAL);
    assert_int_equal(wallboard_host_concern(&snapshot->hosts[2], freshness), CONCERN_UNKNOWN);
    snapshot->hosts[0].metrics[HOST_DISK_WORST] = 86;
    assert_int_equal(wallboard_host_concern(&snapshot->hosts[0], freshness), CONCERN_WARNING);
    snapshot_free(snapshot);
}

static void what_is_not_known_is_no_figure(void **state)
{
    (void)state;
    struct snapshot *snapshot = fleet_snapshot();
    struct cells *cells = cells_new(80, 24);
    for (size_t i = 0; i < snapshot->host_count; i++)
        metrics_clear(snapshot->hosts[i].metrics, HOST_METRIC_COUNT);
    draw(cells, snapshot, WALLBOARD_TOTALS, FLEET_NOW);
    assert_true(shows(cells, "–"));
    struct buf text = BUF(1 << 20);
    cells_to_text(cells, &text);
    assert_null(strstr(buf_text(&text), "0B of 0B"));
    assert_non_null(strstr(buf_text(&text), "unknown"));
    buf_free(&text);
    snapshot_free(snapshot);
    cells_free(cells);
}

/* Five times as many hosts as a screen has rows: the troubled ones are still seen, and every host has a cell. */
static void a_large_fleet_fits_with_the_worst_first(void **state)
{
    (void)state;
    struct snapshot many = {.interval_us = 10 * USEC_PER_SEC, .engine_at_us = FLEET_NOW, .host_count = 300};
    struct cells *cells = cells_new(80, 24);
    int symbols = 0;
    many.hosts = xcalloc(many.host_count, sizeof *many.hosts);
    for (size_t i = 0; i < many.host_count; i++) {
        char name[16];
        str_format(name, sizeof name, "h%03zu", i);
        many.hosts[i] = fleet_host(name, i == 299 ? 99 : 5, 5);
    }
    draw(cells, &many, WALLBOARD_HOSTS, FLEET_NOW);
    assert_string_equal(cells_at(cells, 1, 3)->text, "✖");
    for (int y = 3; y < 23; y++)
        for (int x = 0; x < 80; x++)
            symbols += strcmp(cells_at(cells, x, y)->text, "●") == 0;
    assert_int_equal(symbols, 299);
    free(many.hosts);
    cells_free(cells);
}

static void big_figures_grow_with_their_place_and_fall_back_to_text(void **state)
{
    (void)state;
    struct cells *cells = cells_new(120, 30);
    struct area all = cells_area(cells);
    assert_true(big_size(all, "42") > big_size(area_sub(all, 0, 0, 20, 5), "42"));
    assert_true(big_size(area_sub(all, 0, 0, 20, 5), "42") > 0);
    assert_int_equal(big_size(area_sub(all, 0, 0, 20, 4), "42"), 0);
    assert_int_equal(big_size(all, "–"), 0);
    assert_int_equal(big_size(all, ""), 0);
    big_draw(area_sub(all, 0, 0, 7, 5), 1, ROLE_OK, "17");
    static const char *const rows[] = {" █  ███", "██    █", " █    █", " █    █", "███   █"};
    struct buf text = BUF(1 << 20);
    cells_to_text(cells, &text);
    for (size_t i = 0; i < 5; i++)
        assert_non_null(strstr(buf_text(&text), rows[i]));
    buf_free(&text);
    big_draw(area_sub(all, 0, 6, 3, 1), 1, ROLE_OK, "17");
    assert_string_equal(cells_at(cells, 0, 6)->text, "1");
    cells_free(cells);
}

/* --- on a terminal --- */

struct session {
    pid_t child;
    int pty;
    VTerm *vterm;
    VTermScreen *screen;
};

static void run_child(const char *dir)
{
    char *argv[] = {
        (char[]){"--wallboard"}, (char[]){"--seconds"}, (char[]){"3600"}, (char[]){"--state"}, strdup(dir), NULL};
    setenv("TERM", "xterm-256color", 1);
    setenv("DOGWATCH_THEME", "dark", 1);
    _exit(wallboard_main(5, argv));
}

static struct session start(const char *dir)
{
    struct session s = {.child = 0};
    struct winsize size = {.ws_col = 80, .ws_row = 24};
    s.child = forkpty(&s.pty, NULL, NULL, &size);
    assert_true(s.child >= 0);
    if (s.child == 0)
        run_child(dir);
    s.vterm = vterm_new(24, 80);
    vterm_set_utf8(s.vterm, 1);
    s.screen = vterm_obtain_screen(s.vterm);
    vterm_screen_enable_altscreen(s.screen, 1);
    vterm_screen_reset(s.screen, 1);
    return s;
}

static bool pump(struct session *s, int timeout_ms) /* false: the child is gone */
{
    char bytes[4096];
    struct pollfd fd = {.fd = s->pty, .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) <= 0)
        return true;
    ssize_t got = read(s->pty, bytes, sizeof bytes);
    if (got <= 0)
        return false;
    vterm_input_write(s->vterm, bytes, (size_t)got);
    return true;
}

static bool screen_has(struct session *s, const char *text)
{
    static char all[1 << 16];
    int rows, columns;
    vterm_get_size(s->vterm, &rows, &columns);
    size_t length = vterm_screen_get_text(s->screen, all, sizeof all - 1,
        (VTermRect){.start_row = 0, .end_row = rows, .start_col = 0, .end_col = columns});
    all[length] = '\0';
    return strstr(all, text) != NULL;
}

static void wait_for(struct session *s, const char *text)
{
    int64_t deadline = clock_mono_us() + DEADLINE_US;
    while (!screen_has(s, text)) {
        if (clock_mono_us() > deadline || !pump(s, 100))
            fail_msg("\"%s\" never showed", text);
    }
}

static void press(struct session *s, const char *keys)
{
    assert_int_equal(write(s->pty, keys, strlen(keys)), strlen(keys));
}

static int end(struct session *s)
{
    int status;
    int64_t deadline = clock_mono_us() + DEADLINE_US;
    while (pump(s, 100))
        if (clock_mono_us() > deadline)
            kill(s->child, SIGKILL);
    waitpid(s->child, &status, 0);
    close(s->pty);
    vterm_free(s->vterm);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void keys_turn_pages_and_only_q_quits(void **state)
{
    const char *dir = *state;
    fleet_store(dir);
    struct session s = start(dir);
    wait_for(&s, "HOSTS UP");
    press(&s, "\033OC");
    wait_for(&s, "2/4");
    press(&s, "\x03x\r"); /* Ctrl-C and others: nothing */
    press(&s, "\033OD\033OD");
    wait_for(&s, "4/4");
    press(&s, " ");
    wait_for(&s, "held");
    press(&s, "q");
    assert_int_equal(end(&s), 0);
}

static void a_resize_is_taken_and_a_store_that_appears_is_shown(void **state)
{
    const char *dir = *state;
    struct session s = start(dir);
    wait_for(&s, "STORE UNREADABLE");
    struct winsize size = {.ws_col = 30, .ws_row = 8};
    vterm_set_size(s.vterm, 8, 30);
    assert_int_equal(ioctl(s.pty, TIOCSWINSZ, &size), 0);
    wait_for(&s, "STORE UNREADABLE");
    size = (struct winsize){.ws_col = 100, .ws_row = 40};
    vterm_set_size(s.vterm, 40, 100);
    assert_int_equal(ioctl(s.pty, TIOCSWINSZ, &size), 0);
    fleet_store(dir);
    wait_for(&s, "HOSTS UP");
    press(&s, "q");
    assert_int_equal(end(&s), 0);
}

static void wrong_words_are_refused_before_the_screen_opens(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"--seconds", "1"}, {"--seconds", "soon"}, {"--restart", "all"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *argv[] = {(char[]){"--wallboard"}, xstrdup(bad[i][0]), xstrdup(bad[i][1]), NULL};
        assert_int_equal(wallboard_main(3, argv), 2);
        free(argv[1]);
        free(argv[2]);
    }
}

static int make_dir(void **state)
{
    *state = temp_dir_new();
    clock_freeze_wall(FLEET_NOW);
    return 0;
}

static int remove_dir(void **state)
{
    temp_dir_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_looks_as_when_last_looked_at),
        cmocka_unit_test(no_size_is_too_small_or_too_large),
        cmocka_unit_test(a_running_copy_has_a_bar_and_says_when_it_falls_silent),
        cmocka_unit_test(conflict_and_quarantine_are_shouted_on_every_page),
        cmocka_unit_test(a_silent_engine_is_shouted_on_every_page),
        cmocka_unit_test(an_unreadable_store_is_shouted_above_what_was_last_known),
        cmocka_unit_test(an_engine_that_never_wrote_and_an_empty_fleet_say_so),
        cmocka_unit_test(a_host_is_as_bad_as_its_worst_figure_and_unknown_is_not_fine),
        cmocka_unit_test(what_is_not_known_is_no_figure),
        cmocka_unit_test(a_large_fleet_fits_with_the_worst_first),
        cmocka_unit_test(big_figures_grow_with_their_place_and_fall_back_to_text),
        cmocka_unit_test_setup_teardown(keys_turn_pages_and_only_q_quits, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_resize_is_taken_and_a_store_that_appears_is_shown, make_dir, remove_dir),
        cmocka_unit_test(wrong_words_are_refused_before_the_screen_opens),
    };
    fleet_locale();
    return cmocka_run_group_tests_name("wallboard", tests, NULL, NULL);
}
