/* `dogwatch host add USER@ADDRESS`: a table of steps, each printed, each with what undoes it. The first that fails ends
 * it; then what was done is undone in reverse, so that a host is either enrolled and in the fleet files or as before.
 * Running it again changes nothing that is already right. Runs in the person's process, one thread. */
#include <ctype.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/enrol_private.h"
#include "base/buf.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"

#define HELPER_CEILING (64u << 20)

struct add {
    /* as given */
    const char *where, *port, *jump, *roles, *given_name, *identity, *accept;
    bool yes;

    struct enrolment enrolment;
    char user[64], address[256], name[NAME_SIZE];
    struct host_def host;
    bool known_host; /* it is in the fleet files already, just so */
    struct target_login login;
    char *identity_file;
    struct buf helper;
    char *helper_path;
    struct target *target; /* the person's way there */
    struct host_key key;
    struct connection *connection;
    struct enrol_facts facts;
    bool fresh;     /* our keys were not on the host before */
    bool key_known; /* our known_hosts had this key before */
};

/* --- what was asked for ---------------------------------------------------------------------------------------- */

/* It goes into authorized_keys and YAML, so only what addresses are made of. */
static bool address_is_plain(const char *address)
{
    return *address &&
           strspn(address, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_%") == strlen(address) &&
           *address != '-';
}

static bool user_is_plain(const char *user)
{
    return *user && strspn(user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(user) &&
           *user != '-';
}

static enum err parse_where(struct add *add, struct err_info *info)
{
    const char *at = strrchr(add->where, '@');
    const char *login = getenv("USER");
    size_t user_length = at ? (size_t)(at - add->where) : 0;
    if (at && user_length < sizeof add->user)
        str_format(add->user, sizeof add->user, "%.*s", (int)user_length, add->where);
    else
        str_copy(add->user, sizeof add->user, login ? login : "root");
    bool fits = str_copy(add->address, sizeof add->address, at ? at + 1 : add->where);
    size_t length = strlen(add->address);
    if (length > 2 && add->address[0] == '[' && add->address[length - 1] == ']') { /* [v6] */
        memmove(add->address, add->address + 1, length - 2);
        add->address[length - 2] = '\0';
    }
    if (!fits || !address_is_plain(add->address) || !user_is_plain(add->user))
        return err_set(info, ERR_INVALID, "\"%.80s\" is not USER@ADDRESS, such as root@192.0.2.11", add->where);
    return ERR_OK;
}

static enum err parse_options(struct add *add, struct err_info *info)
{
    int64_t port = 22;
    enum err err = parse_where(add, info);
    if (err)
        return err;
    if (add->port && !str_to_i64(add->port, 1, 65535, &port))
        return err_set(info, ERR_INVALID, "--port %.20s: expected a number from 1 to 65535", add->port);
    unsigned roles = ROLE_COMPUTE;
    if (add->roles && !roles_parse(add->roles, &roles, info))
        return err_prefix(info, ERR_INVALID, "--roles");
    if (add->given_name && !name_is_valid(add->given_name))
        return err_set(info, ERR_INVALID,
            "--name %.63s: a name has lower-case letters, digits, \".\", \"_\" and \"-\", up to 63, and begins with a "
            "letter or digit",
            add->given_name);
    str_copy(add->name, sizeof add->name, add->given_name ? add->given_name : "");
    add->host = (struct host_def){.name = add->name,
        .address = add->address,
        .port = (uint16_t)port,
        .jump = add->jump ? xstrdup(add->jump) : NULL,
        .roles = roles};
    add->identity_file = enrol_identity(add->identity);
    add->login = (struct target_login){.user = add->user, .identity_file = add->identity_file};
    return ERR_OK;
}

static bool same_place(const struct host_def *a, const struct host_def *b)
{
    bool same_jump = a->jump && b->jump ? strcmp(a->jump, b->jump) == 0 : !a->jump && !b->jump;
    return strcmp(a->address, b->address) == 0 && a->port == b->port && same_jump;
}

/* The name may be free, or stand for exactly this host. */
static enum err check_fleet(struct add *add, struct err_info *info)
{
    const struct fleet *fleet = add->enrolment.fleet;
    const struct host_def *jump;
    if (add->jump) {
        enum err err = enrolment_host(&add->enrolment, add->jump, &jump, info);
        if (err)
            return err_prefix(info, err, "--jump");
    }
    size_t count = fleet ? fleet->hosts.count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct host_def *other = &fleet->hosts.items[i];
        bool same_name = strcmp(other->name, add->name) == 0;
        if (same_name && same_place(other, &add->host))
            add->known_host = true;
        else if (same_name)
            return err_set(info, ERR_EXISTS, "the fleet has another host %s, at %s port %u; choose another --name",
                other->name, other->address, other->port);
        else if (*add->name && same_place(other, &add->host))
            return err_set(info, ERR_EXISTS, "this host is in the fleet already, as %s", other->name);
    }
    return ERR_OK;
}

/* --- the helper's program --------------------------------------------------------------------------------------- */

static char *find_helper(void)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    char *candidates[] = {paths_join(self, "dogwatch-host"), paths_join(self, "../lib/dogwatch/dogwatch-host"),
        xstrdup(DOGWATCH_PREFIX "/lib/dogwatch/dogwatch-host")};
    char *found = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!found && access(candidates[i], R_OK) == 0)
            found = candidates[i];
        else
            free(candidates[i]);
    }
    return found;
}

