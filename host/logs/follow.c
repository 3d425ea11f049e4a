/* Following: one thread and one inotify descriptor for all files, one journalctl for the journal. Nothing wakes it up
 * but what is written, and once a second a look at the inventory's number and at files that inotify cannot tell about
 * (not there yet, rotated and not begun again).
 *
 * What is emitted carries the cursor that covers it; a cursor never covers a line that is not emitted or counted. */
#include "host/logs/follow.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/inventory.h"
#include "host/logs/batch.h"
#include "host/logs/file.h"
#include "host/logs/journal.h"
#include "host/logs/sources.h"
#include "host/thread.h"
#include "host/verbs.h"

#define GATHER_US (100 * USEC_PER_MSEC) /* after the first change: one message instead of many */
#define TICK_US USEC_PER_SEC
#define QUIET_CURSOR_US (600 * USEC_PER_SEC) /* how far a quiet container's cursor may stay behind the journal's */
#define MOST_OPEN 200                        /* files that keep a descriptor */
#define MOST_BLOCKS 64                       /* of one file at a time, 8 MiB: then it is the others' turn */
#define LAST_BLOCKS 8192                     /* of a container that is gone: 1 GiB */
#define MOST_JOURNAL_READS 8                 /* 2 MiB */
#define MOST_RATE 100000
#define JOURNAL_PREFIX "journal:"
#define WATCHED (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

struct source {
    struct source_facts facts;
    struct batch batch;
    bool is_wanted;
    /* a file's */
    struct log_file file;
    struct record_joiner joiner;
    struct file_position delivered;
    uint64_t replay_until; /* what ends before it was delivered before: only open lines are made again */
    int watch;             /* -1: none */
    uint64_t watched_inode;
    bool is_dirty;
    /* the journal's */
    char cursor[LOG_CURSOR_SIZE]; /* journald's own words */
    int64_t told_us;              /* CLOCK_MONOTONIC: when a cursor was emitted */
};

struct follower {
    follower_emit *emit;
    void *context;
    json_t *cursors;
    int64_t rate_lines_s;
    int inotify;
    int64_t begun_us; /* what was created later is read from its first line */
    struct file_block block;
    struct journal *journal;
    VEC(struct source *) sources;
};

/* --- emitting -------------------------------------------------------------------------------------------------------
 */

static void emit(struct follower *follower, struct source *source)
{
    char cursor[LOG_CURSOR_SIZE], position[FILE_POSITION_SIZE];
    if (source->facts.in_journal)
        str_format(cursor, sizeof cursor, JOURNAL_PREFIX "%s", source->cursor);
    else
        str_copy(cursor, sizeof cursor, file_position_format(&source->delivered, position));
    source->told_us = clock_mono_us();
    follower->emit(follower->context, batch_take(&source->batch, &source->facts.identity, cursor));
}

static void flush(struct follower *follower, struct source *source)
{
    if (!batch_is_empty(&source->batch) && (!source->facts.in_journal || source->cursor[0]))
        emit(follower, source);
}

/* --- files ----------------------------------------------------------------------------------------------------------
 */

struct reading {
    struct follower *follower;
    struct source *source;
};

static void take_line(void *context, char *line, size_t length, uint64_t start, const struct file_position *after)
{
    struct reading *reading = context;
    struct source *source = reading->source;
    struct record record;
    int64_t now_us = clock_wall_us();
    record_parse(source->facts.format, line, length, now_us, &record);
    bool is_whole = record_join(&source->joiner, &record, start);
    bool is_news = after->offset > source->replay_until;
    bool is_full = is_whole && is_news && batch_add(&source->batch, &record, now_us);
    record_release(&record);
    if (!is_news)
        return;
    source->delivered = *after;
    source->delivered.pending = record_joiner_pending(&source->joiner, after->offset);
    if (is_full)
        emit(reading->follower, source);
}

/* Lines that were begun in a file that is left now. */
static void end_open_lines(struct follower *follower, struct source *source)
{
    struct record record;
    while (record_joiner_take(&source->joiner, &record))
        if (batch_add(&source->batch, &record, clock_wall_us()))
            emit(follower, source);
    source->delivered.pending = source->delivered.offset;
}

/* What the file has to tell besides lines. */
static void note_switch(struct follower *follower, struct source *source)
{
    if (source->file.was_switched) {
        end_open_lines(follower, source);
        flush(follower, source);
        source->file.was_switched = false;
        source->replay_until = 0;
        source->delivered = source->file.at;
    }
    source->batch.dropped += (int64_t)source->file.lost;
    source->file.lost = 0;
}

