/* The real binary, as sshd starts it: what it accepts, and that nothing of it stays behind however it ends. Its root is
 * a fixture in which systemd "runs" and whose systemctl never answers. Skipped where the binary was not built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "tests/unit/host/tree.h"

#define PATIENCE_US (30 * USEC_PER_SEC)

static struct tree tree;
static char binary[TREE_PATH_SIZE];

struct helper {
    pid_t pid;
    int fd;
    struct buf in;
    int exit_status; /* after await_exit */
};

/* DOGWATCH_BUILD, or the directory above the one this program lies in. */
static bool find_binary(void)
{
    const char *build = getenv("DOGWATCH_BUILD");
    char self[TREE_PATH_SIZE];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(self, '/');
        if (slash)
            *slash = '\0';
    }
    str_format(binary, sizeof binary, "%s/dogwatch-host", build ? build : self);
    return access(binary, X_OK) == 0;
}

/* The child's side: the given arguments, `fd` as input and output, and a descriptor too many. */
static _Noreturn void become(int fd, const char *const argv[])
{
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, 17);
    execv(binary, (char *const *)argv);
    _exit(126);
}

static void start(struct helper *helper, const char *const argv[])
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *helper = (struct helper){.fd = ends[0], .in = BUF(4 * 1024 * 1024)};
    helper->pid = fork();
    assert_true(helper->pid >= 0);
    if (helper->pid == 0)
        become(ends[1], argv);
    close(ends[1]);
}

static void start_as(struct helper *helper, const char *role)
{
    start(helper, (const char *const[]){binary, "--role", role, "--root", tree.root, NULL});
}

