/* Log lines for a person or a script: the last ones first found, printed oldest first; --follow goes on with what
 * arrives. Everything printed as text is sanitised; JSON carries the text as the host said it. One thread. */
#include "views/log_command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "store/reader.h"

#define FOLLOW_EVERY_MS 200
#define LINES_DEFAULT "200"
#define LINES_MAX 1000000
#define ERROR_PRIORITY 3 /* syslog: err and worse */

/* --- one line ----------------------------------------------------------------------------------------------------- */

static void print_text(const struct log_entry *entry, bool colour, FILE *out)
{
    char stamp[32] = "";
    char unit[CONTAINER_NAME_SIZE * 4], host[NAME_SIZE * 4];
    time_t at = (time_t)(entry->at_us / USEC_PER_SEC);
    struct tm local;
    if (localtime_r(&at, &local))
        strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
    sanitize(host, sizeof host, entry->host, strlen(entry->host));
    const char *from = entry->container[0] ? entry->container : entry->unit;
    sanitize(unit, sizeof unit, from, strlen(from));
    fprintf(out, colour ? "\033[2m%s\033[0m \033[36m%s\033[0m \033[1m%s\033[0m " : "%s %s %s ", stamp, host, unit);
    if (entry->dropped) {
        fprintf(out, "… %llu line%s dropped by the rate limit\n", (unsigned long long)entry->dropped,
            entry->dropped == 1 ? "" : "s");
        return;
    }
    char *text = sanitize_dup(entry->text, strlen(entry->text), 64 * 1024);
    bool red = colour && entry->priority <= ERROR_PRIORITY;
    fprintf(out, "%s%s%s\n", red ? "\033[31m" : "", text, red ? "\033[0m" : "");
    free(text);
}

static void print_json(const struct log_entry *entry, FILE *out)
{
    char at[CLOCK_RFC3339_SIZE];
    json_t *object = json_object();
    json_put_text(object, "at", clock_rfc3339(entry->at_us, 6, at));
    json_put_text(object, "host", entry->host);
    json_put_text(object, "site", entry->site);
    json_put_text(object, "container", entry->container);
    json_put_text(object, "unit", entry->unit);
    json_put_text(object, "source", entry->source);
    json_put_text(object, "stream", entry->is_stderr ? "stderr" : "stdout");
    json_object_set_new(object, "priority", entry->priority > 7 ? json_null() : json_integer(entry->priority));
    json_put_i64(object, "dropped", (int64_t)entry->dropped);
    json_put_text(object, "text", entry->text);
    json_dumpf(object, out, JSON_COMPACT | JSON_ENSURE_ASCII); /* a terminal may be reading */
    fputc('\n', out);
    json_decref(object);
}

void log_entry_print(const struct log_entry *entry, enum log_format format, bool colour, FILE *out)
{
    if (format == LOG_FORMAT_JSON)
        print_json(entry, out);
    else
        print_text(entry, colour, out);
}

/* --- searching
 */

/* The query gives the newest first; they are printed the other way round. */
struct printed_lines {
    enum log_format format;
    bool colour;
    const struct log_place *place; /* what came behind it is left to follow(); NULL: nothing is */
    size_t left;                   /* how many more are wanted */
    VEC(char *) lines;
};

/* Whether it came after the place was taken: behind the place's ID of its day, or in a day's file that was not there
 * then. (Of more than four files only the newest are in the place; older ones no longer grow.) */
static bool came_later(const struct log_place *place, const struct log_entry *entry)
{
    int32_t oldest = INT32_MAX;
    for (size_t i = 0; i < sizeof place->days / sizeof place->days[0]; i++) {
        if (place->days[i].day == entry->day)
            return entry->id > place->days[i].id;
        oldest = place->days[i].day < oldest ? place->days[i].day : oldest; /* 0: a free slot, all files are known */
    }
    return entry->day > oldest;
}

