/* Programs the helper runs: what is taken of them, and that none of them outlives its deadline or the helper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/run.h"

#define LIMIT_US (20 * USEC_PER_SEC)

static enum err shell(const char *script, int64_t timeout_us, struct buf *out, struct buf *errors, int *status)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    return run_program(argv, timeout_us, out, errors, status, NULL);
}

/* Gone, or a zombie that only its new parent has to reap. */
static bool is_gone(pid_t pid)
{
    char path[64];
    struct buf stat = BUF(4096);
    str_format(path, sizeof path, "/proc/%d/stat", (int)pid);
    bool gone = buf_read_file(&stat, path, NULL) != ERR_OK || strstr(buf_text(&stat), ") Z ");
    buf_free(&stat);
    return gone;
}

static bool becomes_gone(pid_t pid)
{
    for (int64_t end = clock_mono_us() + LIMIT_US; clock_mono_us() < end;) {
        if (is_gone(pid))
            return true;
        poll(NULL, 0, 5);
    }
    return false;
}

static pid_t to_pid(const char *text)
{
    int64_t pid = 0;
    char word[32];
    str_copy(word, sizeof word, text);
    word[strcspn(word, "\n")] = '\0';
    assert_true(str_to_i64(word, 2, INT32_MAX, &pid));
    return (pid_t)pid;
}

static void test_output_errors_and_status_are_taken(void **state)
{
    (void)state;
    struct buf out = BUF(1000), errors = BUF(1000);
    int status;
    assert_int_equal(shell("echo good; echo bad >&2; exit 7", LIMIT_US, &out, &errors, &status), ERR_OK);
    assert_int_equal(status, 7);
    assert_string_equal(buf_text(&out), "good\n");
    assert_string_equal(buf_text(&errors), "bad\n");
    assert_int_equal(shell("kill -15 $$", LIMIT_US, NULL, NULL, &status), ERR_OK);
    assert_int_equal(status, 128 + SIGTERM);
    buf_free(&out);
    buf_free(&errors);
}

static void test_a_missing_program_is_not_found_and_named(void **state)
{
    (void)state;
    struct err_info info;
    int status;
    const char *const argv[] = {"/nonexistent/program", NULL};
    assert_int_equal(run_program(argv, LIMIT_US, NULL, NULL, &status, &info), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "/nonexistent/program"));
}

static void test_environment_input_and_descriptors_are_clean(void **state)
{
    (void)state;
    struct buf out = BUF(10000);
    int status, leak = dup(STDERR_FILENO); /* not close-on-exec */
    setenv("SECRET_OF_THE_HELPER", "1", 1);
    static const char script[] = "env; cat; for f in /proc/self/fd/*; do echo fd=${f##*/}; done";
    assert_int_equal(shell(script, LIMIT_US, &out, NULL, &status), ERR_OK);
    assert_null(strstr(buf_text(&out), "SECRET"));
    assert_non_null(strstr(buf_text(&out), "HOME=/root\n"));
    assert_non_null(strstr(buf_text(&out), "LANG=C.UTF-8\n"));
    assert_non_null(strstr(buf_text(&out), "fd=2\n"));
    assert_null(strstr(buf_text(&out), "fd=4\n")); /* 3 is the shell's own look at the directory */
    close(leak);
    buf_free(&out);
}

static void test_further_variables_reach_the_program(void **state)
{
    (void)state;
    struct buf out = BUF(10000);
    int status;
    const char *const argv[] = {"/bin/sh", "-c", "printf %s \"$SSH_PRIVATE_KEY\"; env", NULL};
    const char *const more[] = {"SSH_PRIVATE_KEY=one\ntwo=3", "EMPTY=", NULL};
    assert_int_equal(run_program_with(argv, more, LIMIT_US, &out, NULL, &status, NULL), ERR_OK);
    assert_true(str_starts(buf_text(&out), "one\ntwo=3"));
    assert_non_null(strstr(buf_text(&out), "\nEMPTY=\n"));
    assert_non_null(strstr(buf_text(&out), "HOME=/root\n"));
    buf_free(&out);
}

/* Whoever names a site's variables does not get to steer what the helper runs. */
static void test_a_variable_that_programs_obey_is_not_handed_on(void **state)
{
    (void)state;
    static const char *const entries[] = {"PATH=/evil", "HOME=/evil", "LD_PRELOAD=/evil.so", "DOCKER_HOST=tcp://evil",
        "CONTAINER_HOST=ssh://evil", "CONTAINERS_CONF=/evil", "XDG_RUNTIME_DIR=/evil", "https_proxy=evil",
        "All_Proxy=evil", "GODEBUG=netdns=go", "TMPDIR=/evil", "BASH_FUNC_ls%%=() { evil; }", "STORAGE_OPTS=evil",
        "REGISTRY_AUTH_FILE=/evil", "GLIBC_TUNABLES=x", "no equals sign", "=nameless", "SECRET*=1"};
    const char *const argv[] = {"/bin/sh", "-c", "exit 3", NULL};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        int status = 0;
        const char *const more[] = {"HARMLESS=1", entries[i], NULL};
        if (run_program_with(argv, more, LIMIT_US, NULL, NULL, &status, NULL) != ERR_DENIED || status != -1)
            fail_msg("a program was started with %s", entries[i]);
    }
}