static void say(struct helper *helper, const char *text)
{
    assert_int_equal(send(helper->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next line as JSON, or NULL at the end. */
static json_t *hear(struct helper *helper)
{
    char chunk[4096], *newline;
    while (!(newline = helper->in.length ? memchr(helper->in.data, '\n', helper->in.length) : NULL)) {
        struct pollfd wait = {.fd = helper->fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, (int)(PATIENCE_US / USEC_PER_MSEC)), 1);
        ssize_t got = read(helper->fd, chunk, sizeof chunk);
        if (got <= 0)
            return NULL;
        assert_int_equal(buf_append(&helper->in, chunk, (size_t)got), ERR_OK);
    }
    json_t *line = NULL;
    size_t length = (size_t)(newline - helper->in.data);
    assert_int_equal(json_parse(helper->in.data, length, &line, NULL), ERR_OK);
    buf_consume(&helper->in, length + 1);
    return line;
}

/* The next line with that member; others are passed over. */
static json_t *hear_of(struct helper *helper, const char *member)
{
    for (;;) {
        json_t *line = hear(helper);
        assert_non_null(line);
        if (json_object_get(line, member))
            return line;
        json_decref(line);
    }
}

static void await_exit(struct helper *helper)
{
    int status = 0;
    pid_t ended = 0;
    for (int64_t end = clock_mono_us() + PATIENCE_US; ended == 0 && clock_mono_us() < end; poll(NULL, 0, 2))
        ended = waitpid(helper->pid, &status, WNOHANG);
    assert_int_equal(ended, helper->pid);
    helper->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (helper->fd >= 0)
        close(helper->fd);
    buf_free(&helper->in);
}

/* --- the long child -------------------------------------------------------------------------------------------------
 */

/* The fixture's systemctl writes its own pid and that of a child of its own, and then both go on for ever. */
static pid_t read_pid(const char *name)
{
    char path[TREE_PATH_SIZE];
    int64_t pid = 0;
    for (int64_t end = clock_mono_us() + PATIENCE_US; clock_mono_us() < end; poll(NULL, 0, 2)) {
        struct buf text = BUF(64);
        buf_read_file(&text, tree_path(&tree, path, name), NULL);
        bool whole = str_ends(buf_text(&text), "\n");
        if (whole)
            text.data[strcspn(text.data, "\n")] = '\0';
        bool good = whole && str_to_i64(buf_text(&text), 2, INT32_MAX, &pid);
        buf_free(&text);
        if (good)
            return (pid_t)pid;
    }
    return 0;
}

static bool becomes_gone(pid_t pid)
{
    char path[64];
    bool gone = false;
    for (int64_t end = clock_mono_us() + PATIENCE_US; !gone && clock_mono_us() < end; poll(NULL, 0, 2)) {
        struct buf stat = BUF(4096);
        str_format(path, sizeof path, "/proc/%d/stat", (int)pid);
        gone = buf_read_file(&stat, path, NULL) != ERR_OK || strstr(buf_text(&stat), ") Z ");
        buf_free(&stat);
    }
    return gone;
}

#define HELLO "{\"id\":1,\"verb\":\"hello\",\"args\":{\"protocol\":1,\"idle_s\":600}}\n"
#define SUBSCRIBE "{\"id\":2,\"verb\":\"subscribe\",\"args\":{\"interval_ms\":1000}}\n"

struct long_child {
    pid_t program, its_child;
};

static struct long_child start_with_long_child(struct helper *helper)
{
    char path[TREE_PATH_SIZE];
    unlink(tree_path(&tree, path, "/usr/bin/program.pid"));
    unlink(tree_path(&tree, path, "/usr/bin/child.pid"));
    start_as(helper, "viewer");
    say(helper, HELLO SUBSCRIBE);
    struct long_child child = {read_pid("/usr/bin/program.pid"), read_pid("/usr/bin/child.pid")};
    assert_true(child.program > 0 && child.its_child > 0);
    return child;
}

static void test_a_cut_connection_leaves_nothing_behind(void **state)
{
    (void)state;
    struct helper helper;
    struct long_child child = start_with_long_child(&helper);
    close(helper.fd);
    helper.fd = -1;
    await_exit(&helper);
    assert_int_equal(helper.exit_status, 0);
    assert_true(becomes_gone(child.program));
    assert_true(becomes_gone(child.its_child));
}

static void test_a_signal_to_end_leaves_nothing_behind(void **state)
{
    (void)state;
    struct helper helper;
    struct long_child child = start_with_long_child(&helper);
    kill(helper.pid, SIGTERM);
    json_t *last = hear_of(&helper, "error");
    assert_string_equal(json_get_text(json_object_get(last, "error"), "code"), "cancelled");
    json_decref(last);
    await_exit(&helper);
    assert_int_equal(helper.exit_status, 0);
    assert_true(becomes_gone(child.program));
    assert_true(becomes_gone(child.its_child));
}

static void test_a_killed_helper_takes_its_programs_along(void **state)
{
    (void)state;
    struct helper helper;
    struct long_child child = start_with_long_child(&helper);
    kill(helper.pid, SIGKILL);
    await_exit(&helper);
    assert_true(becomes_gone(child.program));
    kill(child.its_child, SIGKILL); /* nobody can end what a killed program started */
}

static void test_garbage_ends_it_and_says_so(void **state)
{
    (void)state;
    struct helper helper;
    start_as(&helper, "operator");
    say(&helper, "SSH-2.0-OpenSSH_9.2\r\n");
    json_t *line = hear(&helper);
    assert_string_equal(json_get_text(json_object_get(line, "error"), "code"), "garbage");
    json_decref(line);
    assert_null(hear(&helper));
    await_exit(&helper);
}

static void test_subscribe_is_answered_before_the_first_sample(void **state)
{
    (void)state;
    struct helper helper;
    start_as(&helper, "viewer");
    say(&helper, HELLO SUBSCRIBE);
    json_decref(hear_of(&helper, "id"));
    json_t *line = hear(&helper);
    int64_t interval_ms = 0;
    assert_true(json_get_i64(json_object_get(line, "ok"), "interval_ms", &interval_ms));
    assert_int_equal(interval_ms, 1000);
    json_decref(line);
    for (int64_t expected = 1; expected <= 2; expected++) {
        int64_t seq = 0;
        line = hear_of(&helper, "sample");
        assert_true(json_get_i64(json_object_get(line, "sample"), "seq", &seq));
        assert_int_equal(seq, expected);
        assert_null(json_object_get(json_object_get(line, "sample"), "failed_units")); /* never answered */
        json_decref(line);
    }
    close(helper.fd);
    helper.fd = -1;
    await_exit(&helper);
}

static void test_only_its_own_arguments_are_taken(void **state)
{
    (void)state;
    static const char *const bad[][6] = {
        {binary, NULL},
        {binary, "--role", NULL},
        {binary, "--role", "root", NULL},
        {binary, "--role", "viewer", "--role", "operator", NULL},
        {binary, "--role", "viewer", "--root", "relative", NULL},
        {binary, "--role", "viewer", "id", NULL},
        {binary, "--help", "--version", NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct helper helper;
        start(&helper, bad[i]);
        assert_null(hear(&helper)); /* standard output is for the protocol */
        await_exit(&helper);
        assert_int_equal(helper.exit_status, 2);
    }
    struct helper helper;
    start(&helper, (const char *const[]){binary, "--version", NULL});
    char text[64] = "";
    assert_true(read(helper.fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "dogwatch-host " DOGWATCH_VERSION "\n");
    await_exit(&helper);
    assert_int_equal(helper.exit_status, 0);
}

/* Descriptors and environment that came with the login are given up. */
static void test_nothing_of_the_login_is_kept(void **state)
{
    (void)state;
    struct helper helper;
    char path[TREE_PATH_SIZE], target[TREE_PATH_SIZE];
    start_as(&helper, "viewer");
    say(&helper, HELLO);
    json_decref(hear_of(&helper, "ok"));
    str_format(path, sizeof path, "/proc/%d/fd/17", (int)helper.pid);
    assert_int_equal(readlink(path, target, sizeof target), -1);
    str_format(path, sizeof path, "/proc/%d/cwd", (int)helper.pid);
    assert_int_equal(readlink(path, target, sizeof target), 1);
    close(helper.fd);
    helper.fd = -1;
    await_exit(&helper);
}

static int set_up(void **state)
{
    (void)state;
    tree_make(&tree);
    tree_dir(&tree, "/run/systemd/system");
    tree_write(&tree, "/proc/loadavg", "0.10 1.25 3.00 2/345 6789\n");
    tree_script(&tree, "/usr/bin/systemctl",
        "#!/bin/sh\n"
        "trap '' TERM\n"
        "here=${0%/*}\n"
        "sleep 100000 &\n"
        "echo $! >$here/child.pid\n"
        "echo $$ >$here/program.pid\n"
        "wait\n"
        "sleep 100000\n");
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static void test_the_binary(void **state)
{
    (void)state;
    print_message("%s was not built\n", binary);
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cut_connection_leaves_nothing_behind),
        cmocka_unit_test(test_a_signal_to_end_leaves_nothing_behind),
        cmocka_unit_test(test_a_killed_helper_takes_its_programs_along),
        cmocka_unit_test(test_garbage_ends_it_and_says_so),
        cmocka_unit_test(test_subscribe_is_answered_before_the_first_sample),
        cmocka_unit_test(test_only_its_own_arguments_are_taken),
        cmocka_unit_test(test_nothing_of_the_login_is_kept),
    };
    const struct CMUnitTest none[] = {cmocka_unit_test(test_the_binary)};
    if (!find_binary())
        return cmocka_run_group_tests(none, NULL, NULL);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
