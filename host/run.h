/* Run a program and take what it says: execve with an absolute path, a clean environment (PATH, HOME=/root,
 * LANG=C.UTF-8), no shell, standard input from /dev/null, all other descriptors closed, own process group. At the
 * deadline the group is killed (SIGKILL) and reaped; a child that cannot die (stuck in the kernel) is left to a reaper
 * and never waited for. Any thread. */
#ifndef HOST_RUN_H
#define HOST_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* argv[0] is an absolute path; NULL-terminated. `out` and `errors` (either may be NULL: discarded) grow to their
 * ceilings, the rest is discarded. *status: exit status, or 128+signal. ERR_OK whenever the program ran to its end,
 * ERR_TIMEOUT, ERR_NOT_FOUND (no such program), ERR_FULL (out's ceiling passed), ERR_IO. */
enum err run_program(const char *const argv[], int64_t timeout_us, struct buf *out, struct buf *errors, int *status,
    struct err_info *info);

/* The same with further entries in the program's environment ("NAME=VALUE", NULL-terminated): only such as mean nothing
 * to the program itself (host/environment.h), ERR_DENIED otherwise. */
enum err run_program_with(const char *const argv[], const char *const more[], int64_t timeout_us, struct buf *out,
    struct buf *errors, int *status, struct err_info *info);

/* Each piece of a program's standard output as it comes; with length 0 (data NULL) about every 300 ms in which nothing
 * came. False: enough, the program is killed. */
typedef bool run_sink(void *context, const void *data, size_t length);

/* For output too large to be held: each piece goes to `sink`. `errors` as above; NULL: standard error goes the same way
 * as standard output. silence_us: how long nothing may be said, and, after its output has ended, how long the program
 * may take to end. Results as of run_program, ERR_CANCELLED where the sink had enough. */
enum err run_program_into(const char *const argv[], int64_t silence_us, run_sink *sink, void *context,
    struct buf *errors, int *status, struct err_info *info);

/* Start a program whose standard output is read by the caller, non-blocking (followers such as journalctl -f). *pid and
 * *out_fd are the caller's; run_end kills the group, reaps and closes. The child also dies with the helper
 * (PR_SET_PDEATHSIG), and, as that signal is bound to the thread that forked (prctl(2)), with the thread that called
 * run_start: it must outlive the child. */
enum err run_start(const char *const argv[], pid_t *pid, int *out_fd, struct err_info *info);
void run_end(pid_t pid, int out_fd);

/* Start a program with descriptors of the caller's (which stay the caller's): 0, 1 and 2 (-1: /dev/null), 3 and 4 (-1:
 * none). It dies as with run_start. To be ended by run_end(pid, -1) unless run_await said that it ended. */
struct run_fds {
    int in, out, errors, third, fourth;
};
enum err run_spawn(const char *const argv[], const struct run_fds *fds, pid_t *pid, struct err_info *info);
/* Wait for its end, at most timeout_us (0: only look): true once it ended, then *status is as of run_program and the
 * pid is no longer ours. */
bool run_await(pid_t pid, int64_t timeout_us, int *status);

/* The helper ends: every group started here gets SIGTERM, a second later SIGKILL, and is reaped; nothing can be started
 * any more (ERR_CANCELLED). A container engine's CLI uses that second to leave its state in order. Once, by main. */
void run_end_all(void);

/* A program that is only to succeed, `name` for a person. ERR_FAILED is the first line of what it said on standard
 * error; ERR_MISSING where argv[0] is NULL (run_find found none). */
enum err run_told(const char *name, const char *const argv[], int64_t timeout_us, struct err_info *info);

/* The first of the given absolute paths that is executable, or NULL. */
const char *run_find(const char *const candidates[]);

#endif
