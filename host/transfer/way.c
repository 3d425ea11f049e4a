/* Keys live in /run/dogwatch/keys/SITE, which nobody but root reads and no reboot survives. */
#include "host/transfer/way.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "host/path.h"
#include "host/run.h"
#include "host/site/lease.h"
#include "host/verbs.h"

#define DIRECTORY "/run/dogwatch/keys"
#define KEYGEN_LIMIT_US (20 * USEC_PER_SEC)
#define CHECK_LIMIT_US (8 * USEC_PER_SEC)
#define FILE_CEILING 65536u

static const char *const key_files[] = {"key", "key.pub", "known_hosts", "job"};

static const char *file_of(const char *site, const char *file, char out[HOST_PATH_SIZE])
{
    return host_path_format(out, HOST_PATH_SIZE, DIRECTORY "/%s/%s", site, file);
}

void way_forget(const char *site)
{
    char path[HOST_PATH_SIZE];
    for (size_t i = 0; i < sizeof key_files / sizeof *key_files; i++)
        unlink(file_of(site, key_files[i], path));
    rmdir(host_path_format(path, sizeof path, DIRECTORY "/%s", site));
}

/* --- the key pair ---------------------------------------------------------------------------------------------------
 */

static bool is_of_job(const char *site, const char *job)
{
    char path[HOST_PATH_SIZE];
    struct buf text = BUF(LEASE_JOB_SIZE);
    bool same = buf_read_file(&text, file_of(site, "job", path), NULL) == ERR_OK && strcmp(buf_text(&text), job) == 0;
    buf_free(&text);
    return same;
}

static enum err make_keys(const char *site, const char *job, struct err_info *info)
{
    static const char *const programs[] = {"/usr/bin/ssh-keygen", "/bin/ssh-keygen", "/usr/local/bin/ssh-keygen", NULL};
    char directory[HOST_PATH_SIZE], key[HOST_PATH_SIZE], note[HOST_PATH_SIZE];
    const char *const argv[] = {run_find(programs), "-q", "-t", "ed25519", "-N", "", "-C", "dogwatch-transfer", "-f",
        file_of(site, "key", key), NULL};
    int status = 0;
    way_forget(site);
    host_path_format(directory, sizeof directory, DIRECTORY "/%s", site);
    enum err result = paths_make_dir(directory, info);
    if (result == ERR_OK && !argv[0])
        result = err_set(info, ERR_MISSING, "ssh-keygen (package openssh-client) is not installed on this host");
    if (result == ERR_OK)
        result = run_program(argv, KEYGEN_LIMIT_US, NULL, NULL, &status, info);
    if (result == ERR_OK && status != 0)
        result = err_set(info, ERR_FAILED, "ssh-keygen ended with %d", status);
    if (result == ERR_OK)
        result = paths_write_atomic(file_of(site, "job", note), job, strlen(job), 0600, info);
    return result;
}

enum err verb_transfer_key(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char job[LEASE_JOB_SIZE], path[HOST_PATH_SIZE];
    const char *site = json_get_text(args, "site");
    struct buf key = BUF(1024);
    enum err result = lease_job(args, job, info);
    if (result == ERR_OK)
        result = lease_check(site, job, info);
    if (result == ERR_OK && !is_of_job(site, job))
        result = make_keys(site, job, info);
    if (result == ERR_OK)
        result = buf_read_file(&key, file_of(site, "key.pub", path), info);
    if (result == ERR_OK) {
        char *text = xstrndup(buf_text(&key), strcspn(buf_text(&key), "\r\n"));
        *ok = json_object();
        json_put_text(*ok, "public_key", text);
        free(text);
    }
    buf_free(&key);
    return result;
}

/* --- where to -------------------------------------------------------------------------------------------------------
 */

static bool is_made_of(const char *text, const char *allowed)
{
    return *text && *text != '-' && text[strspn(text, allowed)] == '\0';
}

