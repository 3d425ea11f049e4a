/* The model's thread and what leads in and out of it.
 *
 * Collectors hand over whole reports. What waits is kept by host, and a newer report takes the place of an older one
 * (counted): a model that falls behind loses samples, never the newest state, and never memory. Lines of logs do not
 * pass here, they go straight to the log store. A host whose collector falls silent without a word is given up by the
 * model itself. */
#include "engine/model.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event_limit.h"
#include "engine/timeline.h"
#include "store/intake.h"

#define WAITING_ITEMS 32768
#define WAITING_BYTES ((size_t)256 << 20)
#define BATCH_ITEMS 64
#define CHECK_US USEC_PER_SEC

enum message_type { MESSAGE_REPORT, MESSAGE_LOST, MESSAGE_FLEET };

struct message {
    struct intake_item item;
    enum message_type type;
    struct host_report *report;
    enum err code;
    char host[NAME_SIZE];
    char reason[REASON_SIZE];
};

struct model {
    struct model_outputs outputs;
    struct fleet_box *fleets;
    const struct fleet *fleet; /* held; the thread's own */
    struct present *present;   /* the thread's own */
    struct present_writer writer;
    struct event_limit *event_limit; /* the thread's own */
    const char *reporting;           /* the host whose report is taken in, or NULL; the thread's own */
    struct sink sink;
    struct intake *intake;
    pthread_t thread;
    int64_t next_check_us; /* monotonic; the thread's own */
    atomic_uint_fast64_t replaced;
    pthread_mutex_t mutex; /* of totals */
    struct present_totals totals;
};

/* --- in ----------------------------------------------------------------------------------------------------------- */

static void release_message(void *owner, struct intake_item *item, bool lost)
{
    struct model *model = owner;
    struct message *message = (struct message *)item;
    if (!lost && message->type == MESSAGE_REPORT)
        atomic_fetch_add(&model->replaced, 1); /* what is lost the intake counts itself */
    if (message->report)
        host_report_free(message->report);
    free(message);
}

static struct message *new_message(enum message_type type, const char *host)
{
    struct message *message = xcalloc(1, sizeof *message);
    message->type = type;
    message->item.bytes = sizeof *message;
    str_copy(message->host, sizeof message->host, host);
    message->item.key = message->host[0] ? message->host : NULL;
    return message;
}

static void take_report(void *owner, struct host_report *report)
{
    struct model *model = owner;
    struct message *message = new_message(MESSAGE_REPORT, report->host.name);
    message->report = report;
    message->item.bytes += sizeof *report + report->container_count * sizeof *report->containers +
                           report->volume_count * sizeof *report->volumes + report->mark_count * sizeof *report->marks;
    intake_put(model->intake, &message->item);
}

static void take_loss(void *owner, const char *host, enum err code, const char *reason)
{
    struct model *model = owner;
    struct message *message = new_message(MESSAGE_LOST, host);
    message->code = code;
    str_copy(message->reason, sizeof message->reason, reason);
    intake_put(model->intake, &message->item);
}

static void take_logs(void *owner, struct log_batch *batch)
{
    struct model *model = owner;
    log_store_append(model->outputs.logs, batch);
}

