/* Leases. Taking, renewing and releasing read and write the lease file under a lock file of the site, so that of two
 * jobs that ask at once one gets it. A damaged lease file holds nobody off: it is a file we wrote whole, so somebody
 * else changed it; that is logged. */
#include "host/site/lease.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/facts.h"
#include "host/site/record.h"
#include "host/verbs.h"

#define LEAST_TTL_S 5
#define MOST_TTL_S 600
#define HOLDER_SIZE 129

struct lease {
    char job[LEASE_JOB_SIZE]; /* "": nobody has it */
    char holder[HOLDER_SIZE];
    int64_t expires_boot_us; /* CLOCK_BOOTTIME */
    int64_t expires_us;      /* the same moment by the wall clock, for people */
};

enum err lease_job(const json_t *args, char out[LEASE_JOB_SIZE], struct err_info *info)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    int64_t number;
    const char *text = json_get_text(args, "job");
    out[0] = '\0';
    if (json_get_i64(args, "job", &number) && number > 0)
        str_format(out, LEASE_JOB_SIZE, "%lld", (long long)number);
    else if (text && *text && strlen(text) < LEASE_JOB_SIZE && text[strspn(text, allowed)] == '\0')
        str_copy(out, LEASE_JOB_SIZE, text);
    return out[0] ? ERR_OK
                  : err_set(info, ERR_INVALID,
                        "args.job names the job: a positive number, or up to %d of A-Z a-z 0-9 . _ : -",
                        LEASE_JOB_SIZE - 1);
}

/* --- the file -------------------------------------------------------------------------------------------------------
 */

static bool is_of_this_boot(const json_t *record)
{
    const char *boot_id = json_get_text(record, "boot_id");
    return boot_id && strcmp(boot_id, host_boot_id()) == 0;
}

/* The lease that is valid now; an empty one where there is none. */
static void read_lease(const char *site, struct lease *lease)
{
    json_t *record;
    struct err_info info;
    *lease = (struct lease){0};
    enum err result = record_read(site, "lease", &record, &info);
    if (result != ERR_OK && result != ERR_NOT_FOUND)
        log_warning("the lease of %s is ignored: %s", site, info.message);
    bool valid = result == ERR_OK && is_of_this_boot(record) &&
                 json_get_i64(record, "expires_boot_us", &lease->expires_boot_us) &&
                 json_get_i64(record, "expires_us", &lease->expires_us) &&
                 json_copy_text(record, "job", lease->job, sizeof lease->job) &&
                 clock_boot_us() < lease->expires_boot_us;
    if (valid)
        json_copy_text(record, "holder", lease->holder, sizeof lease->holder);
    else
        *lease = (struct lease){0};
    json_decref(record);
}

static enum err write_lease(const char *site, struct lease *lease, int64_t ttl_s, struct err_info *info)
{
    lease->expires_boot_us = clock_boot_us() + ttl_s * USEC_PER_SEC;
    lease->expires_us = clock_wall_us() + ttl_s * USEC_PER_SEC;
    json_t *record = json_object();
    json_put_text(record, "site", site);
    json_put_text(record, "job", lease->job);
    json_put_text(record, "holder", lease->holder);
    json_put_text(record, "boot_id", host_boot_id());
    json_put_i64(record, "expires_boot_us", lease->expires_boot_us);
    json_put_i64(record, "expires_us", lease->expires_us);
    enum err result = record_write(site, "lease", record, info);
    json_decref(record);
    return result;
}

static enum err refuse(const char *site, const struct lease *lease, struct err_info *info)
{
    long long left_s = (long long)((lease->expires_boot_us - clock_boot_us()) / USEC_PER_SEC) + 1;
    return err_set(info, ERR_BUSY, "%s is held by job %s%s%s%s for another %lld s unless it renews", site, lease->job,
        lease->holder[0] ? " (" : "", lease->holder, lease->holder[0] ? ")" : "", left_s);
}

