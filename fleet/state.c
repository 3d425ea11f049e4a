/* The words for states, as stored, reported and shown, and the little that plain values need besides: no state here;
 * any thread. A number outside its enum (a newer store) reads as "unknown", never as something fine. */
#include "fleet/state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const host_words[] = {[HOST_UNKNOWN] = "unknown", [HOST_UP] = "up"};

static const char *const run_words[] = {
    [RUN_UNKNOWN] = "unknown",
    [RUN_CREATED] = "created",
    [RUN_RUNNING] = "running",
    [RUN_PAUSED] = "paused",
    [RUN_RESTARTING] = "restarting",
    [RUN_EXITED] = "exited",
    [RUN_DEAD] = "dead",
};

static const char *const health_words[] = {
    [HEALTH_NONE] = "none",
    [HEALTH_STARTING] = "starting",
    [HEALTH_HEALTHY] = "healthy",
    [HEALTH_UNHEALTHY] = "unhealthy",
};

static const char *const site_words[] = {
    [SITE_UNKNOWN] = "unknown",
    [SITE_RUNNING] = "running",
    [SITE_DEGRADED] = "degraded",
    [SITE_STOPPED] = "stopped",
    [SITE_MISSING] = "missing",
    [SITE_CONFLICT] = "conflict",
    [SITE_QUARANTINED] = "quarantined",
};

static const char *const mark_words[] = {
    [MARK_NONE] = "none",
    [MARK_STOPPED] = "stopped",
    [MARK_INCOMING] = "incoming",
    [MARK_LEAVING] = "leaving",
    [MARK_KEPT] = "kept",
    [MARK_QUARANTINED] = "quarantined",
};

static const char *const severity_words[] = {
    [SEVERITY_INFO] = "info",
    [SEVERITY_NOTICE] = "notice",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_CRITICAL] = "critical",
};

static const char *word_of(const char *const *words, size_t count, unsigned value)
{
    return value < count ? words[value] : "unknown";
}

/* The index of the word, or `otherwise`. */
static unsigned find_word(const char *const *words, size_t count, const char *word, unsigned otherwise)
{
    for (unsigned i = 0; word && i < count; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return otherwise;
}

const char *host_status_word(enum host_status status)
{
    return word_of(host_words, COUNT(host_words), (unsigned)status);
}

const char *run_state_word(enum run_state state)
{
    return word_of(run_words, COUNT(run_words), (unsigned)state);
}

enum run_state run_state_parse(const char *word)
{
    return (enum run_state)find_word(run_words, COUNT(run_words), word, RUN_UNKNOWN);
}

const char *health_word(enum health health)
{
    return word_of(health_words, COUNT(health_words), (unsigned)health);
}

enum health health_parse(const char *word)
{
    return (enum health)find_word(health_words, COUNT(health_words), word, HEALTH_NONE);
}

const char *site_status_word(enum site_status status)
{
    return word_of(site_words, COUNT(site_words), (unsigned)status);
}

const char *site_mark_word(enum site_mark mark)
{
    return word_of(mark_words, COUNT(mark_words), (unsigned)mark);
}

bool site_mark_parse(const char *word, enum site_mark *mark)
{
    unsigned found = find_word(mark_words, COUNT(mark_words), word, COUNT(mark_words));
    if (found == COUNT(mark_words))
        return false;
    *mark = (enum site_mark)found;
    return true;
}

const char *severity_word(enum severity severity)
{
    return word_of(severity_words, COUNT(severity_words), (unsigned)severity);
}

const char *object_kind_word(enum object_kind kind)
{
    return (unsigned)kind < KIND_COUNT ? metric_table(kind)->kind : "unknown";
}

void metrics_clear(double *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++)
        metrics[i] = NAN;
}

void log_batch_free(struct log_batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < batch->count; i++)
        free(batch->lines[i].text);
    free(batch->lines);
    free(batch);
}
