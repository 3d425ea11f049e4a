/* A helper made of lines: what the collector's tests let the SSH server run instead of dogwatch-host, and a sink that
 * remembers. Included once by test_collector.c. */
#ifndef TESTS_UNIT_COLLECTORS_LINES_HELPER_H
#define TESTS_UNIT_COLLECTORS_LINES_HELPER_H

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "collectors/sink.h"

enum after_sample { /* what the helper does when a connection has had its first sample */
    GOES_ON,
    SAYS_GARBAGE,
    FLOODS, /* with samples after the second one, and then says garbage */
    SAYS_WRONG_SAMPLE,
    SAYS_WRONG_LOG,
    ENDS,
    ONLY_ANSWERS, /* no more samples */
};

struct lines_helper {
    pthread_mutex_t lock;
    enum after_sample after_sample;
    int protocol;
    const char *capabilities; /* JSON with ' for " */
    bool refuses_logs;
    int64_t clock_ahead_us;
    /* what was heard: */
    unsigned hellos, pings;
    char *followed; /* args of the last logs.follow */
};

__attribute__((format(printf, 2, 3))) static inline void say(int fd, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < length; i++)
        if (text[i] == '\'')
            text[i] = '"';
    for (int done = 0; done < length;) {
        ssize_t put = write(fd, text + done, (size_t)(length - done));
        if (put <= 0)
            return;
        done += (int)put;
    }
}

#define BOOT "0b0b0b0b-1111"
#define BOX_ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static inline void say_inventory(int fd, const struct lines_helper *helper)
{
    say(fd,
        "{'inventory':{'seq':1,'boot_id':'" BOOT "','epoch_us':%lld,'mono_us':%lld,'runtimes':[],'containers':["
        "{'id':'" BOX_ID "','name':'web','runtime':'podman','state':'running','site':'web'}],'volumes':[]}}\n",
        (long long)(clock_wall_us() + helper->clock_ahead_us), (long long)clock_boot_us());
}

static inline void say_sample(int fd, const struct lines_helper *helper, int seq)
{
    say(fd,
        "{'sample':{'seq':%d,'boot_id':'" BOOT "','epoch_us':%lld,'mono_us':%lld,'processes':%d,'containers':["
        "{'id':'" BOX_ID "','cpu_us':%d,'mem_bytes':1000}]}}\n",
        seq, (long long)(clock_wall_us() + helper->clock_ahead_us), (long long)clock_boot_us(), seq, seq * 1000);
}

static inline void answer(struct lines_helper *helper, int fd, const json_t *request, bool *subscribed)
{
    const char *verb = json_get_text(request, "verb");
    int64_t id = 0;
    json_get_i64(request, "id", &id);
    pthread_mutex_lock(&helper->lock);
    helper->hellos += strcmp(verb, "hello") == 0;
    helper->pings += strcmp(verb, "ping") == 0;
    if (strcmp(verb, "logs.follow") == 0) {
        free(helper->followed);
        helper->followed = json_dumps(json_object_get(request, "args"), JSON_COMPACT | JSON_SORT_KEYS);
    }
    bool refused = helper->refuses_logs && strcmp(verb, "logs.follow") == 0;
    pthread_mutex_unlock(&helper->lock);
    if (strcmp(verb, "hello") == 0)
        say(fd,
            "{'id':%lld,'ok':{'protocol':%d,'version':'0.1.0','role':'viewer','boot_id':'" BOOT
            "','os':'Debian','kernel':'6.1','capabilities':[%s]}}\n",
            (long long)id, helper->protocol, helper->capabilities);
    else if (refused)
        say(fd, "{'id':%lld,'error':{'code':'denied','message':'no logs for you'}}\n", (long long)id);
    else
        say(fd, "{'id':%lld,'ok':{'epoch_us':%lld,'mono_us':1}}\n", (long long)id,
            (long long)(clock_wall_us() + helper->clock_ahead_us));
    *subscribed = *subscribed || strcmp(verb, "subscribe") == 0;
    if (strcmp(verb, "logs.follow") == 0 && !refused)
        say(fd,
            "{'log':{'source':'podman/web','container':'web','site':'web','unit':'web','cursor':'c%u','lines':"
            "[{'t':%lld,'text':'hello'}]}}\n",
            helper->hellos, (long long)clock_wall_us());
}

/* Reads one request, if there is one within the timeout. False at the end of input. */
static inline bool serve_request(struct lines_helper *helper, FILE *in, int out, int timeout_ms, bool *subscribed)
{
    struct pollfd fd = {.fd = fileno(in), .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) <= 0)
        return true;
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, in);
    json_t *request = NULL;
    if (length > 0 && json_parse(line, (size_t)length, &request, NULL) == ERR_OK)
        answer(helper, out, request, subscribed);
    json_decref(request);
    free(line);
    return length > 0;
}

