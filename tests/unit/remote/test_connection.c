/* Dialling: every way it fails has its own code and a sentence that helps, within the deadline. Against a server in
 * this process. */
#include "tests/unit/remote/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static enum err dial(struct reach *reach, int64_t timeout_us)
{
    struct connection *connection;
    enum err err = remote_dial(&reach->target, timeout_us, REMOTE_NO_CANCEL, &connection, &reach->info);
    assert_true((err == ERR_OK) == (connection != NULL));
    connection_free(connection);
    return err;
}

static void a_known_host_lets_the_key_in(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    struct connection *connection;
    assert_ok(remote_dial(&reach.target, SOON, REMOTE_NO_CANCEL, &connection, &reach.info), &reach.info);
    assert_string_equal(connection_name(connection), "mosh01");
    assert_string_equal(connection_host_key(connection)->fingerprint, ssh_server_fingerprint(reach.server));
    assert_string_equal(connection_host_key(connection)->type, "ssh-ed25519");
    connection_free(connection);
    reach_stop(&reach);
}

static void an_unknown_host_key_is_refused_before_any_key_is_offered(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    assert_ok(known_hosts_remove(reach.known_hosts, "mosh01", &reach.info), &reach.info);
    assert_int_equal(dial(&reach, SOON), ERR_HOST_KEY);
    assert_says(&reach.info, "not known");
    assert_says(&reach.info, ssh_server_fingerprint(reach.server));
    assert_says(&reach.info, "dogwatch host trust mosh01");
    assert_int_equal(ssh_server_auth_attempts(reach.server), 0);
    reach_stop(&reach);
}

static void a_changed_host_key_is_refused_with_both_fingerprints(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    char was[80];
    str_copy(was, sizeof was, ssh_server_fingerprint(reach.server));
    ssh_server_new_key(reach.server);
    assert_int_equal(dial(&reach, SOON), ERR_HOST_KEY);
    assert_says(&reach.info, was);
    assert_says(&reach.info, ssh_server_fingerprint(reach.server));
    assert_int_equal(ssh_server_auth_attempts(reach.server), 0);
    reach_stop(&reach);
}

static void a_revoked_host_key_is_refused_even_when_pinned(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    char *line = xasprintf("@revoked * ssh-ed25519 %s\n", ssh_server_key(reach.server));
    char *path = paths_join(reach.directory, "system");
    assert_ok(paths_write_atomic(path, line, strlen(line), 0600, &reach.info), &reach.info);
    reach.target.known_hosts.system = path;
    reach.target.pinned_fingerprint = ssh_server_fingerprint(reach.server);
    assert_int_equal(dial(&reach, SOON), ERR_HOST_KEY);
    assert_says(&reach.info, "REVOKED");
    free(line);
    free(path);
    reach_stop(&reach);
}

static void a_pinned_fingerprint_stands_in_for_known_hosts_but_only_that_one(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    assert_ok(known_hosts_remove(reach.known_hosts, "mosh01", &reach.info), &reach.info);
    reach.target.pinned_fingerprint = ssh_server_fingerprint(reach.server);
    assert_int_equal(dial(&reach, SOON), ERR_OK);
    reach.target.pinned_fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_int_equal(dial(&reach, SOON), ERR_HOST_KEY);
    reach_stop(&reach);
}

static void the_host_key_can_be_asked_for_without_logging_in(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    struct host_key key;
    assert_ok(remote_host_key(&reach.target, SOON, REMOTE_NO_CANCEL, &key, &reach.info), &reach.info);
    assert_int_equal(key.verdict, HOST_KEY_TRUSTED);
    assert_ok(known_hosts_remove(reach.known_hosts, "mosh01", &reach.info), &reach.info);
    assert_ok(remote_host_key(&reach.target, SOON, REMOTE_NO_CANCEL, &key, &reach.info), &reach.info);
    assert_int_equal(key.verdict, HOST_KEY_UNKNOWN);
    assert_string_equal(key.base64, ssh_server_key(reach.server));
    assert_int_equal(ssh_server_auth_attempts(reach.server), 0);
    reach_stop(&reach);
}