static enum err load_helper(struct add *add, struct err_info *info)
{
    add->helper = BUF(HELPER_CEILING);
    add->helper_path = find_helper();
    if (!add->helper_path)
        return err_set(info, ERR_NOT_FOUND,
            "there is no dogwatch-host beside this program nor in %s/lib/dogwatch: build it (make)", DOGWATCH_PREFIX);
    enum err err = buf_read_file(&add->helper, add->helper_path, info);
    if (err == ERR_OK && (add->helper.length < sizeof(Elf64_Ehdr) || memcmp(add->helper.data, ELFMAG, SELFMAG) != 0))
        err = err_set(info, ERR_CORRUPT, "%s is no program", add->helper_path);
    return err;
}

static enum err check_machine(struct add *add, struct err_info *info)
{
    static const struct {
        const char *machine;
        uint16_t elf;
    } known[] = {{"x86_64", EM_X86_64}, {"aarch64", EM_AARCH64}, {"armv7l", EM_ARM}, {"i686", EM_386},
        {"riscv64", EM_RISCV}, {"ppc64le", EM_PPC64}, {"s390x", EM_S390}};
    Elf64_Ehdr header; /* e_machine lies at the same place in 32-bit files: elf(5) */
    memcpy(&header, add->helper.data, sizeof header);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].machine, add->facts.machine) == 0 && known[i].elf == header.e_machine)
            return ERR_OK;
    return err_set(info, ERR_INVALID, "%s is a %s machine, and %s was built for another: build dogwatch-host for it",
        add->address, add->facts.machine, add->helper_path);
}

static enum err prepare(struct add *add, struct err_info *info)
{
    enum err err = check_fleet(add, info);
    if (err == ERR_OK)
        err = enrolment_keys(&add->enrolment, info);
    if (err == ERR_OK)
        err = load_helper(add, info);
    return err;
}

/* --- reaching it ------------------------------------------------------------------------------------------------ */

static enum err decide_host_key(struct add *add, struct err_info *info)
{
    const struct host_key *key = &add->key;
    if (key->verdict == HOST_KEY_REVOKED)
        return err_set(info, ERR_HOST_KEY, "this host key is REVOKED (%s)", key->where);
    if (add->accept && strcmp(add->accept, key->fingerprint) != 0)
        return err_set(info, ERR_HOST_KEY, "it is not the accepted %.60s", add->accept);
    if (add->accept || key->verdict == HOST_KEY_TRUSTED)
        return ERR_OK;
    if (key->verdict == HOST_KEY_CHANGED)
        return err_set(info, ERR_HOST_KEY, "it was %s (%s); if the host was installed anew: --accept-host-key %s",
            key->was, key->where, key->fingerprint);
    if (!enrol_can_ask())
        return err_set(info, ERR_HOST_KEY, "nobody has accepted this host key: compare it, then --accept-host-key %s",
            key->fingerprint);
    if (!enrol_ask(
            "Compare it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). Is it the same?"))
        return err_set(info, ERR_CANCELLED, "the host key was not accepted");
    return ERR_OK;
}

