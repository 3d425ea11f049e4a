/* Editing of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT). The user, and how the helper is run for them, are
 * taken from the line that enrolment wrote for the operator's key. One at a time, by a lock file. */
#include "host/transfer/grant.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/path.h"
#include "host/run.h"

#define LOCK "/run/dogwatch/grants.lock"
#define FILE_CEILING (1u << 20)
#define COMMENT " dogwatch-grant:"
#define FROM_CEILING 400u
#define RESOLVE_LIMIT_US (8 * USEC_PER_SEC)
#define OPERATOR_END " --role operator\""
#define EXPIRY "expiry-time=\""
#define STAMP_SIZE sizeof "20260102030405Z"

static const struct login {
    const char *user, *file;
} logins[] = {
    {"dogwatch", "/var/lib/dogwatch/home/.ssh/authorized_keys"},
    {"root", "/root/.ssh/authorized_keys"},
};

struct keys_file {
    const char *user;
    char path[HOST_PATH_SIZE];
    char run[256]; /* what stands before --role in the operator's command */
    struct buf text;
};

/* `command="RUN --role operator"` → RUN. */
static bool find_run(const char *text, char *out, size_t out_size)
{
    static const char begin[] = "command=\"";
    const char *end = strstr(text, OPERATOR_END), *start = NULL;
    for (const char *at = text; end && (at = strstr(at, begin)) != NULL && at < end; at++)
        start = at + strlen(begin);
    return start && str_format(out, out_size, "%.*s", (int)(end - start), start);
}

static enum err open_file(struct keys_file *file, struct err_info *info)
{
    for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
        *file = (struct keys_file){.user = logins[i].user, .text = BUF(FILE_CEILING)};
        host_path(file->path, sizeof file->path, logins[i].file);
        if (buf_read_file(&file->text, file->path, NULL) == ERR_OK &&
            find_run(buf_text(&file->text), file->run, sizeof file->run)) {
            return ERR_OK;
        }
        buf_free(&file->text);
    }
    return err_set(info, ERR_MISSING,
        "no operator's key of dogwatch stands in an authorized_keys here, so no key for a transfer can be let in");
}

static enum err lock_files(int *fd, struct err_info *info)
{
    char path[HOST_PATH_SIZE], directory[HOST_PATH_SIZE];
    *fd = -1;
    enum err result = paths_make_dir(host_path(directory, sizeof directory, "/run/dogwatch"), info);
    if (result != ERR_OK)
        return result;
    *fd = open(host_path(path, sizeof path, LOCK), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd >= 0 && flock(*fd, LOCK_EX) == 0)
        return ERR_OK;
    if (*fd >= 0)
        close(*fd);
    return err_errno(info, err_from_errno(errno), errno, "cannot lock %s", path);
}

static void stamp(int64_t at_us, char out[STAMP_SIZE])
{
    struct tm parts;
    time_t at = (time_t)(at_us / USEC_PER_SEC);
    out[0] = '\0';
    if (gmtime_r(&at, &parts))
        strftime(out, STAMP_SIZE, "%Y%m%d%H%M%SZ", &parts);
}

struct removal {
    const char *job, *word; /* NULL: only what ran out */
    char now[STAMP_SIZE];
};

static bool is_to_go(const char *line, const struct removal *removal)
{
    const char *comment = strstr(line, COMMENT), *expiry = strstr(line, EXPIRY);
    if (!comment)
        return false;
    if (!expiry || strncmp(expiry + strlen(EXPIRY), removal->now, STAMP_SIZE - 1) <= 0)
        return true;
    return removal->job && strcmp(comment + strlen(COMMENT), removal->job) == 0 &&
           (!removal->word || strstr(line, removal->word));
}

/* *changed: something went. */
static void filter(const struct keys_file *file, const struct removal *removal, struct buf *out, bool *changed)
{
    char *copy = xstrdup(buf_text(&file->text)), *rest = copy;
    *changed = false;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        bool is_end = !rest && !*line; /* behind the last newline */
        bool goes = !is_end && is_to_go(line, removal);
        *changed = *changed || goes;
        if (!is_end && !goes)
            buf_printf(out, "%s\n", line);
    }
    free(copy);
}

/* `line` (may be NULL) is added. */
static enum err rewrite(struct keys_file *file, const struct removal *removal, const char *line, struct err_info *info)
{
    struct buf text = BUF(FILE_CEILING);
    bool changed;
    filter(file, removal, &text, &changed);
    if (line)
        buf_puts(&text, line);
    enum err result = ERR_OK;
    if (text.overflowed)
        result = err_set(info, ERR_FULL, "%s would be longer than %u bytes", file->path, FILE_CEILING);
    else if (changed || line)
        result = paths_replace(file->path, buf_text(&text), text.length, info);
    buf_free(&text);
    return result;
}

