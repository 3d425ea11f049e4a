/* rsync 3.1 and later. Its client says how far it is with --info=progress2 and what it did with --stats; with
 * --no-human-readable both print plain figures. Blocks in poll(2) for at most 300 ms at a time. */
#include "host/transfer/rsync.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/run.h"
#include "host/transfer/confine.h"
#include "host/transfer/piped.h"

#define STEP_MS 300
#define STEP_US (STEP_MS * USEC_PER_MSEC)
#define LINE_CEILING 1024u
#define STATUS_VANISHED 24 /* rsync(1), EXIT VALUES */
#define STATUS_PARTIAL 23
#define STATUS_WAY 255 /* ssh(1) where it does not get there */
#define WAY_END_US (5 * USEC_PER_SEC)

static const char *find_rsync(void)
{
    static const char *const programs[] = {"/usr/bin/rsync", "/bin/rsync", "/usr/local/bin/rsync", NULL};
    return run_find(programs);
}

/* --- what it says ---------------------------------------------------------------------------------------------------
 */

static bool number_at(const char *text, int64_t *out)
{
    char digits[24];
    text += strspn(text, " ");
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length >= sizeof digits)
        return false;
    str_format(digits, sizeof digits, "%.*s", (int)length, text);
    return str_to_i64(digits, 0, INT64_MAX, out);
}

static bool number_after(const char *line, const char *words, int64_t *out)
{
    return str_starts(line, words) && number_at(line + strlen(words), out);
}

/* "  1234567  45%  12.30MB/s    0:00:01 (xfr#5, to-chk=169/396)" */
static void read_progress(const char *line, struct transfer_count *count)
{
    int64_t bytes, percent, files;
    const char *after = line + strspn(line, " ");
    const char *files_at = strstr(line, "(xfr#");
    if (!number_at(line, &bytes))
        return;
    after += strspn(after, "0123456789");
    if (!number_at(after, &percent) || !strchr(after, '%'))
        return;
    count->bytes = bytes;
    if (percent > 0 && count->total_bytes == 0)
        count->total_bytes = bytes * 100 / percent;
    if (files_at && number_at(files_at + strlen("(xfr#"), &files))
        count->files = files;
}

void rsync_read_line(const char *line, struct transfer_count *count)
{
    if (number_after(line, "Number of regular files transferred:", &count->files) ||
        number_after(line, "Total file size:", &count->total_bytes) ||
        number_after(line, "Total bytes sent:", &count->bytes))
        return;
    read_progress(line, count);
}

static void read_lines(int fd, struct buf *line, struct transfer_count *count)
{
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i] != '\n' && chunk[i] != '\r') {
                buf_putc(line, chunk[i]);
                continue;
            }
            rsync_read_line(buf_text(line), count);
            buf_clear(line);
        }
    }
}

/* --- sending --------------------------------------------------------------------------------------------------------
 */

/* Of all that was said, the line that says most: the other end's own words, else the first. "rsync error: …" only says
 * that there was one. */
static void best_line(const char *said, char *out, size_t out_size)
{
    const char *best = said + strspn(said, "\r\n");
    for (const char *line = best; *line; line += strcspn(line, "\n"), line += strspn(line, "\r\n")) {
        if (str_starts(line, "rsync") || line[0] == '@') /* ssh draws a frame of these around its worst news */
            continue;
        best = line;
        break;
    }
    sanitize(out, out_size, best, strcspn(best, "\r\n"));
}

/* By what is said on the way, or by rsync. ERR_UNREACHABLE: another way may lead there. */
static const struct {
    const char *says;
    enum err code;
} failures[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", ERR_HOST_KEY}, {"Host key verification failed", ERR_HOST_KEY},
    {"No space left on device", ERR_FULL}, {"Disk quota exceeded", ERR_FULL}, {"is not installed", ERR_MISSING},
    {"the transfer was closed", ERR_CANCELLED}, {"not marked incoming", ERR_DENIED},
    {"only receiving by rsync", ERR_DENIED},
    {"password is required", ERR_DENIED}, /* sudo: enrolled before there were transfers */
};