enum err way_read(const json_t *args, struct way_to *to, const json_t **host_keys, struct err_info *info)
{
    static const char of_address[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:%-";
    static const char of_user[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    const json_t *given = json_object_get(args, "to");
    int64_t port = 22;
    *to = (struct way_to){.user = "dogwatch"};
    if (!json_copy_text(given, "address", to->address, sizeof to->address) || !is_made_of(to->address, of_address))
        return err_set(info, ERR_INVALID, "args.to.address is the target's address");
    if (json_get_i64(given, "port", &port) && (port < 1 || port > 65535))
        return err_set(info, ERR_INVALID, "args.to.port is from 1 to 65535");
    json_copy_text(given, "user", to->user, sizeof to->user);
    if (!is_made_of(to->user, of_user))
        return err_set(info, ERR_INVALID, "args.to.user is a user's name");
    str_format(to->port, sizeof to->port, "%lld", (long long)port);
    if (host_keys)
        *host_keys = json_object_get(given, "host_keys");
    return ERR_OK;
}

/* Lines of known_hosts, whatever names they bear: type and key are what counts, the name is ours. */
static enum err write_known_hosts(const char *path, const json_t *lines, struct err_info *info)
{
    struct buf text = BUF(FILE_CEILING);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        char copy[2048], *rest = copy, *words[3] = {NULL, NULL, NULL};
        if (!line || line[0] == '@' || !str_copy(copy, sizeof copy, line) || strpbrk(copy, "\r\n"))
            continue;
        for (size_t word = 0; word < 3 && rest; word++)
            words[word] = strsep(&rest, " ");
        bool has_name = words[0] && !str_starts(words[0], "ssh-") && !str_starts(words[0], "ecdsa-");
        const char *type = words[has_name ? 1 : 0], *key = words[has_name ? 2 : 1];
        if (type && key && *key)
            buf_printf(&text, WAY_TARGET " %s %s\n", type, key);
    }
    enum err result = text.length ? paths_write_atomic(path, buf_text(&text), text.length, 0600, info)
                                  : err_set(info, ERR_INVALID, "args.to.host_keys has no key of the target");
    buf_free(&text);
    return result;
}

static void add_word(struct way_words *words, const char *word)
{
    if (words->count < WAY_MOST_WORDS - 1)
        words->items[words->count++] = xstrdup(word);
}

static void add_option(struct way_words *words, const char *name, const char *value)
{
    char option[HOST_PATH_SIZE + 64];
    str_format(option, sizeof option, "-o%s=%s", name, value);
    add_word(words, option);
}

enum err way_ssh(
    const char *site, const struct way_to *to, const json_t *host_keys, struct way_words *words, struct err_info *info)
{
    static const char *const programs[] = {"/usr/bin/ssh", "/bin/ssh", "/usr/local/bin/ssh", NULL};
    static const char *const options[][2] = {{"BatchMode", "yes"}, {"StrictHostKeyChecking", "yes"},
        {"GlobalKnownHostsFile", "/dev/null"}, {"HostKeyAlias", WAY_TARGET}, {"IdentitiesOnly", "yes"},
        {"IdentityAgent", "none"}, {"ConnectTimeout", "10"}, {"ServerAliveInterval", "15"},
        {"ServerAliveCountMax", "4"}, {"Compression", "no"}, {"LogLevel", "ERROR"}};
    char known_hosts[HOST_PATH_SIZE], key[HOST_PATH_SIZE];
    const char *program = run_find(programs);
    *words = (struct way_words){0};
    if (!program)
        return err_set(info, ERR_MISSING, "ssh (package openssh-client) is not installed on this host");
    if (access(file_of(site, "key", key), R_OK) != 0)
        return err_set(info, ERR_NOT_FOUND, "there is no key for this transfer here: ask for transfer.key first");
    enum err result = write_known_hosts(file_of(site, "known_hosts", known_hosts), host_keys, info);
    if (result != ERR_OK)
        return result;
    add_word(words, program);
    add_word(words, "-Fnone");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        add_option(words, options[i][0], options[i][1]);
    add_option(words, "UserKnownHostsFile", known_hosts);
    add_option(words, "IdentityFile", key);
    add_option(words, "HostName", to->address);
    add_option(words, "Port", to->port);
    add_option(words, "User", to->user);
    add_word(words, "-T");
    add_word(words, WAY_TARGET);
    return ERR_OK;
}

void way_free(struct way_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    *words = (struct way_words){0};
}

/* --- can it be gone? ------------------------------------------------------------------------------------------------
 */

/* ssh-keyscan says "# ADDRESS:22 SSH-2.0-…" of whoever answers as an SSH server, and else why not. */
static bool reaches(const struct way_to *to, char *why, size_t why_size)
{
    static const char *const programs[] = {
        "/usr/bin/ssh-keyscan", "/bin/ssh-keyscan", "/usr/local/bin/ssh-keyscan", NULL};
    const char *const argv[] = {
        run_find(programs), "-T", "5", "-t", "ed25519", "-p", to->port, "--", to->address, NULL};
    struct buf out = BUF(FILE_CEILING), errors = BUF(FILE_CEILING);
    int status;
    str_copy(why, why_size, "ssh-keyscan (package openssh-client) is not installed on this host");
    bool ran = argv[0] && run_program(argv, CHECK_LIMIT_US, &out, &errors, &status, NULL) == ERR_OK;
    bool reached = ran && (strstr(buf_text(&out), "SSH-") || strstr(buf_text(&errors), "SSH-"));
    if (ran && !reached)
        sanitize(why, why_size, buf_text(&errors), strcspn(buf_text(&errors), "\r\n"));
    else if (argv[0] && !ran)
        str_copy(why, why_size, "no answer in time");
    buf_free(&out);
    buf_free(&errors);
    return reached;
}

enum err verb_transfer_check(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    struct way_to to;
    char why[300];
    enum err result = way_read(args, &to, NULL, info);
    if (result != ERR_OK)
        return result;
    bool reachable = reaches(&to, why, sizeof why);
    *ok = json_object();
    json_put_bool(*ok, "reachable", reachable);
    if (!reachable)
        json_put_text(*ok, "why", *why ? why : "nothing answers there");
    return ERR_OK;
}