/* By the descriptor: whatever name the file has. Then it is read once more, for what was written in between. */
static void watch_file(struct follower *follower, struct source *source)
{
    char path[64];
    if (source->file.fd < 0 || (source->watch >= 0 && source->watched_inode == source->file.at.inode))
        return;
    if (source->watch >= 0)
        inotify_rm_watch(follower->inotify, source->watch);
    str_format(path, sizeof path, "/proc/self/fd/%d", source->file.fd);
    source->watch = inotify_add_watch(follower->inotify, path, WATCHED);
    source->watched_inode = source->file.at.inode;
    source->is_dirty = source->watch >= 0;
}

static void read_file(struct follower *follower, struct source *source, int most_blocks)
{
    struct reading reading = {follower, source};
    bool more;
    do {
        source->is_dirty = false;
        more = true;
        for (int i = 0; more && i < most_blocks; i++) {
            more = log_file_read(&source->file, &follower->block, take_line, &reading);
            note_switch(follower, source);
        }
        watch_file(follower, source);
    } while (source->is_dirty && !more);
    source->is_dirty = source->is_dirty || more; /* the others' turn first */
    flush(follower, source);
    if (follower->sources.count > MOST_OPEN)
        log_file_close(&source->file);
}

static void begin_file(struct follower *follower, struct source *source, const char *cursor)
{
    struct file_position position;
    log_file_init(&source->file, source->facts.path);
    record_joiner_init(&source->joiner);
    source->watch = -1;
    source->is_dirty = true;
    if (cursor && file_position_parse(cursor, &position)) {
        source->delivered = position;
        source->replay_until = position.offset;
        log_file_resume(&source->file, &position);
        note_switch(follower, source);
        if (source->replay_until)
            log_file_step_back(&source->file, position.pending);
    } else if (source->facts.created_us < follower->begun_us) {
        log_file_begin_with_last(&source->file, &follower->block, FOLLOW_FIRST_LINES);
        source->delivered = source->file.at;
    }
}

/* --- the journal ----------------------------------------------------------------------------------------------------
 */

static struct source *find_source(struct follower *follower, const char *name)
{
    for (size_t i = 0; i < follower->sources.count; i++)
        if (strcmp(follower->sources.items[i]->facts.identity.source, name) == 0)
            return follower->sources.items[i];
    return NULL;
}

static struct source *add_source(struct follower *follower, const struct source_facts *facts);

/* A container may speak before the inventory knows it, and after it is gone. */
static struct source *source_of_entry(struct follower *follower, const struct journal_entry *entry)
{
    struct source_facts facts = {.in_journal = true};
    for (size_t i = 0; entry->id && i < follower->sources.count; i++)
        if (strcmp(follower->sources.items[i]->facts.id, entry->id) == 0 &&
            follower->sources.items[i]->facts.in_journal)
            return follower->sources.items[i];
    if (!entry->id || !entry->container || !name_is_valid_container(entry->container))
        return find_source(follower, "journal");
    str_copy(facts.identity.container, sizeof facts.identity.container, entry->container);
    str_copy(facts.identity.unit, sizeof facts.identity.unit, entry->container);
    str_format(facts.identity.source, sizeof facts.identity.source, "%s/%s", entry->is_docker ? "docker" : "podman",
        entry->container);
    struct source *known = find_source(follower, facts.identity.source);
    return known ? known : add_source(follower, &facts);
}

static void take_entry(void *context, const struct journal_entry *entry)
{
    struct follower *follower = context;
    struct source *source = source_of_entry(follower, entry);
    struct record record = entry->record;
    if (!source || !source->facts.in_journal ||
        (source->cursor[0] && journal_cursor_is_covered(entry->cursor, source->cursor)))
        return;
    bool is_full = batch_add(&source->batch, &record, clock_wall_us());
    str_copy(source->cursor, sizeof source->cursor, entry->cursor);
    if (is_full)
        emit(follower, source);
}

/* The oldest place that a source of the journal has reached. */
static void oldest_cursor(const struct follower *follower, char out[LOG_CURSOR_SIZE])
{
    out[0] = '\0';
    for (size_t i = 0; i < follower->sources.count; i++) {
        const struct source *source = follower->sources.items[i];
        if (source->facts.in_journal && source->cursor[0] &&
            (!out[0] || journal_cursor_is_covered(source->cursor, out)))
            str_copy(out, LOG_CURSOR_SIZE, source->cursor);
    }
}

/* Else a container that is silent for a week would have the whole week read again at a reconnect. */
static void move_quiet_cursors(struct follower *follower, const char *newest)
{
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; *newest && i < follower->sources.count; i++) {
        struct source *source = follower->sources.items[i];
        if (!source->facts.in_journal || now_us - source->told_us < QUIET_CURSOR_US ||
            strcmp(source->cursor, newest) == 0)
            continue;
        str_copy(source->cursor, sizeof source->cursor, newest);
        emit(follower, source);
    }
}

