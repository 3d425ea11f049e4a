/* Children of the helper. Every child leads a process group of its own and stands in one table until it is reaped, so
 * that a deadline, run_end and the helper's end reach all of a program's descendants, and a pid is never signalled
 * after it was reaped (reaping and signalling happen under the table's mutex).
 *
 * Between fork and execve only async-signal-safe calls are made: the helper has threads. Any thread. */
#include "host/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "base/vec.h"
#include "host/environment.h"

#define READ_STEP 8192
#define READ_MOST_STEPS 32
#define PIECE_BYTES 65536
#define PIECE_WAIT_MS 300
#define EXEC_LIMIT_US (5 * USEC_PER_SEC)   /* from fork to execve: longer only where the disk hangs */
#define KILLED_LIMIT_US (2 * USEC_PER_SEC) /* how long a killed child may take to go before it is abandoned */
#define TERM_LIMIT_US USEC_PER_SEC         /* at the helper's end, between SIGTERM and SIGKILL */
#define REAP_STEP_MS 20                    /* how often to look where pidfd_open(2) is missing (Linux < 5.3) */
#define TOLD_CEILING 8192u                 /* of what a program says on standard error, run_told */
#define FAILED_FD 5                        /* in the child: tells the parent that execve failed */
#define FIRST_FD_TO_CLOSE 6
#define ABOVE_ALL_FDS 16       /* where the child keeps its descriptors until they get their numbers */
#define MOST_FDS_TO_CLOSE 4096 /* where close_range(2) is missing (Linux < 5.9) */

struct child {
    pid_t pid;
    bool abandoned; /* nobody waits for it: it is reaped in passing */
};

static struct {
    pthread_mutex_t mutex;
    VEC(struct child) children;
    bool ending;
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* --- the table ------------------------------------------------------------------------------------------------------
 */

/* The caller holds the mutex. True once the child is gone (then *status is its wait status). The last look at a group
 * is taken while its leader is a zombie and the number still ours. */
static bool reap_locked(pid_t pid, int *status)
{
    siginfo_t seen = {0};
    if (waitid(P_PID, (id_t)pid, &seen, WEXITED | WNOHANG | WNOWAIT) == 0 && seen.si_pid == 0)
        return false;
    if (table.ending && seen.si_pid == pid)
        kill(-pid, SIGKILL);
    if (waitpid(pid, status, 0) < 0)
        *status = 0;
    for (size_t i = 0; i < table.children.count; i++)
        if (table.children.items[i].pid == pid)
            table.children.items[i] = table.children.items[--table.children.count];
    return true;
}

static bool reap(pid_t pid, int *status)
{
    pthread_mutex_lock(&table.mutex);
    bool gone = reap_locked(pid, status);
    pthread_mutex_unlock(&table.mutex);
    return gone;
}

static struct child *find_locked(pid_t pid)
{
    vec_each (&table.children, struct child, child)
        if (child->pid == pid)
            return child;
    return NULL;
}

static void reap_abandoned_locked(void)
{
    int status;
    for (size_t i = table.children.count; i-- > 0;)
        if (table.children.items[i].abandoned)
            reap_locked(table.children.items[i].pid, &status);
}

static void nap(int64_t duration_us)
{
    poll(NULL, 0, (int)(duration_us / USEC_PER_MSEC));
}

/* Kill the whole group and wait a moment; what does not go (stuck in the kernel) is abandoned. */
static void kill_group(pid_t pid)
{
    int status;
    int64_t deadline = clock_mono_us() + KILLED_LIMIT_US;
    pthread_mutex_lock(&table.mutex);
    struct child *child = find_locked(pid);
    if (child)
        kill(-pid, SIGKILL);
    while (child && !reap_locked(pid, &status)) {
        child->abandoned = clock_mono_us() > deadline;
        if (child->abandoned)
            break;
        pthread_mutex_unlock(&table.mutex);
        nap(USEC_PER_MSEC);
        pthread_mutex_lock(&table.mutex);
        child = find_locked(pid);
    }
    pthread_mutex_unlock(&table.mutex);
}

/* True once no child is left. */
static bool signal_all(int signal_number)
{
    pthread_mutex_lock(&table.mutex);
    table.ending = true;
    for (size_t i = table.children.count; i-- > 0;) {
        int status;
        pid_t pid = table.children.items[i].pid;
        if (!reap_locked(pid, &status) && signal_number)
            kill(-pid, signal_number);
    }
    bool none = table.children.count == 0;
    pthread_mutex_unlock(&table.mutex);
    return none;
}

void run_end_all(void)
{
    static const struct {
        int signal_number;
        int64_t limit_us;
    } steps[] = {{SIGTERM, TERM_LIMIT_US}, {SIGKILL, KILLED_LIMIT_US}};
    bool none = false;
    for (size_t i = 0; i < 2 && !none; i++) {
        int64_t deadline = clock_mono_us() + steps[i].limit_us;
        none = signal_all(steps[i].signal_number);
        while (!none && clock_mono_us() < deadline) {
            nap(5 * USEC_PER_MSEC);
            none = signal_all(0);
        }
    }
}

/* --- starting -------------------------------------------------------------------------------------------------------
 */

/* What a child gets: 0 to 2 (-1 means /dev/null), 3 and 4 (-1: closed), and what takes errno where execve fails, and
 * closes where it succeeds. */
struct ends {
    int fds[5];
    int failed;
};

static void close_others(void)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, FIRST_FD_TO_CLOSE, ~0U, 0) == 0)
        return;
