/* One host, one thread, one connection at a time:
 *
 *     phase → [ dial (paced) → helper → subscribe, follow logs → listen … until it fails → say why → back off ] again
 *
 * Guarantees: every wait ends with collector_cancel; a host that stalls is lost within two intervals and never delays
 * another; `lost` is told once for each reason, and again only after something was received or the reason changed.
 * What the helper says is parsed by picture.h and parse_log.h; one thing of the wrong shape ends the connection. */
#include "collectors/collector.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "base/mem.h"
#include "collectors/liveness.h"
#include "collectors/parse_log.h"
#include "collectors/picture.h"
#include "remote/backoff.h"
#include "remote/dial_pace.h"
#include "remote/helper.h"
#include "remote/target.h"

#define DIAL_US (15 * USEC_PER_SEC) /* resolving, connecting, key exchange and login, jump hosts included */
#define OPEN_US (10 * USEC_PER_SEC) /* starting the helper and its hello */
#define REQUEST_US (10 * USEC_PER_SEC)

/* A fleet is dialled over this time, or over the interval where that is shorter. */
#define SPREAD_US (2 * USEC_PER_SEC)

/* A request may have 65,536 bytes (docs/protocol.md); some are for what surrounds the cursors. */
#define CURSORS_BYTES_MAX 60000

#define SAMPLES_AT_ONCE 60.0

struct collector {
    char *name;
    int64_t interval_us;
    const struct sink *sink;
    struct target *target;
    struct err_info target_error; /* where there is no target */
    struct picture *picture;
    struct backoff backoff;
    int cancel_fd; /* readable once and for all after collector_cancel */
    int retry_fd;  /* eventfd: readable once collector_retry was called */
    pthread_t thread;
    bool has_thread;

    enum err told_code; /* the loss the sink was told of; ERR_OK: none since the last report */
    char told_reason[REASON_SIZE];

    /* of the present connection: */
    struct connection *connection;
    struct helper *helper;
    struct liveness liveness;
    unsigned reports;
    double sample_room;     /* how many samples may come at once now */
    int64_t sample_mono_us; /* when that was reckoned */
    int64_t report_mono_us; /* of the last one; of the subscription before the first */
};

/* True once collector_cancel was called; waits for that so long. */
static bool is_cancelled(const struct collector *collector, int64_t wait_us)
{
    struct pollfd fd = {.fd = collector->cancel_fd, .events = POLLIN};
    int64_t until = clock_mono_us() + wait_us;
    for (;;) {
        int64_t left_us = until - clock_mono_us();
        struct timespec timeout = clock_timespec(left_us > 0 ? left_us : 0);
        int ready = ppoll(&fd, 1, &timeout, NULL);
        if (ready >= 0 || errno != EINTR)
            return ready > 0;
    }
}

/* Wait before the next try, or until collector_retry; true once it is to end. */
static bool back_off(struct collector *collector, int64_t wait_us)
{
    struct pollfd fds[] = {
        {.fd = collector->cancel_fd, .events = POLLIN}, {.fd = collector->retry_fd, .events = POLLIN}};
    struct timespec timeout = clock_timespec(wait_us);
    eventfd_t count;
    ppoll(fds, 2, &timeout, NULL);
    if (fds[1].revents && eventfd_read(collector->retry_fd, &count) == 0)
        backoff_reset(&collector->backoff);
    return is_cancelled(collector, 0);
}

/* --- what the sink is told of losses --- */

/* In a row that begins with the host's name, the message need not. */
static const char *without_name(const char *message, const char *name)
{
    size_t length = strlen(name);
    bool named = strncmp(message, name, length) == 0 && str_starts(message + length, ": ");
    return named ? message + length + 2 : message;
}

