/* An SSH server inside the test program, on a free loopback port: real protocol (libssh), scripted behaviour. Commands
 * are answered by a callback in a thread of its own with plain descriptors, or by a real program. Forwarding (jump
 * hosts) connects for real. */
#ifndef TESTS_SUPPORT_SSH_SERVER_H
#define TESTS_SUPPORT_SSH_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct ssh_server;

enum ssh_server_fault {
    SSH_SERVER_FINE,
    SSH_SERVER_SILENT,        /* takes the connection, says nothing */
    SSH_SERVER_GARBAGE,       /* speaks HTTP */
    SSH_SERVER_MAX_STARTUPS,  /* turns the connection away as a busy sshd does */
    SSH_SERVER_CLOSES,        /* closes at once */
    SSH_SERVER_STALLS_IN_KEX, /* says its banner, then nothing */
    SSH_SERVER_REFUSES_AUTH,
    SSH_SERVER_STALLS_IN_AUTH,
    SSH_SERVER_STALLS_CHANNELS, /* never answers that a channel is to be opened */
    SSH_SERVER_REFUSES_CHANNELS,
};

/* Runs in a thread of its own; returns the exit status. The descriptors are closed for it afterwards. */
typedef int ssh_server_command(void *owner, const char *command, int in_fd, int out_fd, int error_fd);

struct ssh_server_options {
    enum ssh_server_fault fault;
    ssh_server_command *command; /* or: */
    const char *const *argv;     /* a real program instead, absolute path first; the client's command is ignored */
    void *owner;
    const char *authorized;   /* the only public key let in, as base64; NULL: any key */
    const char *bind_address; /* NULL: 127.0.0.1 */
};

struct ssh_server *ssh_server_start(
    const struct ssh_server_options *options);   /* ends the test program where it cannot */
void ssh_server_stop(struct ssh_server *server); /* cuts all connections, waits for all threads */

uint16_t ssh_server_port(const struct ssh_server *server);
const char *ssh_server_key(const struct ssh_server *server);                       /* the host key, base64 */
const char *ssh_server_fingerprint(const struct ssh_server *server);               /* "SHA256:…" */
void ssh_server_set_fault(struct ssh_server *server, enum ssh_server_fault fault); /* for connections from now on */
void ssh_server_new_key(struct ssh_server *server);                                /* as after a new installation */
unsigned ssh_server_connections(struct ssh_server *server);                        /* taken so far */
unsigned ssh_server_auth_attempts(struct ssh_server *server);                      /* keys offered so far */

void ssh_server_pause(
    struct ssh_server *server, bool paused); /* like SIGSTOP and SIGCONT for sshd: sockets stay open, nothing moves */
void ssh_server_cut(struct ssh_server *server); /* cut every connection there is */

/* A private directory for the test, removed with all that is in it by test_dir_free. */
char *test_dir_new(void);
void test_dir_free(char *path);

#endif
