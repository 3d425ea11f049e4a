/* A store with an invented fleet, written through the real writers: for trying screens and for benches. The same seed
 * gives the same fleet; one host is unreachable, some sites are in trouble, names are sometimes hostile. */
#ifndef TESTS_SUPPORT_SYNTHETIC_STORE_H
#define TESTS_SUPPORT_SYNTHETIC_STORE_H

#include <stdint.h>

#include "store/reader.h"

struct synthetic {
    const char *environment; /* "test" */
    unsigned hosts, sites;   /* one or two containers and one volume a site */
    int64_t now_us;
};

/* The fleet as a snapshot; free with snapshot_free. */
struct snapshot *synthetic_snapshot(const struct synthetic *what);
/* The same as a store on disk, with half a day of history, log lines, events and jobs. */
void synthetic_store_write(const char *state_dir, const struct synthetic *what);

#endif