static void read_journal(struct follower *follower)
{
    int64_t lost = 0;
    bool more = true;
    for (int i = 0; more && i < MOST_JOURNAL_READS; i++)
        more = journal_read(follower->journal, take_entry, follower, &lost);
    struct source *own = find_source(follower, "journal");
    if (own)
        own->batch.dropped += lost;
    for (size_t i = 0; i < follower->sources.count; i++)
        if (follower->sources.items[i]->facts.in_journal)
            flush(follower, follower->sources.items[i]);
    move_quiet_cursors(follower, journal_position(follower->journal));
}

static void begin_journal(struct follower *follower)
{
    char cursor[LOG_CURSOR_SIZE];
    if (follower->journal || !find_source(follower, "journal"))
        return;
    oldest_cursor(follower, cursor);
    follower->journal = journal_new(cursor);
}

/* --- sources --------------------------------------------------------------------------------------------------------
 */

static struct source *add_source(struct follower *follower, const struct source_facts *facts)
{
    struct source *source = xcalloc(1, sizeof *source);
    const char *cursor = json_get_text(follower->cursors, facts->identity.source);
    source->facts = *facts;
    source->is_wanted = true;
    source->told_us = clock_mono_us();
    source->watch = -1;
    batch_init(&source->batch, follower->rate_lines_s);
    if (!facts->in_journal)
        begin_file(follower, source, cursor);
    else if (cursor && str_starts(cursor, JOURNAL_PREFIX))
        str_copy(source->cursor, sizeof source->cursor, cursor + strlen(JOURNAL_PREFIX));
    json_object_del(follower->cursors, facts->identity.source);
    vec_push(&follower->sources, source);
    return source;
}

static void free_source(struct follower *follower, struct source *source)
{
    if (source->watch >= 0)
        inotify_rm_watch(follower->inotify, source->watch);
    if (!source->facts.in_journal) {
        log_file_close(&source->file);
        record_joiner_free(&source->joiner);
    }
    batch_free(&source->batch);
    free(source);
}

/* Its last words, then it is gone. */
static void end_source(struct follower *follower, struct source *source)
{
    if (!source->facts.in_journal) {
        read_file(follower, source, LAST_BLOCKS);
        end_open_lines(follower, source);
    }
    flush(follower, source);
    free_source(follower, source);
}

static bool is_same(const struct source *source, const struct source_facts *facts)
{
    return source->facts.in_journal == facts->in_journal && strcmp(source->facts.id, facts->id) == 0 &&
           strcmp(source->facts.path, facts->path) == 0;
}

static void want(struct follower *follower, const struct source_facts *facts)
{
    struct source *known = find_source(follower, facts->identity.source);
    if (known && !is_same(known, facts) && !(known->facts.in_journal && facts->in_journal)) {
        known->is_wanted = false; /* another container of the same name: both for a moment */
        known = NULL;
    }
    if (!known) {
        add_source(follower, facts);
        return;
    }
    known->facts = *facts;
    known->is_wanted = true;
}

static void end_unwanted(struct follower *follower)
{
    for (size_t i = follower->sources.count; i-- > 0;) {
        struct source *source = follower->sources.items[i];
        if (source->is_wanted)
            continue;
        follower->sources.items[i] = follower->sources.items[--follower->sources.count];
        end_source(follower, source);
    }
}

void follower_set_inventory(struct follower *follower, const json_t *inventory)
{
    struct source_list list;
    sources_list(inventory, &list);
    for (size_t i = 0; i < follower->sources.count; i++)
        follower->sources.items[i]->is_wanted = false;
    vec_each (&list, struct source_facts, facts)
        want(follower, facts);
    vec_free(&list);
    end_unwanted(follower);
    begin_journal(follower);
}

struct follower *follower_new(const json_t *cursors, int64_t rate_lines_s, follower_emit *emit_to, void *context)
{
    struct follower *follower = xcalloc(1, sizeof *follower);
    follower->emit = emit_to;
    follower->context = context;
    follower->cursors = json_is_object(cursors) ? json_deep_copy(cursors) : json_object();
    follower->rate_lines_s = rate_lines_s;
    follower->begun_us = clock_wall_us();
    follower->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    file_block_init(&follower->block);
    return follower;
}

void follower_free(struct follower *follower)
{
    for (size_t i = 0; i < follower->sources.count; i++)
        free_source(follower, follower->sources.items[i]);
    vec_free(&follower->sources);
    journal_free(follower->journal);
    file_block_free(&follower->block);
    json_decref(follower->cursors);
    if (follower->inotify >= 0)
        close(follower->inotify);
    free(follower);
}

