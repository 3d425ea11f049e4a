/* The verbs evidence.collect and evidence.remove. A stage may be asked again until all is sealed: it then begins anew.
 * Only the job that has the site's lease may collect, one request at a time. In threads of their own (host/verbs.c). */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/evidence/stages.h"
#include "host/facts.h"
#include "host/inventory.h"
#include "host/site/lease.h"
#include "host/site/record.h"
#include "host/site/site.h"
#include "host/verbs.h"

#define LOCK_LIMIT_US (20 * USEC_PER_SEC)
#define LOCK_EVERY_US (100 * USEC_PER_MSEC)

/* In order of volatility: what is gone first is taken first. */
static const struct {
    const char *what;
    evidence_stage *run;
    bool needs_containers;
} stages[] = {
    {"sockets", stage_sockets, true},
    {"processes", stage_processes, true},
    {"freeze", stage_freeze, true},
    {"memory", stage_memory, true},
    {"containers", stage_containers, true},
    {"filesystem", stage_filesystem, true},
    {"volumes", stage_volumes, true},
    {"seal", stage_seal, false},
};
#define STAGE_COUNT (sizeof stages / sizeof *stages)

static enum err find_stage(const json_t *args, size_t *stage, struct err_info *info)
{
    const char *what = json_get_text(args, "what");
    for (*stage = 0; what && *stage < STAGE_COUNT; ++*stage)
        if (strcmp(stages[*stage].what, what) == 0)
            return ERR_OK;
    return err_set(info, ERR_INVALID,
        "args.what is one of sockets, processes, freeze, memory, containers, filesystem, volumes, seal");
}

/* --- what there is --------------------------------------------------------------------------------------------------
 */

static json_t *select_volumes(const json_t *inventory, const char *site)
{
    json_t *selected = json_array(), *volume;
    size_t i;
    json_array_foreach (json_object_get(inventory, "volumes"), i, volume) {
        const char *of = json_get_text(volume, "site");
        if (of && strcmp(of, site) == 0)
            json_array_append(selected, volume);
    }
    return selected;
}

static enum err look_at_site(struct evidence *evidence, struct err_info *info)
{
    json_t *inventory;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    evidence->containers = site_select(inventory, evidence->site);
    evidence->volumes = select_volumes(inventory, evidence->site);
    json_decref(inventory);
    if (json_array_size(evidence->containers) == 0)
        return err_set(info, ERR_NOT_FOUND, "no container of %s is on this host", evidence->site);
    return ERR_OK;
}

/* What this evidence is about, written with the first stage; another site and job may not have the same name. */
static enum err write_beginning(struct evidence *evidence, struct err_info *info)
{
    char path[HOST_PATH_SIZE + 16];
    struct buf text = BUF(65536);
    json_t *beginning = NULL;
    str_format(path, sizeof path, "%s/begin.json", evidence->vault.path);
    bool known = buf_read_file(&text, path, NULL) == ERR_OK &&
                 json_parse(buf_text(&text), text.length, &beginning, NULL) == ERR_OK;
    buf_free(&text);
    if (known) {
        const char *site = json_get_text(beginning, "site"), *job = json_get_text(beginning, "job");
        bool same = site && job && strcmp(site, evidence->site) == 0 && strcmp(job, evidence->job) == 0;
        json_decref(beginning);
        return same ? ERR_OK
                    : err_set(info, ERR_EXISTS, "%s has the evidence of another site or job", evidence->vault.path);
    }
    beginning = json_object();
    json_put_text(beginning, "site", evidence->site);
    json_put_text(beginning, "job", evidence->job);
    host_put_identity(beginning);
    host_put_times(beginning);
    lease_put(evidence->site, beginning);
    enum err result = output_json(evidence, "begin.json", beginning, info);
    json_decref(beginning);
    return result;
}

/* --- a stage --------------------------------------------------------------------------------------------------------
 */

static json_t *describe_left_out(const struct evidence *evidence)
{
    json_t *list = json_deep_copy(evidence->left_out);
    int64_t more = evidence->left_out_count - (int64_t)json_array_size(list);
    if (more > 0) {
        char why[64];
        json_t *entry = json_object();
        str_format(why, sizeof why, "%lld more are not listed", (long long)more);
        json_put_text(entry, "what", "…");
        json_put_text(entry, "why", why);
        json_array_append_new(list, entry);
    }
    return list;
}

static enum err write_stage(struct evidence *evidence, const char *what, int64_t took_ms, struct err_info *info)
{
    char name[64];
    json_t *stage = json_object();
    json_put_text(stage, "what", what);
    host_put_times(stage);
    json_put_i64(stage, "took_ms", took_ms);
    json_put_i64(stage, "files", evidence->file_count);
    json_put_i64(stage, "bytes", evidence->bytes);
    json_object_set_new(stage, "left_out", describe_left_out(evidence));
    str_format(name, sizeof name, "stages/%s.json", what);
    enum err result = output_json(evidence, name, stage, info);
    json_decref(stage);
    return result;
}