static enum err failure(struct piped *rsync, struct piped *way, struct err_info *info)
{
    char line[400];
    struct buf said = BUF(65536);
    bool no_way = way && piped_ended(way, WAY_END_US) && way->status == STATUS_WAY;
    if (way)
        buf_puts(&said, buf_text(&way->errors));
    piped_listen(rsync);
    buf_puts(&said, buf_text(&rsync->errors));
    best_line(buf_text(&said), line, sizeof line);
    enum err code = no_way ? ERR_UNREACHABLE : ERR_FAILED;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (strstr(buf_text(&said), failures[i].says))
            code = failures[i].code;
    buf_free(&said);
    if (code == ERR_HOST_KEY)
        return err_set(info, code, "the target shows another host key to this host than the console knows");
    return no_way ? err_set(info, code, "the target cannot be reached from here: %s", line)
                  : err_set(info, code, "rsync ended with %d: %s", rsync->status, line);
}

static enum err judge(const struct transfer *transfer, struct piped *rsync, struct piped *way, struct err_info *info)
{
    bool incomplete = rsync->status == STATUS_PARTIAL || rsync->status == STATUS_VANISHED;
    if (rsync->status == 0 || (incomplete && !transfer->last))
        return ERR_OK;
    return failure(rsync, way, info);
}

static enum err watch_client(
    struct piped *rsync, const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info)
{
    struct buf line = BUF(LINE_CEILING);
    enum err result = ERR_OK;
    while (result == ERR_OK && !piped_ended(rsync, 0)) {
        struct pollfd wait = {.fd = rsync->out_fd, .events = POLLIN};
        poll(&wait, 1, STEP_MS);
        read_lines(rsync->out_fd, &line, count);
        if (watch->progress)
            watch->progress(watch->context, count);
        if (!watch->goes_on(watch->context))
            result = err_set(info, ERR_CANCELLED, "the transfer was closed");
        if (wait.revents & POLLHUP && !piped_ended(rsync, STEP_US))
            continue;
    }
    read_lines(rsync->out_fd, &line, count);
    buf_free(&line);
    return result;
}

enum err rsync_send(const struct transfer *transfer, int in_fd, int out_fd, struct piped *way,
    const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info)
{
    char limit[48] = "--bwlimit=0", own[HOST_PATH_SIZE] = "";
    const char *program = find_rsync();
    if (!program)
        return err_set(info, ERR_MISSING, "rsync is not installed on this host");
    if (readlink("/proc/self/exe", own, sizeof own - 1) <= 0)
        return err_errno(info, ERR_IO, errno, "the helper does not find itself");
    if (transfer->limit_bytes_s > 0)
        str_format(limit, sizeof limit, "--bwlimit=%lld", (long long)((transfer->limit_bytes_s + 1023) / 1024));
    const char *const argv[] = {own, "--confine-to-read", transfer->path, program, "-aHAXS", "--numeric-ids",
        "--delete", "--partial", "--timeout=120", "--no-inc-recursive", "--no-human-readable", "--info=progress2",
        "--stats", "--outbuf=L", limit, "-e", CONFINE_HELPER " --relay", "--", CONFINE_DATA "/",
        "target:" CONFINE_DATA "/", NULL};
    struct piped rsync;
    enum err result =
        piped_start(&rsync, argv, &(struct piped_wish){.out = true, .third = in_fd, .fourth = out_fd}, info);
    if (result == ERR_OK)
        result = watch_client(&rsync, watch, count, info);
    if (result == ERR_OK)
        result = judge(transfer, &rsync, way, info);
    piped_free(&rsync);
    return result;
}

/* --- receiving ------------------------------------------------------------------------------------------------------
 */

