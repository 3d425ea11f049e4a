/* Enrolment as far as it can be tested without changing a host: what is sent, what is refused, what is said.
 * tests/lab/test_enrol.sh does the rest on real hosts. */
#include "tests/unit/remote/reach.h"

#include <sys/wait.h>
#include <unistd.h>

#include "actions/enrol.h"
#include "actions/enrol_private.h"
#include "base/buf.h"

/* --- scripts over SSH -------------------------------------------------------------------------------------------- */

struct host {  /* a pretended host: takes what it is sent, says what it is told to */
    bool runs; /* gives the command to a real shell instead */
    const char *says;
    int status;
    char command[16384];
    struct buf input;
};

static int be_host(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    struct host *host = owner;
    str_copy(host->command, sizeof host->command, command);
    if (host->runs) {
        pid_t pid = fork();
        if (pid == 0) {
            dup2(in_fd, 0);
            dup2(out_fd, 1);
            dup2(error_fd, 2);
            execl("/bin/sh", "sh", "-c", command, NULL);
            _exit(127);
        }
        int status = -1;
        waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
    }
    char block[4096];
    ssize_t got;
    while ((got = read(in_fd, block, sizeof block)) > 0)
        buf_append(&host->input, block, (size_t)got);
    dprintf(out_fd, "%s", host->says);
    return host->status;
}

struct visit {
    struct reach reach;
    struct host host;
    struct connection *connection;
};

static void visit_open(struct visit *visit, struct host host)
{
    *visit = (struct visit){.host = host};
    visit->host.input = BUF(1 << 20);
    reach_start(&visit->reach, &(struct ssh_server_options){.command = be_host, .owner = &visit->host});
    assert_ok(remote_dial(&visit->reach.target, SOON, REMOTE_NO_CANCEL, &visit->connection, &visit->reach.info),
        &visit->reach.info);
}

static void visit_close(struct visit *visit)
{
    connection_free(visit->connection);
    reach_stop(&visit->reach);
    buf_free(&visit->host.input);
}

static void scripts_hold_no_quote_that_could_end_them(void **state)
{
    (void)state;
    for (size_t i = 0; enrol_script_texts[i]; i++)
        assert_null(strchr(enrol_script_texts[i], '\''));
}

static void a_look_at_a_real_shell_finds_the_facts(void **state)
{
    (void)state;
    struct visit visit;
    struct enrol_facts facts;
    visit_open(&visit, (struct host){.runs = true});
    assert_ok(enrol_look(visit.connection, &facts, &visit.reach.info), &visit.reach.info);
    assert_int_equal(facts.uid, geteuid());
    assert_true(*facts.machine && *facts.node);
    assert_true(geteuid() != 0 || facts.can_root);
    visit_close(&visit);
}

static void a_host_without_a_shell_is_said_to_be_one(void **state)
{
    (void)state;
    struct visit visit;
    struct enrol_facts facts;
    visit_open(&visit, (struct host){.says = "RouterOS 7\n"});
    assert_int_equal(enrol_look(visit.connection, &facts, &visit.reach.info), ERR_GARBAGE);
    visit_close(&visit);
}

static const struct enrol_install what = {.keys = {.viewer = "ssh-ed25519 VVVV", .operator= "ssh-ed25519 OOOO" },
                                              .permit = "",
                                              .helper = "\0ELF\nbytes",
                                              .helper_length = 10};

static void data_travel_as_input_and_never_in_the_command(void **state)
{
    (void)state;
    struct visit visit;
    struct enrol_facts facts = {.uid = 1000, .can_root = true};
    bool fresh;
    visit_open(&visit, (struct host){.says = "did this\nfact fresh yes\n"});
    assert_ok(enrol_install(visit.connection, &facts, &what, &fresh, &visit.reach.info), &visit.reach.info);
    assert_true(fresh);
    static const char expected[] = "dogwatch\nssh-ed25519 VVVV\nssh-ed25519 OOOO\n\n10\n\0ELF\nbytes";
    assert_int_equal(visit.host.input.length, sizeof expected - 1);
    assert_memory_equal(visit.host.input.data, expected, sizeof expected - 1);
    assert_true(str_starts(visit.host.command, "exec sudo -n /bin/sh -c '"));
    assert_null(strstr(visit.host.command, "VVVV"));
    visit_close(&visit);
}