#endif
    for (int fd = FIRST_FD_TO_CLOSE; fd < MOST_FDS_TO_CLOSE; fd++)
        close(fd);
}

/* Give every descriptor its number. All are moved out of the way first: one's old number may be another's new one.
 * Async-signal-safe calls only. */
static bool take_fds(const struct ends *ends)
{
    int high[FAILED_FD + 1];
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= FAILED_FD; fd++) {
        int given = fd == FAILED_FD ? ends->failed : ends->fds[fd];
        given = given < 0 && fd <= STDERR_FILENO ? null_fd : given;
        high[fd] = given < 0 ? -1 : fcntl(given, F_DUPFD_CLOEXEC, ABOVE_ALL_FDS);
        if (given >= 0 && high[fd] < 0)
            return false;
    }
    for (int fd = 0; fd <= FAILED_FD; fd++) {
        if (high[fd] < 0)
            close(fd);
        else if (dup2(high[fd], fd) < 0)
            return false;
    }
    fcntl(FAILED_FD, F_SETFD, FD_CLOEXEC);
    return true;
}

/* The child's way to execve. Async-signal-safe calls only. */
static _Noreturn void become(
    const char *const argv[], const char *const environment[], const struct ends *ends, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int failed = ends->failed;
    if (take_fds(ends)) {
        failed = FAILED_FD;
        close_others();
        signal(SIGPIPE, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(argv[0], (char *const *)argv, (char *const *)environment);
    }
    int why = errno;
    ssize_t ignored = write(failed, &why, sizeof why);
    (void)ignored;
    _exit(127);
}

static enum err fork_child(const char *const argv[], const char *const environment[], const struct ends *ends,
    pid_t *pid, struct err_info *info)
{
    pthread_mutex_lock(&table.mutex);
    enum err result = ERR_OK;
    reap_abandoned_locked();
    pid_t parent = getpid();
    if (table.ending) {
        result = err_set(info, ERR_CANCELLED, "%s was not started: the helper ends", argv[0]);
    } else if ((*pid = fork()) == 0) {
        become(argv, environment, ends, parent);
    } else if (*pid < 0) {
        result = err_errno(info, ERR_IO, errno, "cannot start a process for %s", argv[0]);
    } else {
        setpgid(*pid, *pid); /* both sides do: whoever is first, the group exists before anybody signals it */
        vec_push(&table.children, ((struct child){.pid = *pid}));
    }
    pthread_mutex_unlock(&table.mutex);
    return result;
}

/* Wait for execve: 0 where it succeeded, else an errno value. */
static int await_exec(int fd)
{
    int why = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, (int)(EXEC_LIMIT_US / USEC_PER_MSEC)) == 0)
        return ETIMEDOUT;
    return read(fd, &why, sizeof why) == (ssize_t)sizeof why ? why : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A pipe whose reading end does not block; both -1 where none is wanted. */
