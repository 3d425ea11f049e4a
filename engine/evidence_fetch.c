/* `dogwatch evidence pull SITE`: with the engine's keys, but without the engine – for what an isolation could not
 * fetch, or what another engine collected. It holds the site's lease on the host while it fetches, so that no job
 * changes anything meanwhile. One thread. */
#include "engine/evidence_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/evidence.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "fleet/fleet.h"
#include "remote/target.h"
#include "store/reader.h"

#define DIAL_LIMIT_US (20 * USEC_PER_SEC)
#define ASK_LIMIT_US (30 * USEC_PER_SEC)
#define LEASE_TTL_S 60
#define RENEW_EVERY_US (15 * USEC_PER_SEC)
#define TELL_EVERY_US (300 * USEC_PER_MSEC)
#define IDLE_S 600

struct fetching {
    const struct evidence_fetch *fetch;
    const char *host;
    char lease_job[EVIDENCE_JOB_SIZE];
    struct target *target;
    struct connection *connection;
    struct helper *helper;
    int64_t renewed_us, told_us;
    bool on_terminal;
    json_t *outcomes;
};

/* --- one host ----------------------------------------------------------------------------------------------------- */

static json_t *lease_args(const struct fetching *fetching)
{
    json_t *args = json_object();
    json_put_text(args, "site", fetching->fetch->site);
    json_put_text(args, "job", fetching->lease_job);
    json_put_text(args, "holder", "dogwatch evidence pull");
    json_put_i64(args, "ttl_s", LEASE_TTL_S);
    return args;
}

static enum err reach(const struct fleet *fleet, struct fetching *fetching, struct err_info *info)
{
    const struct host_def *host = fleet_host(fleet, fetching->host);
    if (!host)
        return err_set(info, ERR_NOT_FOUND, "%.80s is not in the fleet files", fetching->host);
    enum err err = target_for_engine(fleet, host, fetching->fetch->state_dir, "operator", &fetching->target, info);
    if (!err)
        err =
            remote_dial(target_address(fetching->target), DIAL_LIMIT_US, REMOTE_NO_CANCEL, &fetching->connection, info);
    if (!err)
        err = helper_open(fetching->connection, "operator", IDLE_S, DIAL_LIMIT_US, &fetching->helper, info);
    return err;
}

static void hang_up(struct fetching *fetching)
{
    helper_free(fetching->helper);
    connection_free(fetching->connection);
    target_free(fetching->target);
    fetching->helper = NULL;
    fetching->connection = NULL;
    fetching->target = NULL;
}

static bool show_progress(void *owner, int64_t done_bytes, int64_t total_bytes)
{
    struct fetching *fetching = owner;
    int64_t now = clock_mono_us();
    if (now - fetching->renewed_us > RENEW_EVERY_US) {
        fetching->renewed_us = now;
        helper_request(fetching->helper, "lease.renew", lease_args(fetching), ASK_LIMIT_US, NULL, NULL, NULL, NULL);
    }
    if (fetching->on_terminal && now - fetching->told_us > TELL_EVERY_US) {
        char done[FORMAT_SIZE], total[FORMAT_SIZE];
        fetching->told_us = now;
        fprintf(stderr, "\r%s: %s of %s  ", fetching->host, format_bytes((double)done_bytes, done),
            format_bytes((double)total_bytes, total));
    }
    return true;
}

static void tell(struct fetching *fetching, const struct evidence_outcome *outcome)
{
    char size[FORMAT_SIZE];
    if (fetching->on_terminal && fetching->told_us)
        fputs("\r\033[K", stderr);
    if (fetching->fetch->json) {
        json_t *row = json_object();
        json_put_text(row, "name", outcome->name);
        json_put_text(row, "host", fetching->host);
        json_put_i64(row, "bytes", outcome->bytes);
        json_put_i64(row, "files", outcome->files);
        json_put_bool(row, "was_here", outcome->was_here);
        json_array_append_new(fetching->outcomes, row);
    } else {
        printf("%s: %lld files, %s from %s, every one as the signed manifest says%s\n", outcome->name,
            (long long)outcome->files, format_bytes((double)outcome->bytes, size), fetching->host,
            outcome->was_here ? " (was here already)" : "");
    }
}

static enum err fetch_one(struct fetching *fetching, const char *job, struct err_info *info)
{
    struct evidence_outcome outcome;
    const struct evidence_request request = {.state_dir = fetching->fetch->state_dir,
        .host = fetching->host,
        .site = fetching->fetch->site,
        .job = job,
        .lease_job = fetching->lease_job,
        .key = connection_host_key(fetching->connection),
        .progress = show_progress,
        .owner = fetching};
    enum err err = evidence_pull(&request, fetching->connection, fetching->helper, &outcome, info);
    if (!err)
        tell(fetching, &outcome);
    return err;
}

/* What of the list is wanted and sealed. */
static enum err fetch_listed(struct fetching *fetching, const json_t *list, size_t *count, struct err_info *info)
{
    const json_t *entry;
    size_t i;
    enum err err = ERR_OK;
    json_array_foreach (list, i, entry) {
        bool sealed = false;
        const char *job = json_get_text(entry, "job");
        json_get_bool(entry, "sealed", &sealed);
        if (!job || !sealed || (fetching->fetch->job && strcmp(fetching->fetch->job, job) != 0))
            continue;
        ++*count;
        err = fetch_one(fetching, job, info);
        if (err)
            break;
    }
    return err;
}