static void a_step_that_fails_there_is_said_in_the_host_s_words_made_clean(void **state)
{
    (void)state;
    struct visit visit;
    struct enrol_facts facts = {.uid = 0, .can_root = true};
    bool fresh;
    visit_open(&visit, (struct host){.says = "did one\nfail no room \033[2Jleft\n", .status = 1});
    assert_int_equal(enrol_install(visit.connection, &facts, &what, &fresh, &visit.reach.info), ERR_FAILED);
    assert_says(&visit.reach.info, "mosh01: no room");
    assert_null(strchr(visit.reach.info.message, '\033'));
    assert_false(fresh);
    visit_close(&visit);
}

static void a_key_with_a_line_break_is_not_sent(void **state)
{
    (void)state;
    struct visit visit;
    struct enrol_facts facts = {.uid = 0, .can_root = true};
    struct enrol_install bad = what;
    bad.permit = "permitopen=\"x\",\nssh-ed25519 EVIL";
    bool fresh;
    visit_open(&visit, (struct host){.says = ""});
    assert_int_equal(enrol_install(visit.connection, &facts, &bad, &fresh, &visit.reach.info), ERR_INVALID);
    assert_int_equal(visit.host.input.length, 0);
    visit_close(&visit);
}

/* --- behind a jump host ------------------------------------------------------------------------------------------ */

static void write_fleet(const char *directory, const char *hosts)
{
    char *path = paths_join(directory, "fleet.yaml");
    assert_int_equal(paths_write_atomic(path, "fleet: test\n", 12, 0600, NULL), ERR_OK);
    free(path);
    path = paths_join(directory, "hosts.yaml");
    assert_int_equal(paths_write_atomic(path, hosts, strlen(hosts), 0600, NULL), ERR_OK);
    free(path);
}

static void a_jump_host_permits_exactly_those_behind_it(void **state)
{
    (void)state;
    char *directory = test_dir_new();
    write_fleet(directory, "hosts:\n  gate: { address: 192.0.2.1 }\n  a: { address: 10.0.0.1, jump: gate }\n"
                           "  b: { address: \"fd00::2\", port: 2222, jump: gate }\n  c: { address: 10.0.0.3 }\n");
    struct enrolment enrolment;
    struct cli cli = {.fleet_dir = directory, .state_dir = directory};
    struct err_info info;
    char *text;
    assert_ok(enrolment_open(&enrolment, &cli, &info), &info);
    struct host_def added = {.name = "d", .address = "10.0.0.4", .port = 22};
    assert_ok(enrol_permit(&enrolment, "gate", &added, "a", &text, &info), &info);
    assert_string_equal(
        text, "port-forwarding,permitlisten=\"localhost:1\",permitopen=\"[fd00::2]:2222\",permitopen=\"10.0.0.4:22\",");
    free(text);
    assert_ok(enrol_permit(&enrolment, "c", NULL, NULL, &text, &info), &info);
    assert_string_equal(text, "");
    free(text);
    enrolment_close(&enrolment);
    test_dir_free(directory);
}

static void a_host_whose_keys_log_in_as_root_is_no_jump_host(void **state)
{
    (void)state;
    struct err_info info = {0};
    assert_int_equal(enrol_check_jump("gate", "dogwatch", &info), ERR_OK);
    assert_int_equal(enrol_check_jump("gate", "root", &info), ERR_DENIED);
    assert_says(&info, "gate cannot be a jump host");
}

/* --- command lines ----------------------------------------------------------------------------------------------- */

/* `dogwatch host …` in a directory of its own, its output in *out: this program once more, as another process. Not a
 * fork alone: servers run here in threads, which a child would miss. */
