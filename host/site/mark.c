/* Reading marks: what a site's file says, and whether its containers may be started or stopped. A file that cannot be
 * understood forbids both to our own verbs: somebody marked the site, and nobody knows why. No state; any thread. */
#include "host/site/mark.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/facts.h"
#include "host/path.h"
#include "host/site/record.h"

#define MOST_LISTED 500 /* of a line of 1 MiB */

static const char *const words[MARK_COUNT] = {[MARK_NONE] = "none",
    [MARK_STOPPED] = "stopped",
    [MARK_INCOMING] = "incoming",
    [MARK_LEAVING] = "leaving",
    [MARK_KEPT] = "kept",
    [MARK_QUARANTINED] = "quarantined"};

const char *mark_word(enum site_mark what)
{
    return (unsigned)what < MARK_COUNT ? words[what] : "unknown";
}

bool mark_parse(const char *word, enum site_mark *what)
{
    for (int i = 0; word && i < MARK_COUNT; i++) {
        if (strcmp(words[i], word) == 0) {
            *what = (enum site_mark)i;
            return true;
        }
    }
    return false;
}

/* --- one site -------------------------------------------------------------------------------------------------------
 */

static bool is_of_this_boot(const json_t *record)
{
    const char *boot_id = json_get_text(record, "boot_id");
    return boot_id && *boot_id && strcmp(boot_id, host_boot_id()) == 0;
}

bool mark_of_record(const json_t *record, struct mark *mark)
{
    const char *note = json_get_text(record, "note");
    *mark = (struct mark){0};
    if (!mark_parse(json_get_text(record, "mark"), &mark->what) || mark->what == MARK_NONE)
        return false;
    json_get_bool(record, "trial", &mark->trial);
    mark->this_boot = is_of_this_boot(record);
    json_copy_text(record, "job", mark->job, sizeof mark->job);
    json_copy_text(record, "peer", mark->peer, sizeof mark->peer);
    json_get_i64(record, "since_us", &mark->since_us);
    json_get_i64(record, "until_us", &mark->until_us);
    if (note)
        sanitize(mark->note, sizeof mark->note, note, strlen(note));
    return true;
}

enum err mark_read(const char *site, struct mark *mark, struct err_info *info)
{
    json_t *record;
    *mark = (struct mark){0};
    enum err result = record_read(site, "mark", &record, info);
    if (result == ERR_NOT_FOUND)
        return ERR_OK;
    if (result == ERR_OK && !mark_of_record(record, mark))
        result = err_set(info, ERR_CORRUPT, MARK_DIRECTORY "/%s" MARK_SUFFIX " bears no mark that is known", site);
    json_decref(record);
    return result;
}

json_t *mark_record(const char *site)
{
    json_t *record;
    return record_read(site, "mark", &record, NULL) == ERR_OK ? record : NULL;
}

const char *mark_policy(const json_t *record, const char *id, const char *now)
{
    const char *before = id ? json_get_text(json_object_get(record, "policies"), id) : NULL;
    return before ? before : now;
}

/* --- what it allows -------------------------------------------------------------------------------------------------
 */

/* The way out: what stands before and behind the name of the site, or the job. */
static const struct {
    const char *before, *behind;
    bool of_job;
} ways_out[MARK_COUNT] = {[MARK_STOPPED] = {"`dogwatch start ", "` ends that", false},
    [MARK_INCOMING] = {"job ", " is making it here and decides whether it may start", true},
    [MARK_LEAVING] = {"job ", " is moving it away; cancelling that job ends this", true},
    [MARK_KEPT] = {"it lives elsewhere now; `dogwatch undo ", "` calls this copy back", true},
    [MARK_QUARANTINED] = {"`dogwatch release ", "` ends that", false}};

/* The engine's own number of a job, as its commands take it: what is behind the dot. */
static const char *job_number(const char *job)
{
    const char *dot = strrchr(job, '.');
    return dot && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == '\0' ? dot + 1 : job;
}

void mark_say(const char *site, const struct mark *mark, char *out, size_t out_size)
{
    char since[CLOCK_RFC3339_SIZE];
    const char *who = mark->job[0] ? mark->job : "?";
    clock_rfc3339(mark->since_us, 0, since);
    str_format(out, out_size, "%s is marked %s on this host since %s, by job %s%s%s; %s%s%s", site,
        mark_word(mark->what), since[0] ? since : "?", who, mark->peer[0] ? ", with " : "", mark->peer,
        ways_out[mark->what].before, ways_out[mark->what].of_job ? job_number(who) : site, ways_out[mark->what].behind);
}

