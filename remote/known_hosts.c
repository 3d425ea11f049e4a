/* known_hosts files, read and judged line by line by ourselves: libssh skips @revoked and @cert-authority lines, so
 * that a revoked key would pass. Format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Files are small and read whole at each
 * dial, so that an edit counts at once. Our own file is replaced atomically under a lock file, as engine and `dogwatch
 * host` may both write it. Any thread. */
#include "remote/known_hosts.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"

#define FILE_CEILING (16u << 20)
#define FIELD_SIZE 1024
#define HASH_BYTES 20 /* SHA-1 */

enum mark { MARK_NONE, MARK_REVOKED, MARK_AUTHORITY, MARK_OTHER };

struct line { /* one entry; texts point into the file's buffer and are not terminated */
    enum mark mark;
    const char *hosts, *type, *base64;
    size_t hosts_length, type_length, base64_length;
    unsigned number;
};

/* --- describing a key ----------------------------------------------------------------------------------------- */

/* The first string inside the key's blob is its type: RFC 4253, 6.6. */
static bool key_type(const char *base64, char out[HOST_KEY_TYPE_SIZE])
{
    char head[80];
    unsigned char blob[sizeof head];
    size_t length = strlen(base64) < sizeof head ? strlen(base64) : sizeof head;
    memcpy(head, base64, length - length % 4);
    int decoded = EVP_DecodeBlock(blob, (const unsigned char *)head, (int)(length - length % 4));
    if (decoded < 5 || blob[0] || blob[1] || blob[2] || blob[3] >= HOST_KEY_TYPE_SIZE || 4 + blob[3] > decoded)
        return false;
    memcpy(out, blob + 4, blob[3]);
    out[blob[3]] = '\0';
    return sanitize_is_clean(out, blob[3]);
}

enum err host_key_describe(struct host_key *key, const char *base64, struct err_info *info)
{
    *key = (struct host_key){.verdict = HOST_KEY_UNKNOWN};
    size_t length = strlen(base64);
    if (length >= sizeof key->base64 || length % 4 != 0 || length == 0 || !key_type(base64, key->type))
        return err_set(info, ERR_INVALID, "this is no host key: %.40s", base64);
    unsigned char blob[HOST_KEY_BASE64_SIZE];
    int size = EVP_DecodeBlock(blob, (const unsigned char *)base64, (int)length);
    if (size < 0)
        return err_set(info, ERR_INVALID, "this is no host key: %.40s", base64);
    for (size_t end = length; end > 0 && base64[end - 1] == '='; end--)
        size--; /* EVP_DecodeBlock counts the padding */
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    EVP_Digest(blob, (size_t)size, digest, &digest_size, EVP_sha256(), NULL);
    unsigned char text[EVP_MAX_MD_SIZE * 2];
    int text_size = EVP_EncodeBlock(text, digest, (int)digest_size);
    while (text_size > 0 && text[text_size - 1] == '=')
        text[--text_size] = '\0';
    str_format(key->fingerprint, sizeof key->fingerprint, "SHA256:%s", (const char *)text);
    str_copy(key->base64, sizeof key->base64, base64);
    return ERR_OK;
}

/* --- reading lines -------------------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

static const char *next_field(const char **at, const char *end, size_t *length)
{
    const char *start = skip_blanks(*at, end);
    const char *stop = start;
    while (stop < end && *stop != ' ' && *stop != '\t' && *stop != '\r')
        stop++;
    *length = (size_t)(stop - start);
    *at = stop;
    return start;
}

static bool field_is(const char *field, size_t length, const char *text)
{
    return strlen(text) == length && memcmp(field, text, length) == 0;
}

static enum mark mark_of(const char *field, size_t length)
{
    if (field_is(field, length, "@revoked"))
        return MARK_REVOKED;
    return field_is(field, length, "@cert-authority") ? MARK_AUTHORITY : MARK_OTHER;
}

static bool parse_line(const char *at, const char *end, struct line *line)
{
    unsigned number = line->number;
    *line = (struct line){.number = number};
    line->hosts = next_field(&at, end, &line->hosts_length);
    if (line->hosts_length == 0 || *line->hosts == '#')
        return false;
    if (*line->hosts == '@') {
        line->mark = mark_of(line->hosts, line->hosts_length);
        line->hosts = next_field(&at, end, &line->hosts_length);
    }
    line->type = next_field(&at, end, &line->type_length);
    line->base64 = next_field(&at, end, &line->base64_length);
    return line->base64_length > 0;
}

/* The next entry of a file's text from *at on; false at its end. */
static bool next_line(const char **at, const char *end, struct line *line)
{
    while (*at < end) {
        const char *newline = memchr(*at, '\n', (size_t)(end - *at));
        const char *stop = newline ? newline : end;
        const char *start = *at;
        *at = newline ? newline + 1 : end;
        line->number++;
        if (parse_line(start, stop, line))
            return true;
    }
    return false;
}

