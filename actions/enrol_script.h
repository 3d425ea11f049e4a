/* What enrolment does on the host itself: three constant shell scripts, run with root's rights over the person's own
 * connection. Data reach them only as lines and bytes on standard input, read by `read -r` and `cat`, never as part of
 * a command. Each is repeatable: what is already right stays as it is. What they do is printed line by line. */
#ifndef ACTIONS_ENROL_SCRIPT_H
#define ACTIONS_ENROL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "remote/connection.h"

struct enrol_facts {  /* about a host, as the person's login sees it */
    char machine[32]; /* uname -m */
    char node[128];   /* uname -n */
    int64_t uid;
    bool has_sudo; /* there is a sudo program */
    bool can_root; /* uid 0, or sudo works without a password */
};

struct enrol_keys { /* public lines "ssh-ed25519 AAAA…", without comment */
    const char *viewer, *operator;
};

struct enrol_install {
    struct enrol_keys keys;
    bool as_root;       /* the keys log in as root, not as the user dogwatch */
    const char *permit; /* more options for the key lines, "" or ending in a comma: see enrol_permit */
    const void *helper; /* the program; NULL: only the keys are set */
    size_t helper_length;
};

enum err enrol_look(struct connection *connection, struct enrol_facts *facts, struct err_info *info);
/* *fresh: our keys were not there before. */
enum err enrol_install(struct connection *connection, const struct enrol_facts *facts,
    const struct enrol_install *install, bool *fresh, struct err_info *info);
/* Our keys; and where no other dogwatch's keys are left: user, sudo rule, helper. */
enum err enrol_uninstall(struct connection *connection, const struct enrol_facts *facts, const struct enrol_keys *keys,
    struct err_info *info);

/* The scripts' texts, for tests: never a single quote in them. */
extern const char *const enrol_script_texts[];

#endif