static enum err accept_host_key(struct add *add, struct err_info *info)
{
    if (!*add->name)
        add->host.name = add->address; /* until the host says its own */
    enum err err =
        target_for_person(add->enrolment.fleet, &add->host, add->enrolment.state_dir, &add->login, &add->target, info);
    if (err == ERR_OK)
        err = remote_host_key(target_address(add->target), ENROL_DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &add->key, info);
    if (err)
        return err;
    printf("  %s %s%s\n", add->key.type, add->key.fingerprint, add->key.verdict == HOST_KEY_TRUSTED ? " (known)" : "");
    add->key_known = add->key.verdict == HOST_KEY_TRUSTED && str_starts(add->key.where, add->enrolment.known_hosts);
    err = decide_host_key(add, info);
    if (err == ERR_OK)
        target_pin(add->target, add->key.fingerprint);
    return err;
}

/* The first label of what the host calls itself. */
static enum err take_name(struct add *add, struct err_info *info)
{
    if (*add->name)
        return ERR_OK;
    char own[NAME_SIZE];
    size_t length = strcspn(add->facts.node, ".");
    str_format(own, sizeof own, "%.*s", (int)(length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES), add->facts.node);
    for (char *c = own; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!name_is_valid(own))
        return err_set(info, ERR_INVALID, "its own name \"%s\" cannot be used: give it one with --name", own);
    str_copy(add->name, sizeof add->name, own);
    printf("  name: %s\n", own);
    return check_fleet(add, info);
}

static enum err log_in(struct add *add, struct err_info *info)
{
    enum err err =
        remote_dial(target_address(add->target), ENROL_DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &add->connection, info);
    if (err == ERR_OK)
        err = enrol_look(add->connection, &add->facts, info);
    if (err)
        return err;
    printf("  %s, %s\n", add->facts.node, add->facts.machine);
    if (!add->facts.can_root)
        return err_set(info, ERR_DENIED,
            "%s cannot become root there: log in as root, or let %s use sudo without a password while enrolling",
            add->user, add->user);
    err = check_machine(add, info);
    if (err == ERR_OK)
        err = take_name(add, info);
    add->host.name = add->name;
    add->host.user = add->facts.has_sudo ? "dogwatch" : "root";
    if (err == ERR_OK && !add->facts.has_sudo)
        puts("  there is no sudo: the keys will log in as root, still bound to the helper's two command lines");
    if (err == ERR_OK && enrol_can_ask() && !add->yes &&
        !enrol_ask("Install the helper there and let this fleet's engine in?"))
        err = err_set(info, ERR_CANCELLED, "nothing was changed");
    return err;
}

/* --- changing it ------------------------------------------------------------------------------------------------ */

static enum err open_jump(struct add *add, struct err_info *info)
{
    return add->jump ? enrol_set_permit(&add->enrolment, &add->login, add->jump, &add->host, NULL, info) : ERR_OK;
}

static void close_jump(struct add *add)
{
    struct err_info info;
    if (add->jump && !add->known_host &&
        enrol_set_permit(&add->enrolment, &add->login, add->jump, NULL, add->name, &info) != ERR_OK)
        fprintf(stderr, "  not undone: %s\n", info.message);
}

static enum err install(struct add *add, struct err_info *info)
{
    char *permit;
    enum err err = enrol_permit(&add->enrolment, add->name, NULL, NULL, &permit, info);
    if (err == ERR_OK && *permit)
        err = enrol_check_jump(add->name, add->host.user, info);
    if (err) {
        free(permit);
        return err;
    }
    struct enrol_install what = {.keys = {.viewer = add->enrolment.viewer, .operator= add->enrolment.operator},
                                     .as_root = !add->facts.has_sudo,
                                     .permit = permit,
                                     .helper = add->helper.data,
                                     .helper_length = add->helper.length};
    add->fresh = !add->known_host; /* believed until the script says better */
    bool fresh = false;
    err = enrol_install(add->connection, &add->facts, &what, &fresh, info);
    if (err == ERR_OK)
        add->fresh = fresh;
    free(permit);
    return err;
}

static void uninstall(struct add *add)
{
    if (!add->fresh)
        return;
    struct err_info info;
    struct enrol_keys keys = {.viewer = add->enrolment.viewer, .operator= add->enrolment.operator};
    struct connection *connection = NULL; /* the old one may be what failed */
    enum err err =
        remote_dial(target_address(add->target), ENROL_DIAL_TIMEOUT_US, REMOTE_NO_CANCEL, &connection, &info);
    if (err == ERR_OK)
        err = enrol_uninstall(connection, &add->facts, &keys, &info);
    connection_free(connection);
    if (err)
        fprintf(stderr, "  not undone: %s\n", info.message);
}

