/* Bytes of each host on the present day: a tree by name, as small as the fleet. One mutex; any thread. */
#include "store/log_quota.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "store/log_day.h"

struct share {
    char host[NAME_SIZE]; /* first: the tree compares by it */
    int32_t day;
    uint64_t bytes;
    bool told;
};

struct log_quota {
    pthread_mutex_t mutex;
    uint64_t bytes_a_day;
    void *shares; /* tsearch(3), by host */
};

static int compare_hosts(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct log_quota *log_quota_new(uint64_t bytes_a_day)
{
    struct log_quota *quota = xcalloc(1, sizeof *quota);
    pthread_mutex_init(&quota->mutex, NULL);
    quota->bytes_a_day = bytes_a_day;
    return quota;
}

void log_quota_free(struct log_quota *quota)
{
    if (!quota)
        return;
    tdestroy(quota->shares, free);
    pthread_mutex_destroy(&quota->mutex);
    free(quota);
}

void log_quota_set(struct log_quota *quota, uint64_t bytes_a_day)
{
    pthread_mutex_lock(&quota->mutex);
    quota->bytes_a_day = bytes_a_day;
    pthread_mutex_unlock(&quota->mutex);
}

static struct share *share_of(struct log_quota *quota, const char *host)
{
    void *found = tfind(host, (void *const *)&quota->shares, compare_hosts);
    if (found)
        return *(struct share **)found;
    struct share *share = xcalloc(1, sizeof *share);
    str_copy(share->host, sizeof share->host, host);
    if (!tsearch(share, &quota->shares, compare_hosts))
        abort();
    return share;
}

static void tell(struct share *share, uint64_t bytes_a_day)
{
    char most[FORMAT_SIZE];
    if (!share->told)
        log_warning("%s has sent %s of log lines today; the rest of the day's are left out and counted", share->host,
            format_bytes((double)bytes_a_day, most));
    share->told = true;
}

bool log_quota_take(struct log_quota *quota, const char *host, size_t bytes, int64_t now_us)
{
    int32_t today = log_day_of(now_us);
    pthread_mutex_lock(&quota->mutex);
    struct share *share = share_of(quota, host);
    if (share->day != today) {
        share->day = today;
        share->bytes = 0;
        share->told = false;
    }
    bool has_room = bytes <= quota->bytes_a_day && share->bytes <= quota->bytes_a_day - bytes;
    if (has_room)
        share->bytes += bytes;
    else
        tell(share, quota->bytes_a_day);
    pthread_mutex_unlock(&quota->mutex);
    return has_room;
}
