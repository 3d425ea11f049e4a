/* The real terminal: a child opens it on a pty and does what it is told; the parent reads the bytes into libvterm and
 * sees what a person would. The child's answers come over a pipe, one line each. */
#include "tests/unit/tui/screen.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

#include "base/clock.h"
#include "tui/keys.h"
#include "tui/terminal.h"

enum { WIDTH = 40, HEIGHT = 8, DEADLINE_S = 20, FRAMES = 60 };

struct session {
    pid_t child;
    int pty;     /* keys in, screen out */
    int answers; /* what the child says */
    int wake;    /* the child's extra descriptor */
    VTerm *vterm;
    VTermScreen *screen;
    struct buf lines; /* answers so far */
    size_t bytes;     /* the child wrote to the screen */
    size_t scrolls;   /* "scroll n lines" sequences among them */
};

/* --- the child: paints the marker and what happened last; ends on 'q' */

static void draw(struct cells *cells, const char *last)
{
    int width = cells_width(cells), height = cells_height(cells);
    cells_clear(cells);
    area_text(cells_area(cells), 0, 0, ROLE_CRITICAL, "日本 é top");
    area_textf(cells_area(cells), 0, 1, ROLE_NORMAL, "%dx%d %s", width, height, last);
    area_fit(area_row(cells_area(cells), height - 1), 0, 0, width, CELLS_RIGHT, ROLE_OK | STYLE_SELECTED, "corner#");
}

/* The frame number `number` of a fixed series: rows of words, wide characters and styles that shift, change and vanish.
 */
static void draw_frame(struct cells *cells, int number)
{
    static const char *const words[] = {
        "mosh01", "日本", "running", "é", "▲", "⣿⣿", "   ", "down", "99.5", "a\xCC\x81"};
    struct area area = cells_area(cells);
    cells_clear(cells);
    for (int y = 0; y < area.height; y++) {
        unsigned seed = (unsigned)(y + 3 * number) * 2654435761u; /* mostly a scrolled form of the one before */
        for (int x = (int)(seed >> 28); x < area.width; x += 3 + (int)(seed >> 29)) {
            seed = seed * 1103515245 + 12345;
            area_text(area, x, y, (seed >> 20) % ROLE_COUNT, words[(seed >> 12) % 10]);
        }
        if (number % 4 == 3 && y % 4 == 1)
            area_restyle(area_row(area, y), 0, 0, area.width, -1, STYLE_SELECTED);
        if (number % 5 == 4) /* the same words elsewhere, and all in another colour */
            area_restyle(area_row(area, y), 0, 0, area.width, ROLE_DIM, 0);
    }
}

static void crash(void)
{
    abort();
}

static void child_loop(struct terminal *terminal, FILE *answers, int wake)
{
    static const char *const events[] = {"timeout", "key", "resize", "wake", "closed"};
    struct cells *cells = cells_new(1, 1);
    char last[64] = "start", name[KEYS_NAME_SIZE], byte;
    for (;;) {
        int width = 0, height = 0, key = 0;
        terminal_size(terminal, &width, &height);
        cells_resize(cells, width, height);
        draw(cells, last);
        terminal_paint(terminal, cells);
        enum terminal_event event = terminal_wait(terminal, DEADLINE_S * 1000, wake, &key);
        if (event == TERMINAL_WAKE && read(wake, &byte, 1) != 1)
            break;
        str_format(last, sizeof last, "%s%s%s", events[event], key ? " " : "", key ? keys_name(key, name) : "");
        fprintf(answers, "%s\n", last);
        fflush(answers);
        if (key == 'q' || event == TERMINAL_CLOSED || event == TERMINAL_TIMEOUT)
            break;
        if (key == 'X')
            crash();
        for (int frame = 0; key == 'F' && frame < FRAMES; frame++) { /* one frame a byte on the wake descriptor */
            draw_frame(cells, frame);
            terminal_paint(terminal, cells);
            fprintf(answers, "frame %d\n", frame);
            fflush(answers);
            if (read(wake, &byte, 1) != 1)
                return;
        }
    }
    cells_free(cells);
}