static void a_refused_key_is_offered_once_and_named(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.fault = SSH_SERVER_REFUSES_AUTH});
    assert_int_equal(dial(&reach, SOON), ERR_AUTH);
    assert_says(&reach.info, reach.key);
    assert_says(&reach.info, "user dogwatch");
    assert_int_equal(ssh_server_auth_attempts(reach.server), 1);
    reach_stop(&reach);
}

static void a_key_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    reach.target.identity_file = "/nowhere/key";
    assert_int_equal(dial(&reach, SOON), ERR_NOT_FOUND);
    assert_says(&reach.info, "/nowhere/key");
    reach.target.identity_file = reach.known_hosts; /* a file, but no key */
    assert_int_equal(dial(&reach, SOON), ERR_INVALID);
    reach_stop(&reach);
}

static void each_way_to_stall_ends_at_the_deadline(void **state)
{
    (void)state;
    static const enum ssh_server_fault faults[] = {
        SSH_SERVER_SILENT, SSH_SERVER_STALLS_IN_KEX, SSH_SERVER_STALLS_IN_AUTH};
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        ssh_server_set_fault(reach.server, faults[i]);
        assert_int_equal(dial(&reach, AT_ONCE), ERR_TIMEOUT);
        assert_says(&reach.info, "mosh01");
    }
    reach_stop(&reach);
}

static void what_is_no_ssh_server_is_garbage_shown_without_its_escapes(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.fault = SSH_SERVER_GARBAGE});
    assert_int_equal(dial(&reach, SOON), ERR_GARBAGE);
    assert_says(&reach.info, "HTTP/1.1 400");
    assert_null(strchr(reach.info.message, '\x1b'));
    reach_stop(&reach);
}

static void a_busy_and_a_closing_sshd_are_told_apart(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.fault = SSH_SERVER_MAX_STARTUPS});
    assert_int_equal(dial(&reach, SOON), ERR_BUSY);
    assert_says(&reach.info, "MaxStartups");
    ssh_server_set_fault(reach.server, SSH_SERVER_CLOSES);
    assert_int_equal(dial(&reach, SOON), ERR_CLOSED);
    reach_stop(&reach);
}

static void a_closed_port_is_refused_and_a_nameless_host_unreachable(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: nobody else gets the port */
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    reach.target.port = ntohs(at.sin_port);
    assert_int_equal(dial(&reach, SOON), ERR_REFUSED);
    close(fd);
    reach.target.address = "no-such-host.invalid";
    enum err err = dial(&reach, SOON);
    assert_int_equal(err, ERR_UNREACHABLE);
    assert_says(&reach.info, "no-such-host.invalid");
    reach_stop(&reach);
}

static void *cancel_when_connected(void *arg)
{
    struct {
        struct ssh_server *server;
        int fd;
    } *both = arg;
    int64_t deadline = clock_mono_us() + SOON;
    while (ssh_server_connections(both->server) == 0 && clock_mono_us() < deadline)
        sched_yield();
    eventfd_write(both->fd, 1);
    return NULL;
}

static void a_dial_is_cancelled_from_another_thread(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){.fault = SSH_SERVER_SILENT});
    struct {
        struct ssh_server *server;
        int fd;
    } both = {reach.server, eventfd(0, EFD_CLOEXEC)};
    pthread_t thread;
    pthread_create(&thread, NULL, cancel_when_connected, &both);
    struct connection *connection;
    assert_int_equal(remote_dial(&reach.target, 60 * USEC_PER_SEC, both.fd, &connection, &reach.info), ERR_CANCELLED);
    pthread_join(thread, NULL);
    close(both.fd);
    reach_stop(&reach);
}

