/* The published inventory, and when it is made anew. Each engine is asked in rounds of its own: a short-lived thread
 * per engine, so that a stuck one delays no other. One more thread (inventory_start) watches for what happens and
 * starts rounds; the state of a health check that it reads by itself makes a round without asking the engine. Whoever
 * needs the inventory fresh starts rounds too, and waits for them with a deadline.
 *
 * A listing of 50 containers is 45 ms of CPU: once a minute 0.075 % of a core, of a budget of 0.1 %. So it is made that
 * often only where something changes unseen, else every three minutes, for what nobody thought of.
 *
 * The one mutable value is `published`, under its mutex; `known` of an engine belongs to its round's thread. */
#include "host/inventory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/containers/compose.h"
#include "host/containers/rounds.h"
#include "host/containers/watch.h"
#include "host/facts.h"
#include "host/site/lease.h"
#include "host/site/mark.h"
#include "host/site/site.h"
#include "host/thread.h"
#include "host/volumes/volumes.h"
#include "host/verbs.h"

#define EVERY_US (180 * USEC_PER_SEC)       /* where all that happens is seen */
#define EVERY_UNSURE_US (60 * USEC_PER_SEC) /* where some of it is not */
#define EVERY_BLIND_US (10 * USEC_PER_SEC)  /* without inotify */
#define MOST_EVENTS 64
#define MOST_HEALTHS 4096                  /* waiting for a stuck engine's round */
#define FRESH_LIMIT_US (35 * USEC_PER_SEC) /* an engine's three calls of 10 s and some */
#define STUCK_LIMIT_US USEC_PER_SEC        /* what an engine that failed last time gets before we go on without it */

/* One engine's rounds. All but `known` under the mutex. */
struct slot {
    enum runtime_kind kind;
    struct known *known;    /* the round's thread alone */
    struct known_view view; /* after its last round */
    bool running;           /* a round's thread is there */
    bool wants_look;        /* at the engine, not only at `healths` */
    bool wants_all, wants_push;
    VEC(char *) wanted_ids;
    VEC(struct watch_event) healths; /* in the order in which they were read */
    uint64_t asked, served;          /* rounds asked for; the newest of these that is done */
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t served; /* CLOCK_MONOTONIC by pthread_cond_clockwait */
    struct slot slots[RUNTIME_COUNT];
    json_t *inventory; /* the newest; NULL before the first */
    uint64_t generation;
    int64_t seq;
    struct session *session; /* NULL: nobody subscribed */
    struct watch *watch;     /* NULL: as above */
} published = {.mutex = PTHREAD_MUTEX_INITIALIZER, .served = PTHREAD_COND_INITIALIZER};

/* --- publishing -----------------------------------------------------------------------------------------------------
 */

/* Asked, and not served even once. */
static bool is_awaited_locked(enum runtime_kind kind)
{
    return published.slots[kind].asked && !published.slots[kind].served;
}

static json_t *compose_locked(void)
{
    struct known_view views[RUNTIME_COUNT];
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        views[kind] = published.slots[kind].view;
        if (is_awaited_locked(kind) && runtime_is_used(kind)) {
            views[kind].used = true;
            str_copy(views[kind].error, sizeof views[kind].error, "has not answered yet");
        }
    }
    json_t *inventory = compose_inventory(views);
    json_put_i64(inventory, "seq", ++published.seq);
    host_put_times(inventory);
    json_put_text(inventory, "boot_id", *host_boot_id() ? host_boot_id() : NULL);
    json_object_set_new(inventory, "marks", mark_list());
    return inventory;
}

/* The first inventory waits a moment for every engine, so that it is whole unless one is stuck. */
static void await_others_locked(void)
{
    struct timespec deadline = clock_timespec(clock_mono_us() + STUCK_LIMIT_US);
    int timed_out = 0;
    while (
        !published.inventory && !timed_out && (is_awaited_locked(RUNTIME_PODMAN) || is_awaited_locked(RUNTIME_DOCKER)))
        timed_out = pthread_cond_clockwait(&published.served, &published.mutex, CLOCK_MONOTONIC, &deadline);
}

/* Push the newest inventory where it is news, or where the time is over. Pushing may block for a slow reader: it has
 * a mutex of its own, which also keeps the order. */
