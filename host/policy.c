/* The policy file: parsed whole into rules, or refused whole. A rule has the verbs it names as bits of the verb table.
 * Used by the thread that dispatches requests. */
#include "host/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"
#include "base/vec.h"

#define FILE_CEILING 65536
#define MOST_WORDS 8
#define WORD_SHOWN 80

struct rule {
    bool allow;
    enum host_role role;
    uint64_t verbs; /* bit: index in the verb table */
    char *sites;    /* NULL: everywhere */
};

struct policy {
    VEC(struct rule) rules;
    char *error;
    struct stat seen; /* zero where there was no file */
};

static const char *const role_names[] = {[HOST_ROLE_VIEWER] = "viewer", [HOST_ROLE_OPERATOR] = "operator"};

const char *host_role_name(enum host_role role)
{
    return role_names[role];
}

bool host_role_parse(const char *name, enum host_role *role)
{
    for (size_t i = 0; i < sizeof role_names / sizeof *role_names; i++) {
        if (strcmp(name, role_names[i]) == 0) {
            *role = (enum host_role)i;
            return true;
        }
    }
    return false;
}

static void clear_rules(struct policy *policy)
{
    vec_each (&policy->rules, struct rule, rule)
        free(rule->sites);
    vec_free(&policy->rules);
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    clear_rules(policy);
    free(policy->error);
    free(policy);
}

const char *policy_error(const struct policy *policy)
{
    return policy->error;
}

static void refuse(struct policy *policy, const char *message)
{
    clear_rules(policy);
    char text[512];
    sanitize(text, sizeof text, message, strlen(message));
    xstr_set(&policy->error, text);
}

/* --- parsing --------------------------------------------------------------------------------------------------------
 */

struct line {
    const char *file;
    size_t number;
    char *words[MOST_WORDS];
    size_t count;
    struct err_info *info;
};

static enum err complain(const struct line *line, const char *what, const char *word)
{
    char shown[WORD_SHOWN];
    sanitize(shown, sizeof shown, word, strlen(word));
    return err_set(line->info, ERR_INVALID, "%s:%zu: %s%s", line->file, line->number, what, shown);
}

/* Cut at blanks; a comment ends the line. False where there are too many words. */
static bool cut_words(struct line *line, char *text)
{
    text[strcspn(text, "#")] = '\0';
    char *rest = text;
    line->count = 0;
    for (char *word; (word = strsep(&rest, " \t\r")) != NULL;) {
        if (*word == '\0')
            continue;
        if (line->count == MOST_WORDS)
            return false;
        line->words[line->count++] = word;
    }
    return true;
}

static enum err complain_unknown_verb(const struct line *line, const char *pattern)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < verb_count(); i++)
        names[count++] = verb_at(i)->name;
    const char *nearest = name_nearest(pattern, names, count);
    char what[128];
    str_format(what, sizeof what, "no such verb%s%s: ", nearest ? "; did you mean " : "", nearest ? nearest : "");
    return complain(line, what, pattern);
}

/* One verb, or a glob of verbs. A glob never says more than the role may at most; a verb that is named in full must be
 * one the role can have. */
static enum err add_verbs(const struct line *line, struct rule *rule, const char *pattern)
{
    bool is_glob = strpbrk(pattern, "*?[") != NULL, matched = false;
    for (size_t i = 0; i < verb_count(); i++) {
        const struct verb *verb = verb_at(i);
        if (fnmatch(pattern, verb->name, FNM_NOESCAPE) != 0)
            continue;
        matched = true;
        if (verb->least_role <= rule->role && (verb->needs_site || !rule->sites))
            rule->verbs |= UINT64_C(1) << i;
        else if (!is_glob && verb->least_role > rule->role && rule->allow)
            return complain(line, "a viewer never changes a host, so it cannot be allowed ", pattern);
        else if (!is_glob && !verb->needs_site && rule->sites)
            return complain(line, "this verb is about no site, so `on` says nothing: ", pattern);
    }
    return matched ? ERR_OK : complain_unknown_verb(line, pattern);
}

static enum err parse_rule(const struct line *line, struct rule *rule)
{
    bool is_deny = strcmp(line->words[0], "deny") == 0;
    rule->allow = strcmp(line->words[0], "allow") == 0;
    if (!rule->allow && !is_deny)
        return complain(line, "a line begins with allow or deny, not with ", line->words[0]);
    if (line->count != 3 && line->count != 5)
        return complain(line, "expected: ", "allow|deny ROLE VERB[,VERB…] [on SITE-GLOB]");
    if (!host_role_parse(line->words[1], &rule->role))
        return complain(line, "the role is viewer or operator, not ", line->words[1]);
    if (line->count == 5 && strcmp(line->words[3], "on") != 0)
        return complain(line, "expected `on` before the sites, not ", line->words[3]);
    if (line->count == 5 && strcmp(line->words[4], "*") != 0)
        rule->sites = xstrdup(line->words[4]);
    enum err result = ERR_OK;
    char *rest = line->words[2];
    for (char *pattern; result == ERR_OK && (pattern = strsep(&rest, ",")) != NULL;)
        result = *pattern ? add_verbs(line, rule, pattern) : complain(line, "an empty verb in the list", "");
    return result;
}

static enum err parse_line(struct policy *policy, struct line *line, char *text)
{
    if (!cut_words(line, text))
        return complain(line, "too many words", "");
    if (line->count == 0)
        return ERR_OK;
    return parse_rule(line, vec_add(&policy->rules));
}