static void an_agent_that_hangs_ends_at_the_deadline(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    char *path = paths_join(reach.directory, "agent");
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_true(str_copy(at.sun_path, sizeof at.sun_path, path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 4), 0); /* connects, and is never served */
    setenv("SSH_AUTH_SOCK", path, 1);
    reach.target.identity_file = NULL;
    assert_int_equal(dial(&reach, AT_ONCE), ERR_TIMEOUT);
    assert_says(&reach.info, "ssh-agent");
    close(fd);
    assert_int_equal(dial(&reach, SOON), ERR_AUTH); /* nobody listens any more */
    unsetenv("SSH_AUTH_SOCK");
    assert_int_equal(dial(&reach, SOON), ERR_AUTH);
    assert_says(&reach.info, "--identity");
    free(path);
    reach_stop(&reach);
}

static void a_jump_host_carries_the_connection(void **state)
{
    (void)state;
    struct reach gate, reach;
    reach_start(&gate, &(struct ssh_server_options){0});
    reach_start(&reach, &(struct ssh_server_options){0});
    gate.target.name = "mosh01"; /* as reach_trust wrote it */
    reach.target.jump = &gate.target;
    assert_ok(dial(&reach, SOON), &reach.info);
    assert_int_equal(ssh_server_connections(gate.server), 1);
    assert_int_equal(ssh_server_connections(reach.server), 1);
    ssh_server_set_fault(reach.server, SSH_SERVER_SILENT);
    assert_int_equal(dial(&reach, AT_ONCE), ERR_TIMEOUT);
    ssh_server_set_fault(gate.server, SSH_SERVER_REFUSES_AUTH);
    assert_int_equal(dial(&reach, SOON), ERR_AUTH);
    assert_says(&reach.info, "on the way to mosh01");
    reach_stop(&reach);
    reach_stop(&gate);
}

static void too_many_jumps_in_a_row_are_refused(void **state)
{
    (void)state;
    struct reach reach;
    reach_start(&reach, &(struct ssh_server_options){0});
    struct remote_target chain[REMOTE_JUMP_MAX + 2];
    for (size_t i = 0; i < REMOTE_JUMP_MAX + 2; i++) {
        chain[i] = reach.target;
        chain[i].jump = i ? &chain[i - 1] : NULL;
    }
    struct connection *connection;
    assert_ok(remote_dial(&chain[REMOTE_JUMP_MAX], SOON, REMOTE_NO_CANCEL, &connection, &reach.info), &reach.info);
    connection_free(connection);
    assert_int_equal(
        remote_dial(&chain[REMOTE_JUMP_MAX + 1], SOON, REMOTE_NO_CANCEL, &connection, &reach.info), ERR_INVALID);
    reach_stop(&reach);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_host_lets_the_key_in),
        cmocka_unit_test(an_unknown_host_key_is_refused_before_any_key_is_offered),
        cmocka_unit_test(a_changed_host_key_is_refused_with_both_fingerprints),
        cmocka_unit_test(a_revoked_host_key_is_refused_even_when_pinned),
        cmocka_unit_test(a_pinned_fingerprint_stands_in_for_known_hosts_but_only_that_one),
        cmocka_unit_test(the_host_key_can_be_asked_for_without_logging_in),
        cmocka_unit_test(a_refused_key_is_offered_once_and_named),
        cmocka_unit_test(a_key_file_that_is_not_there_is_named),
        cmocka_unit_test(each_way_to_stall_ends_at_the_deadline),
        cmocka_unit_test(what_is_no_ssh_server_is_garbage_shown_without_its_escapes),
        cmocka_unit_test(a_busy_and_a_closing_sshd_are_told_apart),
        cmocka_unit_test(a_closed_port_is_refused_and_a_nameless_host_unreachable),
        cmocka_unit_test(a_dial_is_cancelled_from_another_thread),
        cmocka_unit_test(an_agent_that_hangs_ends_at_the_deadline),
        cmocka_unit_test(a_jump_host_carries_the_connection),
        cmocka_unit_test(too_many_jumps_in_a_row_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
