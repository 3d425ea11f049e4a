/* Shared by the files of `dogwatch host`: the fleet and state it works on, and the questions it asks. One thread. */
#ifndef ACTIONS_ENROL_PRIVATE_H
#define ACTIONS_ENROL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cli.h"
#include "base/err.h"
#include "actions/enrol_script.h"
#include "fleet/fleet.h"
#include "remote/connection.h"
#include "remote/target.h"

#define ENROL_DIAL_TIMEOUT_US (INT64_C(20) * 1000000)
#define ENROL_GREET_TIMEOUT_US (INT64_C(10) * 1000000) /* dialling as the engine does */
#define ENROL_HELLO_TIMEOUT_US (INT64_C(10) * 1000000)

struct enrolment {
    char *fleet_dir, *state_dir;
    struct fleet *fleet;     /* NULL: there are no fleet files yet */
    char *known_hosts;       /* our own file */
    char *viewer, *operator; /* public lines of our keys, made by enrolment_keys */
};

/* ERR_INVALID after printing what is wrong with the files. Close it in any case. */
enum err enrolment_open(struct enrolment *enrolment, const struct cli *cli, struct err_info *info);
enum err enrolment_keys(struct enrolment *enrolment, struct err_info *info);
void enrolment_close(struct enrolment *enrolment);
/* ERR_NOT_FOUND names the nearest. */
enum err enrolment_host(
    const struct enrolment *enrolment, const char *name, const struct host_def **host, struct err_info *info);

/* The person's own key: the one given, else NULL for the agent's where there is an agent, else a usual one of ~/.ssh.
 * Caller frees. */
char *enrol_identity(const char *given);

/* On the terminal; false where there is none, and for anything but y or yes. */
bool enrol_ask(const char *question);
bool enrol_can_ask(void);

/* Dial in this role as the engine does and exchange hello. *took_us; version of the helper, sanitised. */
enum err enrol_greet(const struct enrolment *enrolment, const struct host_def *host, const char *role,
    const char *pinned, int64_t *took_us, char version[24], struct err_info *info);

/* Key options for jump host `jump`: what its keys may forward to. `added` may be NULL or not in the fleet yet;
 * `removed` NULL or a name to leave out. "" where nobody is behind it. ERR_FULL beyond 200 hosts. Caller frees *text.
 */
enum err enrol_permit(const struct enrolment *enrolment, const char *jump, const struct host_def *added,
    const char *removed, char **text, struct err_info *info);
/* ERR_DENIED where keys that log in as `user` must not be allowed to forward. */
enum err enrol_check_jump(const char *name, const char *user, struct err_info *info);
/* Log in to the jump host as the person and set that. */
enum err enrol_set_permit(const struct enrolment *enrolment, const struct target_login *login, const char *jump,
    const struct host_def *added, const char *removed, struct err_info *info);

int enrol_add_main(int argc, char **argv);
int enrol_list_main(int argc, char **argv);
int enrol_test_main(int argc, char **argv);
int enrol_remove_main(int argc, char **argv);
int enrol_trust_main(int argc, char **argv);

#endif