static char *give_cursors(void *owner, const char *host)
{
    struct model *model = owner;
    return log_store_cursors(model->outputs.logs, host);
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

static void put_host(void *owner, const struct host_state *host)
{
    store_put_host(((struct model *)owner)->outputs.store, host);
}

static void put_site(void *owner, const struct site_state *site)
{
    store_put_site(((struct model *)owner)->outputs.store, site);
}

static void put_container(void *owner, const struct container_state *container)
{
    store_put_container(((struct model *)owner)->outputs.store, container);
}

static void put_volume(void *owner, const struct volume_state *volume)
{
    store_put_volume(((struct model *)owner)->outputs.store, volume);
}

/* History on disk stays: a container that is made anew under its name goes on in the same file. */
static void remove_object(void *owner, enum object_kind kind, const char *key)
{
    struct model *model = owner;
    store_remove(model->outputs.store, kind, key);
    recent_remove(model->outputs.recent, kind, key);
}

/* From the limit, or past it where no host's report is the cause. */
static void put_event(void *owner, const struct event *event)
{
    struct model *model = owner;
    if (event->severity >= SEVERITY_WARNING)
        log_warning("%s: %s", event->kind, event->text);
    else
        log_info("%s: %s", event->kind, event->text);
    store_add_event(model->outputs.store, event);
}

static void add_event(void *owner, const struct event *event)
{
    struct model *model = owner;
    if (model->reporting)
        event_limit_add(model->event_limit, model->reporting, event);
    else
        put_event(model, event);
}

static void add_sample(void *owner, enum object_kind kind, const char *key, int64_t at_us, const double *metrics)
{
    struct model *model = owner;
    if (kind == KIND_SITE && model->reporting)
        series_append_from(model->outputs.series, model->reporting, kind, key, at_us, metrics);
    else
        series_append(model->outputs.series, kind, key, at_us, metrics);
    recent_add(model->outputs.recent, kind, key, at_us, metrics);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static void take_over_fleet(struct model *model)
{
    const struct fleet *old = model->fleet;
    model->fleet = fleet_box_hold(model->fleets);
    present_set_fleet(model->present, model->fleet, clock_wall_us());
    if (old)
        fleet_box_release(model->fleets, old);
}

static void handle(struct model *model, struct message *message)
{
    switch (message->type) {
    case MESSAGE_REPORT:
        model->reporting = message->host;
        present_report(model->present, message->report, clock_wall_us());
        model->reporting = NULL;
        break;
    case MESSAGE_LOST:
        present_lost(model->present, message->host, message->code, message->reason, clock_wall_us());
        break;
    case MESSAGE_FLEET:
        take_over_fleet(model);
        break;
    }
}

static void check(struct model *model)
{
    if (clock_mono_us() < model->next_check_us)
        return;
    model->next_check_us = clock_mono_us() + CHECK_US;
    present_check_silence(model->present, clock_wall_us());
    event_limit_check(model->event_limit, clock_wall_us());
    struct present_totals totals = present_totals(model->present);
    pthread_mutex_lock(&model->mutex);
    model->totals = totals;
    pthread_mutex_unlock(&model->mutex);
}

static void *run(void *arg)
{
    static const struct intake_batch batch = {BATCH_ITEMS, SIZE_MAX, CHECK_US, 0};
    struct model *model = arg;
    struct intake_item *items[BATCH_ITEMS];
    size_t count;
    do {
        count = intake_take(model->intake, items, &batch);
        for (size_t i = 0; i < count; i++) {
            struct message *message = (struct message *)items[i];
            handle(model, message);
            if (message->report)
                host_report_free(message->report);
            free(message);
        }
        check(model);
    } while (count || !intake_is_closed(model->intake));
    event_limit_check(model->event_limit, INT64_MAX);
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void model_free(struct model *model)
{
    present_free(model->present);
    event_limit_free(model->event_limit);
    if (model->fleet)
        fleet_box_release(model->fleets, model->fleet);
    intake_free(model->intake);
    pthread_mutex_destroy(&model->mutex);
    free(model);
}

enum err model_start(const struct model_outputs *outputs, struct fleet_box *fleets, const struct snapshot *before,
    struct model **out, struct err_info *info)
{
    *out = NULL;
    struct model *model = xcalloc(1, sizeof *model);
    model->outputs = *outputs;
    model->fleets = fleets;
    model->totals.lag_worst_ms = (double)NAN;
    model->writer = (struct present_writer){.owner = model,
        .host = put_host,
        .site = put_site,
        .container = put_container,
        .volume = put_volume,
        .remove = remove_object,
        .event = add_event,
        .sample = add_sample};
    model->sink = (struct sink){
        .owner = model, .report = take_report, .lost = take_loss, .logs = take_logs, .log_cursors = give_cursors};
    pthread_mutex_init(&model->mutex, NULL);
    model->intake = intake_new(WAITING_ITEMS, WAITING_BYTES, release_message, model);
    model->event_limit = event_limit_new(put_event, model);
    model->present = present_new(&model->writer);
    if (before)
        present_load(model->present, before);
    take_over_fleet(model);
    check(model);
    int why = pthread_create(&model->thread, NULL, run, model);
    if (why) {
        model_free(model);
        return err_errno(info, ERR_IO, why, "cannot start the thread that keeps the fleet's present");
    }
    *out = model;
    return ERR_OK;
}

void model_stop(struct model *model)
{
    if (!model)
        return;
    intake_close(model->intake);
    pthread_join(model->thread, NULL);
    model_free(model);
}

const struct sink *model_sink(const struct model *model)
{
    return &model->sink;
}

void model_fleet_changed(struct model *model)
{
    intake_put(model->intake, &new_message(MESSAGE_FLEET, "")->item);
    intake_wait_done(model->intake, -1);
}

void model_tell(struct model *model, const char *kind, const char *text)
{
    struct present_writer past_the_limit = model->writer;
    past_the_limit.event = put_event;
    timeline_engine(&past_the_limit, kind, text, clock_wall_us());
}

struct model_stats model_stats(struct model *model)
{
    struct intake_stats waiting = intake_stats(model->intake);
    struct model_stats stats = {.depth = waiting.depth, .dropped = waiting.dropped + atomic_load(&model->replaced)};
    pthread_mutex_lock(&model->mutex);
    stats.totals = model->totals;
    pthread_mutex_unlock(&model->mutex);
    return stats;
}
