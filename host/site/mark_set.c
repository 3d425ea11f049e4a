/* Changing marks, one change of a site at a time over all helpers of the host. In this order, so that a crash at any
 * point leaves the site guarded or active, never half of it: hook, mark (on disk), restart policies of docker; and
 * back: policies, mark, hook. In threads of their own (host/verbs.c). */
#include "host/site/mark.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/containers/runtime.h"
#include "host/facts.h"
#include "host/inventory.h"
#include "host/site/guard.h"
#include "host/site/record.h"
#include "host/site/site.h"
#include "host/verbs.h"

/* What is known of the containers goes from one mark of a site to the next. */
static const char *const carried[] = {"containers", "policies", "bolts"};

static void carry(json_t *to, const json_t *from)
{
    for (size_t i = 0; from && i < sizeof carried / sizeof *carried; i++)
        if (json_object_get(from, carried[i]))
            json_object_set(to, carried[i], json_object_get(from, carried[i]));
}

/* --- setting --------------------------------------------------------------------------------------------------------
 */

/* The mark's own members, without what is carried and without what stood before it. */
static json_t *bare(const json_t *record)
{
    json_t *copy = json_deep_copy(record);
    json_object_del(copy, "before");
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++)
        json_object_del(copy, carried[i]);
    return copy;
}

static json_t *make_record(const char *site, const struct mark *mark, int64_t since_us)
{
    json_t *record = json_object();
    json_put_text(record, "site", site);
    json_put_text(record, "mark", mark_word(mark->what));
    json_put_text(record, "job", mark->job);
    json_put_text(record, "boot_id", host_boot_id());
    json_put_i64(record, "since_us", since_us);
    if (mark->until_us)
        json_put_i64(record, "until_us", mark->until_us);
    json_put_text(record, "peer", mark->peer[0] ? mark->peer : NULL);
    json_put_text(record, "note", mark->note[0] ? mark->note : NULL);
    if (mark->trial)
        json_put_bool(record, "trial", true);
    return record;
}

static enum err write_mark(const char *site, const json_t *record, struct err_info *info)
{
    bool is_guarded = runtime_is_used(RUNTIME_PODMAN);
    enum err result = is_guarded ? guard_install(info) : ERR_OK;
    if (result == ERR_OK)
        result = record_write(site, "mark", record, info);
    if (result == ERR_OK && is_guarded)
        result = guard_install(info); /* another site's last mark may have taken it away in between */
    return result;
}

static enum err end_mark(const char *site, const json_t *record, struct err_info *info)
{
    struct err_info ignored;
    enum err result = mark_uncover(record, info);
    if (result == ERR_OK)
        result = record_remove(site, "mark", info);
    if (result == ERR_OK && guard_remove_unused(&ignored) != ERR_OK)
        log_warning("the guard of podman stays although nothing is marked: %s", ignored.message);
    return result;
}

/* A mark that replaces one of another kind remembers it. */
static enum err replace_mark(const char *site, const struct mark *wanted, const struct mark *now, const json_t *record,
    bool is_same, struct err_info *info)
{
    json_t *fresh = make_record(site, wanted, is_same && now->since_us ? now->since_us : clock_wall_us());
    json_t *before = json_object_get(record, "before");
    carry(fresh, record);
    bool is_same_kind = now->what == wanted->what;
    if (is_same_kind && json_is_object(before))
        json_object_set(fresh, "before", before);
    else if (!is_same_kind && record)
        json_object_set_new(fresh, "before", bare(record));
    enum err result = write_mark(site, fresh, info);
    json_decref(fresh);
    return result;
}

static enum err refuse_from(const char *site, const struct mark *now, struct err_info *info)
{
    char why[600];
    if (now->what == MARK_NONE)
        return err_set(info, ERR_BUSY, "%s bears no mark on this host, so it is not in the state this asks for", site);
    mark_say(site, now, why, sizeof why);
    return err_set(info, ERR_BUSY, "%s", why);
}