/* Options that take no part in where and what is written; the rest of rsync's own are for other purposes than ours. */
static bool option_is_known(const char *word)
{
    static const char *const exact[] = {"--delete", "--delete-during", "--delete-before", "--delete-delay",
        "--delete-after", "--stats", "--partial", "--numeric-ids", "--no-inc-recursive", "--sparse", "--inplace"};
    static const char *const with_number[] = {"--timeout=", "--bwlimit="};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (strcmp(word, exact[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof with_number / sizeof *with_number; i++) {
        const char *number = word + strlen(with_number[i]);
        if (str_starts(word, with_number[i]) && *number && number[strspn(number, "0123456789")] == '\0')
            return true;
    }
    return false;
}

/* "-lHogDtpAXrSe.LsfxCIvu": letters of -aHAXSv, and what follows -e, which is not a shell here but what the client can
 * do (rsync's options.c, maybe_add_e_option). */
static bool letters_are_known(const char *word)
{
    size_t known = word[0] == '-' ? 1 + strspn(word + 1, "lHogDtpAXrSvz") : 0;
    if (known < 2)
        return false;
    if (word[known] == '\0')
        return true;
    static const char can[] = "0123456789.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *rest = word + known;
    return rest[0] == 'e' && strchr(rest, '.') && rest[strspn(rest, can)] == '\0';
}

enum err rsync_vet(
    const char *command, char copy[RSYNC_COMMAND_SIZE], const char *words[RSYNC_MOST_WORDS], struct err_info *info)
{
    size_t count = 0;
    bool letters = false, done = false;
    char *rest = copy;
    if (!str_copy(copy, RSYNC_COMMAND_SIZE, command) || !str_starts(command, "rsync --server "))
        return err_set(info, ERR_DENIED, "only receiving by rsync is allowed here");
    for (char *word; !done && (word = strsep(&rest, " ")) != NULL && count < RSYNC_MOST_WORDS - 1;) {
        done = count >= 3 && strcmp(word, ".") == 0;
        bool known = done || count < 2 || (count == 2 ? (letters = letters_are_known(word)) : option_is_known(word));
        if (!known)
            return err_set(
                info, ERR_DENIED, "only receiving by rsync is allowed here, without other options than ours");
        if (!done)
            words[count++] = word;
    }
    words[count] = NULL;
    return done && letters ? ERR_OK : err_set(info, ERR_DENIED, "this is no whole command line of rsync's server");
}

enum err rsync_receive(const struct transfer *transfer, const char *command, int in_fd, int out_fd,
    const struct transfer_watch *watch, struct err_info *info)
{
    char copy[RSYNC_COMMAND_SIZE], own[HOST_PATH_SIZE] = "";
    const char *words[RSYNC_MOST_WORDS], *argv[RSYNC_MOST_WORDS + 8] = {own, "--confine", transfer->path};
    const char *program = find_rsync();
    int status;
    pid_t pid;
    enum err result = rsync_vet(command, copy, words, info);
    if (result != ERR_OK)
        return result;
    if (!program || readlink("/proc/self/exe", own, sizeof own - 1) <= 0)
        return err_set(info, ERR_MISSING, "rsync is not installed on this host");
    size_t count = 3;
    argv[count++] = program;
    for (size_t i = 1; words[i]; i++)
        argv[count++] = words[i];
    argv[count++] = ".";
    argv[count] = CONFINE_DATA "/";
    struct run_fds fds = {.in = in_fd, .out = out_fd, .errors = STDERR_FILENO, .third = -1, .fourth = -1};
    result = run_spawn(argv, &fds, &pid, info);
    if (result != ERR_OK)
        return result;
    while (!run_await(pid, STEP_US, &status)) {
        if (watch->goes_on(watch->context))
            continue;
        run_end(pid, -1);
        return err_set(info, ERR_CANCELLED, "the transfer was closed");
    }
    return status == 0 ? ERR_OK : err_set(info, ERR_FAILED, "rsync ended with %d", status);
}