enum err lease_check(const char *site, const char *job, struct err_info *info)
{
    struct lease lease;
    read_lease(site, &lease);
    if (lease.job[0] == '\0')
        return err_set(info, ERR_BUSY, "job %s does not hold the lease of %s: it must take it first", job, site);
    return strcmp(lease.job, job) == 0 ? ERR_OK : refuse(site, &lease, info);
}

void lease_put(const char *site, json_t *object)
{
    struct lease lease;
    read_lease(site, &lease);
    if (lease.job[0] == '\0')
        return;
    json_t *value = json_object();
    json_put_text(value, "job", lease.job);
    json_put_text(value, "holder", lease.holder);
    json_put_i64(value, "expires_us", lease.expires_us);
    json_object_set_new(object, "lease", value);
}

/* --- verbs ----------------------------------------------------------------------------------------------------------
 */

struct wish {
    const char *site;
    char job[LEASE_JOB_SIZE];
    char holder[HOLDER_SIZE];
    int64_t ttl_s;
};

static enum err read_wish(const json_t *args, bool with_ttl, struct wish *wish, struct err_info *info)
{
    *wish = (struct wish){.site = json_get_text(args, "site")};
    const char *holder = json_get_text(args, "holder");
    if (holder)
        sanitize(wish->holder, sizeof wish->holder, holder, strlen(holder));
    enum err result = lease_job(args, wish->job, info);
    bool in_range =
        json_get_i64(args, "ttl_s", &wish->ttl_s) && wish->ttl_s >= LEAST_TTL_S && wish->ttl_s <= MOST_TTL_S;
    if (result == ERR_OK && with_ttl && !in_range)
        result = err_set(info, ERR_INVALID, "args.ttl_s is from %d to %d", LEAST_TTL_S, MOST_TTL_S);
    return result;
}

typedef enum err lease_change(const struct wish *wish, struct lease *held, json_t *ok, struct err_info *info);

static enum err change_lease(
    const json_t *args, bool with_ttl, lease_change *change, json_t **ok, struct err_info *info)
{
    struct wish wish;
    struct lease held;
    int lock;
    enum err result = read_wish(args, with_ttl, &wish, info);
    if (result == ERR_OK)
        result = record_lock(wish.site, "lock", true, &lock, info);
    if (result != ERR_OK)
        return result;
    read_lease(wish.site, &held);
    *ok = json_object();
    result = held.job[0] && strcmp(held.job, wish.job) != 0 ? refuse(wish.site, &held, info)
                                                            : change(&wish, &held, *ok, info);
    record_unlock(lock);
    return result;
}

static enum err prolong(const struct wish *wish, struct lease *held, json_t *ok, struct err_info *info)
{
    enum err result = write_lease(wish->site, held, wish->ttl_s, info);
    json_put_i64(ok, "expires_us", held->expires_us);
    return result;
}

static enum err take(const struct wish *wish, struct lease *held, json_t *ok, struct err_info *info)
{
    str_copy(held->job, sizeof held->job, wish->job);
    str_copy(held->holder, sizeof held->holder, wish->holder);
    return prolong(wish, held, ok, info);
}

static enum err renew(const struct wish *wish, struct lease *held, json_t *ok, struct err_info *info)
{
    if (held->job[0] == '\0')
        return err_set(info, ERR_NOT_FOUND, "job %s has no lease of %s any more: take it again", wish->job, wish->site);
    return prolong(wish, held, ok, info);
}

static enum err release(const struct wish *wish, struct lease *held, json_t *ok, struct err_info *info)
{
    (void)held, (void)ok;
    return record_remove(wish->site, "lease", info);
}

enum err verb_lease_take(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    return change_lease(args, true, take, ok, info);
}

enum err verb_lease_renew(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    return change_lease(args, true, renew, ok, info);
}

enum err verb_lease_release(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    return change_lease(args, false, release, ok, info);
}
