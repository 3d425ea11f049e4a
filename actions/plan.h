/* A plan: the exact steps of an action on one object, before anything happens. It is shown, confirmed, kept in the
 * job's record, and carried out from there: an engine that is started anew goes on with the very same plan. Its JSON
 * and its text are documented in docs/jobs.md; the text is the same for --dry-run and for the plan screen. */
#ifndef ACTIONS_PLAN_H
#define ACTIONS_PLAN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/vec.h"
#include "fleet/state.h"

struct step_kind;

struct plan_step {
    const struct step_kind *kind;
    char host[NAME_SIZE];
    char site[NAME_SIZE]; /* whose lease it needs; steps of one site stand together: they are undone together */
    char *command;        /* what is done, for a person; owned */
    char *runs;           /* what is asked of the host and what that runs there, for a person; owned */
    char *undo;           /* what would undo it, for a person; owned; NULL: nothing to undo */
    json_t *parameters;   /* the kind's own; an object */
};

/* Room on a host before and after. */
struct plan_room {
    char host[NAME_SIZE];
    char what[16]; /* "memory", "disk" */
    int64_t before_bytes, after_bytes;
};

/* A part of the time visitors are cut off. */
struct plan_part {
    char name[24]; /* "stop", "last pass", … */
    int64_t us;
};

struct plan {
    char action[16];
    enum object_kind object_kind;
    char object[KEY_SIZE];
    char site[NAME_SIZE]; /* also that of steps added from now on; of several: the first */
    char host[NAME_SIZE];
    char to[NAME_SIZE];   /* "": it stays where it is */
    VEC(char *) identity; /* IDs of what the person sees: containers; checked again when the plan is run */
    VEC(struct plan_step) steps;
    VEC(char *) warnings;
    int64_t cut_us;     /* predicted time visitors are cut off; −1: none */
    char *cut_rests_on; /* owned; NULL where there is no cut */
    VEC(struct plan_part) parts;
    VEC(struct plan_room) room;
    char *loses;     /* owned: what is lost, for a person; NULL: nothing */
    json_t *options; /* as given by the person; NULL: none */
};

void plan_free(struct plan *plan); /* what it owns; leaves it empty */

/* Append; parameters are taken over, texts copied. */
void plan_add_step(struct plan *plan, const struct step_kind *kind, const char *host, json_t *parameters,
    const char *undo, const char *command_format, ...) __attribute__((format(printf, 6, 7)));
/* What the step added last runs on this host, where that is known better than its kind knows it. */
void plan_runs(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));
void plan_warn(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

void plan_add_part(struct plan *plan, const char *name, int64_t us);
void plan_add_room(struct plan *plan, const char *host, const char *what, int64_t before_bytes, int64_t after_bytes);

json_t *plan_to_json(const struct plan *plan); /* a new reference */
/* ERR_CORRUPT where it is no plan, or has steps this dogwatch does not know. Free *plan in any case. */
enum err plan_from_json(const json_t *json, struct plan *plan, struct err_info *info);
/* Lines for a person, not sanitised. */
void plan_to_text(const struct plan *plan, struct buf *out);

#endif