/* False: the helper ends. */
static inline bool misbehave(const struct lines_helper *helper, int out)
{
    if (helper->after_sample == SAYS_GARBAGE)
        say(out, "sh: fork: Cannot allocate memory\n");
    if (helper->after_sample == SAYS_WRONG_SAMPLE)
        say(out, "{'sample':{'seq':2,'boot_id':7}}\n");
    if (helper->after_sample == SAYS_WRONG_LOG)
        say(out, "{'log':{'source':'journal','lines':[]}}\n");
    return helper->after_sample != ENDS;
}

static inline void flood(const struct lines_helper *helper, int out)
{
    for (int seq = 3; seq < 5000; seq++)
        say_sample(out, helper, seq);
    say(out, "enough\n");
}

/* An ssh_server_command: a sample a second from the subscription on. */
static inline int lines_helper_run(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)command;
    (void)error_fd;
    struct lines_helper *helper = owner;
    FILE *in = fdopen(dup(in_fd), "r");
    setvbuf(in, NULL, _IONBF, 0); /* poll(2) must see what is left */
    bool subscribed = false, alive = true;
    int seq = 0;
    int64_t due_us = 0;
    while (alive) {
        int64_t now_us = clock_mono_us();
        bool sampling = subscribed && (seq == 0 || helper->after_sample == GOES_ON || helper->after_sample == FLOODS);
        if (sampling && seq == 0)
            say_inventory(out_fd, helper);
        if (sampling && now_us >= due_us) {
            say_sample(out_fd, helper, ++seq);
            due_us = now_us + USEC_PER_SEC;
            alive = seq > 1 || misbehave(helper, out_fd);
            if (seq == 2 && helper->after_sample == FLOODS)
                flood(helper, out_fd);
        }
        alive = alive && serve_request(helper, in, out_fd, 50, &subscribed);
    }
    fclose(in);
    return 0;
}

/* --- the sink --- */

#define LOSSES_MAX 64

struct recorder {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned reports, batches, losses;
    struct host_report *last; /* the newest report */
    char cursor[64];          /* of the newest batch */
    enum err codes[LOSSES_MAX];
    char reasons[LOSSES_MAX][REASON_SIZE];
    const char *cursors; /* what log_cursors answers; NULL: from `cursor` */
};

static inline void record_report(void *owner, struct host_report *report)
{
    struct recorder *recorder = owner;
    pthread_mutex_lock(&recorder->lock);
    host_report_free(recorder->last);
    recorder->last = report;
    recorder->reports++;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
}

static inline void record_lost(void *owner, const char *host, enum err code, const char *reason)
{
    struct recorder *recorder = owner;
    (void)host;
    pthread_mutex_lock(&recorder->lock);
    if (recorder->losses < LOSSES_MAX) {
        recorder->codes[recorder->losses] = code;
        str_copy(recorder->reasons[recorder->losses], REASON_SIZE, reason);
    }
    recorder->losses++;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
}

static inline void record_logs(void *owner, struct log_batch *batch)
{
    struct recorder *recorder = owner;
    pthread_mutex_lock(&recorder->lock);
    str_copy(recorder->cursor, sizeof recorder->cursor, batch->cursor);
    recorder->batches++;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
    log_batch_free(batch);
}

static inline char *recorded_cursors(void *owner, const char *host)
{
    struct recorder *recorder = owner;
    (void)host;
    pthread_mutex_lock(&recorder->lock);
    char *text = NULL;
    if (recorder->cursors)
        text = xstrdup(recorder->cursors);
    else if (recorder->batches > 0)
        text = xasprintf("{\"podman/web\":\"%s\"}", recorder->cursor);
    pthread_mutex_unlock(&recorder->lock);
    return text;
}

/* Wait until a counter of the recorder has reached a number; false once the deadline passed. */
static inline bool reached(struct recorder *recorder, const unsigned *counter, unsigned wanted, int64_t timeout_us)
{
    struct timespec deadline = clock_timespec(clock_mono_us() + timeout_us);
    pthread_mutex_lock(&recorder->lock);
    int failure = 0;
    while (*counter < wanted && failure == 0)
        failure = pthread_cond_clockwait(&recorder->changed, &recorder->lock, CLOCK_MONOTONIC, &deadline);
    bool result = *counter >= wanted;
    pthread_mutex_unlock(&recorder->lock);
    return result;
}

#endif