static void push_newest(bool is_news, bool is_round)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    static int64_t pushed_us;
    pthread_mutex_lock(&one_at_a_time);
    int64_t now_us = clock_mono_us();
    bool is_due = is_round && (!pushed_us || now_us - pushed_us > EVERY_US - 2 * USEC_PER_SEC);
    pthread_mutex_lock(&published.mutex);
    struct session *session = published.session;
    json_t *newest = session && (is_news || is_due) ? json_deep_copy(published.inventory) : NULL;
    pthread_mutex_unlock(&published.mutex);
    if (newest) {
        pushed_us = now_us;
        session_push(session, "inventory", newest);
    }
    pthread_mutex_unlock(&one_at_a_time);
}

/* Take over what a round learned, tell those who wait, and push it where it is news or the time is over. */
static void publish(struct slot *slot, uint64_t serving, bool changed, bool push)
{
    struct known_view view;
    known_view(slot->known, &view);
    pthread_mutex_lock(&published.mutex);
    known_view_free(&slot->view);
    slot->view = view;
    slot->served = serving;
    pthread_cond_broadcast(&published.served);
    await_others_locked();
    changed = changed || !published.inventory;
    json_decref(published.inventory);
    published.inventory = compose_locked();
    published.generation += changed;
    if (changed && published.watch)
        watch_wake(published.watch);
    pthread_cond_broadcast(&published.served);
    pthread_mutex_unlock(&published.mutex);
    push_newest(changed, push);
}

/* --- rounds ---------------------------------------------------------------------------------------------------------
 */

static void free_ids(char **ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
}

/* What one round is to do; all of it its thread's. */
struct round {
    bool look, all, push;
    char **ids;
    size_t id_count;
    struct watch_event *healths;
    size_t health_count;
    uint64_t serving;
};

/* What was asked for since the last round; false, and the thread is to end, where nothing was. */
static bool take_round(struct slot *slot, struct round *round)
{
    pthread_mutex_lock(&published.mutex);
    slot->running = slot->asked > slot->served;
    *round = (struct round){.look = slot->wants_look,
        .all = slot->wants_all,
        .push = slot->wants_push,
        .ids = slot->wanted_ids.items,
        .id_count = slot->wanted_ids.count,
        .healths = slot->healths.items,
        .health_count = slot->healths.count,
        .serving = slot->asked};
    slot->wanted_ids.items = NULL;
    slot->wanted_ids.count = slot->wanted_ids.capacity = 0;
    slot->healths.items = NULL;
    slot->healths.count = slot->healths.capacity = 0;
    slot->wants_look = slot->wants_all = slot->wants_push = false;
    bool any = slot->running;
    pthread_mutex_unlock(&published.mutex);
    return any;
}

/* Health first: what the engine says afterwards is newer. */
static bool do_round(struct known *known, const struct round *round)
{
    const struct known_ask ask = {round->all, (const char *const *)round->ids, round->id_count};
    bool changed = false;
    for (size_t i = 0; i < round->health_count; i++)
        changed = known_take_health(known, round->healths[i].id, round->healths[i].health) || changed;
    return (round->look && known_look(known, &ask)) || changed;
}

static void *run_rounds(void *argument)
{
    struct slot *slot = argument;
    struct round round;
    while (take_round(slot, &round)) {
        if (!slot->known)
            slot->known = known_new(slot->kind);
        bool changed = do_round(slot->known, &round);
        free_ids(round.ids, round.id_count);
        free(round.healths);
        publish(slot, round.serving, changed, round.push);
    }
    malloc_trim(0); /* a description of 50 containers is a megabyte that nobody needs any more */
    return NULL;
}

struct asking {
    bool look; /* at the engine */
    bool all;
    bool push;                       /* also where nothing changed */
    const struct watch_event *noted; /* containers to be inspected in any case */
    size_t noted_count;
    const struct watch_event *health; /* of one container; NULL: none */
};

/* Where a stuck engine lets them pile up, its containers have no health to be shown. */
static void want_health_locked(struct slot *slot, const struct watch_event *health)
{
    if (slot->healths.count >= MOST_HEALTHS)
        vec_clear(&slot->healths);
    vec_push(&slot->healths, *health);
}