static bool is_on_trial(const struct mark *mark, const char *job)
{
    return mark->what == MARK_INCOMING && mark->trial && mark->this_boot && (!job || strcmp(job, mark->job) == 0);
}

bool mark_refuses(const json_t *record, const char *job, char *why, size_t why_size)
{
    struct mark mark;
    const char *site = json_get_text(record, "site");
    if (!site || !name_is_valid(site))
        site = "this site";
    if (!mark_of_record(record, &mark)) {
        str_format(why, why_size, "%s bears a mark on this host that this version does not know", site);
        return true;
    }
    if (is_on_trial(&mark, job))
        return false;
    mark_say(site, &mark, why, why_size);
    return true;
}

enum err mark_allows_start(const char *site, const char *job, struct err_info *info)
{
    json_t *record;
    char why[600];
    enum err result = record_read(site, "mark", &record, info);
    if (result == ERR_NOT_FOUND)
        return ERR_OK;
    if (result == ERR_OK && mark_refuses(record, job, why, sizeof why))
        result = err_set(info, ERR_DENIED, "%s; nothing was changed", why);
    json_decref(record);
    return result;
}

enum err mark_allows_stop(const char *site, struct err_info *info)
{
    struct mark mark;
    char why[600];
    enum err result = mark_read(site, &mark, info);
    if (result != ERR_OK || mark.what != MARK_QUARANTINED)
        return result;
    mark_say(site, &mark, why, sizeof why);
    return err_set(info, ERR_DENIED, "%s; stopping it would destroy what is evidence; nothing was changed", why);
}

/* --- all of them ----------------------------------------------------------------------------------------------------
 */

json_t *mark_entry(const char *site, const json_t *record)
{
    struct mark mark, before;
    const json_t *stood = json_object_get(record, "before");
    if (!mark_of_record(record, &mark))
        return NULL;
    json_t *entry = json_object();
    json_put_text(entry, "site", site);
    json_put_text(entry, "mark", mark_word(mark.what));
    json_put_text(entry, "job", mark.job[0] ? mark.job : NULL);
    json_put_text(entry, "peer", mark.peer[0] ? mark.peer : NULL);
    json_put_text(entry, "note", mark.note[0] ? mark.note : NULL);
    if (json_is_object(stood) && mark_of_record(stood, &before))
        json_put_text(entry, "before", mark_word(before.what));
    if (mark.since_us)
        json_put_i64(entry, "since_us", mark.since_us);
    if (mark.until_us)
        json_put_i64(entry, "until_us", mark.until_us);
    if (mark.trial)
        json_put_bool(entry, "trial", mark.trial && mark.this_boot);
    return entry;
}

static void add_entry(json_t *list, const char *site)
{
    json_t *record = mark_record(site), *entry = record ? mark_entry(site, record) : NULL;
    if (entry)
        json_array_append_new(list, entry);
    json_decref(record);
}

json_t *mark_list_of(const char *site)
{
    json_t *list = json_array();
    add_entry(list, site);
    return list;
}

/* "SITE.mark" → SITE */
bool mark_site_of(const char *file, char site[NAME_SIZE])
{
    size_t length = strlen(file), suffix = strlen(MARK_SUFFIX);
    if (length <= suffix || length - suffix >= NAME_SIZE || !str_ends(file, MARK_SUFFIX))
        return false;
    memcpy(site, file, length - suffix);
    site[length - suffix] = '\0';
    return name_is_valid(site);
}

static DIR *open_directory(void)
{
    char path[HOST_PATH_SIZE];
    return opendir(host_path(path, sizeof path, MARK_DIRECTORY));
}

json_t *mark_list(void)
{
    char site[NAME_SIZE];
    json_t *list = json_array();
    DIR *directory = open_directory();
    for (const struct dirent *file; directory && (file = readdir(directory)) && json_array_size(list) < MOST_LISTED;)
        if (mark_site_of(file->d_name, site))
            add_entry(list, site);
    if (directory)
        closedir(directory);
    return list;
}

bool mark_any(char *names, size_t names_size)
{
    char site[NAME_SIZE];
    bool any = false;
    size_t length = 0;
    DIR *directory = open_directory();
    if (names_size)
        names[0] = '\0';
    for (const struct dirent *file; directory && (file = readdir(directory));) {
        if (!mark_site_of(file->d_name, site))
            continue;
        any = true;
        if (length + strlen(site) + 3 < names_size)
            str_format(names + length, names_size - length, "%s%s", length ? ", " : "", site);
        length = names_size ? strlen(names) : 0;
    }
    if (directory)
        closedir(directory);
    return any;
}