static void tell_lost(struct collector *collector, enum err err, const struct err_info *info)
{
    char reason[REASON_SIZE];
    const char *message = without_name(info->message, collector->name);
    str_format(reason, sizeof reason, "%s%s", err == ERR_GARBAGE ? "garbage: " : "", message);
    if (err == collector->told_code && strcmp(reason, collector->told_reason) == 0)
        return;
    collector->told_code = err;
    str_copy(collector->told_reason, sizeof collector->told_reason, reason);
    log_info("%s: lost (%s): %s", collector->name, err_word(err), reason);
    collector->sink->lost(collector->sink->owner, collector->name, err, reason);
}

/* --- getting there --- */

static enum err dial(struct collector *collector, struct err_info *info)
{
    const struct remote_target *target = target_address(collector->target);
    const char *jump = target_jump(collector->target);
    if (!pace_enter(jump, collector->cancel_fd))
        return err_set(info, ERR_CANCELLED, "cancelled");
    enum err err = remote_dial(target, DIAL_US, collector->cancel_fd, &collector->connection, info);
    pace_leave(jump);
    return err;
}

static enum err open_helper(struct collector *collector, struct err_info *info)
{
    enum err err = helper_open(collector->connection, "viewer", 0, OPEN_US, &collector->helper, info);
    if (err != ERR_OK)
        return err;
    if (!helper_can(collector->helper, "subscribe"))
        return err_set(
            info, ERR_DENIED, "the policy on the host does not let a viewer subscribe; see /etc/dogwatch/policy there");
    picture_begin(collector->picture, helper_hello(collector->helper));
    liveness_begin(&collector->liveness, collector->interval_us);
    return ERR_OK;
}

/* The first round trip, so that the first report knows the host's clock. */
static enum err ask_clock(struct collector *collector, struct err_info *info)
{
    json_t *answer;
    liveness_pinged(&collector->liveness, 1, clock_mono_us(), clock_wall_us());
    enum err err = helper_request(collector->helper, "ping", NULL, REQUEST_US, NULL, NULL, &answer, info);
    if (err == ERR_OK)
        liveness_answered(&collector->liveness, 1, answer, clock_mono_us());
    json_decref(answer);
    return err;
}

static enum err subscribe(struct collector *collector, struct err_info *info)
{
    json_t *args = json_object();
    json_put_i64(args, "interval_ms", collector->interval_us / USEC_PER_MSEC);
    collector->reports = 0;
    enum err err = helper_request(collector->helper, "subscribe", args, REQUEST_US, NULL, NULL, NULL, info);
    collector->report_mono_us = clock_mono_us();
    return err;
}

/* --- logs --- */

/* What fits into one request. A source whose cursor did not would begin anew with its last lines. */
static void put_cursors(const struct collector *collector, json_t *fitting, const json_t *all)
{
    const char *source;
    json_t *cursor;
    size_t bytes = 0, left_out = 0;
    json_object_foreach ((json_t *)all, source, cursor) {
        const char *text = json_string_value(cursor);
        size_t needed = strlen(source) + (text ? strlen(text) : 0) + sizeof "\"\":\"\",";
        if (text && bytes + needed <= CURSORS_BYTES_MAX && json_object_set(fitting, source, cursor) == 0)
            bytes += needed;
        else
            left_out++;
    }
    if (left_out > 0)
        log_warning("%s: %zu log cursors do not fit into a request; their sources begin with their last lines",
            collector->name, left_out);
}

static json_t *known_cursors(const struct collector *collector)
{
    json_t *cursors = json_object(), *all = NULL;
    struct err_info info = {0};
    char *text = collector->sink->log_cursors(collector->sink->owner, collector->name);
    if (text && json_parse(text, strlen(text), &all, &info) != ERR_OK)
        log_error("%s: its log cursors cannot be read: %s", collector->name, info.message);
    if (json_is_object(all))
        put_cursors(collector, cursors, all);
    json_decref(all);
    free(text);
    return cursors;
}