static bool keep_line(void *arg, const struct log_entry *entry)
{
    struct printed_lines *printed = arg;
    char *text = NULL;
    size_t length = 0;
    if (printed->place && came_later(printed->place, entry))
        return true;
    FILE *memory = open_memstream(&text, &length);
    if (!memory)
        return false;
    log_entry_print(entry, printed->format, printed->colour, memory);
    fclose(memory);
    vec_push(&printed->lines, text);
    return --printed->left > 0;
}

enum err log_print_found(struct log_reader *reader, const struct log_filter *filter, const struct log_place *place,
    enum log_format format, bool colour, FILE *out, struct err_info *info)
{
    struct log_filter asked = *filter;
    struct printed_lines printed = {
        .format = format, .colour = colour, .place = place, .left = filter->limit ? filter->limit : SIZE_MAX};
    if (place) /* lines that are passed over do not count */
        asked.limit = 0;
    enum err err = log_query(reader, &asked, keep_line, &printed, info);
    for (size_t i = printed.lines.count; i-- > 0;) {
        if (!err)
            fputs(printed.lines.items[i], out);
        free(printed.lines.items[i]);
    }
    vec_free(&printed.lines);
    return err;
}

/* --- what was asked for ------------------------------------------------------------------------------------------- */

struct log_request {
    struct log_filter filter;
    enum log_format format;
    bool follow, colour;
};

static bool print_line(void *arg, const struct log_entry *entry)
{
    const struct log_request *request = arg;
    log_entry_print(entry, request->format, request->colour, stdout);
    return !ferror(stdout);
}

