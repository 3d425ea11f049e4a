/* The present: all that is known of the fleet now, kept in memory by the engine and written out as it changes. What was
 * last known of a host that cannot be reached stays, marked stale: it never turns into zero, fine, or stopped.
 *
 * A pure model: no threads, no clock, no disk. One thread (engine.c's model thread) makes all calls and passes the
 * time. */
#ifndef ENGINE_PRESENT_H
#define ENGINE_PRESENT_H

#include "collectors/sink.h"
#include "fleet/fleet.h"
#include "fleet/state.h"
#include "store/reader.h"

/* Where changes go: the store in the engine, a recorder in tests. All pointers are borrowed for the call. */
struct present_writer {
    void *owner;
    void (*host)(void *owner, const struct host_state *host);
    void (*site)(void *owner, const struct site_state *site);
    void (*container)(void *owner, const struct container_state *container);
    void (*volume)(void *owner, const struct volume_state *volume);
    void (*remove)(void *owner, enum object_kind kind, const char *key);
    void (*event)(void *owner, const struct event *event);
    /* One sample of all metrics of an object; at_us is the engine's clock. */
    void (*sample)(void *owner, enum object_kind kind, const char *key, int64_t at_us, const double *metrics);
};

struct present;

struct present *present_new(const struct present_writer *writer);
void present_free(struct present *present);

/* What an earlier engine knew; call once, before anything else. Hosts begin as unknown, their objects as stale: changes
 * since then become events when the host reports, everything else stays silent. */
void present_load(struct present *present, const struct snapshot *snapshot);

/* The fleet files, at start and after each reload. Hosts that are no longer in them are forgotten with all they had.
 * `fleet` must live until the next call. */
void present_set_fleet(struct present *present, const struct fleet *fleet, int64_t now_us);

void present_report(struct present *present, struct host_report *report, int64_t now_us); /* borrows the report */
void present_lost(struct present *present, const char *host, enum err code, const char *reason, int64_t now_us);

/* Give up hosts that count as up and have not reported for three intervals (at least 30 s): a safety net below the
 * collectors' own watch. */
void present_check_silence(struct present *present, int64_t now_us);

struct present_totals {
    uint32_t hosts_up, hosts_unknown;
    uint32_t hosts_untried; /* of the unknown: neither reached nor given up since the engine began */
    double lag_worst_ms;    /* NaN where no host is up */
};
struct present_totals present_totals(const struct present *present);

#endif
