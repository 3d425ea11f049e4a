/* The fleet files: what an organisation wants to be true (docs/fleet-files.md). A directory with fleet.yaml, hosts.yaml
 * and sites/…yaml is read into one immutable `struct fleet`.
 *
 * Limits: 10,000 hosts, 200,000 sites, 64 containers and 64 volumes a site, 64 domains, 16 labels, 16 MB a file.
 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/vec.h"

struct place { /* where something was written; file is owned by the fleet */
    const char *file;
    unsigned line, column; /* from 1 */
};

struct label {
    char *name, *value;
};

enum fleet_role { ROLE_COMPUTE = 1, ROLE_PROXY = 2, ROLE_STORAGE = 4, ROLE_BACKUP = 8 };

struct host_def {
    char *name, *address, *user; /* user: "dogwatch" unless given */
    uint16_t port;               /* 22 unless given */
    char *jump;                  /* name of another host, or NULL */
    unsigned roles;              /* of enum fleet_role; compute unless given */
    VEC(struct label) labels;
    struct place place;
};

struct mount_def {
    char *volume, *path;
};

struct container_def {
    char *name, *image;
    uint16_t publish;      /* the port on the host; 0: none */
    uint64_t memory_bytes; /* 0: no limit */
    double cpus;           /* 0: no limit */
    char *user;            /* "uid:gid" or NULL */
    bool read_only;
    VEC(struct mount_def) mounts;
    struct place place;
};

enum volume_driver { VOLUME_DIR, VOLUME_BTRFS, VOLUME_MOUNT };

struct volume_def {
    char *name;
    enum volume_driver driver;
    uint64_t size_bytes; /* 0: not stated */
    struct place place;
};

struct health_def {
    bool given;
    char *path;     /* "/" unless given */
    int status;     /* 200 unless given */
    char *contains; /* NULL: do not look at the body */
};

struct site_def {
    char *name, *member; /* member NULL where not given */
    VEC(char *) domains;
    VEC(struct container_def) containers;
    VEC(struct volume_def) volumes;
    struct health_def health;
    struct place place;
};

struct fleet {
    char *directory, *name;
    char *environment;          /* "production", "test", …; "production" unless given */
    int64_t interval_us;        /* 10 s unless given; 1 s … 10 min */
    VEC(struct host_def) hosts; /* sorted by name */
    VEC(struct site_def) sites; /* sorted by name */
    VEC(char *) files;          /* all that were read, for watching */
};

/* One thing wrong in the files. */
struct complaint {
    char *file;
    unsigned line, column; /* 0 where the file as a whole is meant */
    char *message;         /* "unknown key \"adress\" in host mosh01; did you mean \"address\"?" */
};
struct complaints {
    VEC(struct complaint) list; /* at most 1,000 */
    size_t left_out;            /* how many more there were */
};
void complaints_free(struct complaints *complaints);
void complaints_print(const struct complaints *complaints, FILE *out); /* "file:line:column: message", sorted */

/* Read and check everything; all complaints are gathered, not just the first. *out is NULL unless there were none; the
 * caller frees it with fleet_free. ERR_INVALID where there were complaints, ERR_NOT_FOUND where the directory has no
 * fleet.yaml. */
enum err fleet_load(const char *directory, struct fleet **out, struct complaints *complaints, struct err_info *info);
void fleet_free(struct fleet *fleet);

const struct host_def *fleet_host(const struct fleet *fleet, const char *name); /* NULL where there is none */
const struct site_def *fleet_site(const struct fleet *fleet, const char *name);
const char *roles_text(unsigned roles, char out[64]);                       /* "compute proxy" */
bool roles_parse(const char *text, unsigned *roles, struct err_info *info); /* separated by commas or blanks */

/* Editing hosts.yaml as text: only the lines of that host change, comments and order of the rest stay. The result is
 * checked by a whole fleet_load before it replaces the file (atomically). ERR_EXISTS, ERR_NOT_FOUND, ERR_INVALID,
 * ERR_IO. Creates fleet.yaml and hosts.yaml where the directory has none yet. */
enum err fleet_add_host(const char *directory, const struct host_def *host, struct err_info *info);
enum err fleet_remove_host(const char *directory, const char *name, struct err_info *info);

#endif