/* --- whose line is it? ---------------------------------------------------------------------------------------- */

static bool wildcard_match(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == '?' || tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static int decode20(const char *base64, unsigned char out[HASH_BYTES])
{
    unsigned char wide[32];
    if (strlen(base64) != 28 || EVP_DecodeBlock(wide, (const unsigned char *)base64, 28) != 21)
        return -1;
    memcpy(out, wide, HASH_BYTES);
    return 0;
}

/* "|1|salt|HMAC-SHA1(salt, name)", both base64. */
static bool hash_match(const char *field, const char *name)
{
    char salt_text[64], hash_text[64];
    const char *bar = strchr(field + 3, '|');
    if (!bar || (size_t)(bar - field - 3) >= sizeof salt_text)
        return false;
    memcpy(salt_text, field + 3, (size_t)(bar - field - 3));
    salt_text[bar - field - 3] = '\0';
    unsigned char salt[HASH_BYTES], hash[HASH_BYTES], own[EVP_MAX_MD_SIZE];
    if (!str_copy(hash_text, sizeof hash_text, bar + 1) || decode20(salt_text, salt) || decode20(hash_text, hash))
        return false;
    unsigned own_size = 0;
    HMAC(EVP_sha1(), salt, HASH_BYTES, (const unsigned char *)name, strlen(name), own, &own_size);
    return own_size == HASH_BYTES && memcmp(own, hash, HASH_BYTES) == 0;
}

static bool pattern_list_match(const char *field, size_t length, const char *name)
{
    bool matched = false;
    const char *end = field + length;
    while (field < end) {
        const char *comma = memchr(field, ',', (size_t)(end - field));
        size_t size = (size_t)((comma ? comma : end) - field);
        char pattern[FIELD_SIZE];
        bool negated = size > 0 && *field == '!';
        if (size > 0 && size < sizeof pattern) {
            memcpy(pattern, field + negated, size - negated);
            pattern[size - negated] = '\0';
            bool match = strncmp(pattern, "|1|", 3) == 0 ? hash_match(pattern, name) : wildcard_match(pattern, name);
            if (match && negated)
                return false;
            matched = matched || match;
        }
        field = comma ? comma + 1 : end;
    }
    return matched;
}

/* --- judging -------------------------------------------------------------------------------------------------- */

struct search {
    char name[FIELD_SIZE]; /* under which this file knows the host */
    struct host_key *key;
    bool trusted, changed;
};

/* Lower case, as ssh writes names; a port other than 22 as "[address]:port". */
static void name_in_ssh_files(const char *address, uint16_t port, char *out, size_t size)
{
    if (port == 0 || port == 22)
        str_copy(out, size, address);
    else
        str_format(out, size, "[%s]:%u", address, port);
    for (; *out; out++)
        *out = (char)tolower((unsigned char)*out);
}

static void set_where(struct host_key *key, const char *path, unsigned number)
{
    str_format(key->where, sizeof key->where, "%s:%u", path, number);
}

static void remember_change(struct host_key *key, const struct line *line, const char *path)
{
    char base64[HOST_KEY_BASE64_SIZE];
    struct host_key other;
    if (line->base64_length >= sizeof base64)
        return;
    memcpy(base64, line->base64, line->base64_length);
    base64[line->base64_length] = '\0';
    if (host_key_describe(&other, base64, NULL) == ERR_OK)
        str_copy(key->was, sizeof key->was, other.fingerprint);
    set_where(key, path, line->number);
}

static void judge_line(struct search *search, const struct line *line, const char *path)
{
    struct host_key *key = search->key;
    bool same = field_is(line->base64, line->base64_length, key->base64);
    if (key->verdict == HOST_KEY_REVOKED || !pattern_list_match(line->hosts, line->hosts_length, search->name))
        return;
    switch (line->mark) {
    case MARK_REVOKED:
        if (same) {
            key->verdict = HOST_KEY_REVOKED;
            set_where(key, path, line->number);
        }
        return;
    case MARK_AUTHORITY:
        key->has_authority = true;
        return;
    case MARK_OTHER:
        return;
    case MARK_NONE:
        break;
    }
    if (same && !search->trusted) {
        search->trusted = true;
        set_where(key, path, line->number);
    } else if (!same && !search->trusted) {
        bool same_type = field_is(line->type, line->type_length, key->type);
        if (!search->changed || same_type)
            remember_change(key, line, path);
        search->changed = true;
    }
}

typedef void line_fn(void *owner, const struct line *line, const char *path);

static enum err each_line(const char *path, line_fn *use, void *owner, struct err_info *info)
{
    struct buf text = BUF(FILE_CEILING);
    enum err err = path ? buf_read_file(&text, path, info) : ERR_NOT_FOUND;
    if (err == ERR_OK) {
        const char *at = buf_text(&text), *end = at + text.length;
        struct line line = {0};
        while (next_line(&at, end, &line))
            use(owner, &line, path);
    }
    buf_free(&text);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void judge(void *owner, const struct line *line, const char *path)
{
    judge_line(owner, line, path);
}

/* Our own file knows hosts by their fleet name, those of ssh by address. */
static enum err each_file(const struct known_hosts_files *files, const char *name, const char *address, uint16_t port,
    line_fn *use, struct search *search, struct err_info *info)
{
    str_copy(search->name, sizeof search->name, name);
    enum err err = each_line(files->ours, use, search, info);
    name_in_ssh_files(address, port, search->name, sizeof search->name);
    if (err == ERR_OK)
        err = each_line(files->user, use, search, info);
    if (err == ERR_OK)
        err = each_line(files->system, use, search, info);
    return err;
}

enum err known_hosts_check(const struct known_hosts_files *files, const char *name, const char *address, uint16_t port,
    struct host_key *key, struct err_info *info)
{
    key->verdict = HOST_KEY_UNKNOWN;
    key->was[0] = key->where[0] = '\0';
    key->has_authority = false;
    struct search search = {.key = key};
    enum err err = each_file(files, name, address, port, judge, &search, info);
    if (err)
        return err;
    if (key->verdict == HOST_KEY_REVOKED)
        return ERR_OK;
    if (search.trusted)
        key->was[0] = '\0';
    key->verdict = search.trusted ? HOST_KEY_TRUSTED : search.changed ? HOST_KEY_CHANGED : HOST_KEY_UNKNOWN;
    return ERR_OK;
}

/* --- asking for a key we know --------------------------------------------------------------------------------- */

static const char *const type_order[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"};
#define TYPE_COUNT (sizeof type_order / sizeof *type_order)

struct type_search {
    struct search search;
    bool known[TYPE_COUNT];
};

static void note_type(void *owner, const struct line *line, const char *path)
{
    (void)path;
    struct type_search *types = owner;
    if (line->mark != MARK_NONE || !pattern_list_match(line->hosts, line->hosts_length, types->search.name))
        return;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        types->known[i] = types->known[i] || field_is(line->type, line->type_length, type_order[i]);
}

void known_hosts_types(const struct known_hosts_files *files, const char *name, const char *address, uint16_t port,
    char *out, size_t out_size)
{
    struct type_search types = {0};
    struct buf text = BUF(512);
    if (each_file(files, name, address, port, note_type, &types.search, NULL) == ERR_OK)
        for (size_t i = 0; i < TYPE_COUNT; i++)
            if (types.known[i])
                buf_printf(&text, "%s%s", text.length ? "," : "", type_order[i]);
    str_copy(out, out_size, buf_text(&text));
    buf_free(&text);
}

/* --- changing our own file ------------------------------------------------------------------------------------ */

static int lock_file(const char *ours)
{
    char *path = xasprintf("%s.lock", ours);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

/* Append every line of the old text that is not about `name` alone. */
static void copy_others(struct buf *out, const struct buf *old, const char *name)
{
    const char *at = buf_text(old), *end = at + old->length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        struct line line = {0};
        bool ours =
            parse_line(at, stop, &line) && line.mark == MARK_NONE && field_is(line.hosts, line.hosts_length, name);
        if (!ours) {
            buf_append(out, at, (size_t)(stop - at));
            buf_putc(out, '\n');
        }
        at = newline ? newline + 1 : end;
    }
}

static enum err rewrite(const char *ours, const char *name, const struct host_key *key, struct err_info *info)
{
    if (!name_is_valid(name))
        return err_set(info, ERR_INVALID, "\"%.80s\" is no name of a host", name);
    int lock = lock_file(ours);
    struct buf old = BUF(FILE_CEILING), text = BUF(FILE_CEILING + HOST_KEY_BASE64_SIZE + FIELD_SIZE);
    enum err err = buf_read_file(&old, ours, info);
    if (err == ERR_NOT_FOUND && key)
        err = ERR_OK;
    if (err == ERR_OK) {
        copy_others(&text, &old, name);
        if (key)
            buf_printf(&text, "%s %s %s\n", name, key->type, key->base64);
        bool same = text.length == old.length && memcmp(buf_text(&text), buf_text(&old), text.length) == 0;
        err = same ? ERR_OK : paths_write_atomic(ours, buf_text(&text), text.length, 0600, info);
    }
    buf_free(&old);
    buf_free(&text);
    if (lock >= 0)
        close(lock);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err known_hosts_set(const char *ours, const char *name, const struct host_key *key, struct err_info *info)
{
    return rewrite(ours, name, key, info);
}

enum err known_hosts_remove(const char *ours, const char *name, struct err_info *info)
{
    return rewrite(ours, name, NULL, info);
}
