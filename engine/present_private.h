/* Shared by the files of the model only: present.c (hosts and what they have), present_sites.c (sites made of them). */
#ifndef ENGINE_PRESENT_PRIVATE_H
#define ENGINE_PRESENT_PRIVATE_H

#include "base/vec.h"
#include "engine/present.h"

struct present_host {
    struct host_state state; /* first: the tree compares by its name */
    bool in_fleet;
    bool known;                             /* its containers have been seen, now or by an earlier engine */
    bool listed;                            /* they have been seen since it answers: what is kept is true now */
    bool tried;                             /* and failed, since the engine began */
    char listed_boot_id[40];                /* the boot in which its containers were seen last; "" before the first */
    bool told_up;                           /* the last thing the timeline says of it is that it answers */
    VEC(struct container_state) containers; /* sorted by key */
    VEC(struct volume_state) volumes;       /* sorted by key */
    VEC(double) low;                        /* file systems with little room, known by their size */
    VEC(struct site_marking) marks;         /* sorted by site */
    VEC(struct container_state) unsure;     /* sorted by key: what was last known of those that are now RUN_UNKNOWN */
};

struct present_site {
    struct site_state state;          /* first: the tree compares by its name */
    const struct site_def *declared;  /* NULL for discovered sites */
    VEC(struct present_host *) hosts; /* those with a container of it, sorted by name */
    enum site_mark place;             /* hosts where it bears this mark are where it is; the others have copies */
    int64_t contested_us;             /* since when more than one host has it active; 0: they do not */
    enum site_status last_known;      /* the last status that was not unknown; SITE_UNKNOWN before the first */
    char told_drift[REASON_SIZE];     /* what the timeline knows of its drift: without what only is not running */
    bool loaded;                      /* from an earlier engine, and not known since */
};

struct present {
    struct present_writer writer;
    const struct fleet *fleet;
    void *hosts; /* tsearch(3) trees, by name */
    void *sites;
    bool all_listed; /* every host answers and has said what it runs: what is nowhere is missing */
};

/* The names of the sites with containers on a host, sorted, each once. Copies: they outlive the host's arrays. */
struct site_names {
    VEC(struct site_name { char text[NAME_SIZE]; }) list;
};
void present_sites_of(const struct present_host *host, struct site_names *out);
/* The host's containers changed or aged; `before` is what present_sites_of gave earlier. */
void present_update_host_sites(struct present *present, struct present_host *host, const struct site_names *before,
    int64_t now_us, int64_t sampled_us);
/* A host began or ceased to be listed: declared sites that are nowhere are missing, or unknown while some host does not
 * answer. */
void present_update_declared(struct present *present, int64_t now_us);
void present_count_listed(struct present *present); /* sets all_listed */
void present_update_all_sites(struct present *present, int64_t now_us);

void present_load_sites(struct present *present, const struct snapshot *snapshot);
/* Point sites at their declarations in present->fleet, adding those that are new. */
void present_declare_sites(struct present *present);

/* present_silent.c: the report with what is known of engines that did not answer; the arrays are the caller's to free.
 */
struct host_report present_with_silent(const struct present_host *host, const struct host_report *report);

/* present_marks.c */
enum site_mark present_mark(const struct present_host *host, const char *site);
const struct site_marking *present_marking(const struct present_host *host, const char *site); /* NULL: none */
/* The host's marks become those of the report; what changed is told. */
void present_take_marks(
    struct present *present, struct present_host *host, const struct host_report *report, int64_t now_us);
/* As far as the host's containers, read back from the store, tell. */
void present_load_marks(struct present_host *host);
/* Decide where the site is: sets site->place. */
void present_choose_place(struct present_site *site);
bool present_is_place(const struct present_site *site, const struct present_host *host);
/* Note whether more than one host has it active. True where that is beyond doubt: each has said so since it began. */
bool present_is_contested(struct present_site *site, int64_t now_us);
/* "mosh01 and mosh02", "mosh01, mosh02 and mosh03": those that have it active. */
void present_active_hosts(const struct present_site *site, char *out, size_t out_size);
/* mark_job, kept_host and the like. */
void present_put_marks(struct present_site *site);

/* The nodes of a tree, in order: for loops that delete. */
struct present_nodes {
    VEC(void *) list;
};
void present_all(void *tree, struct present_nodes *out);

int present_compare_names(const void *a, const void *b); /* of structs that begin with a name */

#endif
