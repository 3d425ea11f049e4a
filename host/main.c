/* dogwatch-host: what runs on a host, started by sshd for the engine's key as a forced command. It serves the one
 * connection it was started with (docs/protocol.md) and ends with it: on end of input, a failed write, the idle
 * deadline or SIGTERM. Whatever programs it started end with it.
 *
 * The main thread reads requests; everything else is in host/. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/audit.h"
#include "host/dispatch.h"
#include "host/path.h"
#include "host/policy.h"
#include "host/route/route.h"
#include "host/run.h"
#include "host/session.h"
#include "host/site/guard.h"
#include "host/site/mark.h"
#include "host/site/site.h"
#include "host/storage/needed.h"
#include "host/stream.h"

#define EXIT_USAGE 2
#define SITE_LIMIT_US (400 * USEC_PER_SEC) /* the longest grace time, and what its engine may take besides */

struct arguments {
    enum host_role role;
    bool has_role;
    const char *root;
    bool version;
    bool hook;    /* podman's runtime asks whether a container may start */
    bool unguard; /* the helper is about to be removed: take the hook away, unless sites are marked */
};

/* Only what is written here; the lines in authorized_keys and sudoers fix the arguments, so that --root cannot be
 * reached with the engine's keys. It is for tests, and refused where the program got its rights from a set-user-ID bit.
 */
static bool parse_arguments(int argc, char **argv, struct arguments *arguments)
{
    *arguments = (struct arguments){0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argc == 2 && strcmp(argv[i], "--version") == 0) {
            arguments->version = true;
        } else if (strcmp(argv[i], "--role") == 0 && !arguments->has_role && value) {
            arguments->has_role = host_role_parse(value, &arguments->role);
            if (!arguments->has_role)
                return false;
            i++;
        } else if (strcmp(argv[i], "--root") == 0 && !arguments->root && value && value[0] == '/' &&
                   !getauxval(AT_SECURE)) {
            arguments->root = value;
            i++;
        } else if (strcmp(argv[i], "--hook") == 0 && !arguments->has_role) {
            arguments->hook = true;
        } else if (strcmp(argv[i], "--unguard") == 0 && !arguments->has_role) {
            arguments->unguard = true;
        } else {
            return false;
        }
    }
    return arguments->version + arguments->has_role + arguments->hook + arguments->unguard == 1;
}

static void close_inherited(void)
{
    if (syscall(SYS_close_range, 3, ~0U, 0) == 0)
        return;
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

/* Descriptors 0 to 2 must be something, lest a file opened later becomes "standard output". */
static bool check_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

/* Signals that mean "end" are read from a descriptor; a peer that is gone is seen by write(2). Before the first thread.
 */
static int take_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Nothing of what the login brought along stays, except what the audit has taken from it. */
static bool settle_down(void)
{
    umask(077);
    if (chdir("/") != 0 || clearenv() != 0)
        return false;
    return setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) == 0 && setenv("LANG", "C.UTF-8", 1) == 0;
}

/* A small program should stay small: one heap for all threads, and large blocks given back when freed. */
static void save_memory(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 65536);
    mallopt(M_TRIM_THRESHOLD, 65536);
}

static int unguard(void)
{
    struct err_info info;
    char names[400];
    if (mark_any(names, sizeof names)) {
        fprintf(stderr,
            "these sites are marked here and would start again without the helper: %s; start, release or remove them "
            "first\n",
            names);
        return EXIT_FAILURE;
    }
    needed_forget_all();
    if (guard_remove_unused(&info) == ERR_OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", info.message);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    int status;
    struct arguments arguments = {0};
    struct stream_asked asked;
    bool is_stream = stream_is_one(argc, argv);
    if (stream_is_own(argc, argv))
        return stream_own_main(argc, argv);
    if (!is_stream && !parse_arguments(argc, argv, &arguments)) {
        fputs("usage: dogwatch-host --role viewer|operator\n", stderr);
        return EXIT_USAGE;
    }
    if (arguments.version) {
        puts("dogwatch-host " DOGWATCH_VERSION);
        return EXIT_SUCCESS;
    }
    if (!check_standard_fds())
        return EXIT_USAGE;
    close_inherited();
    save_memory();
    log_to_syslog("dogwatch-host", LOG_LEVEL_WARNING);
    host_root_set(arguments.root);
    if (arguments.hook)
        return guard_run(STDIN_FILENO);
    if (arguments.unguard)
        return unguard();
    struct audit *audit = audit_new();
    stream_take_asked(&asked);
    if (!settle_down()) {
        fprintf(stderr, "dogwatch-host: cannot settle down in /: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    if (is_stream)
        return stream_main(argv[2], &asked, audit);
    if (stream_serve(&asked, arguments.role, audit, &status))
        return status;
    char policy_path[HOST_PATH_SIZE];
    host_path(policy_path, sizeof policy_path, "/etc/dogwatch/policy");
    int stop_fd = take_signals();
    struct dispatch *dispatch = dispatch_new(arguments.role, policy_path, audit);
    struct session *session = session_new(STDIN_FILENO, STDOUT_FILENO, dispatch_request, dispatch);
    session_run(session, stop_fd);
    site_finish(SITE_LIMIT_US); /* no site is left between its stop and its start */
    route_finish();             /* and no visitors waiting for nobody */
    dispatch_end(dispatch);
    run_end_all();
    _exit(EXIT_SUCCESS); /* other threads may be anywhere: no destructors */
}