static void test_output_past_its_ceiling_is_cut_and_told(void **state)
{
    (void)state;
    struct buf out = BUF(1000), errors = BUF(10);
    int status;
    assert_int_equal(shell("head -c 300000 /dev/zero", LIMIT_US, &out, NULL, &status), ERR_FULL);
    assert_int_equal(out.length, 1000);
    assert_int_equal(status, 0);
    buf_clear(&out);
    assert_int_equal(shell("echo 0123456789abcdef >&2", LIMIT_US, &out, &errors, &status), ERR_OK);
    assert_string_equal(buf_text(&errors), "0123456789");
    buf_free(&out);
    buf_free(&errors);
}

static void test_at_the_deadline_the_whole_group_is_killed(void **state)
{
    (void)state;
    struct buf out = BUF(1000);
    int status;
    static const char script[] = "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000";
    assert_int_equal(shell(script, 300 * USEC_PER_MSEC, &out, NULL, &status), ERR_TIMEOUT);
    assert_true(becomes_gone(to_pid(buf_text(&out))));
    buf_free(&out);
}

static void test_a_program_that_never_stops_talking_meets_its_deadline(void **state)
{
    (void)state;
    struct buf out = BUF(1000);
    int status;
    const char *const argv[] = {"/usr/bin/yes", NULL};
    assert_int_equal(run_program(argv, 200 * USEC_PER_MSEC, &out, NULL, &status, NULL), ERR_TIMEOUT);
    buf_free(&out);
}

static void test_a_grandchild_that_keeps_the_pipe_delays_nothing(void **state)
{
    (void)state;
    struct buf out = BUF(1000);
    int status;
    assert_int_equal(shell("sleep 1000 & echo $!", LIMIT_US, &out, NULL, &status), ERR_OK);
    pid_t grandchild = to_pid(buf_text(&out));
    assert_false(is_gone(grandchild));
    kill(grandchild, SIGKILL);
    buf_free(&out);
}

/* The first line a followed program says. */
static void read_line(int fd, char *out, size_t out_size)
{
    size_t length = 0;
    while (length + 1 < out_size && !memchr(out, '\n', length)) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 20000), 1);
        ssize_t got = read(fd, out + length, out_size - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    out[length] = '\0';
}

static void test_a_followed_program_is_read_and_ended_with_its_group(void **state)
{
    (void)state;
    char line[64];
    pid_t pid;
    int fd;
    const char *const argv[] = {"/bin/sh", "-c", "sleep 1000 & echo $!; wait", NULL};
    assert_int_equal(run_start(argv, &pid, &fd, NULL), ERR_OK);
    read_line(fd, line, sizeof line);
    run_end(pid, fd);
    assert_int_equal(kill(pid, 0), -1); /* reaped, not only dead */
    assert_int_equal(errno, ESRCH);
    assert_true(becomes_gone(to_pid(line)));
}

static void test_find_takes_the_first_that_is_there(void **state)
{
    (void)state;
    assert_string_equal(run_find((const char *const[]){"/nonexistent/sh", "/bin/sh", "/bin/true", NULL}), "/bin/sh");
    assert_null(run_find((const char *const[]){"/nonexistent/sh", "/etc/passwd", NULL}));
}

/* Counts what passes and keeps its first bytes; has enough after `most`. */
struct passed {
    size_t bytes, most;
    struct buf text;
};

static bool count_passed(void *context, const void *data, size_t length)
{
    struct passed *passed = context;
    passed->bytes += length;
    if (length < 100)
        buf_append(&passed->text, length ? data : "", length);
    return passed->bytes < passed->most;
}

static enum err pass_shell(
    const char *script, int64_t silence_us, struct passed *passed, struct buf *errors, int *status)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    passed->text.ceiling = 1000;
    return run_program_into(argv, silence_us, count_passed, passed, errors, status, NULL);
}

static void test_what_is_too_large_to_be_held_passes_through_whole(void **state)
{
    (void)state;
    struct passed passed = {.most = SIZE_MAX};
    struct buf errors = BUF(1000);
    int status;
    assert_int_equal(
        pass_shell("head -c 3000000 /dev/zero; echo no >&2; exit 3", LIMIT_US, &passed, &errors, &status), ERR_OK);
    assert_int_equal(status, 3);
    assert_int_equal(passed.bytes, 3000000);
    assert_string_equal(buf_text(&errors), "no\n");
    buf_free(&errors);
    buf_free(&passed.text);
}

static void test_errors_pass_with_the_output_where_nobody_wants_them_apart(void **state)
{
    (void)state;
    struct passed passed = {.most = SIZE_MAX};
    int status;
    assert_int_equal(pass_shell("echo one; echo two >&2; echo three", LIMIT_US, &passed, NULL, &status), ERR_OK);
    assert_string_equal(buf_text(&passed.text), "one\ntwo\nthree\n");
    buf_free(&passed.text);
}

