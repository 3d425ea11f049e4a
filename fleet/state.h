/* What a fleet is at this moment, as plain values: made by collectors, kept by the store, drawn by views.
 *
 * Keys (unique within their kind, used for selection, in RRD file names and on command lines):
 *   host       its name in the fleet files
 *   site       its name: a declared one, or of a discovered container (label, compose project, or its own name)
 *   container  "host/name"; where podman and docker of one host share a name, docker's is "host/name@docker"
 *   volume     "host/name" for named volumes, "host/SITE:DESTINATION" for bind mounts; "@docker" as for containers
 * Text fields hold what the host said, bounded but not sanitised: drawing and printing sanitise. Times are µs since the
 * epoch on the engine's clock unless they say otherwise; 0 = unknown or never.
 */
#ifndef FLEET_STATE_H
#define FLEET_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/name.h"
#include "fleet/metrics.h"

#define ADDRESS_SIZE 256
#define KEY_SIZE 320     /* of a container or volume */
#define IMAGE_SIZE 256   /* reference as written */
#define IMAGE_ID_SIZE 72 /* 64 hex digits, without "sha256:" */
#define ID_SIZE 72       /* container ID, 64 hex digits */
#define REASON_SIZE 256
#define PATH_TEXT_SIZE 512

enum host_status {
    HOST_UNKNOWN, /* no sign of life: see reason */
    HOST_UP,
};

enum run_state { /* of a container, as podman and docker name them */
    RUN_UNKNOWN,
    RUN_CREATED,
    RUN_RUNNING,
    RUN_PAUSED,
    RUN_RESTARTING,
    RUN_EXITED,
    RUN_DEAD,
};

enum health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

enum site_status {
    SITE_UNKNOWN,     /* its host is unknown */
    SITE_RUNNING,     /* every container runs and none is unhealthy */
    SITE_DEGRADED,    /* some container does not run, or is unhealthy */
    SITE_STOPPED,     /* no container runs */
    SITE_MISSING,     /* declared, but on no reachable host */
    SITE_CONFLICT,    /* active (without a mark) on more than one host: each could start it, or runs it */
    SITE_QUARANTINED, /* contained: nothing in or out */
};

/* What a site's containers on one host may do (docs/protocol.md "Marks"): those that bear a mark do not start. */
enum site_mark {
    MARK_NONE,        /* active: the site lives here */
    MARK_STOPPED,     /* stopped by a person */
    MARK_INCOMING,    /* a copy that is being made here */
    MARK_LEAVING,     /* stopped for good as soon as its new place is proven */
    MARK_KEPT,        /* the old copy of a site that moved away */
    MARK_QUARANTINED, /* contained, for evidence */
};
#define MARK_JOB_SIZE 65

/* The mark of one site on one host, as the host has it written down. */
struct site_marking {
    char site[NAME_SIZE];
    enum site_mark mark; /* not MARK_NONE */
    bool trial;          /* incoming: its job may start it */
    char job[MARK_JOB_SIZE];
    char peer[NAME_SIZE];       /* the other host of a move; "" where there is none */
    int64_t since_us, until_us; /* the host's clock; 0: not known, no end */
};

struct host_state {
    char name[NAME_SIZE];
    char address[ADDRESS_SIZE];
    char roles[64]; /* "compute proxy" */
    enum host_status status;
    enum err reason_code;     /* ERR_OK while up */
    char reason[REASON_SIZE]; /* for a person; "" while up */
    int64_t since_us;         /* in this status since */
    int64_t seen_us;          /* last sample received */
    char boot_id[40];
    char os[96];
    char kernel[64];
    char helper_version[24];
    char runtimes[64]; /* "podman 4.3.1, docker 20.10.24" */
    uint32_t containers_running, containers_total;
    double metrics[HOST_METRIC_COUNT];
};

struct container_state {
    char key[KEY_SIZE];
    char host[NAME_SIZE];
    char name[CONTAINER_NAME_SIZE];
    char site[NAME_SIZE]; /* "" only where no valid name could be made */
    char role[NAME_SIZE]; /* the container's name in the site's definition; label dogwatch.container */
    char runtime[16];     /* "podman" | "docker" */
    char id[ID_SIZE];
    char image[IMAGE_SIZE];
    char image_id[IMAGE_ID_SIZE];
    enum run_state state;
    enum site_mark mark; /* of its site on this host */
    bool starts_at_boot; /* its restart policy is to keep it up */
    enum health health;
    int exit_code; /* of the last end; meaningful while not running */
    bool oom_killed;
    int64_t created_us, started_us, finished_us; /* the host's clock */
    char ports[128];                             /* "8080→80/tcp, …" */
    char mounts[PATH_TEXT_SIZE];                 /* "data→/var/www, …" */
    int64_t seen_us;
    bool stale; /* its host is unknown: the rest is what was last known */
    double metrics[CONTAINER_METRIC_COUNT];
};

