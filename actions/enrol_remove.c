/* `dogwatch host remove` and `dogwatch host trust`. Removing goes from the host to the fleet files, so that what fails
 * half-way can be asked for again. Runs in the person's process, one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/enrol_private.h"
#include "base/mem.h"

/* --- remove ----------------------------------------------------------------------------------------------------- */

struct removal {
    const char *login_user, *identity;
    bool force, yes;
    struct enrolment enrolment;
    const struct host_def *host;
    char *identity_file;
    struct target_login login;
};

static enum err check_dependents(const struct removal *removal, struct err_info *info)
{
    const struct fleet *fleet = removal->enrolment.fleet;
    for (size_t i = 0; i < fleet->hosts.count; i++) {
        const struct host_def *other = &fleet->hosts.items[i];
        if (other->jump && strcmp(other->jump, removal->host->name) == 0)
            return err_set(
                info, ERR_BUSY, "%s is reached through %s: remove that first", other->name, removal->host->name);
    }
    return ERR_OK;
}

static enum err clean_host(struct removal *removal, struct err_info *info)
{
    const struct enrolment *enrolment = &removal->enrolment;
    struct target *target = NULL;
    struct connection *connection = NULL;
    struct enrol_facts facts;
    enum err err =
        target_for_person(enrolment->fleet, removal->host, enrolment->state_dir, &removal->login, &target, info);
    if (err == ERR_OK)
        err = remote_dial(target_address(target), ENROL_DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &connection, info);
    if (err == ERR_OK)
        err = enrol_look(connection, &facts, info);
    if (err == ERR_OK && !facts.can_root)
        err = err_set(info, ERR_DENIED, "%s: %s cannot become root there: try --login root", removal->host->name,
            removal->login.user);
    struct enrol_keys keys = {.viewer = enrolment->viewer, .operator= enrolment->operator};
    if (err == ERR_OK)
        err = enrol_uninstall(connection, &facts, &keys, info);
    connection_free(connection);
    target_free(target);
    return err;
}

static enum err forget_host(struct removal *removal, struct err_info *info)
{
    const struct enrolment *enrolment = &removal->enrolment;
    const struct host_def *host = removal->host;
    struct err_info jump_info;
    if (host->jump) {
        printf("on %s:\n", host->jump);
        if (enrol_set_permit(enrolment, &removal->login, host->jump, NULL, host->name, &jump_info) != ERR_OK)
            fprintf(stderr, "  the keys there may still forward to %s: %s\n", host->address, jump_info.message);
    }
    enum err err = fleet_remove_host(enrolment->fleet_dir, host->name, info);
    return err ? err : known_hosts_remove(enrolment->known_hosts, host->name, info);
}

static enum err remove_host(struct removal *removal, struct err_info *info)
{
    const char *name = removal->host->name;
    enum err err = check_dependents(removal, info);
    if (err == ERR_OK)
        err = enrolment_keys(&removal->enrolment, info);
    if (err)
        return err;
    char *question = xasprintf(
        "Take %s (%s) out of the fleet and remove what host add installed there?", name, removal->host->address);
    bool go = removal->yes || enrol_ask(question);
    free(question);
    if (!go)
        return err_set(
            info, ERR_CANCELLED, "nothing was changed%s", enrol_can_ask() ? "" : ": without a terminal, say --yes");
    printf("on %s:\n", name);
    fflush(stdout);
    err = clean_host(removal, info);
    if (err && !removal->force)
        return err_prefix(info, err, "%s stays in the fleet (--force takes it out all the same)", name);
    if (err)
        fprintf(stderr, "  left as it is: %s\n", info->message);
    err = forget_host(removal, info);
    if (err == ERR_OK)
        printf("%s is removed\n", name);
    return err;
}