/* --- rounds ---------------------------------------------------------------------------------------------------------
 */

static void note_event(struct follower *follower, const struct inotify_event *event)
{
    for (size_t i = 0; i < follower->sources.count; i++) {
        struct source *source = follower->sources.items[i];
        if (event->mask & IN_Q_OVERFLOW)
            source->is_dirty = true;
        if (source->watch != event->wd || event->wd < 0)
            continue;
        source->is_dirty = true;
        if (event->mask & IN_IGNORED)
            source->watch = -1;
    }
}

static void take_events(struct follower *follower)
{
    _Alignas(struct inotify_event) char events[4096];
    ssize_t got;
    while ((got = read(follower->inotify, events, sizeof events)) > 0) {
        for (char *at = events; at < events + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            note_event(follower, event);
            at += sizeof *event + event->len;
        }
    }
}

static bool is_due(const struct source *source)
{
    return !source->facts.in_journal && (source->is_dirty || source->file.is_waiting || source->watch < 0);
}

static bool await_change(struct follower *follower, int64_t timeout_us)
{
    struct pollfd wait[] = {{.fd = follower->inotify, .events = POLLIN},
        {.fd = follower->journal ? journal_fd(follower->journal) : -1, .events = POLLIN}};
    return poll(wait, 2, (int)(timeout_us / USEC_PER_MSEC)) > 0;
}

void follower_round(struct follower *follower, int64_t timeout_us)
{
    bool is_begun = true;
    for (size_t i = 0; i < follower->sources.count; i++)
        is_begun = is_begun && !follower->sources.items[i]->is_dirty;
    if (is_begun && await_change(follower, timeout_us) && timeout_us > 0)
        poll(NULL, 0, (int)(GATHER_US / USEC_PER_MSEC));
    take_events(follower);
    for (size_t i = 0; i < follower->sources.count; i++)
        if (is_due(follower->sources.items[i]))
            read_file(follower, follower->sources.items[i], MOST_BLOCKS);
    if (follower->journal)
        read_journal(follower);
}

/* --- the verb -------------------------------------------------------------------------------------------------------
 */

/* What the request wants, until the thread takes it. */
static struct {
    pthread_mutex_t mutex;
    json_t *cursors; /* NULL: nothing was asked */
    int64_t rate_lines_s;
    bool is_running;
} wanted = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void push(void *context, json_t *message)
{
    session_push(context, "log", message);
}

static void follow_inventory(struct follower *follower, uint64_t *seen)
{
    uint64_t generation = inventory_generation();
    if (generation == *seen)
        return;
    *seen = generation;
    json_t *inventory = inventory_current();
    follower_set_inventory(follower, inventory);
    json_decref(inventory);
}

static void *run(void *argument)
{
    struct session *session = argument;
    uint64_t seen = 0;
    pthread_mutex_lock(&wanted.mutex);
    struct follower *follower = follower_new(wanted.cursors, wanted.rate_lines_s, push, session);
    json_decref(wanted.cursors);
    wanted.cursors = NULL;
    pthread_mutex_unlock(&wanted.mutex);
    follower_set_inventory(follower, NULL);
    while (!session_is_ending(session)) {
        follow_inventory(follower, &seen);
        follower_round(follower, TICK_US);
    }
    follower_free(follower);
    return NULL;
}

enum err verb_logs_follow(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    int64_t rate_lines_s = FOLLOW_RATE_DEFAULT;
    const json_t *cursors = json_object_get(args, "cursors");
    if (cursors && !json_is_object(cursors) && !json_is_null(cursors))
        return err_set(info, ERR_INVALID, "cursors is an object: a cursor by the name of its source");
    if (json_object_get(args, "rate_lines_s") &&
        (!json_get_i64(args, "rate_lines_s", &rate_lines_s) || rate_lines_s < 1 || rate_lines_s > MOST_RATE))
        return err_set(info, ERR_INVALID, "rate_lines_s is from 1 to %d", MOST_RATE);
    pthread_mutex_lock(&wanted.mutex);
    bool is_running = wanted.is_running;
    if (!is_running) {
        wanted.is_running = true;
        wanted.cursors = json_is_object(cursors) ? json_deep_copy(cursors) : json_object();
        wanted.rate_lines_s = rate_lines_s;
    }
    pthread_mutex_unlock(&wanted.mutex);
    if (is_running)
        return err_set(info, ERR_EXISTS, "the logs are followed on this connection already");
    *ok = json_object();
    return ERR_OK;
}

void logs_follow_begin(struct session *session)
{
    inventory_start(session);
    if (thread_start(run, session))
        return;
    struct err_info info;
    err_set(&info, ERR_IO, "there is no room for another thread on this host");
    session_end(session, &info);
}
