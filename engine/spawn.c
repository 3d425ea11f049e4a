/* Starting an engine: fork twice, so that it is nobody's child and has no terminal; between fork and exec only calls
 * that are safe there. Its process id comes back through a pipe that exec closes, together with exec's failure if there
 * is one; a pidfd then tells when it ends before it answers. */
#include "engine/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/client.h"
#include "store/lock.h"

#define LOG_NAME "engine.log"
#define LOG_TAIL_BYTES 4096
#define ASK_AGAIN_MS 30

extern char **environ;

struct birth { /* what comes back through the pipe */
    pid_t pid;
    int exec_errno;
};

/* In the grandchild: never returns. */
static void become_engine(char *const *argv, int log_fd, int pipe_fd)
{
    struct birth birth = {.pid = getpid()};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); /* librrd's descriptors lack it */
    ssize_t written = write(pipe_fd, &birth, sizeof birth);
    execve("/proc/self/exe", argv, environ);
    birth.exec_errno = errno;
    written = write(pipe_fd, &birth, sizeof birth);
    (void)written;
    _exit(127);
}

/* *pid is the engine's, or 0. */
static enum err fork_engine(char *const *argv, int log_fd, pid_t *pid, struct err_info *info)
{
    int ends[2];
    struct birth birth = {0};
    *pid = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(info, ERR_IO, errno, "cannot start the engine");
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0)
            become_engine(argv, log_fd, ends[1]);
        _exit(0);
    }
    int why = errno;
    close(ends[1]);
    while (child > 0 && read(ends[0], &birth, sizeof birth) == (ssize_t)sizeof birth)
        *pid = birth.pid;
    close(ends[0]);
    if (child > 0)
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
    if (child < 0 || !*pid)
        return err_errno(info, ERR_IO, why, "cannot start the engine");
    if (birth.exec_errno)
        return err_errno(info, ERR_IO, birth.exec_errno, "cannot start the engine");
    return ERR_OK;
}

/* The last line of the engine's log, or "". */
static char *last_words(const char *log_path)
{
    char text[LOG_TAIL_BYTES + 1];
    int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    ssize_t length = fd >= 0 ? pread(fd, text, LOG_TAIL_BYTES, size > LOG_TAIL_BYTES ? size - LOG_TAIL_BYTES : 0) : 0;
    if (fd >= 0)
        close(fd);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length > 0 ? length : 0] = '\0';
    const char *newline = strrchr(text, '\n');
    return xstrdup(newline ? newline + 1 : text);
}

static bool engine_answers(const char *state_dir, struct err_info *info)
{
    json_t *answer, *request = json_object();
    json_put_text(request, "command", "status");
    bool answers = client_ask(state_dir, request, &answer, info) == ERR_OK;
    json_decref(answers ? answer : NULL);
    return answers;
}

/* Waits a little; a pidfd becomes readable when its process ends, and −1 means that it had ended before. */
static bool has_ended(int pid_fd)
{
    struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
    return poll(&ended, 1, ASK_AGAIN_MS) > 0 || pid_fd < 0;
}

/* Until it answers, ends, or the time is over. */
static enum err wait_for_engine(
    const char *state_dir, const char *log_path, int pid_fd, int64_t deadline_us, struct err_info *info)
{
    while (!engine_answers(state_dir, NULL)) {
        if (clock_mono_us() > deadline_us)
            return err_set(info, ERR_TIMEOUT, "the engine was started and does not answer yet; see %s", log_path);
        if (!has_ended(pid_fd))
            continue;
        if (engine_answers(state_dir, NULL))
            return ERR_OK; /* another one came first */
        char *words = last_words(log_path);
        enum err result =
            err_set(info, ERR_FAILED, "the engine ended at once: %s", words[0] ? words : "it left no word in its log");
        free(words);
        return result;
    }
    return ERR_OK;
}

static enum err start(const char *fleet_dir, const char *state_dir, int64_t deadline_us, struct err_info *info)
{
    enum err result = paths_make_dir(state_dir, info);
    if (result != ERR_OK)
        return result;
    char *log_path = paths_join(state_dir, LOG_NAME);
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    char *argv[] = {"dogwatch", "engine", "--fleet", (char *)fleet_dir, "--state", (char *)state_dir, NULL};
    pid_t pid = 0;
    if (log_fd < 0)
        result = err_errno(info, err_from_errno(errno), errno, "cannot write the engine's log %s", log_path);
    else
        result = fork_engine(argv, log_fd, &pid, info);
    if (log_fd >= 0)
        close(log_fd);
    if (result == ERR_OK) {
        int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0); /* −1 where it has ended already */
        result = wait_for_engine(state_dir, log_path, pid_fd, deadline_us, info);
        if (pid_fd >= 0)
            close(pid_fd);
    }
    free(log_path);
    return result;
}

enum err spawn_engine(
    const char *fleet_dir, const char *state_dir, int64_t timeout_us, bool *started, struct err_info *info)
{
    int64_t deadline_us = clock_mono_us() + timeout_us;
    struct err_info why = {0};
    if (started)
        *started = false;
    if (engine_answers(state_dir, &why))
        return ERR_OK;
    if (why.code == ERR_DENIED)
        return err_set(info, ERR_DENIED, "%s", why.message);
    long holder;
    while ((holder = store_lock_holder(state_dir))) { /* one is beginning, or ending */
        if (engine_answers(state_dir, NULL))
            return ERR_OK;
        if (clock_mono_us() > deadline_us)
            return err_set(info, ERR_TIMEOUT, "the engine of %s (process %ld) does not answer", state_dir, holder);
        poll(NULL, 0, ASK_AGAIN_MS);
    }
    if (started)
        *started = true;
    return start(fleet_dir, state_dir, deadline_us, info);
}
