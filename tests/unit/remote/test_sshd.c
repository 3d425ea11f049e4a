/* Against the real thing: an sshd started by the test on a free loopback port, as the calling user, with keys of its
 * own; and a real ssh-agent. Skipped, with the reason, where those programs are not there. */
#include "tests/unit/remote/reach.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "remote/exec.h"
#include "remote/helper.h"

#define HELPER_SCRIPT                                                                                                  \
    "read -r line; echo '{\"id\":1,\"ok\":{\"protocol\":1,\"version\":\"0.1.0\",\"role\":\"viewer\"}}'\n"              \
    "id=2; while read -r line; do echo \"{\\\"id\\\":$id,\\\"ok\\\":{}}\"; id=$((id + 1)); done\n"

struct daemon {
    char *directory, *own_known_hosts, *key, *public_line;
    char ed25519[4096], rsa[4096]; /* host keys, base64 */
    char user[64];
    uint16_t port;
    pid_t pid; /* and process group */
    bool made_run_dir;
    struct remote_target target;
    struct err_info info;
};

static pid_t start_program(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails half-way leaves nothing behind */
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(nothing, 0);
        dup2(nothing, 1);
        dup2(nothing, 2);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    setpgid(pid, pid);
    return pid;
}

static void run_program(const char *const *argv)
{
    int status = -1;
    pid_t pid = start_program(argv);
    assert_true(waitpid(pid, &status, 0) == pid && status == 0);
}

static void end_program(pid_t pid)
{
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* A process and all its descendants: sshd's children lead sessions of their own. One that is to be killed is held
 * first: once it is dead its children are another's, and would live on. */
static void signal_tree(pid_t pid, int number)
{
    char path[64];
    struct buf children = BUF(4096);
    kill(pid, number == SIGKILL ? SIGSTOP : number);
    str_format(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    if (buf_read_file(&children, path, NULL) == ERR_OK)
        for (const char *at = buf_text(&children); *at; at += strspn(at, " ")) {
            char *end;
            signal_tree((pid_t)strtol(at, &end, 10), number);
            at = end;
        }
    if (number == SIGKILL)
        kill(pid, SIGKILL);
    buf_free(&children);
}

static char *write_file(struct daemon *daemon, const char *name, const char *text)
{
    char *path = paths_join(daemon->directory, name);
    assert_int_equal(paths_write_atomic(path, text, strlen(text), 0600, NULL), ERR_OK);
    return path;
}

static char *read_file(const char *path)
{
    struct buf text = BUF(65536);
    assert_int_equal(buf_read_file(&text, path, NULL), ERR_OK);
    return buf_take(&text);
}

static void make_host_key(struct daemon *daemon, const char *type, char *base64, size_t size)
{
    char *path = paths_join(daemon->directory, type);
    char *public_path = xasprintf("%s.pub", path);
    run_program((const char *const[]){"/usr/bin/ssh-keygen", "-q", "-t", type, "-N", "", "-f", path, NULL});
    char *text = read_file(public_path);
    char *start = strchr(text, ' ') + 1;
    start[strcspn(start, " \n")] = '\0';
    assert_true(str_copy(base64, size, start));
    free(text);
    free(path);
    free(public_path);
}

static uint16_t free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    return ntohs(at.sin_port);
}

/* What the engine's key may do there: as host add writes it, plus `options` ("" or ending in a comma). */
static void authorize(struct daemon *daemon, const char *options)
{
    char *text = xasprintf("restrict,%scommand=\"/bin/sh %s/helper\" %s dogwatch-viewer\n", options, daemon->directory,
        daemon->public_line);
    free(write_file(daemon, "authorized_keys", text));
    free(text);
}

static void trust(struct daemon *daemon, const char *base64)
{
    struct host_key key;
    assert_int_equal(host_key_describe(&key, base64, NULL), ERR_OK);
    assert_int_equal(known_hosts_set(daemon->own_known_hosts, "mosh01", &key, NULL), ERR_OK);
}

static bool wait_until_listening(const struct sockaddr *at, socklen_t size)
{
    int64_t deadline = clock_mono_us() + SOON;
    bool listening = false;
    while (!listening && clock_mono_us() < deadline) {
        int fd = socket(at->sa_family, SOCK_STREAM, 0);
        listening = connect(fd, at, size) == 0;
        close(fd);
        sched_yield();
    }
    return listening;
}

static bool wait_for_port(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return wait_until_listening((const struct sockaddr *)&at, sizeof at);
}

static bool wait_for_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    str_copy(at.sun_path, sizeof at.sun_path, path);
    return wait_until_listening((const struct sockaddr *)&at, sizeof at);
}