/* The number that `served` has to reach; 0 where no thread could be started. */
static uint64_t ask_for_round(enum runtime_kind kind, const struct asking *asking)
{
    struct slot *slot = &published.slots[kind];
    pthread_mutex_lock(&published.mutex);
    uint64_t ticket = ++slot->asked;
    slot->kind = kind;
    slot->wants_look = slot->wants_look || asking->look;
    slot->wants_all = slot->wants_all || asking->all;
    slot->wants_push = slot->wants_push || asking->push;
    for (size_t i = 0; i < asking->noted_count; i++)
        vec_push(&slot->wanted_ids, xstrdup(asking->noted[i].id));
    if (asking->health)
        want_health_locked(slot, asking->health);
    if (!slot->running)
        slot->running = thread_start(run_rounds, slot);
    if (!slot->running)
        ticket = 0;
    pthread_mutex_unlock(&published.mutex);
    return ticket;
}

/* --- watching -------------------------------------------------------------------------------------------------------
 */

struct watcher {
    struct session *session;
    struct watch *watch;
    struct rounds rounds[RUNTIME_COUNT];
    VEC(struct watch_event) noted[RUNTIME_COUNT]; /* containers to be inspected in the next round */
    uint64_t generation;                          /* of the inventory that is watched */
};

/* How often each engine is to be asked where nothing happens. */
static void set_paces(struct watcher *watcher)
{
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        pthread_mutex_lock(&published.mutex);
        const struct known_view *view = &published.slots[kind].view;
        bool failed = view->used && !view->ok, unsettled = view->unsettled;
        pthread_mutex_unlock(&published.mutex);
        int64_t usual_us = unsettled || !watch_sees_all(watcher->watch, kind) ? EVERY_UNSURE_US : EVERY_US;
        if (!watch_sees_starts(watcher->watch))
            usual_us = EVERY_BLIND_US;
        rounds_set_pace(&watcher->rounds[kind], usual_us, failed);
    }
}

static void follow_published(struct watcher *watcher)
{
    pthread_mutex_lock(&published.mutex);
    bool is_new = watcher->generation != published.generation;
    json_t *inventory = is_new ? json_deep_copy(published.inventory) : NULL;
    watcher->generation = published.generation;
    pthread_mutex_unlock(&published.mutex);
    if (inventory)
        watch_follow(watcher->watch, inventory);
    json_decref(inventory);
    set_paces(watcher);
}

static void note(struct watcher *watcher, enum runtime_kind kind, const struct watch_event *event)
{
    if (event->health) {
        ask_for_round(kind, &(struct asking){.health = event});
        return;
    }
    if (event->job)
        rounds_note_job(&watcher->rounds[kind], clock_mono_us());
    else
        rounds_note_event(&watcher->rounds[kind], clock_mono_us());
    if (event->id[0] && watcher->noted[kind].count < MOST_EVENTS)
        vec_push(&watcher->noted[kind], *event);
}

/* A mark came or went: what the engines said last holds, so none is asked. */
static void note_marks(void)
{
    pthread_mutex_lock(&published.mutex);
    bool any = published.inventory != NULL;
    if (any) {
        json_decref(published.inventory);
        published.inventory = compose_locked();
        published.generation++;
    }
    pthread_mutex_unlock(&published.mutex);
    push_newest(any, false);
}

static void note_events(struct watcher *watcher, const struct watch_event *events, size_t count)
{
    bool marks = false;
    for (size_t i = 0; i < count; i++) {
        marks = marks || events[i].marks;
        for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT && !events[i].marks; kind++)
            if (events[i].kind == kind || events[i].kind == RUNTIME_COUNT)
                note(watcher, kind, &events[i]);
    }
    if (marks)
        note_marks();
}

static void begin_round(struct watcher *watcher, enum runtime_kind kind)
{
    const struct asking asking = {
        .look = true, .push = true, .noted = watcher->noted[kind].items, .noted_count = watcher->noted[kind].count};
    ask_for_round(kind, &asking);
    vec_clear(&watcher->noted[kind]);
}

static int64_t next_round_us(const struct watcher *watcher, int64_t now_us)
{
    int64_t next_us = now_us + EVERY_US;
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        int64_t at_us = rounds_next_us(&watcher->rounds[kind], now_us);
        next_us = at_us < next_us ? at_us : next_us;
    }
    return next_us;
}

