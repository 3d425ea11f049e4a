/* How texts of the fleet files become values: each type is a rule for the text, a slot, and what a message says was
 * expected. Everything here may later be an argument of a program or a line of a configuration file, so the rules name
 * what is allowed, never what is forbidden. No state; any thread. */
#include "fleet/values.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"
#include "fleet/fleet.h"

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ALPHANUMERIC LOWER UPPER DIGITS
#define DOMAIN_MAX_BYTES 253 /* RFC 1035, without the final dot */
#define DOMAIN_LABEL_BYTES 63

static enum taken in_range(const struct field *field, double value)
{
    return value >= field->min && value <= field->max ? TAKEN : TAKEN_OUT_OF_RANGE;
}

static enum taken set_text(const char *text, const struct field *field, void *slot)
{
    enum taken taken = field->range ? in_range(field, (double)strlen(text)) : TAKEN;
    if (taken == TAKEN)
        xstr_set(slot, text);
    return taken;
}

static bool begins_and_continues(const char *text, const char *first, const char *rest)
{
    return text[0] != '\0' && strchr(first, text[0]) && text[strspn(text, rest)] == '\0';
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static enum taken take_name(const char *text, const struct field *field, void *slot)
{
    return name_is_valid(text) ? set_text(text, field, slot) : TAKEN_WRONG;
}

static enum taken take_text(const char *text, const struct field *field, void *slot)
{
    return sanitize_is_clean(text, strlen(text)) ? set_text(text, field, slot) : TAKEN_WRONG;
}

static bool is_domain_label(const char *label, size_t length, const char *allowed)
{
    return length >= 1 && length <= DOMAIN_LABEL_BYTES && strspn(label, allowed) >= length && label[0] != '-' &&
           label[length - 1] != '-';
}

/* A domain or host name: labels of letters, digits and hyphens; in lower case where `lower`. */
static bool is_domain(const char *text, bool lower)
{
    const char *allowed = lower ? LOWER DIGITS "-" : ALPHANUMERIC "-";
    if (strlen(text) > DOMAIN_MAX_BYTES)
        return false;
    for (;;) {
        size_t length = strcspn(text, ".");
        if (!is_domain_label(text, length, allowed))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

/* A host name, an IPv4 or an IPv6 literal. */
static bool is_address(const char *text)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
        return true;
    bool looks_like_ipv4 = text[strspn(text, DIGITS ".")] == '\0';
    return !looks_like_ipv4 && is_domain(text, false);
}

static enum taken take_address(const char *text, const struct field *field, void *slot)
{
    return is_address(text) ? set_text(text, field, slot) : TAKEN_WRONG;
}

static enum taken take_login(const char *text, const struct field *field, void *slot)
{
    bool good = strlen(text) <= 32 && begins_and_continues(text, LOWER UPPER "_", ALPHANUMERIC "_.-");
    return good ? set_text(text, field, slot) : TAKEN_WRONG;
}

static enum taken take_image(const char *text, const struct field *field, void *slot)
{
    bool good = begins_and_continues(text, ALPHANUMERIC, ALPHANUMERIC "._/:@-") && !strstr(text, "//");
    return good ? set_text(text, field, slot) : TAKEN_WRONG;
}

/* "uid:gid", both numbers: names would mean something else in each image. */
static enum taken take_user(const char *text, const struct field *field, void *slot)
{
    const char *colon = strchr(text, ':');
    if (!colon)
        return TAKEN_WRONG;
    char *uid = xstrndup(text, (size_t)(colon - text));
    int64_t number;
    bool good = str_to_i64(uid, 0, UINT32_MAX - 1, &number) && str_to_i64(colon + 1, 0, UINT32_MAX - 1, &number);
    free(uid);
    return good ? set_text(text, field, slot) : TAKEN_WRONG;
}

/* Absolute, without "." and ".." steps; ':' and ',' separate the parts of a mount on engines' command lines. */
static enum taken take_path(const char *text, const struct field *field, void *slot)
{
    if (!begins_and_continues(text, "/", ALPHANUMERIC "/._+@-"))
        return TAKEN_WRONG;
    for (const char *step = text; *step; step += strcspn(step, "/")) {
        step += strspn(step, "/");
        size_t length = strcspn(step, "/");
        if ((length == 1 || length == 2) && strncmp(step, "..", length) == 0)
            return TAKEN_WRONG;
    }
    return set_text(text, field, slot);
}

/* The request target of a GET (RFC 9110): no blanks, no control characters, no fragment. */
static enum taken take_url_path(const char *text, const struct field *field, void *slot)
{
    bool good = begins_and_continues(text, "/", ALPHANUMERIC "-._~:/?[]@!$&'()*+,;=%");
    return good ? set_text(text, field, slot) : TAKEN_WRONG;
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

static enum taken take_port(const char *text, const struct field *field, void *slot)
{
    int64_t number;
    if (!str_to_i64(text, INT64_MIN, INT64_MAX, &number))
        return TAKEN_WRONG;
    enum taken taken = in_range(field, (double)number);
    if (taken == TAKEN)
        *(uint16_t *)slot = (uint16_t)number;
    return taken;
}

static enum taken take_status(const char *text, const struct field *field, void *slot)
{
    int64_t number;
    if (!str_to_i64(text, INT64_MIN, INT64_MAX, &number))
        return TAKEN_WRONG;
    enum taken taken = in_range(field, (double)number);
    if (taken == TAKEN)
        *(int *)slot = (int)number;
    return taken;
}

static enum taken take_size(const char *text, const struct field *field, void *slot)
{
    static const char suffixes[] = "KMGT";
    size_t length = strlen(text);
    const char *suffix = length ? strchr(suffixes, text[length - 1]) : NULL;
    char *digits = xstrndup(text, length - (suffix != NULL));
    uint64_t number, unit = UINT64_C(1) << (suffix ? 10 * (suffix - suffixes + 1) : 0);
    bool good = str_to_u64(digits, &number);
    free(digits);
    if (!good)
        return TAKEN_WRONG;
    enum taken taken = in_range(field, (double)number * (double)unit);
    if (taken == TAKEN)
        *(uint64_t *)slot = number * unit;
    return taken;
}

static enum taken take_number(const char *text, const struct field *field, void *slot)
{
    double number;
    if (!str_to_double(text, &number))
        return TAKEN_WRONG;
    enum taken taken = in_range(field, number);
    if (taken == TAKEN)
        *(double *)slot = number;
    return taken;
}

static enum taken take_duration(const char *text, const struct field *field, void *slot)
{
    int64_t duration_us;
    if (!clock_parse_duration(text, &duration_us))
        return TAKEN_WRONG;
    enum taken taken = in_range(field, (double)duration_us);
    if (taken == TAKEN)
        *(int64_t *)slot = duration_us;
    return taken;
}

/* --- choices ------------------------------------------------------------------------------------------------------ */

static enum taken take_flag(const char *text, const struct field *field, void *slot)
{
    (void)field;
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return TAKEN_WRONG;
    *(bool *)slot = yes;
    return TAKEN;
}

static enum taken take_choice(const char *text, const struct field *field, void *slot)
{
    for (unsigned i = 0; field->words[i]; i++)
        if (strcmp(field->words[i], text) == 0) {
            memcpy(slot, &i, sizeof i); /* an enum, whose type is compatible with unsigned */
            return TAKEN;
        }
    return TAKEN_WRONG;
}

static enum taken take_domain(const char *text, const struct field *field, void *slot)
{
    (void)field;
    if (!is_domain(text, true))
        return TAKEN_WRONG;
    VEC(char *) list;
    memcpy(&list, slot, sizeof list); /* every VEC is a type of its own */
    vec_push(&list, xstrdup(text));
    memcpy(slot, &list, sizeof list);
    return TAKEN;
}

static enum taken take_role(const char *text, const struct field *field, void *slot)
{
    (void)field;
    unsigned role;
    if (strchr(text, ',') || strchr(text, ' ') || !roles_parse(text, &role, NULL) || role == 0)
        return TAKEN_WRONG;
    *(unsigned *)slot |= role;
    return TAKEN;
}

/* ------------------------------------------------------------------------------------------------------------------ */

#define NAME_RULE "lower-case letters, digits, \".\", \"_\" and \"-\", up to 63"

const struct value_type value_name = {.word = "name", .expected = "a name (" NAME_RULE ")", .take = take_name};
const struct value_type value_text = {.word = "text", .expected = "text without control characters", .take = take_text};
const struct value_type value_address = {
    .word = "address", .expected = "a host name, an IPv4 or an IPv6 address", .take = take_address};
const struct value_type value_login = {
    .word = "login name", .expected = "a login name such as dogwatch", .take = take_login};
const struct value_type value_image = {
    .word = "image", .expected = "an image such as localhost/infra/web:1", .take = take_image};
const struct value_type value_user = {.word = "uid:gid", .expected = "a user such as \"2042:2042\"", .take = take_user};
const struct value_type value_path = {
    .word = "path", .expected = "an absolute path such as /var/www", .take = take_path};
const struct value_type value_url_path = {
    .word = "URL path", .expected = "the path of a URL such as /health", .take = take_url_path};
const struct value_type value_port = {
    .word = "port", .expected = "a port such as 8080", .take = take_port, .plain_only = true};
const struct value_type value_status = {
    .word = "HTTP status", .expected = "an HTTP status such as 200", .take = take_status, .plain_only = true};
const struct value_type value_size = {.word = "size", .expected = "a size such as 256M", .take = take_size};
const struct value_type value_number = {
    .word = "number", .expected = "a number such as 0.5", .take = take_number, .plain_only = true};
const struct value_type value_duration = {
    .word = "duration", .expected = "a duration such as 10s", .take = take_duration};
const struct value_type value_flag = {
    .word = "true or false", .expected = "true or false", .take = take_flag, .plain_only = true};
const struct value_type value_choice = {.word = "word", .expected = "one of its words", .take = take_choice};
const struct value_type value_domain = {.word = "domain",
    .expected = "a domain in lower case such as www.example.org",
    .take = take_domain,
    .element_size = sizeof(char *)};
const struct value_type value_role = {
    .word = "role", .expected = "compute, proxy, storage or backup", .take = take_role};