static enum err change(
    const struct removal *removal, const struct grant *grant, char user[GRANT_USER_SIZE], struct err_info *info)
{
    struct keys_file file;
    char until[STAMP_SIZE], line[2048];
    int lock;
    enum err result = lock_files(&lock, info);
    if (result != ERR_OK)
        return result;
    result = open_file(&file, info);
    if (result == ERR_OK && grant) {
        stamp(clock_wall_us() + grant->ttl_s * USEC_PER_SEC, until);
        str_format(line, sizeof line,
            "restrict,from=\"%s\"," EXPIRY "%s\",command=\"%s --receive %s\" %s" COMMENT "%s\n", grant->from, until,
            file.run, grant->word, grant->public_key, grant->job);
        str_copy(user, GRANT_USER_SIZE, file.user);
    }
    if (result == ERR_OK)
        result = rewrite(&file, removal, grant ? line : NULL, info);
    buf_free(&file.text);
    close(lock);
    return result;
}

static bool is_address(const char *text)
{
    unsigned char out[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, out) == 1 || inet_pton(AF_INET6, text, out) == 1;
}

static bool is_host_name(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    return *text && *text != '-' && strlen(text) < 254 && text[strspn(text, allowed)] == '\0';
}

/* The addresses of a name, as this host knows it: sshd compares addresses (sshd_config(5), UseDNS). The C library's
 * resolver needs its plugins, which a static program does not have; getent(1) has. */
static bool resolve(const char *name, struct buf *addresses)
{
    static const char *const programs[] = {"/usr/bin/getent", "/bin/getent", NULL};
    const char *const argv[] = {run_find(programs), "ahosts", name, NULL};
    struct buf out = BUF(16384);
    int status;
    if (!argv[0] || run_program(argv, RESOLVE_LIMIT_US, &out, NULL, &status, NULL) != ERR_OK)
        buf_clear(&out);
    char *rest = out.data;
    for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;) {
        line[strcspn(line, " \t")] = '\0';
        if (is_address(line) && !strstr(buf_text(addresses), line))
            buf_printf(addresses, "%s%s", addresses->length ? "," : "", line);
    }
    buf_free(&out);
    return addresses->length > 0 && !addresses->overflowed;
}

/* One address, or those of a name, separated by commas. */
static enum err take_from(const char *from, struct buf *addresses, struct err_info *info)
{
    if (from && is_address(from))
        return buf_puts(addresses, from);
    if (!from || !is_host_name(from))
        return err_set(info, ERR_INVALID, "args.from is the source's address or name");
    return resolve(from, addresses)
               ? ERR_OK
               : err_set(info, ERR_UNREACHABLE, "the name %s of the source has no address here", from);
}

/* "ssh-ed25519 BASE64" and nothing else: no options, no line break, no quote. */
static bool take_key(const char *given, char *out, size_t out_size)
{
    static const char type[] = "ssh-ed25519 ";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    if (!given || !str_starts(given, type))
        return false;
    size_t length = strspn(given + strlen(type), base64);
    char after = given[strlen(type) + length];
    return length > 60 && length < 100 && (after == '\0' || after == ' ') &&
           str_format(out, out_size, "%.*s", (int)(strlen(type) + length), given);
}

enum err grant_add(const struct grant *given, char user[GRANT_USER_SIZE], struct err_info *info)
{
    char key[160];
    struct grant grant = *given;
    struct buf from = BUF(FROM_CEILING);
    struct removal removal = {.job = grant.job}; /* sshd takes a key's first line: the newest grant is the only one */
    user[0] = '\0';
    if (!take_key(grant.public_key, key, sizeof key))
        return err_set(info, ERR_INVALID, "args.public_key is what transfer.key answered: \"ssh-ed25519 …\"");
    enum err result = take_from(grant.from, &from, info);
    grant.public_key = key;
    grant.from = buf_text(&from);
    stamp(clock_wall_us(), removal.now);
    if (result == ERR_OK)
        result = change(&removal, &grant, user, info);
    buf_free(&from);
    return result;
}

enum err grant_remove(const char *job, const char *word, struct err_info *info)
{
    struct removal removal = {.job = job, .word = word};
    stamp(clock_wall_us(), removal.now);
    enum err result = change(&removal, NULL, NULL, info);
    return result == ERR_MISSING ? ERR_OK : result; /* no file, no grants */
}
