/* The parts of a sample that tell of the host itself. Each has a state of its own, made when sampling begins and used
 * by the sampler's thread alone. */
#ifndef HOST_SECTIONS_H
#define HOST_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/vfs.h>

#include "base/json.h"
#include "host/session.h"

struct section {
    const char *name;                        /* as in the sample's "late" */
    void *(*begin)(struct session *session); /* returns its state */
    /* Add what is known; false where something should be known and is late. Never waits for a disk or a program.
     * interval_us: how far samples are apart. */
    bool (*sample)(void *state, json_t *sample, int64_t interval_us);
};

extern const struct section section_system;       /* cpu, load, mem, swap, psi, processes, uptime_s */
extern const struct section section_disks;        /* disks */
extern const struct section section_networks;     /* networks */
extern const struct section section_filesystems;  /* filesystems */
extern const struct section section_failed_units; /* failed_units */

/* For tests: the state of section_filesystems with another statfs(2), and with its limits. */
struct filesystems_setup {
    int (*query)(const char *path, struct statfs *figures);
    int64_t wait_us; /* how long a sample waits for this round's answers */
    int64_t hung_us; /* a query that takes longer has hung */
};
void *filesystems_begin(const struct filesystems_setup *setup);

#endif
