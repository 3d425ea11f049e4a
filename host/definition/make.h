/* Making what a definition names, one thing at a time, with a list of what was made so that all of it can be taken away
 * again. One thread at a time, which holds the site's lease and its lock. */
#ifndef HOST_DEFINITION_MAKE_H
#define HOST_DEFINITION_MAKE_H

#include "base/vec.h"
#include "host/containers/runtime.h"
#include "host/site/lease.h"

struct made_thing {
    const char *what; /* "container", "volume", "network", "directory"; "name": a container that was renamed; "old": one
                         that goes when all is well */
    enum runtime_kind kind;
    char *name;   /* or path */
    char *before; /* "name": what it was called; else NULL */
};

struct making {
    const char *site;
    char job[LEASE_JOB_SIZE];
    const json_t *definition; /* vetted */
    const json_t *images;     /* ID at the source → ID here; NULL: the same */
    json_t *inventory;        /* from before anything was made */
    VEC(struct made_thing) things;
};

/* Each is there when ERR_OK is returned. ERR_DENIED where it is there and another site's. */
enum err make_volume(struct making *making, enum runtime_kind kind, const char *name, struct err_info *info);
enum err make_network(struct making *making, enum runtime_kind kind, const char *name, struct err_info *info);
enum err make_directory(struct making *making, const char *path, struct err_info *info);

/* One container of the definition. What stood here under its name is set aside first (a copy of this site that was
 * kept, or never started), or is refused, or is what this job has made before and stays. *answer: its entry in the
 * verb's answer, the caller's. */
enum err make_container(
    struct making *making, enum runtime_kind kind, const json_t *container, json_t **answer, struct err_info *info);

/* The last containers are made: any others of the site here belong to the copy that they replace, and go with it; else
 * they would start beside them one day. */
enum err make_others_go(struct making *making, struct err_info *info);

/* settle.c: volumes that podman would give another owner when they are first used get that over with now, and keep
 * theirs. `image`: the ID of any image here. */
enum err make_volumes_settled(struct making *making, const char *image, struct err_info *info);

/* All went well: what was set aside is removed. */
enum err make_finish(struct making *making, struct err_info *info);
/* It did not: what was made is removed, the latest first, and what was set aside gets its name back. */
void make_undo(struct making *making);
void make_free(struct making *making);

void make_note(struct making *making, const char *what, enum runtime_kind kind, const char *name, const char *before);
/* The inventory's entry of a kind ("containers", "volumes"), NULL where there is none. */
const json_t *make_find(const struct making *making, const char *list, enum runtime_kind kind, const char *name);
bool make_is_of_site(const struct making *making, const json_t *entry);

#endif