static enum err verify(struct add *add, struct err_info *info)
{
    static const char *const roles[] = {"viewer", "operator"};
    for (size_t i = 0; i < 2; i++) {
        int64_t took_us;
        char version[24], took[FORMAT_SIZE];
        enum err err =
            enrol_greet(&add->enrolment, &add->host, roles[i], add->key.fingerprint, &took_us, version, info);
        if (err)
            return err_prefix(info, err, "%s key", roles[i]);
        printf("  %s: helper %s answers as %s after %s\n", roles[i], version, add->host.user,
            format_duration(took_us, took));
    }
    return ERR_OK;
}

static enum err remember(struct add *add, struct err_info *info)
{
    return known_hosts_set(add->enrolment.known_hosts, add->name, &add->key, info);
}

static void forget(struct add *add)
{
    if (!add->key_known)
        known_hosts_remove(add->enrolment.known_hosts, add->name, NULL);
}

static enum err write_fleet(struct add *add, struct err_info *info)
{
    if (add->known_host) {
        puts("  unchanged: the fleet files");
        return ERR_OK;
    }
    return fleet_add_host(add->enrolment.fleet_dir, &add->host, info);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static const struct step {
    const char *title;
    enum err (*run)(struct add *add, struct err_info *info);
    void (*undo)(struct add *add); /* also after a failure half-way through this very step */
} steps[] = {
    {"fleet files, own keys, helper", prepare, NULL},
    {"host key", accept_host_key, NULL},
    {"login", log_in, NULL},
    {"jump host", open_jump, close_jump},
    {"install", install, uninstall},
    {"verify both keys", verify, NULL},
    {"known_hosts", remember, forget},
    {"fleet files", write_fleet, NULL},
};

static enum err run_steps(struct add *add, struct err_info *info)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].run == open_jump && !add->jump)
            continue;
        printf("%s\n", steps[i].title);
        fflush(stdout);
        enum err err = steps[i].run(add, info);
        if (err == ERR_OK)
            continue;
        fprintf(stderr, "  failed: %s\n", info->message);
        for (size_t k = i + 1; k-- > 0;)
            if (steps[k].undo && (steps[k].undo != close_jump || add->jump)) {
                printf("undo: %s\n", steps[k].title);
                fflush(stdout);
                steps[k].undo(add);
            }
        return err;
    }
    return ERR_OK;
}

static void add_free(struct add *add)
{
    connection_free(add->connection);
    target_free(add->target);
    buf_free(&add->helper);
    free(add->helper_path);
    free(add->identity_file);
    free(add->host.jump);
    enrolment_close(&add->enrolment);
}

int enrol_add_main(int argc, char **argv)
{
    struct add add = {0};
    const struct cli_option options[] = {
        {.name = "port", .value_name = "N", .help = "of sshd there (22)", .value = &add.port},
        {.name = "jump", .value_name = "HOST", .help = "reach it through this host of the fleet", .value = &add.jump},
        {.name = "roles",
            .value_name = "LIST",
            .help = "compute, proxy, storage, backup (compute)",
            .value = &add.roles},
        {.name = "name",
            .value_name = "NAME",
            .help = "in the fleet (what the host calls itself)",
            .value = &add.given_name},
        {.name = "identity",
            .value_name = "FILE",
            .help = "your own private key for this login (the agent's, else ~/.ssh/id_…)",
            .value = &add.identity},
        {.name = "accept-host-key",
            .value_name = "SHA256:…",
            .help = "the host key's fingerprint, known beforehand",
            .value = &add.accept},
        {.name = "yes", .help = "do not ask before installing", .flag = &add.yes},
        {0},
    };
    struct cli cli = {.usage = "dogwatch host add USER@ADDRESS [OPTION…]",
        .summary = "Log in as USER with your own key, install the helper and this fleet's two keys there, check both, "
                   "and add the host to the "
                   "fleet files.",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    struct err_info info;
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err == ERR_OK && !cli.help) {
        add.where = cli.words[0];
        err = enrolment_open(&add.enrolment, &cli, &info);
        if (err == ERR_OK)
            err = parse_options(&add, &info);
        if (err == ERR_OK && (err = run_steps(&add, &info)) == ERR_OK)
            printf("%s is enrolled\n", add.name);
    }
    add_free(&add);
    cli_free(&cli);
    return err ? cli_fail(&info) : 0;
}