int enrol_remove_main(int argc, char **argv)
{
    struct removal removal = {.login_user = "root"};
    const struct cli_option options[] = {
        {.name = "login", .value_name = "USER", .help = "your own login there (root)", .value = &removal.login_user},
        {.name = "identity", .value_name = "FILE", .help = "your own private key for it", .value = &removal.identity},
        {.name = "force", .help = "take it out of the fleet even if it cannot be reached", .flag = &removal.force},
        {.name = "yes", .help = "do not ask", .flag = &removal.yes},
        {0},
    };
    struct cli cli = {.usage = "dogwatch host remove NAME [OPTION…]",
        .summary = "Remove user, keys, sudo rule and helper from the host, then the host from the fleet files.",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    struct err_info info;
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err == ERR_OK && !cli.help) {
        err = enrolment_open(&removal.enrolment, &cli, &info);
        removal.identity_file = enrol_identity(removal.identity);
        removal.login = (struct target_login){.user = removal.login_user, .identity_file = removal.identity_file};
        if (err == ERR_OK)
            err = enrolment_host(&removal.enrolment, cli.words[0], &removal.host, &info);
        if (err == ERR_OK)
            err = remove_host(&removal, &info);
    }
    free(removal.identity_file);
    enrolment_close(&removal.enrolment);
    cli_free(&cli);
    return err ? cli_fail(&info) : 0;
}

/* --- trust ------------------------------------------------------------------------------------------------------ */

static enum err decide(const struct host_key *key, const char *accept, bool *change, struct err_info *info)
{
    *change = key->verdict != HOST_KEY_TRUSTED;
    if (key->verdict == HOST_KEY_REVOKED)
        return err_set(info, ERR_HOST_KEY, "this key is REVOKED (%s): it is not accepted", key->where);
    if (accept && strcmp(accept, key->fingerprint) != 0)
        return err_set(info, ERR_HOST_KEY, "the host shows %s, not %.60s", key->fingerprint, accept);
    if (accept || !*change)
        return ERR_OK;
    if (!enrol_can_ask())
        return err_set(info, ERR_HOST_KEY, "without a terminal: --accept-host-key %s", key->fingerprint);
    return enrol_ask("Is this the host's key, compared with the host itself?")
               ? ERR_OK
               : err_set(info, ERR_CANCELLED, "the key was not accepted");
}

static enum err trust_host(
    const struct enrolment *enrolment, const struct host_def *host, const char *accept, struct err_info *info)
{
    struct target *target;
    struct host_key key;
    bool change;
    enum err err = target_for_engine(enrolment->fleet, host, enrolment->state_dir, "viewer", &target, info);
    if (err)
        return err;
    err = remote_host_key(target_address(target), ENROL_DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &key, info);
    target_free(target);
    if (err)
        return err;
    if (key.verdict == HOST_KEY_CHANGED)
        printf("was  %s (%s)\n", key.was, key.where);
    printf("is   %s %s\n", key.fingerprint, key.type);
    err = decide(&key, accept, &change, info);
    if (err == ERR_OK && change)
        err = known_hosts_set(enrolment->known_hosts, host->name, &key, info);
    if (err == ERR_OK)
        printf("%s: %s\n", host->name, change ? "this key is trusted from now on" : "this key is trusted already");
    return err;
}

int enrol_trust_main(int argc, char **argv)
{
    const char *accept = NULL;
    const struct cli_option options[] = {
        {.name = "accept-host-key",
            .value_name = "SHA256:…",
            .help = "the fingerprint, known beforehand",
            .value = &accept},
        {0},
    };
    struct cli cli = {.usage = "dogwatch host trust NAME [OPTION…]",
        .summary = "Show the host key a host has now and the one it had, and accept the new one.",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    struct err_info info;
    struct enrolment enrolment = {0};
    const struct host_def *host;
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err == ERR_OK && !cli.help) {
        err = enrolment_open(&enrolment, &cli, &info);
        if (err == ERR_OK)
            err = enrolment_host(&enrolment, cli.words[0], &host, &info);
        if (err == ERR_OK)
            err = trust_host(&enrolment, host, accept, &info);
    }
    enrolment_close(&enrolment);
    cli_free(&cli);
    return err ? cli_fail(&info) : 0;
}