/* A host that refuses its logs is watched all the same. */
static enum err follow_logs(struct collector *collector, struct err_info *info)
{
    if (!helper_can(collector->helper, "logs.follow"))
        return ERR_OK;
    json_t *args = json_object();
    json_object_set_new(args, "cursors", known_cursors(collector));
    enum err err = helper_request(collector->helper, "logs.follow", args, REQUEST_US, NULL, NULL, NULL, info);
    if (err == ERR_OK || err == ERR_TIMEOUT || !helper_is_alive(collector->helper))
        return err;
    log_warning("%s: logs are not followed: %s", collector->name, without_name(info->message, collector->name));
    return ERR_OK;
}

static enum err take_log(struct collector *collector, const json_t *json, struct err_info *info)
{
    struct log_batch *batch;
    enum err err = parse_log(json, collector->name, clock_wall_us(), &batch, info);
    if (err == ERR_OK)
        collector->sink->logs(collector->sink->owner, batch);
    return err;
}

/* --- listening --- */

/* A host sends a sample an interval; after a stall several at once. One that sends many more is lying or broken, and
 * each of them would cost the engine the writing of all that the host has. */
static bool has_sample_room(struct collector *collector)
{
    int64_t now_us = clock_mono_us();
    collector->sample_room += 2.0 * (double)(now_us - collector->sample_mono_us) / (double)collector->interval_us;
    collector->sample_mono_us = now_us;
    if (collector->sample_room > SAMPLES_AT_ONCE)
        collector->sample_room = SAMPLES_AT_ONCE;
    if (collector->sample_room < 1)
        return false;
    collector->sample_room -= 1;
    return true;
}

static enum err take_sample(struct collector *collector, const json_t *json, struct err_info *info)
{
    struct host_report *report;
    if (!has_sample_room(collector))
        return ERR_OK;
    enum err err = picture_take_sample(collector->picture, json, collector->liveness.clock_offset_ms, &report, info);
    if (err != ERR_OK)
        return err;
    collector->report_mono_us = clock_mono_us();
    collector->told_code = ERR_OK;
    if (++collector->reports == 2) /* one alone may come from a host that dies of every connection */
        backoff_reset(&collector->backoff);
    collector->sink->report(collector->sink->owner, report);
    return ERR_OK;
}