static void start_sshd(struct daemon *daemon)
{
    daemon->port = free_port();
    char *config = xasprintf(
        "ListenAddress 127.0.0.1\nPort %u\nHostKey %s/ed25519\nHostKey %s/rsa\nPidFile none\nUsePAM no\nStrictModes "
        "no\n"
        "AuthorizedKeysFile %s/authorized_keys\nPasswordAuthentication no\nPermitRootLogin yes\nLogLevel QUIET\n",
        daemon->port, daemon->directory, daemon->directory, daemon->directory);
    char *path = write_file(daemon, "sshd_config", config);
    daemon->pid = start_program((const char *const[]){"/usr/sbin/sshd", "-D", "-e", "-f", path, NULL});
    free(config);
    free(path);
    assert_true(wait_for_port(daemon->port));
}

static void daemon_open(struct daemon *daemon)
{
    static const char *const needed[] = {
        "/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/usr/bin/ssh-agent", "/usr/bin/ssh-add"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (access(needed[i], X_OK) != 0) {
            print_message("skipped: there is no %s\n", needed[i]);
            skip();
        }
    *daemon = (struct daemon){.directory = test_dir_new()};
    /* sshd as root insists on its run directory, which a service manager makes */
    daemon->made_run_dir = geteuid() == 0 && mkdir("/run/sshd", 0755) == 0;
    make_host_key(daemon, "ed25519", daemon->ed25519, sizeof daemon->ed25519);
    make_host_key(daemon, "rsa", daemon->rsa, sizeof daemon->rsa);
    assert_int_equal(
        keys_ensure(daemon->directory, "viewer", &daemon->key, &daemon->public_line, &daemon->info), ERR_OK);
    free(write_file(daemon, "helper", HELPER_SCRIPT));
    daemon->own_known_hosts = paths_join(daemon->directory, "known_hosts");
    authorize(daemon, "");
    trust(daemon, daemon->ed25519);
    start_sshd(daemon);
    const struct passwd *self = getpwuid(geteuid());
    str_copy(daemon->user, sizeof daemon->user, self ? self->pw_name : "root");
    daemon->target = (struct remote_target){.name = "mosh01",
        .address = "127.0.0.1",
        .port = daemon->port,
        .user = daemon->user,
        .identity_file = daemon->key,
        .known_hosts = {.ours = daemon->own_known_hosts}};
}

static void daemon_close(struct daemon *daemon)
{
    signal_tree(daemon->pid, SIGCONT);
    signal_tree(daemon->pid, SIGKILL);
    end_program(daemon->pid);
    if (daemon->made_run_dir)
        rmdir("/run/sshd");
    test_dir_free(daemon->directory);
    free(daemon->key);
    free(daemon->public_line);
    free(daemon->own_known_hosts);
}

static struct connection *dial(struct daemon *daemon)
{
    struct connection *connection;
    assert_ok(remote_dial(&daemon->target, SOON, REMOTE_NO_CANCEL, &connection, &daemon->info), &daemon->info);
    return connection;
}

static void the_engine_s_key_gets_the_helper_and_nothing_else(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_open(&daemon);
    struct connection *connection = dial(&daemon);
    struct helper *helper;
    assert_ok(helper_open(connection, "viewer", 0, SOON, &helper, &daemon.info), &daemon.info);
    for (int i = 0; i < 20; i++)
        assert_ok(helper_request(helper, "ping", NULL, SOON, NULL, NULL, NULL, &daemon.info), &daemon.info);
    struct helper *second; /* channels share the connection */
    assert_ok(helper_open(connection, "viewer", 0, SOON, &second, &daemon.info), &daemon.info);
    helper_free(second);
    struct buf out = BUF(65536);
    int status;
    struct remote_command command = {.text = "id", .timeout_us = SOON}; /* another command is not run */
    assert_ok(remote_exec(connection, &command, &out, NULL, &status, &daemon.info), &daemon.info);
    assert_null(strstr(buf_text(&out), "uid="));
    buf_free(&out);
    helper_free(helper);
    connection_free(connection);
    daemon_close(&daemon);
}

static void the_key_we_know_is_asked_for_among_several(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_open(&daemon);
    trust(&daemon, daemon.rsa);
    struct connection *connection = dial(&daemon);
    assert_string_equal(connection_host_key(connection)->type, "ssh-rsa");
    connection_free(connection);
    char *line = xasprintf("@revoked * ssh-rsa %s\n", daemon.rsa);
    char *path = write_file(&daemon, "system", line);
    daemon.target.known_hosts.system = path;
    assert_int_equal(remote_dial(&daemon.target, SOON, REMOTE_NO_CANCEL, &connection, &daemon.info), ERR_HOST_KEY);
    assert_says(&daemon.info, "REVOKED");
    free(line);
    free(path);
    daemon_close(&daemon);
}

static void a_key_sshd_does_not_know_is_an_authentication_failure(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_open(&daemon);
    free(write_file(&daemon, "authorized_keys", "# nobody\n"));
    struct connection *connection;
    assert_int_equal(remote_dial(&daemon.target, SOON, REMOTE_NO_CANCEL, &connection, &daemon.info), ERR_AUTH);
    assert_says(&daemon.info, daemon.key);
    daemon_close(&daemon);
}

static void a_stopped_sshd_is_noticed_by_ping_and_by_dialling(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_open(&daemon);
    struct connection *connection = dial(&daemon), *none;
    struct helper *helper;
    assert_ok(helper_open(connection, "viewer", 0, SOON, &helper, &daemon.info), &daemon.info);
    signal_tree(daemon.pid, SIGSTOP);
    assert_int_equal(helper_request(helper, "ping", NULL, AT_ONCE, NULL, NULL, NULL, &daemon.info), ERR_TIMEOUT);
    assert_int_equal(remote_dial(&daemon.target, AT_ONCE, REMOTE_NO_CANCEL, &none, &daemon.info), ERR_TIMEOUT);
    assert_says(&daemon.info, "sshd says nothing");
    signal_tree(daemon.pid, SIGCONT);
    assert_ok(helper_request(helper, "ping", NULL, SOON, NULL, NULL, NULL, &daemon.info), &daemon.info);
    signal_tree(daemon.pid, SIGKILL);
    end_program(daemon.pid);
    struct helper_event event;
    assert_int_equal(helper_next(helper, SOON, &event, &daemon.info), ERR_CLOSED);
    start_sshd(&daemon);
    helper_free(helper);
    connection_free(connection);
    daemon_close(&daemon);
}

static void a_jump_goes_only_where_the_key_may_forward(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_open(&daemon);
    struct remote_target jump = daemon.target;
    daemon.target.jump = &jump;
    struct connection *connection;
    assert_int_equal(remote_dial(&daemon.target, SOON, REMOTE_NO_CANCEL, &connection, &daemon.info), ERR_DENIED);
    assert_says(&daemon.info, "on the way to mosh01");
    char options[96];
    str_format(options, sizeof options, "port-forwarding,permitopen=\"127.0.0.1:%u\",", daemon.port);
    authorize(&daemon, options);
    connection = dial(&daemon);
    struct helper *helper;
    assert_ok(helper_open(connection, "viewer", 0, SOON, &helper, &daemon.info), &daemon.info);
    for (int i = 0; i < 20; i++)
        assert_ok(helper_request(helper, "ping", NULL, SOON, NULL, NULL, NULL, &daemon.info), &daemon.info);
    helper_free(helper);
    connection_free(connection);
    daemon_close(&daemon);
}

static void an_agent_logs_in_and_a_stopped_one_ends_at_the_deadline(void **state)
{
    (void)state;
    struct daemon daemon;
    daemon_open(&daemon);
    char *path = paths_join(daemon.directory, "agent");
    pid_t agent = start_program((const char *const[]){"/usr/bin/ssh-agent", "-D", "-a", path, NULL});
    assert_true(wait_for_socket(path));
    setenv("SSH_AUTH_SOCK", path, 1);
    run_program((const char *const[]){"/usr/bin/ssh-add", "-q", daemon.key, NULL});
    daemon.target.identity_file = NULL;
    connection_free(dial(&daemon));
    kill(agent, SIGSTOP);
    struct connection *connection;
    assert_int_equal(remote_dial(&daemon.target, AT_ONCE, REMOTE_NO_CANCEL, &connection, &daemon.info), ERR_TIMEOUT);
    assert_says(&daemon.info, "ssh-agent");
    end_program(agent);
    unsetenv("SSH_AUTH_SOCK");
    free(path);
    daemon_close(&daemon);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_engine_s_key_gets_the_helper_and_nothing_else),
        cmocka_unit_test(the_key_we_know_is_asked_for_among_several),
        cmocka_unit_test(a_key_sshd_does_not_know_is_an_authentication_failure),
        cmocka_unit_test(a_stopped_sshd_is_noticed_by_ping_and_by_dialling),
        cmocka_unit_test(a_jump_goes_only_where_the_key_may_forward),
        cmocka_unit_test(an_agent_logs_in_and_a_stopped_one_ends_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
