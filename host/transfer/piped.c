/* Pipes around run_spawn (host/run.h). */
#include "host/transfer/piped.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitize.h"
#include "host/run.h"

#define ERRORS_CEILING 16384u

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ours: the end that is kept, non-blocking; theirs: the program's. */
static bool make_pipe(bool wanted, bool we_read, int *ours, int *theirs)
{
    int ends[2];
    *ours = *theirs = -1;
    if (!wanted)
        return true;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *ours = ends[we_read ? 0 : 1];
    *theirs = ends[we_read ? 1 : 0];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

enum err piped_start(
    struct piped *piped, const char *const argv[], const struct piped_wish *wish, struct err_info *info)
{
    struct run_fds fds = {.in = -1, .out = -1, .errors = -1, .third = wish->third, .fourth = wish->fourth};
    *piped = (struct piped){
        .program = argv[0], .pid = -1, .in_fd = -1, .out_fd = -1, .errors_fd = -1, .errors = BUF(ERRORS_CEILING)};
    bool made = make_pipe(wish->in, false, &piped->in_fd, &fds.in) &&
                make_pipe(wish->out, true, &piped->out_fd, &fds.out) &&
                make_pipe(true, true, &piped->errors_fd, &fds.errors);
    enum err result = made ? run_spawn(argv, &fds, &piped->pid, info)
                           : err_errno(info, ERR_IO, errno, "cannot make a pipe for %s", argv[0]);
    if (result != ERR_OK)
        piped->pid = -1;
    close_fd(&fds.in);
    close_fd(&fds.out);
    close_fd(&fds.errors);
    return result;
}

void piped_close_in(struct piped *piped)
{
    close_fd(&piped->in_fd);
}

/* What exceeds the ceiling pushes out what came first: the last words count. */
void piped_listen(struct piped *piped)
{
    char chunk[2048];
    ssize_t got;
    while (piped->errors_fd >= 0 && (got = read(piped->errors_fd, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return;
        if (piped->errors.length + (size_t)got > ERRORS_CEILING)
            buf_consume(&piped->errors, piped->errors.length / 2 + 1);
        buf_append(&piped->errors, chunk, (size_t)got);
    }
    close_fd(&piped->errors_fd);
}

bool piped_ended(struct piped *piped, int64_t timeout_us)
{
    piped_listen(piped);
    if (piped->pid < 0)
        return true;
    if (!run_await(piped->pid, timeout_us, &piped->status))
        return false;
    piped->pid = -1;
    piped_listen(piped);
    return true;
}

void piped_said(struct piped *piped, char *out, size_t out_size)
{
    piped_listen(piped);
    const char *text = buf_text(&piped->errors);
    size_t end = piped->errors.length;
    while (end > 0 && strchr("\r\n ", text[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    sanitize(out, out_size, text + begin, end - begin);
}

enum err piped_outcome(struct piped *piped, struct err_info *info)
{
    char said[400];
    if (piped->status == 0)
        return ERR_OK;
    piped_said(piped, said, sizeof said);
    return err_set(info, ERR_FAILED, "%s failed (%d)%s%s", piped->program, piped->status, *said ? ": " : "", said);
}

void piped_free(struct piped *piped)
{
    close_fd(&piped->in_fd);
    if (piped->pid >= 0)
        run_end(piped->pid, -1);
    piped->pid = -1;
    close_fd(&piped->out_fd);
    close_fd(&piped->errors_fd);
    buf_free(&piped->errors);
}