static enum err take_event(struct collector *collector, const struct helper_event *event, struct err_info *info)
{
    switch (event->kind) {
    case HELPER_SAMPLE:
        return take_sample(collector, event->value, info);
    case HELPER_INVENTORY:
        return picture_take_inventory(collector->picture, event->value, info);
    case HELPER_LOG:
        return take_log(collector, event->value, info);
    case HELPER_OK:
    case HELPER_ERROR: /* an answer all the same; it has no clock */
        liveness_answered(&collector->liveness, event->id, event->value, clock_mono_us());
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

static enum err ping(struct collector *collector, struct err_info *info)
{
    int64_t id, now_us = clock_mono_us(), wall_us = clock_wall_us();
    enum err err = helper_send(collector->helper, "ping", NULL, collector->liveness.lost_us / 4, &id, info);
    if (err == ERR_OK)
        liveness_pinged(&collector->liveness, id, now_us, wall_us);
    return err;
}

/* After a while in which nothing came. */
static enum err judge_silence(const struct collector *collector, struct err_info *info)
{
    const struct liveness *liveness = &collector->liveness;
    int64_t now_us = clock_mono_us();
    char age[FORMAT_SIZE];
    if (liveness_is_lost(liveness, helper_heard_mono_us(collector->helper), now_us))
        return err_set(info, ERR_TIMEOUT, "no sign of life for %s", format_duration(liveness->lost_us, age));
    if (liveness_lacks_samples(liveness, collector->report_mono_us, now_us))
        return err_set(info, ERR_TIMEOUT, "the helper answers, but sends no sample for %s",
            format_duration(liveness->sample_us, age));
    return ERR_OK;
}

/* Until something fails. Silence is judged only once nothing is left to read: a process that was stopped itself must
 * not take that for the host's silence. */
static enum err listen(struct collector *collector, struct err_info *info)
{
    for (;;) {
        int64_t now_us = clock_mono_us(), heard_us = helper_heard_mono_us(collector->helper);
        enum err err = ERR_OK;
        if (liveness_wants_ping(&collector->liveness, heard_us, now_us))
            err = ping(collector, info);
        struct helper_event event;
        if (err == ERR_OK)
            err = helper_next(
                collector->helper, liveness_wait_us(&collector->liveness, heard_us, clock_mono_us()), &event, info);
        if (err != ERR_OK)
            return err;
        err = event.kind == HELPER_NOTHING ? judge_silence(collector, info) : take_event(collector, &event, info);
        json_decref(event.value);
        if (err != ERR_OK)
            return err;
    }
}

/* One connection from its beginning to its end; never ERR_OK. */
static enum err serve(struct collector *collector, struct err_info *info)
{
    static enum err (*const steps[])(struct collector *, struct err_info *) = {
        dial, open_helper, ask_clock, subscribe, follow_logs, listen};
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < sizeof steps / sizeof steps[0]; i++)
        err = steps[i](collector, info);
    helper_free(collector->helper);
    connection_free(collector->connection);
    collector->helper = NULL;
    collector->connection = NULL;
    return err;
}

static void *collector_run(void *data)
{
    struct collector *collector = data;
    int64_t spread_us = collector->interval_us < SPREAD_US ? collector->interval_us : SPREAD_US;
    if (!collector->target) {
        tell_lost(collector, collector->target_error.code, &collector->target_error);
        return NULL; /* only other fleet files cure this */
    }
    bool ended = is_cancelled(collector, pace_phase_us(collector->name, spread_us));
    while (!ended) {
        struct err_info info = {0};
        enum err err = serve(collector, &info);
        if (is_cancelled(collector, 0))
            break;
        tell_lost(collector, err, &info);
        ended = back_off(collector, backoff_next_us(&collector->backoff, err));
    }
    return NULL;
}

/* --- beginning and end --- */

/* Measured: at most 32 KiB are ever touched, through dialling, key exchange, login and the faults of the tests.
 * Sanitisers need several times as much. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES (1024 * 1024)
#else
#define STACK_BYTES (128 * 1024)
#endif

/* Signals are the main thread's. */
static int start_thread(struct collector *collector)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&collector->thread, &attributes, collector_run, collector);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

struct collector *collector_start(
    const struct fleet *fleet, const struct host_def *host, const char *state_dir, const struct sink *sink)
{
    struct collector *collector = xcalloc(1, sizeof *collector);
    collector->name = xstrdup(host->name);
    collector->interval_us = fleet->interval_us;
    collector->sink = sink;
    collector->picture = picture_new(host, fleet->interval_us);
    target_for_engine(fleet, host, state_dir, "viewer", &collector->target, &collector->target_error);
    collector->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    collector->retry_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failure = collector->cancel_fd < 0 || collector->retry_fd < 0 ? errno : start_thread(collector);
    collector->has_thread = failure == 0;
    if (failure) {
        struct err_info info;
        enum err err = err_errno(&info, err_from_errno(failure), failure, "cannot start collecting");
        tell_lost(collector, err, &info);
    }
    return collector;
}

void collector_retry(struct collector *collector)
{
    if (collector->retry_fd >= 0)
        eventfd_write(collector->retry_fd, 1);
}

void collector_cancel(struct collector *collector)
{
    if (collector->cancel_fd >= 0)
        eventfd_write(collector->cancel_fd, 1);
}

void collector_free(struct collector *collector)
{
    if (!collector)
        return;
    collector_cancel(collector);
    if (collector->has_thread)
        pthread_join(collector->thread, NULL);
    if (collector->cancel_fd >= 0)
        close(collector->cancel_fd);
    if (collector->retry_fd >= 0)
        close(collector->retry_fd);
    target_free(collector->target);
    picture_free(collector->picture);
    free(collector->name);
    free(collector);
}