static json_t *was_before(const char *site, const json_t *record, bool is_same)
{
    json_t *entry = NULL;
    if (record)
        entry = mark_entry(site, is_same ? json_object_get(record, "before") : record);
    return entry ? entry : json_null();
}

static enum err set_locked(const char *site, const struct mark_wish *wish, json_t **was, struct err_info *info)
{
    json_t *record;
    struct mark now = {0};
    enum err result = record_read(site, "mark", &record, info);
    if (result == ERR_NOT_FOUND)
        result = ERR_OK;
    else if (result == ERR_CORRUPT && wish->any)
        result = ERR_OK;
    else if (result == ERR_OK && !mark_of_record(record, &now) && !wish->any)
        result = err_set(info, ERR_CORRUPT, "%s bears a mark on this host that this version does not know", site);
    bool is_same = now.what == wish->mark.what && (now.what == MARK_NONE || strcmp(now.job, wish->mark.job) == 0);
    if (result == ERR_OK && !is_same && !wish->any && !wish->from[now.what])
        result = refuse_from(site, &now, info);
    if (result == ERR_OK && was)
        *was = was_before(site, record, is_same);
    if (result == ERR_OK)
        result = wish->mark.what == MARK_NONE ? end_mark(site, record, info)
                                              : replace_mark(site, &wish->mark, &now, record, is_same, info);
    json_decref(record);
    return result;
}

enum err mark_set(const char *site, const struct mark_wish *wish, json_t **was, struct err_info *info)
{
    int lock;
    if (was)
        *was = NULL;
    enum err result = record_lock(site, "marking", true, &lock, info);
    if (result != ERR_OK)
        return result;
    result = set_locked(site, wish, was, info);
    record_unlock(lock);
    return result;
}

/* --- taking back ----------------------------------------------------------------------------------------------------
 */

/* *earlier: what is to stand again, borrowed from *record, which is the caller's; both NULL where nothing is to be
 * done, *earlier alone where nothing stood before. */
static enum err plan_restore(const char *site, enum site_mark replaced, enum site_mark restored, json_t **record,
    json_t **earlier, struct err_info *info)
{
    struct mark now, before = {0};
    *earlier = NULL;
    enum err result = record_read(site, "mark", record, info);
    if (result == ERR_NOT_FOUND)
        return restored == MARK_NONE ? ERR_OK : refuse_from(site, &(struct mark){0}, info);
    if (result != ERR_OK)
        return result;
    if (!mark_of_record(*record, &now) || (now.what != replaced && now.what != restored))
        return refuse_from(site, &now, info);
    json_t *stood = json_object_get(*record, "before");
    if (json_is_object(stood) && mark_of_record(stood, &before))
        *earlier = stood;
    if (now.what == replaced && before.what != restored)
        return err_set(info, ERR_FAILED, "before it was %s, %s was marked %s on this host, not %s; nothing was changed",
            mark_word(replaced), site, mark_word(before.what), mark_word(restored));
    if (now.what == restored) {
        json_decref(*record);
        *record = *earlier = NULL;
    }
    return ERR_OK;
}

enum err mark_check_restore(const char *site, enum site_mark replaced, enum site_mark restored, struct err_info *info)
{
    json_t *record, *earlier;
    enum err result = plan_restore(site, replaced, restored, &record, &earlier, info);
    json_decref(record);
    return result;
}

static enum err restore_locked(
    const char *site, enum site_mark replaced, enum site_mark restored, struct err_info *info)
{
    json_t *record, *earlier;
    enum err result = plan_restore(site, replaced, restored, &record, &earlier, info);
    if (result == ERR_OK && record && !earlier) {
        result = end_mark(site, record, info);
    } else if (result == ERR_OK && record) {
        json_t *again = json_deep_copy(earlier);
        carry(again, record);
        result = write_mark(site, again, info);
        json_decref(again);
    }
    json_decref(record);
    return result;
}