static enum err run_stage(struct evidence *evidence, size_t index, int64_t began_us, struct err_info *info)
{
    bool is_seal = !stages[index].needs_containers;
    const char *what = stages[index].what;
    if (!is_seal && vault_is_sealed(&evidence->vault))
        return err_set(info, ERR_DENIED, "the evidence of %s by job %s is sealed: nothing is added to it",
            evidence->site, evidence->job);
    enum err result = is_seal ? ERR_OK : look_at_site(evidence, info);
    if (result == ERR_OK && !is_seal)
        result = write_beginning(evidence, info);
    if (result == ERR_OK && !is_seal)
        result = vault_remove(&evidence->vault, what, info);
    if (result == ERR_OK)
        result = stages[index].run(evidence, info);
    if (result == ERR_OK && !is_seal)
        result = write_stage(evidence, what, (clock_mono_us() - began_us) / USEC_PER_MSEC, info);
    return result;
}

static json_t *answer_of(struct evidence *evidence, int64_t began_us)
{
    json_t *ok = evidence->answer ? json_incref(evidence->answer) : json_object();
    json_object_set(ok, "files", evidence->files);
    json_put_i64(ok, "file_count", evidence->file_count);
    json_put_i64(ok, "bytes", evidence->bytes);
    json_put_i64(ok, "took_ms", (clock_mono_us() - began_us) / USEC_PER_MSEC);
    json_object_set_new(ok, "left_out", describe_left_out(evidence));
    return ok;
}

static void free_evidence(struct evidence *evidence)
{
    json_decref(evidence->containers);
    json_decref(evidence->volumes);
    json_decref(evidence->files);
    json_decref(evidence->left_out);
    json_decref(evidence->answer);
    vault_close(&evidence->vault);
    record_unlock(evidence->lock);
}

/* One request at a time. One whose connection broke, or engine died, ends within moments: it is waited for. */
static enum err lock_evidence(struct session *session, const char *site, int *lock, struct err_info *info)
{
    int64_t deadline_us = clock_mono_us() + LOCK_LIMIT_US;
    enum err result;
    while ((result = record_lock(site, "evidence", false, lock, info)) == ERR_BUSY && clock_mono_us() < deadline_us)
        if (session_wait(session, LOCK_EVERY_US))
            break;
    return result;
}

enum err verb_evidence_collect(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    int64_t began_us = clock_mono_us();
    struct evidence evidence = {.session = session, .request_id = request_id, .lock = -1, .vault.fd = -1};
    size_t stage = 0;
    evidence.site = json_get_text(args, "site");
    evidence.key_type = json_get_text(args, "key_type");
    evidence.files = json_array();
    evidence.left_out = json_array();
    evidence.told_us = began_us;
    enum err result = find_stage(args, &stage, info);
    if (result == ERR_OK)
        result = lease_job(args, evidence.job, info);
    if (result == ERR_OK)
        result = lease_check(evidence.site, evidence.job, info);
    if (result == ERR_OK)
        result = lock_evidence(session, evidence.site, &evidence.lock, info);
    if (result == ERR_OK)
        result = vault_open(evidence.site, evidence.job, stages[stage].needs_containers, &evidence.vault, info);
    if (result == ERR_OK)
        result = run_stage(&evidence, stage, began_us, info);
    if (result == ERR_OK)
        *ok = answer_of(&evidence, began_us);
    free_evidence(&evidence);
    return result;
}

/* --- removing -------------------------------------------------------------------------------------------------------
 */

enum err evidence_job(const json_t *args, char out[LEASE_JOB_SIZE], struct err_info *info)
{
    enum err result = lease_job(args, out, info);
    if (result == ERR_OK)
        result = lease_check(json_get_text(args, "site"), out, info);
    const char *of_job = json_get_text(args, "of_job");
    if (result != ERR_OK || !of_job)
        return result;
    json_t *other = json_object();
    json_put_text(other, "job", of_job);
    result = lease_job(other, out, info);
    json_decref(other);
    return result;
}

/* What is not sealed has not left the host. Asked again there is nothing left to do. */
enum err verb_evidence_remove(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)request_id;
    char job[LEASE_JOB_SIZE];
    int lock = -1;
    struct vault vault = {.fd = -1};
    const char *site = json_get_text(args, "site");
    enum err result = evidence_job(args, job, info);
    if (result == ERR_OK)
        result = lock_evidence(session, site, &lock, info);
    if (result == ERR_OK)
        result = vault_open(site, job, false, &vault, info);
    if (result == ERR_OK && !vault_is_sealed(&vault))
        result = err_set(info, ERR_DENIED, "the evidence of %s by job %s is not sealed: it is not removed", site, job);
    if (result == ERR_OK)
        result = vault_remove_all(&vault, info);
    if (result == ERR_NOT_FOUND)
        result = ERR_OK;
    vault_close(&vault);
    record_unlock(lock);
    if (result == ERR_OK)
        *ok = json_object();
    return result;
}
