/* A chain of remote_targets, from the host itself to the first jump to be dialled, with all their texts. */
#include "remote/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/paths.h"
#include "remote/keys.h"

struct hop {
    char *name, *address, *user;
};

struct target {
    struct remote_target chain[REMOTE_JUMP_MAX + 1]; /* [0]: the host; each next one: the jump of the one before */
    struct hop hops[REMOTE_JUMP_MAX + 1];
    size_t count;
    char *identity_file, *ours, *user_file, *pinned;
};

static enum err add_hop(struct target *target, const struct host_def *host, const char *user, struct err_info *info)
{
    if (target->count == REMOTE_JUMP_MAX + 1)
        return err_set(info, ERR_INVALID, "%s: more than %d jump hosts in a row, or a ring of them",
            target->hops[0].name, REMOTE_JUMP_MAX);
    size_t at = target->count++;
    struct hop *hop = &target->hops[at];
    *hop = (struct hop){
        .name = xstrdup(host->name), .address = xstrdup(host->address), .user = xstrdup(user ? user : host->user)};
    target->chain[at] = (struct remote_target){.name = hop->name,
        .address = hop->address,
        .port = host->port,
        .user = hop->user,
        .identity_file = target->identity_file,
        .known_hosts = {.ours = target->ours, .user = target->user_file, .system = "/etc/ssh/ssh_known_hosts"}};
    if (at > 0)
        target->chain[at - 1].jump = &target->chain[at];
    return ERR_OK;
}

static enum err add_chain(struct target *target, const struct fleet *fleet, const struct host_def *host,
    const char *user, struct err_info *info)
{
    enum err err = add_hop(target, host, user, info);
    while (err == ERR_OK && host->jump) {
        const struct host_def *jump = fleet ? fleet_host(fleet, host->jump) : NULL;
        if (!jump)
            return err_set(info, ERR_INVALID, "%s: its jump host %s is not in the fleet", host->name, host->jump);
        host = jump;
        err = add_hop(target, host, user, info);
    }
    return err;
}

static enum err build(const struct fleet *fleet, const struct host_def *host, const char *state_dir, const char *user,
    char *identity_file, struct target **out, struct err_info *info)
{
    struct target *target = xcalloc(1, sizeof *target);
    const char *home = getenv("HOME");
    target->identity_file = identity_file;
    target->ours = paths_join(state_dir, "known_hosts");
    target->user_file = home && home[0] == '/' ? paths_join(home, ".ssh/known_hosts") : NULL;
    enum err err = add_chain(target, fleet, host, user, info);
    if (err)
        target_free(target);
    else
        *out = target;
    return err;
}

enum err target_for_engine(const struct fleet *fleet, const struct host_def *host, const char *state_dir,
    const char *role, struct target **out, struct err_info *info)
{
    *out = NULL;
    char *key;
    enum err err = keys_ensure(state_dir, role, &key, NULL, info);
    return err ? err : build(fleet, host, state_dir, NULL, key, out, info);
}

enum err target_for_person(const struct fleet *fleet, const struct host_def *host, const char *state_dir,
    const struct target_login *login, struct target **out, struct err_info *info)
{
    *out = NULL;
    char *key = login->identity_file ? xstrdup(login->identity_file) : NULL;
    return build(fleet, host, state_dir, login->user, key, out, info);
}

void target_free(struct target *target)
{
    if (!target)
        return;
    for (size_t i = 0; i < target->count; i++) {
        free(target->hops[i].name);
        free(target->hops[i].address);
        free(target->hops[i].user);
    }
    free(target->identity_file);
    free(target->ours);
    free(target->user_file);
    free(target->pinned);
    free(target);
}

const struct remote_target *target_address(const struct target *target)
{
    return &target->chain[0];
}

void target_pin(struct target *target, const char *fingerprint)
{
    xstr_set(&target->pinned, fingerprint);
    target->chain[0].pinned_fingerprint = target->pinned;
}

const char *target_jump(const struct target *target)
{
    return target->count > 1 ? target->hops[1].name : NULL;
}
