/* How many units of systemd have failed. systemd is asked through its own program, at most once a minute, in a thread
 * of its own: a manager that hangs makes this section late and nothing else. Where systemd does not run, there is no
 * such figure. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"
#include "host/run.h"
#include "host/sample/sections.h"
#include "host/thread.h"

#define PERIOD_US (60 * USEC_PER_SEC)
#define LIMIT_US (10 * USEC_PER_SEC)
#define ANSWER_CEILING 4096

struct failed_units {
    struct session *session;
    bool runs; /* is there a systemd to ask? */
    pthread_mutex_t mutex;
    int64_t count;    /* -1: not known */
    bool is_late;     /* the last question was not answered in time */
    int64_t asked_us; /* since when a question is open; 0: none is */
};

static const char *find_systemctl(char path[HOST_PATH_SIZE])
{
    static const char *const candidates[] = {"/usr/bin/systemctl", "/bin/systemctl"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (access(host_path(path, HOST_PATH_SIZE, candidates[i]), X_OK) == 0)
            return path;
    return NULL;
}

/* -1 where the answer is no count. */
static enum err ask(int64_t *count)
{
    char path[HOST_PATH_SIZE];
    struct buf out = BUF(ANSWER_CEILING);
    int status;
    *count = -1;
    const char *systemctl = find_systemctl(path);
    if (!systemctl)
        return ERR_NOT_FOUND;
    const char *const argv[] = {systemctl, "show", "--property=NFailedUnits", NULL};
    enum err result = run_program(argv, LIMIT_US, &out, NULL, &status, NULL);
    if (result == ERR_OK && status == 0 && str_starts(buf_text(&out), "NFailedUnits=")) {
        char *text = out.data + strlen("NFailedUnits=");
        text[strcspn(text, "\n")] = '\0';
        if (!str_to_i64(text, 0, INT64_MAX, count))
            *count = -1;
    }
    buf_free(&out);
    return result;
}

static void *run(void *argument)
{
    struct failed_units *units = argument;
    do {
        int64_t count;
        pthread_mutex_lock(&units->mutex);
        units->asked_us = clock_mono_us();
        pthread_mutex_unlock(&units->mutex);
        enum err result = ask(&count);
        pthread_mutex_lock(&units->mutex);
        units->asked_us = 0;
        units->count = count;
        units->is_late = result == ERR_TIMEOUT;
        pthread_mutex_unlock(&units->mutex);
    } while (!session_wait(units->session, PERIOD_US));
    return NULL;
}

static void *begin(struct session *session)
{
    char path[HOST_PATH_SIZE];
    struct failed_units *units = xcalloc(1, sizeof *units);
    units->session = session;
    units->count = -1;
    pthread_mutex_init(&units->mutex, NULL);
    units->runs = access(host_path(path, sizeof path, "/run/systemd/system"), F_OK) == 0 && thread_start(run, units);
    return units;
}

static bool sample_failed_units(void *state, json_t *sample, int64_t interval_us)
{
    (void)interval_us;
    struct failed_units *units = state;
    if (!units->runs)
        return true;
    pthread_mutex_lock(&units->mutex);
    bool is_late = units->is_late || (units->asked_us && clock_mono_us() - units->asked_us > LIMIT_US);
    if (!is_late && units->count >= 0)
        json_put_i64(sample, "failed_units", units->count);
    pthread_mutex_unlock(&units->mutex);
    return !is_late;
}

const struct section section_failed_units = {.name = "failed_units", .begin = begin, .sample = sample_failed_units};
