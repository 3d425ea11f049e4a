/* What may start here: the mark a site bears on this host (docs/protocol.md "Marks"), in
 * /var/lib/dogwatch/sites/SITE.mark. A site without that file is active. Files are written whole and on disk before
 * anybody is told so. Any thread, any process. */
#ifndef HOST_SITE_MARK_H
#define HOST_SITE_MARK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/name.h"
#include "host/site/lease.h"

enum site_mark { MARK_NONE, MARK_STOPPED, MARK_INCOMING, MARK_LEAVING, MARK_KEPT, MARK_QUARANTINED, MARK_COUNT };

#define MARK_NOTE_SIZE 161

struct mark {
    enum site_mark what; /* MARK_NONE: the rest is empty */
    bool trial;          /* incoming: its job may start it */
    bool this_boot;      /* it was set since the host was started */
    char job[LEASE_JOB_SIZE];
    char peer[NAME_SIZE];      /* the other host of a move; "" where there is none */
    char note[MARK_NOTE_SIZE]; /* for a person */
    int64_t since_us;
    int64_t until_us; /* 0: no end */
};

const char *mark_word(enum site_mark what);
bool mark_parse(const char *word, enum site_mark *what); /* false, *what untouched, for anything else */

/* MARK_NONE where the site bears none. ERR_CORRUPT where its file cannot be understood: it is marked, but nobody knows
 * how. */
enum err mark_read(const char *site, struct mark *mark, struct err_info *info);

/* The same of a file that was read; false, *mark empty, where it bears no mark that is known. */
bool mark_of_record(const json_t *record, struct mark *mark);
json_t *mark_record(const char *site); /* the file; NULL where there is none or it cannot be read */

/* "SITE is marked … since …, by job …; the way out". */
void mark_say(const char *site, const struct mark *mark, char *out, size_t out_size);

/* ERR_OK where the job may start the site's containers now: it is active, or incoming here on trial by this very job.
 * Else ERR_DENIED: the message names the mark, its job, since when it stands, and the way out. */
enum err mark_allows_start(const char *site, const char *job, struct err_info *info);
/* The same for stopping: only what is quarantined stays as it is. */
enum err mark_allows_stop(const char *site, struct err_info *info);

/* As in "marks" of an inventory: of every site, or of one (an array of one or none). New arrays. */
json_t *mark_list(void);
json_t *mark_list_of(const char *site);
json_t *mark_entry(const char *site, const json_t *record); /* NULL where the file bears no mark that is known */

/* Whether any site bears a mark, be it one that is not known; the names of some of them go to `names`. */
bool mark_any(char *names, size_t names_size);

/* What to make of a site's mark. */
struct mark_wish {
    struct mark mark; /* since_us and this_boot are filled in */
    bool any;         /* whatever it bears now; else only where it bears one of: */
    bool from[MARK_COUNT];
};

/* Set the mark; on disk, and guarded (host/site/guard.h), when this returns. The same job asking again for what is
 * there already is answered as the first time. MARK_NONE gives docker's containers their restart policies back first.
 * *was (may be NULL): the mark before as in "marks", JSON null for none; the caller's. ERR_BUSY where it bears none of
 * `from`. */
enum err mark_set(const char *site, const struct mark_wish *wish, json_t **was, struct err_info *info);

/* Take back a mark with which mark_set replaced another one: what stood before, with all its data, stands again. It
 * must be of kind `restored`, else ERR_FAILED; where it stands already, nothing is done. */
enum err mark_restore(const char *site, enum site_mark replaced, enum site_mark restored, struct err_info *info);
/* Whether mark_restore would do it; nothing is done. */
enum err mark_check_restore(const char *site, enum site_mark replaced, enum site_mark restored, struct err_info *info);

/* Write the IDs of these containers of the site (site_select) into its mark, so that they are known whatever becomes of
 * their labels, and keep docker's from starting by themselves. Again whenever some were made. Nothing where the site
 * bears no mark. */
enum err mark_cover(const char *site, const json_t *containers, struct err_info *info);
/* Give docker's containers the restart policies back that stand in this file; those that are gone need none. */
enum err mark_uncover(const json_t *record, struct err_info *info);

/* What the container's restart policy is when its site bears no mark: `now`, or what stands in the mark. Borrowed from
 * `record`. */
const char *mark_policy(const json_t *record, const char *id, const char *now);

/* True, with the reason for a person, where what this file says forbids the job to start the site (NULL: whoever asks
 * the engine; then a trial counts for all). */
bool mark_refuses(const json_t *record, const char *job, char *why, size_t why_size);

/* Where the files are, as the host names it, and how their names end. */
#define MARK_DIRECTORY "/var/lib/dogwatch/sites"
#define MARK_SUFFIX ".mark"
bool mark_site_of(const char *file, char site[NAME_SIZE]); /* "SITE.mark" → SITE; false for any other file */

#endif