static int host_command(char *directory, struct buf *out, const char *const words[])
{
    const char *argv[24] = {"test_enrol", "host"};
    int argc = 2;
    for (; words[argc - 2]; argc++)
        argv[argc] = words[argc - 2];
    const char *const more[] = {"--fleet", directory, "--state", directory};
    for (size_t i = 0; i < 4; i++)
        argv[argc++] = more[i];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        unsetenv("SSH_AUTH_SOCK");
        setenv("HOME", directory, 1);
        execv("/proc/self/exe", (char **)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    char block[4096];
    ssize_t got;
    buf_clear(out);
    while ((got = read(fds[0], block, sizeof block)) > 0)
        buf_append(out, block, (size_t)got);
    close(fds[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void command_lines_that_cannot_be_meant_are_refused_before_anything_is_dialled(void **state)
{
    (void)state;
    static const struct {
        const char *words[8];
        const char *says;
    } table[] = {
        {{"ad"}, "did you mean \"add\"?"},
        {{"add"}, "usage"},
        {{"add", "root@"}, "USER@ADDRESS"},
        {{"add", "root@a\" evil"}, "USER@ADDRESS"},
        {{"add", "-oProxyCommand=x@h"}, ""},
        {{"add", "root@192.0.2.1", "--port", "0"}, "--port"},
        {{"add", "root@192.0.2.1", "--roles", "computer"}, "did you mean"},
        {{"add", "root@192.0.2.1", "--name", "../x"}, "--name"},
        {{"add", "root@192.0.2.1", "--name", "a"}, "the fleet has another host a"},
        {{"add", "root@10.0.0.1", "--name", "b"}, "as a"},
        {{"add", "root@192.0.2.1", "--jump", "aa"}, "there is no host"},
        {{"remove", "zzz"}, "there is no host"},
        {{"remove", "a"}, "say --yes"},
        {{"trust", "zzz"}, "there is no host"},
        {{"test", "zzz"}, "there is no host"},
    };
    char *directory = test_dir_new();
    write_fleet(directory, "hosts:\n  a: { address: 10.0.0.1 }\n");
    struct buf out = BUF(65536);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int status = host_command(directory, &out, table[i].words);
        if (status != 2 || !strstr(buf_text(&out), table[i].says))
            print_error("%zu: exit status %d: %s\n", i, status, buf_text(&out));
        assert_int_equal(status, 2);
        assert_non_null(strstr(buf_text(&out), table[i].says));
    }
    buf_free(&out);
    test_dir_free(directory);
}

static void list_and_test_say_what_there_is(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.fault = SSH_SERVER_REFUSES_AUTH});
    char *hosts = xasprintf(
        "hosts:\n  mosh01: { address: 127.0.0.1, port: %u, roles: [compute, proxy] }\n", ssh_server_port(reach.server));
    write_fleet(reach.directory, hosts);
    struct buf out = BUF(65536);
    assert_int_equal(host_command(reach.directory, &out, (const char *const[]){"list", "--json", NULL}), 0);
    assert_non_null(strstr(buf_text(&out), "{\"hosts\":[{\"name\":\"mosh01\",\"address\":\"127.0.0.1\""));
    assert_int_equal(host_command(reach.directory, &out, (const char *const[]){"list", NULL}), 0);
    assert_non_null(strstr(buf_text(&out), "compute proxy"));
    assert_int_equal(host_command(reach.directory, &out, (const char *const[]){"test", NULL}), 1);
    assert_non_null(strstr(buf_text(&out), "FAIL  auth"));
    ssh_server_new_key(reach.server);
    assert_int_equal(host_command(reach.directory, &out, (const char *const[]){"test", "mosh01", NULL}), 1);
    assert_non_null(strstr(buf_text(&out), "FAIL  host-key"));
    const char *fingerprint = ssh_server_fingerprint(reach.server);
    assert_int_equal(host_command(reach.directory, &out, (const char *const[]){"trust", "mosh01", NULL}), 2);
    assert_non_null(strstr(buf_text(&out), fingerprint));
    assert_int_equal(host_command(reach.directory, &out,
                         (const char *const[]){"trust", "mosh01", "--accept-host-key", fingerprint, NULL}),
        0);
    assert_int_equal(host_command(reach.directory, &out, (const char *const[]){"test", "mosh01", NULL}), 1);
    assert_non_null(strstr(buf_text(&out), "FAIL  auth"));
    buf_free(&out);
    free(hosts);
    reach_stop(&reach);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return host_main(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_hold_no_quote_that_could_end_them),
        cmocka_unit_test(a_look_at_a_real_shell_finds_the_facts),
        cmocka_unit_test(a_host_without_a_shell_is_said_to_be_one),
        cmocka_unit_test(data_travel_as_input_and_never_in_the_command),
        cmocka_unit_test(a_step_that_fails_there_is_said_in_the_host_s_words_made_clean),
        cmocka_unit_test(a_key_with_a_line_break_is_not_sent),
        cmocka_unit_test(a_jump_host_permits_exactly_those_behind_it),
        cmocka_unit_test(a_host_whose_keys_log_in_as_root_is_no_jump_host),
        cmocka_unit_test(command_lines_that_cannot_be_meant_are_refused_before_anything_is_dialled),
        cmocka_unit_test(list_and_test_say_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