static bool make_pipe(bool wanted, int ends[2])
{
    ends[0] = ends[1] = -1;
    if (!wanted)
        return true;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/* Start it and wait for its execve. `more`: what its environment has besides the usual; NULL: nothing. */
static enum err launch(
    const char *const argv[], const char *const more[], const int fds[5], pid_t *pid, struct err_info *info)
{
    int failed[2];
    const char **environment;
    *pid = -1;
    enum err result = environment_make(more, &environment, info);
    if (result != ERR_OK)
        return result;
    if (pipe2(failed, O_CLOEXEC) != 0) {
        free(environment);
        return err_errno(info, ERR_IO, errno, "cannot make a pipe for %s", argv[0]);
    }
    struct ends ends = {.failed = failed[1]};
    memcpy(ends.fds, fds, sizeof ends.fds);
    result = fork_child(argv, environment, &ends, pid, info);
    free(environment);
    close_fd(&failed[1]);
    int why = result == ERR_OK ? await_exec(failed[0]) : 0;
    close_fd(&failed[0]);
    if (!why)
        return result;
    kill_group(*pid);
    return err_errno(info, err_from_errno(why), why, "cannot run %s", argv[0]);
}

struct running {
    pid_t pid;
    int out_fd;    /* -1 where discarded or at its end */
    int errors_fd; /* as above */
};

enum errors_way { ERRORS_DISCARDED, ERRORS_APART, ERRORS_WITH_OUT };

static enum err start(const char *const argv[], const char *const more[], bool with_out, enum errors_way errors_way,
    struct running *running, struct err_info *info)
{
    int out[2], errors[2] = {-1, -1};
    enum err result;
    if (make_pipe(with_out, out) && make_pipe(errors_way == ERRORS_APART, errors)) {
        int errors_end = errors_way == ERRORS_WITH_OUT ? out[1] : errors[1];
        result = launch(argv, more, (const int[]){-1, out[1], errors_end, -1, -1}, &running->pid, info);
    } else {
        result = err_errno(info, ERR_IO, errno, "cannot make a pipe for %s", argv[0]);
    }
    close_fd(&out[1]);
    close_fd(&errors[1]);
    if (result != ERR_OK) {
        close_fd(&out[0]);
        close_fd(&errors[0]);
    }
    running->out_fd = out[0];
    running->errors_fd = errors[0];
    return result;
}

/* --- a program that is waited for -----------------------------------------------------------------------------------
 */

/* Take what is there (a bounded amount: the deadline is looked at in between), up to the buffer's ceiling; at the end
 * of the stream *fd is closed and -1. */
static void drain(int *fd, struct buf *buf)
{
    char chunk[READ_STEP];
    for (int i = 0; i < READ_MOST_STEPS && *fd >= 0; i++) {
        ssize_t got = read(*fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_fd(fd);
            return;
        }
        size_t room = buf->ceiling - buf->length, length = (size_t)got;
        buf_append(buf, chunk, length < room ? length : room);
        if (length > room)
            buf->overflowed = true;
    }
}

static int open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
#else
    (void)pid;
    return -1;
#endif
}

/* Until the child ends (true, *status set) or the deadline passes. A grandchild that keeps a pipe open delays nothing.
 */