static void *run_watcher(void *argument)
{
    struct watcher *watcher = argument;
    struct watch_event events[MOST_EVENTS];
    while (!session_is_ending(watcher->session)) {
        follow_published(watcher);
        int64_t now_us = clock_mono_us();
        int64_t wait_us = next_round_us(watcher, now_us) - now_us;
        size_t count = watch_wait(watcher->watch, wait_us > 0 ? wait_us : 0, events, MOST_EVENTS);
        note_events(watcher, events, count);
        for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++)
            if (rounds_take(&watcher->rounds[kind], clock_mono_us()))
                begin_round(watcher, kind);
    }
    pthread_mutex_lock(&published.mutex);
    published.watch = NULL;
    pthread_mutex_unlock(&published.mutex);
    watch_free(watcher->watch);
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++)
        vec_free(&watcher->noted[kind]);
    free(watcher);
    return NULL;
}

void inventory_start(struct session *session)
{
    pthread_mutex_lock(&published.mutex);
    bool first = !published.session;
    published.session = session;
    if (first)
        published.watch = watch_new();
    pthread_mutex_unlock(&published.mutex);
    if (!first)
        return;
    struct watcher *watcher = xcalloc(1, sizeof *watcher);
    watcher->session = session;
    watcher->watch = published.watch;
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++)
        rounds_init(&watcher->rounds[kind], EVERY_US, clock_mono_us());
    if (!thread_start(run_watcher, watcher))
        log_error("containers are not watched: no thread could be started");
    volumes_start(session);
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

json_t *inventory_current(void)
{
    pthread_mutex_lock(&published.mutex);
    json_t *inventory = json_deep_copy(published.inventory);
    pthread_mutex_unlock(&published.mutex);
    return inventory;
}

uint64_t inventory_generation(void)
{
    pthread_mutex_lock(&published.mutex);
    uint64_t generation = published.generation;
    pthread_mutex_unlock(&published.mutex);
    return generation;
}

/* Until every engine's round is done. An engine that failed last time is not waited for like the others. */
static bool await_rounds(const uint64_t tickets[RUNTIME_COUNT])
{
    int64_t began_us = clock_mono_us();
    bool all_served = true;
    pthread_mutex_lock(&published.mutex);
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        struct slot *slot = &published.slots[kind];
        bool stuck = slot->served && slot->view.used && !slot->view.ok;
        struct timespec deadline = clock_timespec(began_us + (stuck ? STUCK_LIMIT_US : FRESH_LIMIT_US));
        int timed_out = 0;
        while (slot->served < tickets[kind] && !timed_out)
            timed_out = pthread_cond_clockwait(&published.served, &published.mutex, CLOCK_MONOTONIC, &deadline);
        all_served = all_served && (stuck || slot->served >= tickets[kind]);
    }
    pthread_mutex_unlock(&published.mutex);
    return all_served;
}

enum err inventory_refresh(json_t **fresh, struct err_info *info)
{
    uint64_t tickets[RUNTIME_COUNT];
    *fresh = NULL;
    for (enum runtime_kind kind = 0; kind < RUNTIME_COUNT; kind++) {
        tickets[kind] = ask_for_round(kind, &(struct asking){.look = true, .all = true});
        if (!tickets[kind])
            return err_set(info, ERR_BUSY, "no thread could be started to ask %s", runtime_name(kind));
    }
    if (!await_rounds(tickets))
        return err_set(info, ERR_TIMEOUT, "the container engines of this host did not answer in time");
    *fresh = inventory_current();
    return *fresh ? ERR_OK : err_set(info, ERR_TIMEOUT, "the container engines of this host did not answer yet");
}

/* --- verbs ----------------------------------------------------------------------------------------------------------
 */

enum err verb_inventory(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id, (void)args;
    return inventory_refresh(ok, info);
}

enum err verb_site_status(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    const char *site = json_get_text(args, "site");
    json_t *inventory;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    json_t *containers = site_select(inventory, site);
    json_decref(inventory);
    if (json_array_size(containers) == 0) {
        json_decref(containers);
        return err_set(info, ERR_NOT_FOUND, "no container of %s is on this host", site);
    }
    *ok = json_object();
    json_put_text(*ok, "site", site);
    json_object_set_new(*ok, "containers", containers);
    json_object_set_new(*ok, "marks", mark_list_of(site));
    lease_put(site, *ok);
    return ERR_OK;
}