struct policy *policy_parse(const char *name, const char *text, size_t length)
{
    struct policy *policy = xcalloc(1, sizeof *policy);
    struct err_info info;
    if (memchr(text, '\0', length)) {
        err_set(&info, ERR_INVALID, "%s: is no text file", name);
        refuse(policy, info.message);
        return policy;
    }
    char *copy = xstrndup(text, length), *rest = copy;
    struct line line = {.file = name, .info = &info};
    enum err result = ERR_OK;
    for (char *one; result == ERR_OK && (one = strsep(&rest, "\n")) != NULL;) {
        line.number++;
        result = parse_line(policy, &line, one);
    }
    if (result != ERR_OK)
        refuse(policy, info.message);
    free(copy);
    return policy;
}

/* --- the file -------------------------------------------------------------------------------------------------------
 */

/* Could somebody else than root (or the user the helper runs as, who decides anyhow) have written it? */
static bool is_ours(const struct stat *facts)
{
    return (facts->st_uid == 0 || facts->st_uid == geteuid()) && (facts->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static enum err check_directory(const char *path, struct err_info *info)
{
    struct stat facts;
    const char *slash = strrchr(path, '/');
    char *directory = xstrndup(path, slash && slash > path ? (size_t)(slash - path) : 1);
    enum err result = ERR_OK;
    if (stat(directory, &facts) != 0 || !is_ours(&facts))
        result = err_set(info, ERR_DENIED, "%s: refused, because others than root can write its directory", path);
    free(directory);
    return result;
}

static enum err check_file(const char *path, const struct stat *facts, struct err_info *info)
{
    if (!S_ISREG(facts->st_mode))
        return err_set(info, ERR_INVALID, "%s: refused, because it is no regular file", path);
    if (!is_ours(facts))
        return err_set(
            info, ERR_DENIED, "%s: refused, because others than root can write it; chown root, chmod go-w", path);
    return check_directory(path, info);
}

static enum err read_whole(int fd, const char *path, struct buf *buf, struct err_info *info)
{
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_append(buf, chunk, (size_t)got) != ERR_OK)
            return err_set(info, ERR_FULL, "%s: refused, because it is larger than %d bytes", path, FILE_CEILING);
    return got < 0 ? err_errno(info, ERR_IO, errno, "%s: cannot be read", path) : ERR_OK;
}

static struct policy *load_open(int fd, const char *path)
{
    struct buf text = BUF(FILE_CEILING);
    struct err_info info;
    struct stat facts = {0};
    enum err result = fstat(fd, &facts) == 0 ? check_file(path, &facts, &info)
                                             : err_errno(&info, ERR_IO, errno, "%s: cannot be read", path);
    if (result == ERR_OK)
        result = read_whole(fd, path, &text, &info);
    struct policy *policy = policy_parse(path, result == ERR_OK ? buf_text(&text) : "", text.length);
    if (result != ERR_OK)
        refuse(policy, info.message);
    policy->seen = facts;
    buf_free(&text);
    return policy;
}

struct policy *policy_load(const char *path)
{
    struct policy *policy;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) {
        policy = load_open(fd, path);
        close(fd);
    } else {
        int why = errno;
        policy = policy_parse(path, "", 0);
        struct err_info info;
        err_errno(&info, ERR_IO, why, "%s: cannot be opened", path);
        if (why != ENOENT)
            refuse(policy, info.message);
        if (stat(path, &policy->seen) != 0)
            policy->seen = (struct stat){0};
    }
    if (policy->error)
        log_error("%s", policy->error);
    return policy;
}

void policy_refresh(struct policy **policy, const char *path)
{
    struct stat now = {0};
    if (stat(path, &now) != 0)
        now = (struct stat){0};
    const struct stat *seen = &(*policy)->seen;
    if (now.st_dev == seen->st_dev && now.st_ino == seen->st_ino && now.st_size == seen->st_size &&
        now.st_ctim.tv_sec == seen->st_ctim.tv_sec && now.st_ctim.tv_nsec == seen->st_ctim.tv_nsec)
        return;
    struct policy *fresh = policy_load(path);
    policy_free(*policy);
    *policy = fresh;
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

/* What is left where the file is refused. */
static bool is_always_allowed(const struct verb *verb)
{
    return strcmp(verb->name, "hello") == 0 || strcmp(verb->name, "ping") == 0;
}

static bool allows(
    const struct policy *policy, enum host_role role, const struct verb *verb, const char *site, bool any)
{
    if (is_always_allowed(verb))
        return true;
    if (verb->least_role > role)
        return false;
    if (policy->error)
        return strcmp(verb->name, "subscribe") == 0;
    bool allowed = true;
    uint64_t bit = UINT64_C(1) << verb_index(verb);
    vec_each (&policy->rules, const struct rule, rule) {
        if (rule->role != role || !(rule->verbs & bit))
            continue;
        if (!rule->sites || (site && fnmatch(rule->sites, site, FNM_NOESCAPE) == 0) || (any && rule->allow))
            allowed = rule->allow;
    }
    return allowed;
}

bool policy_allows(const struct policy *policy, enum host_role role, const struct verb *verb, const char *site)
{
    return allows(policy, role, verb, site, false);
}

bool policy_allows_somewhere(const struct policy *policy, enum host_role role, const struct verb *verb)
{
    return allows(policy, role, verb, NULL, true);
}
