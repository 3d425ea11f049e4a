/* `dogwatch host`: its subcommands, and what they share. Runs in the person's process, one thread. */
#include "actions/enrol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/enrol_private.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "remote/helper.h"
#include "remote/keys.h"

#define PERMIT_CEILING 16384
#define PERMIT_HOSTS_MAX 200

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    {"add", enrol_add_main,
        "install the helper on a host, with the keys that may run it, and add it to the fleet files"},
    {"list", enrol_list_main, "the hosts of the fleet"},
    {"test", enrol_test_main, "dial hosts as the engine does and say what works"},
    {"trust", enrol_trust_main, "accept a host's new host key"},
    {"remove", enrol_remove_main, "undo host add"},
};
#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof *subcommands)

/* --- fleet and state ------------------------------------------------------------------------------------------ */

enum err enrolment_open(struct enrolment *enrolment, const struct cli *cli, struct err_info *info)
{
    *enrolment =
        (struct enrolment){.fleet_dir = paths_fleet_dir(cli->fleet_dir), .state_dir = paths_state_dir(cli->state_dir)};
    enrolment->known_hosts = paths_join(enrolment->state_dir, "known_hosts");
    struct complaints complaints = {0};
    enum err err = fleet_load(enrolment->fleet_dir, &enrolment->fleet, &complaints, info);
    complaints_print(&complaints, stderr);
    complaints_free(&complaints);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err enrolment_keys(struct enrolment *enrolment, struct err_info *info)
{
    enum err err = paths_make_dir(enrolment->state_dir, info);
    if (err == ERR_OK)
        err = keys_ensure(enrolment->state_dir, "viewer", NULL, &enrolment->viewer, info);
    if (err == ERR_OK)
        err = keys_ensure(enrolment->state_dir, "operator", NULL, &enrolment->operator, info);
    return err;
}

void enrolment_close(struct enrolment *enrolment)
{
    fleet_free(enrolment->fleet);
    free(enrolment->fleet_dir);
    free(enrolment->state_dir);
    free(enrolment->known_hosts);
    free(enrolment->viewer);
    free(enrolment->operator);
}

static const char *nearest_host(const struct fleet *fleet, const char *name)
{
    const char **names = xcalloc(fleet->hosts.count + 1, sizeof *names);
    for (size_t i = 0; i < fleet->hosts.count; i++)
        names[i] = fleet->hosts.items[i].name;
    const char *nearest = name_nearest(name, names, fleet->hosts.count);
    free(names);
    return nearest;
}

enum err enrolment_host(
    const struct enrolment *enrolment, const char *name, const struct host_def **host, struct err_info *info)
{
    *host = enrolment->fleet ? fleet_host(enrolment->fleet, name) : NULL;
    if (*host)
        return ERR_OK;
    const char *nearest = enrolment->fleet ? nearest_host(enrolment->fleet, name) : NULL;
    return err_set(info, ERR_NOT_FOUND, "there is no host \"%.63s\" in %s%s%s%s", name, enrolment->fleet_dir,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

/* --- the person ------------------------------------------------------------------------------------------------ */

char *enrol_identity(const char *given)
{
    static const char *const usual[] = {".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"};
    const char *agent = getenv("SSH_AUTH_SOCK"), *home = getenv("HOME");
    if (given)
        return xstrdup(given);
    for (size_t i = 0; !(agent && *agent) && home && i < sizeof usual / sizeof *usual; i++) {
        char *path = paths_join(home, usual[i]);
        if (access(path, R_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

bool enrol_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool enrol_ask(const char *question)
{
    if (!enrol_can_ask())
        return false;
    char answer[16] = "";
    printf("%s [y/N] ", question);
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0 || strcmp(answer, "Y") == 0;
}

/* --- the engine's way ------------------------------------------------------------------------------------------ */

static enum err greet_over(const struct target *target, const char *role, char version[24], struct err_info *info)
{
    struct connection *connection;
    struct helper *helper = NULL;
    enum err err = remote_dial(target_address(target), ENROL_GREET_TIMEOUT_US, REMOTE_NO_CANCEL, &connection, info);
    if (err == ERR_OK)
        err = helper_open(connection, role, 0, ENROL_HELLO_TIMEOUT_US, &helper, info);
    if (err == ERR_OK) {
        const char *text = json_get_text(helper_hello(helper), "version");
        sanitize(version, 24, text ? text : "?", text ? strlen(text) : 1);
    }
    helper_free(helper);
    connection_free(connection);
    return err;
}

enum err enrol_greet(const struct enrolment *enrolment, const struct host_def *host, const char *role,
    const char *pinned, int64_t *took_us, char version[24], struct err_info *info)
{
    version[0] = '\0';
    *took_us = 0;
    struct target *target;
    enum err err = target_for_engine(enrolment->fleet, host, enrolment->state_dir, role, &target, info);
    if (err)
        return err;
    if (pinned)
        target_pin(target, pinned);
    int64_t begun = clock_mono_us();
    err = greet_over(target, role, version, info);
    *took_us = clock_mono_us() - begun;
    target_free(target);
    return err;
}

/* --- behind a jump host ---------------------------------------------------------------------------------------- */

/* Our keys carry "restrict", so a jump host must be told what they may forward to: sshd(8), permitopen. As soon as they
 * may forward at all they may also listen there, on any port, unless that is narrowed too; "nothing" cannot be written,
 * so it is one port that nobody but root can listen on. */
#define PERMIT_BEGIN "port-forwarding,permitlisten=\"localhost:1\","

/* What may be forwarded can be narrowed for TCP only: whoever may forward at all reaches every unix socket the login
 * can open. For root these are the container engines'. */
enum err enrol_check_jump(const char *name, const char *user, struct err_info *info)
{
    if (strcmp(user, "root") != 0)
        return ERR_OK;
    return err_set(info, ERR_DENIED,
        "%s cannot be a jump host: the keys log in as root there, and sshd could not keep them from root's own sockets "
        "(docker, podman); install sudo on it and run dogwatch host add for it again",
        name);
}

static void permit_one(struct buf *text, const struct host_def *host)
{
    bool is_v6 = strchr(host->address, ':') != NULL;
    buf_printf(text, "permitopen=\"%s%s%s:%u\",", is_v6 ? "[" : "", host->address, is_v6 ? "]" : "", host->port);
}

enum err enrol_permit(const struct enrolment *enrolment, const char *jump, const struct host_def *added,
    const char *removed, char **text, struct err_info *info)
{
    struct buf list = BUF(PERMIT_CEILING);
    size_t count = 0;
    size_t hosts = enrolment->fleet ? enrolment->fleet->hosts.count : 0;
    for (size_t i = 0; i < hosts; i++) {
        const struct host_def *host = &enrolment->fleet->hosts.items[i];
        bool out = (removed && strcmp(host->name, removed) == 0) || (added && strcmp(host->name, added->name) == 0);
        if (out || !host->jump || strcmp(host->jump, jump) != 0)
            continue;
        permit_one(&list, host);
        count++;
    }
    if (added) {
        permit_one(&list, added);
        count++;
    }
    *text = count > 0 ? xasprintf(PERMIT_BEGIN "%s", buf_text(&list)) : xstrdup("");
    bool full = list.overflowed || count > PERMIT_HOSTS_MAX;
    buf_free(&list);
    if (!full)
        return ERR_OK;
    free(*text);
    *text = NULL;
    return err_set(info, ERR_FULL, "more than %d hosts behind the jump host %s", PERMIT_HOSTS_MAX, jump);
}

static enum err set_permit_over(struct connection *connection, const struct enrolment *enrolment,
    const struct host_def *jump, const char *permit, struct err_info *info)
{
    struct enrol_facts facts;
    enum err err = enrol_look(connection, &facts, info);
    if (err == ERR_OK && !facts.can_root)
        err = err_set(info, ERR_DENIED, "%s: this login cannot become root there without a password", jump->name);
    if (err)
        return err;
    struct enrol_install install = {.keys = {.viewer = enrolment->viewer, .operator= enrolment->operator},
                                        .as_root = strcmp(jump->user, "root") == 0,
                                        .permit = permit};
    bool fresh;
    return enrol_install(connection, &facts, &install, &fresh, info);
}

enum err enrol_set_permit(const struct enrolment *enrolment, const struct target_login *login, const char *jump,
    const struct host_def *added, const char *removed, struct err_info *info)
{
    const struct host_def *host;
    struct target *target = NULL;
    struct connection *connection = NULL;
    char *permit = NULL;
    enum err err = enrolment_host(enrolment, jump, &host, info);
    if (err == ERR_OK && added)
        err = enrol_check_jump(jump, host->user, info);
    if (err == ERR_OK)
        err = enrol_permit(enrolment, jump, added, removed, &permit, info);
    if (err == ERR_OK)
        err = target_for_person(enrolment->fleet, host, enrolment->state_dir, login, &target, info);
    if (err == ERR_OK)
        err = remote_dial(target_address(target), ENROL_DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &connection, info);
    if (err == ERR_OK)
        err = set_permit_over(connection, enrolment, host, permit, info);
    connection_free(connection);
    target_free(target);
    free(permit);
    return err;
}

/* --- the subcommands ------------------------------------------------------------------------------------------- */

static int usage(int status)
{
    FILE *out = status ? stderr : stdout;
    fputs("usage: dogwatch host COMMAND [OPTION…]\n\n", out);
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        fprintf(out, "  %-8s %s\n", subcommands[i].name, subcommands[i].summary);
    fputs("\nEach explains itself with --help.\n", out);
    return status;
}

static int unknown(const char *name)
{
    const char *names[SUBCOMMAND_COUNT];
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        names[i] = subcommands[i].name;
    const char *nearest = name_nearest(name, names, SUBCOMMAND_COUNT);
    struct err_info info;
    err_set(&info, ERR_INVALID, "unknown command \"host %.40s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
    return cli_fail(&info);
}

int host_main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* steps and failures in their order, also in a file */
    int at = cli_find_verb(argc, argv);
    if (!at) {
        bool help = argc > 1 && strcmp(argv[argc - 1], "--help") == 0;
        return usage(help ? 0 : 2);
    }
    char *name = argv[at];
    for (int i = at; i > 1; i--)
        argv[i] = argv[i - 1];
    argv[1] = name;
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    return unknown(name);
}