enum err mark_restore(const char *site, enum site_mark replaced, enum site_mark restored, struct err_info *info)
{
    int lock;
    enum err result = record_lock(site, "marking", true, &lock, info);
    if (result != ERR_OK)
        return result;
    result = restore_locked(site, replaced, restored, info);
    record_unlock(lock);
    return result;
}

/* --- the verb -------------------------------------------------------------------------------------------------------
 */

static enum err read_from(const json_t *args, struct mark_wish *wish, struct err_info *info)
{
    const json_t *list = json_object_get(args, "from");
    wish->any = json_array_size(list) == 0;
    if (list && !json_is_array(list) && !json_is_null(list))
        return err_set(info, ERR_INVALID, "args.from is a list of marks");
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum site_mark mark;
        if (!mark_parse(json_string_value(json_array_get(list, i)), &mark))
            return err_set(info, ERR_INVALID, "args.from names a mark that there is not");
        wish->from[mark] = true;
    }
    return ERR_OK;
}

static enum err read_wish(const json_t *args, struct mark_wish *wish, struct err_info *info)
{
    const char *peer = json_get_text(args, "peer"), *note = json_get_text(args, "note");
    struct mark *mark = &wish->mark;
    *wish = (struct mark_wish){0};
    if (!mark_parse(json_get_text(args, "mark"), &mark->what))
        return err_set(info, ERR_INVALID, "args.mark is none, stopped, incoming, leaving or kept");
    if (mark->what == MARK_QUARANTINED)
        return err_set(info, ERR_INVALID, "site.contain marks a site as quarantined: a mark alone contains nothing");
    if (peer && (!name_is_valid(peer) || !str_copy(mark->peer, sizeof mark->peer, peer)))
        return err_set(info, ERR_INVALID, "args.peer is no valid name of a host");
    if (note)
        sanitize(mark->note, sizeof mark->note, note, strlen(note));
    json_get_bool(args, "trial", &mark->trial);
    if (mark->trial && mark->what != MARK_INCOMING)
        return err_set(info, ERR_INVALID, "args.trial goes with the mark incoming only");
    if (json_get_i64(args, "until_us", &mark->until_us) && mark->until_us < 0)
        return err_set(info, ERR_INVALID, "args.until_us is a time since the epoch");
    enum err result = lease_job(args, mark->job, info);
    return result == ERR_OK ? read_from(args, wish, info) : result;
}

/* Only site.uncontain takes the drop away. */
static enum err refuse_quarantined(const char *site, struct err_info *info)
{
    struct mark now;
    if (mark_read(site, &now, NULL) != ERR_OK || now.what != MARK_QUARANTINED)
        return ERR_OK;
    return refuse_from(site, &now, info);
}

/* An engine that does not answer is no reason to leave the site unmarked, but one to say so. */
static enum err cover_found(const char *site, struct err_info *info)
{
    json_t *inventory;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return err_prefix(info, result, "the mark of %s stands, but its containers could not be looked at", site);
    json_t *containers = site_select(inventory, site);
    result = mark_cover(site, containers, info);
    json_decref(containers);
    json_decref(inventory);
    return result;
}

enum err verb_site_mark(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    const char *site = json_get_text(args, "site");
    struct mark_wish wish;
    json_t *was = NULL;
    enum err result = read_wish(args, &wish, info);
    if (result == ERR_OK)
        result = lease_check(site, wish.mark.job, info);
    if (result == ERR_OK)
        result = refuse_quarantined(site, info);
    if (result == ERR_OK)
        result = mark_set(site, &wish, &was, info);
    if (result == ERR_OK && wish.mark.what != MARK_NONE)
        result = cover_found(site, info);
    if (result == ERR_OK) {
        *ok = json_object();
        json_object_set(*ok, "was", was);
        json_object_set_new(*ok, "marks", mark_list_of(site));
    }
    json_decref(was);
    return result;
}