struct volume_state {
    char key[KEY_SIZE];
    char name[CONTAINER_NAME_SIZE];
    char site[NAME_SIZE]; /* "" where no container uses it */
    char host[NAME_SIZE];
    char driver[24];  /* "local", "bind", … */
    char runtime[16]; /* "podman" | "docker" */
    char path[PATH_TEXT_SIZE];
    int64_t measured_us; /* when used and files were measured (the host's clock) */
    int64_t seen_us;
    bool stale;
    double metrics[VOLUME_METRIC_COUNT];
};

struct site_state {
    char name[NAME_SIZE];
    char host[NAME_SIZE]; /* where it is; the first by name where there are several; "" where nowhere */
    uint32_t host_count;
    bool declared;           /* in the fleet files */
    char desired[16];        /* "running"; "" for discovered sites */
    char member[128];        /* who it belongs to */
    char drift[REASON_SIZE]; /* how what is differs from what should be; "" where it does not */
    char domains[256];
    enum site_status status;
    enum site_mark mark;          /* of its containers on `host` */
    char mark_job[MARK_JOB_SIZE]; /* who set it */
    int64_t mark_since_us;        /* the host's clock */
    char kept_host[NAME_SIZE];    /* where a copy of before a move is kept, the first to go; "" nowhere */
    int64_t kept_until_us;        /* the host's clock */
    enum health health;
    char image[IMAGE_SIZE]; /* of its first container */
    uint32_t containers_running, containers_total;
    int64_t since_us;
    int64_t seen_us;
    double metrics[SITE_METRIC_COUNT];
};

/* What changed: the timeline. */
enum severity { SEVERITY_INFO, SEVERITY_NOTICE, SEVERITY_WARNING, SEVERITY_CRITICAL };

struct event {
    int64_t id; /* given by the store */
    int64_t at_us;
    enum severity severity;
    char kind[32]; /* "host.up", "host.unknown", "container.started", … : docs/events.md */
    enum object_kind object_kind;
    char object[KEY_SIZE]; /* its key */
    char host[NAME_SIZE];
    char site[NAME_SIZE];
    char text[REASON_SIZE];
};

/* One log line. */
struct log_line {
    int64_t at_us;    /* the host's clock */
    char *text;       /* owned by whoever owns the line */
    uint8_t priority; /* syslog: 0 emergency … 7 debug; 255 unknown */
    bool is_stderr;
};

/* Consecutive lines of one source, with the place in the source after them. */
struct log_batch {
    char host[NAME_SIZE];
    char source[160]; /* the host's name for it: "podman/NAME", "docker/NAME", "journal", "file/syslog" */
    char container[CONTAINER_NAME_SIZE]; /* "" for system logs */
    char site[NAME_SIZE];
    char unit[CONTAINER_NAME_SIZE]; /* program or unit; the container's name for containers */
    char cursor[512];               /* opaque; continue after these lines */
    uint64_t dropped;               /* lines left out just before these, by the rate limit */
    struct log_line *lines;
    size_t count;
};
void log_batch_free(struct log_batch *batch); /* NULL allowed; frees the struct too */

const char *host_status_word(enum host_status status); /* "up", "unknown" */
const char *run_state_word(enum run_state state);
enum run_state run_state_parse(const char *word); /* RUN_UNKNOWN for anything else */
const char *health_word(enum health health);      /* "none", … */
enum health health_parse(const char *word);
const char *site_status_word(enum site_status status);
const char *site_mark_word(enum site_mark mark);              /* "none", "stopped", … */
bool site_mark_parse(const char *word, enum site_mark *mark); /* false, *mark untouched, for anything else */
const char *severity_word(enum severity severity);
const char *object_kind_word(enum object_kind kind);

/* Set every element to NaN. */
void metrics_clear(double *metrics, size_t count);

#endif