static int run_child(FILE *answers, int wake)
{
    struct terminal *terminal = NULL;
    struct err_info info = {0};
    struct terminal_options options = {.most_colors = COLOR_DEPTH_TRUE, .log_path = "/tmp/the.log"};
    if (terminal_open(&terminal, &options, &info)) {
        fprintf(answers, "error %s\n", info.message);
        fflush(answers);
        return 3;
    }
    fprintf(answers, "open depth %d glyphs %d\n", (int)terminal_depth(terminal), (int)terminal_glyphs(terminal));
    fflush(answers);
    child_loop(terminal, answers, wake);
    terminal_close(terminal);
    return 0;
}

/* --- the parent */

static struct session start(const char *term, const char *locale)
{
    struct session session = {.lines = BUF(100000)};
    struct winsize size = {.ws_row = HEIGHT, .ws_col = WIDTH};
    int answers[2], wake[2];
    assert_int_equal(pipe(answers), 0);
    assert_int_equal(pipe(wake), 0);
    session.child = forkpty(&session.pty, NULL, NULL, &size);
    assert_true(session.child >= 0);
    if (session.child == 0) {
        close(answers[0]);
        close(wake[1]);
        setenv("TERM", term, 1);
        unsetenv("COLORTERM");
        unsetenv("NO_COLOR");
        unsetenv("LINES");
        unsetenv("COLUMNS");
        setlocale(LC_ALL, locale);
        _exit(run_child(fdopen(answers[1], "w"), wake[0]));
    }
    close(answers[1]);
    close(wake[0]);
    session.answers = answers[0];
    session.wake = wake[1];
    session.vterm = vterm_new(HEIGHT, WIDTH);
    vterm_set_utf8(session.vterm, 1);
    session.screen = vterm_obtain_screen(session.vterm);
    vterm_screen_enable_altscreen(session.screen, 1);
    vterm_screen_reset(session.screen, 1);
    return session;
}

/* CSI n S and CSI n T. A sequence cut by the read is missed: enough are seen whole. */
static size_t count_scrolls(const char *bytes, size_t length)
{
    size_t found = 0;
    for (size_t i = 0; i + 3 < length; i++) {
        size_t digits = 0;
        if (bytes[i] != '\x1b' || bytes[i + 1] != '[')
            continue;
        while (i + 2 + digits < length && bytes[i + 2 + digits] >= '0' && bytes[i + 2 + digits] <= '9')
            digits++;
        char last = i + 2 + digits < length ? bytes[i + 2 + digits] : '\0';
        found += last == 'S' || last == 'T';
    }
    return found;
}

/* Read for at most `timeout_ms` until something comes; false where nothing came or all is closed. */
static bool pump(struct session *session, int timeout_ms)
{
    char bytes[4096];
    struct pollfd fds[] = {{session->pty, POLLIN, 0}, {session->answers, POLLIN, 0}};
    if (poll(fds, 2, timeout_ms) <= 0)
        return false;
    bool more = false;
    if (fds[0].revents) {
        ssize_t got = read(session->pty, bytes, sizeof bytes);
        if (got > 0) {
            vterm_input_write(session->vterm, bytes, (size_t)got);
            session->bytes += (size_t)got;
            session->scrolls += count_scrolls(bytes, (size_t)got);
        }
        more = got > 0;
    }
    if (fds[1].revents) {
        ssize_t got = read(session->answers, bytes, sizeof bytes);
        if (got > 0)
            (void)buf_append(&session->lines, bytes, (size_t)got);
        more = more || got > 0;
    }
    return more;
}

static void row_text(struct session *session, int y, char *out, size_t out_size)
{
    int rows = 0, columns = 0;
    vterm_get_size(session->vterm, &rows, &columns);
    VTermRect rect = {.start_row = y, .end_row = y + 1, .start_col = 0, .end_col = columns};
    size_t length = vterm_screen_get_text(session->screen, out, out_size - 1, rect);
    while (length > 0 && out[length - 1] == ' ')
        length--;
    out[length] = '\0';
}