static void test_a_sink_that_has_enough_ends_the_program(void **state)
{
    (void)state;
    struct passed passed = {.most = 100000};
    int status;
    assert_int_equal(pass_shell("exec cat /dev/zero", LIMIT_US, &passed, NULL, &status), ERR_CANCELLED);
    assert_int_equal(status, -1);
    buf_free(&passed.text);
}

static void test_a_program_that_falls_silent_is_given_up(void **state)
{
    (void)state;
    struct passed passed = {.most = SIZE_MAX};
    int status;
    assert_int_equal(pass_shell("echo one; exec sleep 1000", 1000, &passed, NULL, &status), ERR_TIMEOUT);
    assert_int_equal(pass_shell("exec >&- 2>&-; exec sleep 1000", 1000, &passed, NULL, &status), ERR_TIMEOUT);
    buf_free(&passed.text);
}

/* Last: nothing can be started afterwards. */
static void test_the_end_leaves_nothing_behind(void **state)
{
    (void)state;
    char line[64];
    pid_t pid;
    int fd, status;
    struct err_info info;
    /* The leader ends at once on SIGTERM, the one it leaves does not listen. */
    static const char script[] = "(trap '' TERM; echo ready; exec sleep 1000) & echo $!; wait";
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    assert_int_equal(run_start(argv, &pid, &fd, NULL), ERR_OK);
    struct buf both = BUF(64);
    while (!strstr(buf_text(&both), "ready\n") || both.length < sizeof "ready\n1\n" - 1) {
        read_line(fd, line, sizeof line);
        assert_int_equal(buf_puts(&both, line), ERR_OK);
    }
    const char *number = str_starts(buf_text(&both), "ready") ? both.data + strlen("ready\n") : both.data;
    pid_t stubborn = to_pid(number);
    run_end_all();
    assert_int_equal(kill(pid, 0), -1);
    assert_true(becomes_gone(stubborn));
    const char *const late[] = {"/bin/true", NULL};
    assert_int_equal(run_program(late, LIMIT_US, NULL, NULL, &status, &info), ERR_CANCELLED);
    close(fd);
    buf_free(&both);
}

static void test_a_spawned_program_has_the_descriptors_it_was_given(void **state)
{
    (void)state;
    static const char *const argv[] = {"/bin/sh", "-c", "cat; cat <&3 >&4; echo done >&2; exit 7", NULL};
    int in[2], out[2], third[2], status = -1;
    pid_t pid;
    char said[64] = "";
    assert_true(pipe(in) == 0 && pipe(out) == 0 && pipe(third) == 0);
    struct run_fds fds = {.in = in[0], .out = out[1], .errors = out[1], .third = third[0], .fourth = out[1]};
    assert_int_equal(write(in[1], "one ", 4), 4);
    assert_int_equal(write(third[1], "two ", 4), 4);
    close(in[1]);
    close(third[1]);
    assert_int_equal(run_spawn(argv, &fds, &pid, NULL), ERR_OK);
    assert_true(run_await(pid, LIMIT_US, &status));
    assert_int_equal(status, 7);
    assert_int_equal(read(out[0], said, sizeof said - 1), 13);
    assert_string_equal(said, "one two done\n");
    static const char *const endless[] = {"/bin/sleep", "1000", NULL};
    assert_int_equal(run_spawn(endless, &(struct run_fds){-1, -1, -1, -1, -1}, &pid, NULL), ERR_OK);
    assert_false(run_await(pid, 0, &status));
    run_end(pid, -1);
    assert_true(becomes_gone(pid));
    for (int i = 0; i < 2; i++)
        close(i ? out[0] : in[0]), close(i ? out[1] : third[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_errors_and_status_are_taken),
        cmocka_unit_test(test_a_missing_program_is_not_found_and_named),
        cmocka_unit_test(test_environment_input_and_descriptors_are_clean),
        cmocka_unit_test(test_further_variables_reach_the_program),
        cmocka_unit_test(test_a_variable_that_programs_obey_is_not_handed_on),
        cmocka_unit_test(test_output_past_its_ceiling_is_cut_and_told),
        cmocka_unit_test(test_at_the_deadline_the_whole_group_is_killed),
        cmocka_unit_test(test_a_program_that_never_stops_talking_meets_its_deadline),
        cmocka_unit_test(test_a_grandchild_that_keeps_the_pipe_delays_nothing),
        cmocka_unit_test(test_a_followed_program_is_read_and_ended_with_its_group),
        cmocka_unit_test(test_what_is_too_large_to_be_held_passes_through_whole),
        cmocka_unit_test(test_errors_pass_with_the_output_where_nobody_wants_them_apart),
        cmocka_unit_test(test_a_sink_that_has_enough_ends_the_program),
        cmocka_unit_test(test_a_program_that_falls_silent_is_given_up),
        cmocka_unit_test(test_find_takes_the_first_that_is_there),
        cmocka_unit_test(test_a_spawned_program_has_the_descriptors_it_was_given),
        cmocka_unit_test(test_the_end_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
