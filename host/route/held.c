/* Which sites are held by this helper: in memory, and in /var/lib/dogwatch/sites/SITE.hold, where the newest helper to
 * hold a site has its name. Any thread; held_finish is main's, at the end. */
#include "host/route/held.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/vec.h"
#include "host/site/lease.h"
#include "host/site/record.h"

#define SUFFIX "hold"
#define LOOK_AGAIN_US (200 * USEC_PER_MSEC)

struct held {
    char site[NAME_SIZE];
    char job[LEASE_JOB_SIZE];
    int64_t limit_us;
};

static struct {
    pthread_mutex_t mutex;
    VEC(struct held) sites;
    int64_t began_us; /* of this helper, to tell it from another with its pid; 0: holds nothing yet */
} all = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static enum err write_record(const char *site, const char *job, struct err_info *info)
{
    json_t *record = json_object();
    json_put_text(record, "job", job);
    json_put_i64(record, "pid", getpid());
    json_put_i64(record, "began_us", all.began_us);
    enum err result = record_write(site, SUFFIX, record, info);
    json_decref(record);
    return result;
}

static bool is_ours(const char *site)
{
    json_t *record = NULL;
    int64_t pid = 0, began_us = 0;
    bool is_read = record_read(site, SUFFIX, &record, NULL) == ERR_OK && json_get_i64(record, "pid", &pid) &&
                   json_get_i64(record, "began_us", &began_us);
    json_decref(record);
    return is_read && pid == getpid() && began_us == all.began_us;
}

static void drop(const char *site)
{
    for (size_t i = all.sites.count; i-- > 0;)
        if (strcmp(all.sites.items[i].site, site) == 0)
            all.sites.items[i] = all.sites.items[--all.sites.count];
    if (!all.sites.count)
        vec_free(&all.sites);
}

static void forget_here(const char *site)
{
    pthread_mutex_lock(&all.mutex);
    drop(site);
    pthread_mutex_unlock(&all.mutex);
}

enum err held_take(const char *site, const char *job, int64_t limit_s, struct err_info *info)
{
    pthread_mutex_lock(&all.mutex);
    if (!all.began_us)
        all.began_us = clock_boot_us();
    drop(site);
    enum err result = write_record(site, job, info);
    if (result == ERR_OK) {
        struct held *held = vec_add(&all.sites);
        str_copy(held->site, sizeof held->site, site);
        str_copy(held->job, sizeof held->job, job);
        held->limit_us = limit_s * USEC_PER_SEC;
    }
    pthread_mutex_unlock(&all.mutex);
    return result;
}

void held_forget(const char *site)
{
    forget_here(site);
    record_remove(site, SUFFIX, NULL);
}

static size_t count(void)
{
    pthread_mutex_lock(&all.mutex);
    size_t now = all.sites.count;
    pthread_mutex_unlock(&all.mutex);
    return now;
}

static bool take_copy(size_t index, struct held *held)
{
    pthread_mutex_lock(&all.mutex);
    bool is_there = index < all.sites.count;
    if (is_there)
        *held = all.sites.items[index];
    pthread_mutex_unlock(&all.mutex);
    return is_there;
}

static void finish_one(const struct held *held, int64_t end_us, void (*let_go)(const char *site))
{
    bool is_over = clock_mono_us() - end_us > held->limit_us || lease_check(held->site, held->job, NULL) != ERR_OK;
    if (!is_ours(held->site)) { /* another helper holds it, or it was let go */
        forget_here(held->site);
    } else if (is_over) {
        let_go(held->site);
        held_forget(held->site);
    }
}

void held_finish(void (*let_go)(const char *site))
{
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_US * 1000};
    int64_t end_us = clock_mono_us();
    struct held held;
    while (count()) {
        for (size_t i = count(); i-- > 0;)
            if (take_copy(i, &held))
                finish_one(&held, end_us, let_go);
        if (count())
            nanosleep(&pause, NULL);
    }
}