static bool screen_has(struct session *session, const char *text)
{
    int rows = 0, columns = 0;
    char row[2000];
    vterm_get_size(session->vterm, &rows, &columns);
    for (int y = 0; y < rows; y++) {
        row_text(session, y, row, sizeof row);
        if (strstr(row, text))
            return true;
    }
    return false;
}

static void await_screen(struct session *session, const char *text)
{
    int64_t deadline = clock_mono_us() + DEADLINE_S * USEC_PER_SEC;
    while (!screen_has(session, text)) {
        if (clock_mono_us() > deadline)
            fail_msg("the screen never showed \"%s\"; answers: %s", text, buf_text(&session->lines));
        pump(session, 200);
    }
}

static void await_answer(struct session *session, const char *line)
{
    int64_t deadline = clock_mono_us() + DEADLINE_S * USEC_PER_SEC;
    while (!strstr(buf_text(&session->lines), line)) {
        if (clock_mono_us() > deadline)
            fail_msg("the child never said \"%s\" but: %s", line, buf_text(&session->lines));
        pump(session, 200);
    }
}

static void press(struct session *session, const char *bytes)
{
    assert_int_equal(write(session->pty, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

static void press_for(struct session *session, const char *bytes, const char *answer)
{
    buf_clear(&session->lines);
    press(session, bytes);
    await_answer(session, answer);
}

static int finish(struct session *session)
{
    int status = 0;
    while (pump(session, DEADLINE_S * 1000))
        ;
    assert_int_equal(waitpid(session->child, &status, 0), session->child);
    close(session->pty);
    close(session->answers);
    close(session->wake);
    vterm_free(session->vterm);
    buf_free(&session->lines);
    return status;
}

static void end(struct session *session)
{
    press(session, "q");
    int status = finish(session);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void screen_shows_exactly_what_was_drawn(void **state)
{
    (void)state;
    char row[512];
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    row_text(&session, 0, row, sizeof row);
    assert_string_equal(row, "日本 é top");
    row_text(&session, 1, row, sizeof row);
    assert_string_equal(row, "40x8 start");
    VTermScreenCell cell;
    vterm_screen_get_cell(session.screen, (VTermPos){HEIGHT - 1, WIDTH - 1}, &cell); /* the last cell of all */
    assert_int_equal(cell.chars[0], '#');
    assert_true(cell.attrs.bold);
    VTermScreenCell plain;
    vterm_screen_get_cell(session.screen, (VTermPos){2, 0}, &plain);
    assert_false(vterm_color_is_equal(&cell.bg, &plain.bg));
    vterm_screen_get_cell(session.screen, (VTermPos){0, 0}, &cell);
    assert_int_equal(cell.width, 2);
    assert_true(cell.attrs.bold); /* critical */
    end(&session);
}

static bool cell_is_shown(struct session *session, const struct cell *wanted, int x, int y)
{
    VTermScreenCell shown;
    wchar_t wide[8] = {0};
    vterm_screen_get_cell(session->screen, (VTermPos){y, x}, &shown);
    if (wanted->width == 0)
        return true;
    mbstowcs(wide, wanted->text, 7);
    uint32_t first = shown.chars[0] ? shown.chars[0] : ' ';
    return first == (uint32_t)wide[0] && shown.width == wanted->width;
}

static bool frame_is_shown(struct session *session, const struct cells *cells)
{
    for (int y = 0; y < cells_height(cells); y++)
        for (int x = 0; x < cells_width(cells); x++)
            if (!cell_is_shown(session, cells_at(cells, x, y), x, y))
                return false;
    return true;
}

static void show_difference(struct session *session, const struct cells *cells, int number)
{
    struct buf wanted = BUF(100000);
    char row[512];
    cells_to_text(cells, &wanted);
    print_error("frame %d should be\n%s--- but is\n", number, buf_text(&wanted));
    for (int y = 0; y < cells_height(cells); y++) {
        row_text(session, y, row, sizeof row);
        print_error("%s\n", row);
    }
    buf_free(&wanted);
    fail_msg("frame %d is not what is shown", number);
}

static void await_frame(struct session *session, const struct cells *cells, int number)
{
    int64_t deadline = clock_mono_us() + DEADLINE_S * USEC_PER_SEC;
    while (!frame_is_shown(session, cells)) {
        if (clock_mono_us() > deadline)
            show_difference(session, cells, number);
        pump(session, 200);
    }
}

static void a_series_of_frames_is_shown_exactly_and_without_scrolling(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    struct cells *cells = cells_new(WIDTH, HEIGHT);
    await_screen(&session, "corner#");
    press(&session, "F");
    for (int frame = 0; frame < FRAMES; frame++) {
        char answer[32];
        str_format(answer, sizeof answer, "frame %d\n", frame);
        await_answer(&session, answer);
        draw_frame(cells, frame);
        await_frame(&session, cells, frame);
        assert_int_equal(write(session.wake, "!", 1), 1);
    }
    assert_int_equal(session.scrolls, 0);
    cells_free(cells);
    await_screen(&session, "key F");
    end(&session);
}

static void keys_arrive_by_name(void **state)
{
    (void)state;
    static const char *const table[][2] = {{"a", "key a\n"}, {"\xc3\xa9", "key \xc3\xa9\n"}, {"\x1bOA", "key Up\n"},
        {"\x1bOB", "key Down\n"}, {"\x1b", "key Esc\n"}, {"\x03", "key C-c\n"}, {"\r", "key Enter\n"},
        {"\t", "key Tab\n"}, {"\x1b[Z", "key S-Tab\n"}, {"\x1b[5~", "key PgUp\n"}, {"\x7f", "key Backspace\n"},
        {"\x1bOP", "key F1\n"}, {"\x1b[24~", "key F12\n"}, {"\x12", "key C-r\n"}, {" ", "key Space\n"},
        {"\x1b[3~", "key Del\n"}, {"\x13", "key C-s\n"}, {"\x1c", "key C-\\\n"}, {"\x1bOH", "key Home\n"},
        {":", "key :\n"}};
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        press_for(&session, table[i][0], table[i][1]);
    end(&session);
}

static void escape_and_a_key_at_once_are_two_keys(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    press_for(&session, "\x1bj", "key Esc\nkey j\n");
    end(&session);
}

static void a_repaint_without_change_sends_nothing(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    press(&session, "j");
    await_screen(&session, "key j");
    while (pump(&session, 300))
        ;
    size_t before = session.bytes;
    press_for(&session, "j", "key j\n"); /* the same text is drawn again */
    press_for(&session, "j", "key j\n");
    while (pump(&session, 300))
        ;
    assert_int_equal(session.bytes, before);
    end(&session);
}

static void a_resize_is_reported_and_fills_the_new_size(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    static const int sizes[][2] = {{60, 12}, {20, 5}, {100, 30}};
    for (size_t i = 0; i < 3; i++) {
        struct winsize size = {.ws_row = (unsigned short)sizes[i][1], .ws_col = (unsigned short)sizes[i][0]};
        char expected[64];
        vterm_set_size(session.vterm, sizes[i][1], sizes[i][0]);
        assert_int_equal(ioctl(session.pty, TIOCSWINSZ, &size), 0);
        str_format(expected, sizeof expected, "%dx%d resize", sizes[i][0], sizes[i][1]);
        await_screen(&session, expected);
        await_screen(&session, "corner#");
    }
    end(&session);
}

static void the_extra_descriptor_wakes(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    assert_int_equal(write(session.wake, "!", 1), 1);
    await_answer(&session, "wake\n");
    end(&session);
}

static void a_crash_gives_the_terminal_back_and_names_the_log(void **state)
{
    (void)state;
    struct termios before, after;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    assert_int_equal(tcgetattr(session.pty, &before), 0);
    assert_false(before.c_lflag & ICANON);
    press(&session, "X");
    await_screen(&session, "dogwatch ended by an internal error");
    await_screen(&session, "the.log");
    assert_int_equal(tcgetattr(session.pty, &after), 0);
    assert_true(after.c_lflag & ICANON);
    assert_true(after.c_lflag & ECHO);
    assert_false(screen_has(&session, "corner#")); /* the main screen is back */
    assert_true(WIFSIGNALED(finish(&session)));
}

static void a_request_to_end_gives_the_terminal_back(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    kill(session.child, SIGTERM);
    await_screen(&session, "dogwatch ended by a request");
    int status = finish(&session);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void suspending_stops_and_continuing_repaints(void **state)
{
    (void)state;
    int status = 0;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    pid_t stopped = 0;
    press(&session, "\x1a");
    /* The child leads its own session: its group is orphaned, and the kernel ignores SIGTSTP there; it just comes back.
     */
    for (int64_t deadline = clock_mono_us() + DEADLINE_S * USEC_PER_SEC; clock_mono_us() < deadline;) {
        stopped = waitpid(session.child, &status, WUNTRACED | WNOHANG);
        pump(&session, 50);
        if (stopped == session.child || strstr(buf_text(&session.lines), "resize"))
            break;
    }
    if (stopped == session.child) {
        assert_true(WIFSTOPPED(status));
        kill(session.child, SIGCONT);
    }
    await_answer(&session, "resize\n");
    await_screen(&session, "corner#");
    press_for(&session, "k", "key k\n"); /* and the keys are raw again */
    end(&session);
}

static void refuse(const char *term, const char *expected)
{
    struct session session = start(term, "C.UTF-8");
    await_answer(&session, expected);
    int status = finish(&session);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void unusable_terminals_are_refused_with_what_to_do(void **state)
{
    (void)state;
    refuse("dumb", "cannot place its cursor");
    refuse("no-such-terminal", "does not know the terminal \"no-such-terminal\"");
    refuse("", "TERM is not set");
}

static void depth_and_glyphs_follow_terminal_and_locale(void **state)
{
    (void)state;
    static const struct {
        const char *term, *locale, *expected;
    } table[] = {{"xterm-256color", "C.UTF-8", "open depth 3 glyphs 0"}, {"linux", "C.UTF-8", "open depth 1 glyphs 1"},
        {"vt100", "C.UTF-8", "open depth 0 glyphs 0"}, {"xterm-256color", "C", "open depth 3 glyphs 2"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct session session = start(table[i].term, table[i].locale);
        await_answer(&session, table[i].expected);
        end(&session);
    }
}

static void hanging_up_ends_the_wait(void **state)
{
    (void)state;
    struct session session = start("xterm-256color", "C.UTF-8");
    await_screen(&session, "corner#");
    close(session.pty);
    int status = 0;
    assert_int_equal(waitpid(session.child, &status, 0), session.child);
    assert_true(WIFEXITED(status) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP));
    close(session.answers);
    close(session.wake);
    vterm_free(session.vterm);
    buf_free(&session.lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screen_shows_exactly_what_was_drawn),
        cmocka_unit_test(a_series_of_frames_is_shown_exactly_and_without_scrolling),
        cmocka_unit_test(keys_arrive_by_name),
        cmocka_unit_test(escape_and_a_key_at_once_are_two_keys),
        cmocka_unit_test(a_repaint_without_change_sends_nothing),
        cmocka_unit_test(a_resize_is_reported_and_fills_the_new_size),
        cmocka_unit_test(the_extra_descriptor_wakes),
        cmocka_unit_test(a_crash_gives_the_terminal_back_and_names_the_log),
        cmocka_unit_test(a_request_to_end_gives_the_terminal_back),
        cmocka_unit_test(suspending_stops_and_continuing_repaints),
        cmocka_unit_test(unusable_terminals_are_refused_with_what_to_do),
        cmocka_unit_test(depth_and_glyphs_follow_terminal_and_locale),
        cmocka_unit_test(hanging_up_ends_the_wait),
    };
    use_utf8();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