static bool await_end(struct running *running, int64_t deadline, struct buf *out, struct buf *errors, int *status)
{
    int pidfd = open_pidfd(running->pid);
    bool ended;
    while (!(ended = reap(running->pid, status))) {
        int64_t left_ms = (deadline - clock_mono_us() + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
        if (left_ms <= 0)
            break;
        int64_t most_ms = pidfd < 0 ? REAP_STEP_MS : 60000;
        struct pollfd wait[] = {{.fd = running->out_fd, .events = POLLIN}, {.fd = running->errors_fd, .events = POLLIN},
            {.fd = pidfd, .events = POLLIN}};
        poll(wait, 3, (int)(left_ms < most_ms ? left_ms : most_ms));
        drain(&running->out_fd, out);
        drain(&running->errors_fd, errors);
    }
    drain(&running->out_fd, out);
    drain(&running->errors_fd, errors);
    close_fd(&pidfd);
    return ended;
}

static int exit_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

enum err run_program(const char *const argv[], int64_t timeout_us, struct buf *out, struct buf *errors, int *status,
    struct err_info *info)
{
    return run_program_with(argv, NULL, timeout_us, out, errors, status, info);
}

enum err run_program_with(const char *const argv[], const char *const more[], int64_t timeout_us, struct buf *out,
    struct buf *errors, int *status, struct err_info *info)
{
    struct running running;
    int wait_status = 0;
    *status = -1;
    int64_t deadline = clock_mono_us() + timeout_us;
    enum err result = start(argv, more, out, errors ? ERRORS_APART : ERRORS_DISCARDED, &running, info);
    if (result != ERR_OK)
        return result;
    if (await_end(&running, deadline, out, errors, &wait_status)) {
        *status = exit_status(wait_status);
        if (out && out->overflowed)
            result = err_set(info, ERR_FULL, "%s said more than %zu bytes", argv[0], out->ceiling);
    } else {
        kill_group(running.pid);
        result = err_set(info, ERR_TIMEOUT, "%s did not end within %lld ms and was killed", argv[0],
            (long long)(timeout_us / USEC_PER_MSEC));
    }
    close_fd(&running.out_fd);
    close_fd(&running.errors_fd);
    return result;
}

/* --- a program whose output passes through --------------------------------------------------------------------------
 */

/* One piece, or the 300 ms in which none came. *ended: the output's end. */
static enum err pass_piece(struct running *running, void *piece, size_t size, run_sink *sink, void *context,
    struct buf *errors, bool *heard, bool *ended)
{
    struct pollfd wait[] = {{.fd = running->out_fd, .events = POLLIN}, {.fd = running->errors_fd, .events = POLLIN}};
    poll(wait, 2, PIECE_WAIT_MS);
    drain(&running->errors_fd, errors);
    ssize_t got = read(running->out_fd, piece, size);
    *heard = got > 0 || (wait[1].revents & POLLIN);
    *ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (*ended)
        return ERR_OK;
    return sink(context, got > 0 ? piece : NULL, got > 0 ? (size_t)got : 0) ? ERR_OK : ERR_CANCELLED;
}

/* Until the output's end. */
static enum err pass_output(const char *program, struct running *running, int64_t silence_us, run_sink *sink,
    void *context, struct buf *errors, struct err_info *info)
{
    char *piece = xmalloc(PIECE_BYTES);
    bool heard, ended = false;
    enum err result = ERR_OK;
    for (int64_t heard_us = clock_mono_us(); result == ERR_OK && !ended;) {
        result = pass_piece(running, piece, PIECE_BYTES, sink, context, errors, &heard, &ended);
        if (heard)
            heard_us = clock_mono_us();
        if (result != ERR_OK)
            err_set(info, result, "%s was ended before it was through", program);
        else if (!ended && clock_mono_us() - heard_us > silence_us)
            result = err_set(info, ERR_TIMEOUT, "%s said nothing for %lld s and was killed", program,
                (long long)(silence_us / USEC_PER_SEC));
    }
    free(piece);
    return result;
}

enum err run_program_into(const char *const argv[], int64_t silence_us, run_sink *sink, void *context,
    struct buf *errors, int *status, struct err_info *info)
{
    struct running running;
    int wait_status = 0;
    *status = -1;
    enum err result = start(argv, NULL, true, errors ? ERRORS_APART : ERRORS_WITH_OUT, &running, info);
    if (result != ERR_OK)
        return result;
    result = pass_output(argv[0], &running, silence_us, sink, context, errors, info);
    close_fd(&running.out_fd);
    if (result == ERR_OK && await_end(&running, clock_mono_us() + silence_us, NULL, errors, &wait_status))
        *status = exit_status(wait_status);
    else
        kill_group(running.pid);
    if (result == ERR_OK && *status < 0)
        result = err_set(info, ERR_TIMEOUT, "%s did not end after its output and was killed", argv[0]);
    close_fd(&running.errors_fd);
    return result;
}

/* --- a program that is followed -------------------------------------------------------------------------------------
 */

enum err run_start(const char *const argv[], pid_t *pid, int *out_fd, struct err_info *info)
{
    struct running running;
    *pid = -1;
    *out_fd = -1;
    enum err result = start(argv, NULL, true, ERRORS_DISCARDED, &running, info);
    if (result != ERR_OK)
        return result;
    *pid = running.pid;
    *out_fd = running.out_fd;
    return ERR_OK;
}

enum err run_spawn(const char *const argv[], const struct run_fds *fds, pid_t *pid, struct err_info *info)
{
    return launch(argv, NULL, (const int[]){fds->in, fds->out, fds->errors, fds->third, fds->fourth}, pid, info);
}

bool run_await(pid_t pid, int64_t timeout_us, int *status)
{
    int wait_status = 0;
    struct running running = {.pid = pid, .out_fd = -1, .errors_fd = -1};
    bool ended = await_end(&running, clock_mono_us() + timeout_us, NULL, NULL, &wait_status);
    if (ended)
        *status = exit_status(wait_status);
    return ended;
}

void run_end(pid_t pid, int out_fd)
{
    if (pid > 0)
        kill_group(pid);
    close_fd(&out_fd);
}

enum err run_told(const char *name, const char *const argv[], int64_t timeout_us, struct err_info *info)
{
    char said[300];
    struct buf errors = BUF(TOLD_CEILING);
    int status = 0;
    enum err result = argv[0] ? run_program(argv, timeout_us, NULL, &errors, &status, info)
                              : err_set(info, ERR_MISSING, "%s is not installed on this host", name);
    sanitize(said, sizeof said, buf_text(&errors), strcspn(buf_text(&errors), "\n"));
    buf_free(&errors);
    if (result == ERR_OK && status != 0)
        result = err_set(info, ERR_FAILED, "%s", said[0] ? said : "it failed without a word");
    return result;
}

const char *run_find(const char *const candidates[])
{
    for (size_t i = 0; candidates[i]; i++)
        if (access(candidates[i], X_OK) == 0)
            return candidates[i];
    return NULL;
}
