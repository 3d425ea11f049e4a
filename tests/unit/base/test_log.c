/* base/log: one clean line per event, whatever the text and however many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

static char path[64];

static int open_log(void **state)
{
    (void)state;
    memcpy(path, "/tmp/dogwatch-test-log-XXXXXX", sizeof "/tmp/dogwatch-test-log-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    clock_freeze_wall(INT64_C(1767323045) * USEC_PER_SEC);
    return log_to_file(path, LOG_LEVEL_INFO, NULL) == ERR_OK ? 0 : -1;
}

static int close_log(void **state)
{
    (void)state;
    log_to_stderr(LOG_LEVEL_WARNING);
    clock_freeze_wall(0);
    return unlink(path);
}

static struct buf written(void)
{
    struct buf buf = BUF(1 << 20);
    assert_int_equal(buf_read_file(&buf, path, NULL), ERR_OK);
    return buf;
}

static void assert_written(const char *expected)
{
    struct buf buf = written();
    assert_string_equal(buf_text(&buf), expected);
    buf_free(&buf);
}

static void line_has_time_level_and_message(void **state)
{
    (void)state;
    log_info("host %s is %s", "mosh01", "up");
    log_warning("slow");
    log_error("gone");
    assert_written("2026-01-02T03:04:05.000Z info    host mosh01 is up\n"
                   "2026-01-02T03:04:05.000Z warning slow\n"
                   "2026-01-02T03:04:05.000Z error   gone\n");
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    log_debug("quiet");
    assert_written("");
}

static void message_cannot_forge_a_line_or_move_a_cursor(void **state)
{
    (void)state;
    log_info("%s", "a\n2026-01-02T03:04:05.000Z error   forged\x1b[2J\xff");
    assert_written("2026-01-02T03:04:05.000Z info    a\uFFFD2026-01-02T03:04:05.000Z error   forged\uFFFD[2J\uFFFD\n");
}

static void endless_message_is_cut_but_still_one_line(void **state)
{
    (void)state;
    char text[10000];
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("%s", text);
    log_info("next");
    struct buf buf = written();
    const char *end = strchr(buf_text(&buf), '\n');
    assert_non_null(end);
    assert_true(end - buf_text(&buf) > 1000 && end - buf_text(&buf) < 4096);
    assert_string_equal(end + 1, "2026-01-02T03:04:05.000Z info    next\n");
    buf_free(&buf);
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    assert_int_equal(log_to_file("/dev/full", LOG_LEVEL_INFO, NULL), ERR_OK);
    errno = EAGAIN;
    log_info("x"); /* fails with ENOSPC */
    assert_int_equal(errno, EAGAIN);
}

static void log_file_is_private_and_appended_to(void **state)
{
    (void)state;
    log_info("one");
    unlink(path);
    assert_int_equal(log_to_file(path, LOG_LEVEL_INFO, NULL), ERR_OK);
    log_info("two");
    assert_int_equal(log_to_file(path, LOG_LEVEL_INFO, NULL), ERR_OK);
    log_info("three");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0077, 0);
    assert_written("2026-01-02T03:04:05.000Z info    two\n2026-01-02T03:04:05.000Z info    three\n");
}

static void unusable_log_file_is_an_error_and_the_old_log_stays(void **state)
{
    (void)state;
    struct err_info info;
    assert_int_equal(log_to_file("/nonexistent/log", LOG_LEVEL_INFO, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "/nonexistent/log"));
    log_info("still here");
    assert_written("2026-01-02T03:04:05.000Z info    still here\n");
}

static void *log_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < 500; i++)
        log_info("0123456789012345678901234567890123456789");
    return NULL;
}

static void lines_of_two_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    static const char line[] = "2026-01-02T03:04:05.000Z info    0123456789012345678901234567890123456789\n";
    struct buf buf = written();
    assert_int_equal(buf.length, 1000 * (sizeof line - 1));
    for (size_t at = 0; at < buf.length; at += sizeof line - 1)
        assert_memory_equal(buf.data + at, line, sizeof line - 1);
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(line_has_time_level_and_message, open_log, close_log),
        cmocka_unit_test_setup_teardown(lower_levels_are_left_out, open_log, close_log),
        cmocka_unit_test_setup_teardown(message_cannot_forge_a_line_or_move_a_cursor, open_log, close_log),
        cmocka_unit_test_setup_teardown(endless_message_is_cut_but_still_one_line, open_log, close_log),
        cmocka_unit_test_setup_teardown(logging_leaves_errno_alone, open_log, close_log),
        cmocka_unit_test_setup_teardown(log_file_is_private_and_appended_to, open_log, close_log),
        cmocka_unit_test_setup_teardown(unusable_log_file_is_an_error_and_the_old_log_stays, open_log, close_log),
        cmocka_unit_test_setup_teardown(lines_of_two_threads_do_not_mix, open_log, close_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