/* Ends on SIGINT, SIGTERM, or when nobody reads standard output any more. */
static enum err follow(
    struct log_reader *reader, const struct log_request *request, struct log_place *place, struct err_info *info)
{
    struct log_filter filter = request->filter;
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    struct pollfd fds[2] = {
        {.fd = signalfd(-1, &ending, SFD_CLOEXEC), .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = 0},
    };
    filter.limit = 1000;
    filter.since_us = filter.until_us = 0;
    enum err err = ERR_OK;
    while (!err && !ferror(stdout)) {
        err = log_follow(reader, &filter, place, print_line, (void *)request, info);
        if (fflush(stdout))
            break;
        if (poll(fds, 2, FOLLOW_EVERY_MS) > 0 && (fds[0].revents || fds[1].revents & (POLLERR | POLLHUP)))
            break;
    }
    close(fds[0].fd);
    return err;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* A name nobody ever heard of is a typing mistake: say so. Without a store (only logs were kept) anything goes. */
static enum err check_name(
    const struct snapshot *snapshot, enum object_kind kind, const char *wanted, struct err_info *info)
{
    size_t count = kind == KIND_SITE   ? snapshot->site_count
                   : kind == KIND_HOST ? snapshot->host_count
                                       : snapshot->container_count;
    const char **names = xcalloc(count + 1, sizeof *names);
    bool found = !wanted;
    for (size_t i = 0; i < count; i++) {
        names[i] = kind == KIND_SITE   ? snapshot->sites[i].name
                   : kind == KIND_HOST ? snapshot->hosts[i].name
                                       : snapshot->containers[i].name;
        found = found || strcmp(names[i], wanted) == 0;
    }
    const char *nearest = found ? NULL : name_nearest(wanted, names, count);
    free(names);
    if (found)
        return ERR_OK;
    if (!nearest)
        return err_set(info, ERR_NOT_FOUND, "no %s is called \"%s\"", object_kind_word(kind), wanted);
    return err_set(
        info, ERR_NOT_FOUND, "no %s is called \"%s\"; did you mean \"%s\"?", object_kind_word(kind), wanted, nearest);
}

static enum err check_names(const char *state_dir, const struct log_filter *filter, struct err_info *info)
{
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    if (!filter->site && !filter->host && !filter->container)
        return ERR_OK;
    enum err err = store_reader_open(state_dir, &reader, NULL);
    if (!err)
        err = store_read_snapshot(reader, &snapshot, NULL);
    store_reader_close(reader);
    if (err)
        return ERR_OK;
    err = check_name(snapshot, KIND_SITE, filter->site, info);
    if (!err)
        err = check_name(snapshot, KIND_HOST, filter->host, info);
    if (!err)
        err = check_name(snapshot, KIND_CONTAINER, filter->container, info);
    snapshot_free(snapshot);
    return err;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

static enum err run(const char *state_dir, const struct log_request *request, struct err_info *info)
{
    struct log_reader *reader = NULL;
    struct log_place place;
    enum err err = check_names(state_dir, &request->filter, info);
    if (!err)
        err = log_reader_open(state_dir, &reader, info);
    if (!err)
        err = log_place_now(reader, &place, info);
    if (!err)
        err = log_print_found(
            reader, &request->filter, request->follow ? &place : NULL, request->format, request->colour, stdout, info);
    if (!err && request->follow)
        err = follow(reader, request, &place, info);
    if (!err && fflush(stdout) && errno != EPIPE)
        err = err_errno(info, ERR_IO, errno, "cannot write to standard output");
    log_reader_close(reader);
    return err;
}

static enum err parse_times(
    const char *since, const char *until, const char *lines, struct log_filter *filter, struct err_info *info)
{
    int64_t now_us = clock_wall_us(), limit = 0;
    if (since && !clock_parse_moment(since, now_us, &filter->since_us))
        return err_set(info, ERR_INVALID, "--since %s is no time; try 15m, 24h or \"2026-01-31 03:00\"", since);
    if (until && !clock_parse_moment(until, now_us, &filter->until_us))
        return err_set(info, ERR_INVALID, "--until %s is no time; try 15m, 24h or \"2026-01-31 03:00\"", until);
    if (!str_to_i64(lines, 0, LINES_MAX, &limit))
        return err_set(info, ERR_INVALID, "--lines %s is no number from 0 (all) to %d", lines, LINES_MAX);
    filter->limit = (size_t)limit;
    return ERR_OK;
}

int log_main(int argc, char **argv)
{
    struct log_request request = {.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
    const char *format = "text", *since = NULL, *until = NULL, *lines = LINES_DEFAULT;
    const struct cli_option options[] = {
        {"site", "NAME", "only lines of this site's containers", &request.filter.site, NULL},
        {"host", "NAME", "only lines of this host", &request.filter.host, NULL},
        {"container", "NAME", "only lines of containers of this name", &request.filter.container, NULL},
        {"since", "TIME", "nothing older: 15m, 24h, 2026-01-31, \"2026-01-31 03:00\"", &since, NULL},
        {"until", "TIME", "nothing newer", &until, NULL},
        {"grep", "WORDS", "lines with all these words; \"several words\" in quotes is a phrase", &request.filter.words,
            NULL},
        {"lines", "N", "at most the newest N that match (" LINES_DEFAULT "; 0: all)", &lines, NULL},
        {"follow", NULL, "go on with what arrives, until Ctrl-C", NULL, &request.follow},
        {"format", "text|json", "json: one object a line", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct cli cli = {.usage = "dogwatch log [OPTION…]",
        .summary = "Search the log lines of containers and hosts, oldest first.",
        .options = options};
    struct err_info info = {0};
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err || cli.help)
        goto out;
    if (strcmp(format, "json") == 0)
        request.format = LOG_FORMAT_JSON;
    else if (strcmp(format, "text") != 0)
        err = err_set(&info, ERR_INVALID, "--format %s is unknown; there are: text, json", format);
    if (!err)
        err = parse_times(since, until, lines, &request.filter, &info);
    if (!err && request.follow && until)
        err = err_set(&info, ERR_INVALID, "--follow has no end: leave out --until");
    if (err)
        goto out;
    signal(SIGPIPE, SIG_IGN);
    char *state_dir = paths_state_dir(cli.state_dir);
    err = run(state_dir, &request, &info);
    free(state_dir);
out:
    cli_free(&cli);
    return err ? cli_fail(&info) : 0;
}