static enum err fetch_from(const struct fleet *fleet, struct fetching *fetching, size_t *count, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    json_put_text(args, "site", fetching->fetch->site);
    fetching->renewed_us = clock_mono_us();
    enum err err = reach(fleet, fetching, info);
    if (!err)
        err = helper_request(
            fetching->helper, "evidence.list", json_incref(args), ASK_LIMIT_US, NULL, NULL, &answer, info);
    if (!err && json_array_size(json_object_get(answer, "evidence")) > 0) {
        err =
            helper_request(fetching->helper, "lease.take", lease_args(fetching), ASK_LIMIT_US, NULL, NULL, NULL, info);
        if (!err) {
            err = fetch_listed(fetching, json_object_get(answer, "evidence"), count, info);
            helper_request(
                fetching->helper, "lease.release", lease_args(fetching), ASK_LIMIT_US, NULL, NULL, NULL, NULL);
        }
    }
    hang_up(fetching);
    json_decref(args);
    json_decref(answer);
    return err;
}

/* --- the host's copy ---------------------------------------------------------------------------------------------- */

static enum err remove_there(
    const struct fleet *fleet, struct fetching *fetching, const char *job, struct err_info *info)
{
    enum err err = reach(fleet, fetching, info);
    if (!err)
        err =
            helper_request(fetching->helper, "lease.take", lease_args(fetching), ASK_LIMIT_US, NULL, NULL, NULL, info);
    if (!err) {
        json_t *args = lease_args(fetching);
        json_put_text(args, "of_job", job);
        err = helper_request(fetching->helper, "evidence.remove", args, ASK_LIMIT_US, NULL, NULL, NULL, info);
        helper_request(fetching->helper, "lease.release", lease_args(fetching), ASK_LIMIT_US, NULL, NULL, NULL, NULL);
    }
    hang_up(fetching);
    return err;
}

/* --- which hosts -------------------------------------------------------------------------------------------------- */

struct host_names {
    char **items;
    size_t count, capacity;
};

static void add_host(struct host_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return;
    vec_push(names, xstrdup(name));
}

/* Where the store knows containers of the site, or the one that was asked for. */
static enum err list_hosts(const struct evidence_fetch *fetch, struct host_names *names, struct err_info *info)
{
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    if (fetch->host) {
        add_host(names, fetch->host);
        return ERR_OK;
    }
    enum err err = store_reader_open(fetch->state_dir, &reader, info);
    if (!err)
        err = store_read_snapshot(reader, &snapshot, info);
    for (size_t i = 0; !err && i < snapshot->container_count; i++)
        if (strcmp(snapshot->containers[i].site, fetch->site) == 0)
            add_host(names, snapshot->containers[i].host);
    snapshot_free(snapshot);
    store_reader_close(reader);
    if (!err && names->count == 0)
        err = err_set(info, ERR_NOT_FOUND, "no host is known to have %s; name one with --host", fetch->site);
    return err;
}

static enum err load_fleet(const struct evidence_fetch *fetch, struct fleet **fleet, struct err_info *info)
{
    struct complaints complaints = {0};
    char *directory = paths_fleet_dir(fetch->fleet_dir);
    enum err err = fleet_load(directory, fleet, &complaints, info);
    complaints_free(&complaints);
    free(directory);
    return err;
}

/* The same for each try of this state directory: one that was killed does not stand in the way of the next. */
static void name_lease(const char *state_dir, char out[EVIDENCE_JOB_SIZE])
{
    char node[256] = "", sum[DIGEST_TEXT_SIZE];
    gethostname(node, sizeof node - 1);
    char *both = xasprintf("%s:%s", node, state_dir);
    digest_of(both, strlen(both), sum);
    str_format(out, EVIDENCE_JOB_SIZE, "pull.%.16s", sum);
    free(both);
}

enum err evidence_fetch(const struct evidence_fetch *fetch, struct err_info *info)
{
    struct fleet *fleet = NULL;
    struct host_names names = {0};
    size_t count = 0;
    struct fetching fetching = {.fetch = fetch, .on_terminal = isatty(STDERR_FILENO), .outcomes = json_array()};
    name_lease(fetch->state_dir, fetching.lease_job);
    enum err err = load_fleet(fetch, &fleet, info);
    if (!err)
        err = list_hosts(fetch, &names, info);
    for (size_t i = 0; i < names.count && !err; i++) {
        fetching.host = names.items[i];
        err = fetch_from(fleet, &fetching, &count, info);
    }
    if (!err && count == 0)
        err = err_set(info, ERR_NOT_FOUND, "no host keeps sealed evidence of %s%s%.64s", fetch->site,
            fetch->job ? " by job " : "", fetch->job ? fetch->job : "");
    if (!err && fetch->json) {
        json_dumpf(fetching.outcomes, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(fetching.outcomes);
    vec_each (&names, char *, name)
        free(*name);
    vec_free(&names);
    fleet_free(fleet);
    return err;
}

enum err evidence_drop(const char *fleet_dir, const char *state_dir, const char *name, struct err_info *info)
{
    struct evidence_report report = {0};
    struct fleet *fleet = NULL;
    char *directory = evidence_directory(state_dir, name);
    enum err err = evidence_verify(state_dir, directory, &report, info);
    if (!err && !report.good)
        err = err_set(info, ERR_FAILED,
            "%s does not verify here: the copy on its host is kept (`dogwatch evidence verify %s`)", name, name);
    struct evidence_fetch fetch = {.fleet_dir = fleet_dir, .state_dir = state_dir, .site = report.site};
    struct fetching fetching = {.fetch = &fetch, .host = report.host};
    name_lease(state_dir, fetching.lease_job);
    if (!err)
        err = load_fleet(&fetch, &fleet, info);
    if (!err)
        err = remove_there(fleet, &fetching, report.job, info);
    fleet_free(fleet);
    evidence_report_free(&report);
    free(directory);
    return err;
}
