/* What a person may add to an action: as values, as JSON (docs/socket.md), and as text in the rows of one table, from
 * which the command line and the console make their options. No state. */
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/name.h"

#define KEEP_MOST_S (INT64_C(366) * 86400)

void plan_options_free(struct plan_options *options)
{
    vec_each (&options->more, char *, object)
        free(*object);
    vec_free(&options->more);
    *options = (struct plan_options){0};
}

static enum err take_to(const json_t *value, struct plan_options *options, struct err_info *info)
{
    const char *text = json_string_value(value);
    if (!text || !name_is_valid(text))
        return err_set(info, ERR_INVALID, "\"to\" is the name of a host");
    str_copy(options->to, sizeof options->to, text);
    return ERR_OK;
}

static enum err take_limit(const json_t *value, struct plan_options *options, struct err_info *info)
{
    options->limit_bytes_s = json_integer_value(value);
    return json_is_integer(value) && options->limit_bytes_s >= 0
               ? ERR_OK
               : err_set(info, ERR_INVALID, "\"limit_bytes_s\" is a number of bytes a second");
}

static enum err set_keep_s(struct plan_options *options, int64_t keep_s, struct err_info *info)
{
    if (keep_s < 1 || keep_s > KEEP_MOST_S)
        return err_set(info, ERR_INVALID, "the old copy is kept for 1 second to a year");
    options->keep_us = keep_s * USEC_PER_SEC;
    return ERR_OK;
}

static enum err take_keep(const json_t *value, struct plan_options *options, struct err_info *info)
{
    return set_keep_s(options, json_is_integer(value) ? json_integer_value(value) : 0, info);
}

static enum err take_through_console(const json_t *value, struct plan_options *options, struct err_info *info)
{
    options->through_console = json_is_true(value);
    return json_is_boolean(value) ? ERR_OK : err_set(info, ERR_INVALID, "\"through_console\" is true or false");
}

static enum err take_more(const json_t *value, struct plan_options *options, struct err_info *info)
{
    size_t i;
    const json_t *item;
    if (!json_is_array(value) || json_array_size(value) > PLAN_MORE_MAX)
        return err_set(info, ERR_INVALID, "\"more\" is a list of at most %d objects", PLAN_MORE_MAX);
    json_array_foreach (value, i, item) {
        if (!json_is_string(item))
            return err_set(info, ERR_INVALID, "\"more\" is a list of names");
        vec_push(&options->more, xstrdup(json_string_value(item)));
    }
    return ERR_OK;
}

static const struct {
    const char *name;
    enum err (*take)(const json_t *value, struct plan_options *options, struct err_info *info);
} members[] = {
    {"to", take_to},
    {"limit_bytes_s", take_limit},
    {"keep_s", take_keep},
    {"through_console", take_through_console},
    {"more", take_more},
};

enum err plan_options_from_json(const json_t *json, struct plan_options *options, struct err_info *info)
{
    enum err err = ERR_OK;
    const char *key;
    json_t *value;
    *options = (struct plan_options){0};
    if (json && !json_is_null(json) && !json_is_object(json))
        return err_set(info, ERR_INVALID, "options is an object");
    json_object_foreach ((json_t *)json, key, value) {
        size_t i = 0;
        while (i < sizeof members / sizeof *members && strcmp(members[i].name, key) != 0)
            i++;
        if (i == sizeof members / sizeof *members)
            err = err_set(info, ERR_INVALID, "there is no option \"%.40s\"", key);
        else
            err = members[i].take(value, options, info);
        if (err)
            break;
    }
    if (err)
        plan_options_free(options);
    return err;
}

json_t *plan_options_to_json(const struct plan_options *options)
{
    json_t *json = json_object();
    if (options->to[0])
        json_put_text(json, "to", options->to);
    if (options->limit_bytes_s)
        json_put_i64(json, "limit_bytes_s", options->limit_bytes_s);
    if (options->keep_us)
        json_put_i64(json, "keep_s", options->keep_us / USEC_PER_SEC);
    if (options->through_console)
        json_put_bool(json, "through_console", true);
    if (options->more.count) {
        json_t *more = json_array();
        vec_each (&options->more, char *const, object)
            json_array_append_new(more, json_string(*object));
        json_object_set_new(json, "more", more);
    }
    return json;
}

/* --- as a person gives them --------------------------------------------------------------------------------------- */

static enum err set_to(struct plan_options *options, const char *text, struct err_info *info)
{
    if (text[0] && !name_is_valid(text))
        return err_set(info, ERR_INVALID, "%s is no name of a host", text);
    str_copy(options->to, sizeof options->to, text);
    return ERR_OK;
}

static void get_to(const struct plan_options *options, char out[ACTION_OPTION_SIZE])
{
    str_copy(out, ACTION_OPTION_SIZE, options->to);
}

static enum err set_limit(struct plan_options *options, const char *text, struct err_info *info)
{
    int64_t limit_bytes_s = 0;
    if (text[0] && !format_parse_bytes(text, &limit_bytes_s))
        return err_set(info, ERR_INVALID, "%s is no rate; try 500K or 10M (bytes a second)", text);
    options->limit_bytes_s = limit_bytes_s;
    return ERR_OK;
}

struct unit {
    int64_t size;
    const char *name;
};

/* In the largest unit that says it exactly, as it is read again; "" for 0. */
static void put_exactly(int64_t value, const struct unit *units, char out[ACTION_OPTION_SIZE])
{
    while (value % units->size)
        units++;
    if (value)
        str_format(out, ACTION_OPTION_SIZE, "%lld%s", (long long)(value / units->size), units->name);
    else
        out[0] = '\0';
}

static void get_limit(const struct plan_options *options, char out[ACTION_OPTION_SIZE])
{
    static const struct unit units[] = {{INT64_C(1) << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}};
    put_exactly(options->limit_bytes_s, units, out);
}

static enum err set_keep(struct plan_options *options, const char *text, struct err_info *info)
{
    int64_t keep_us = 0;
    if (!text[0]) {
        options->keep_us = 0;
        return ERR_OK;
    }
    if (!clock_parse_duration(text, &keep_us))
        return err_set(info, ERR_INVALID, "%s is no time; try 12h or 3d", text);
    return set_keep_s(options, keep_us / USEC_PER_SEC, info);
}

static void get_keep(const struct plan_options *options, char out[ACTION_OPTION_SIZE])
{
    static const struct unit units[] = {
        {86400 * USEC_PER_SEC, "d"}, {3600 * USEC_PER_SEC, "h"}, {60 * USEC_PER_SEC, "m"}, {USEC_PER_SEC, "s"}};
    put_exactly(options->keep_us, units, out);
}

static enum err set_through_console(struct plan_options *options, const char *text, struct err_info *info)
{
    (void)info;
    options->through_console = text[0] != '\0';
    return ERR_OK;
}

static void get_through_console(const struct plan_options *options, char out[ACTION_OPTION_SIZE])
{
    str_copy(out, ACTION_OPTION_SIZE, options->through_console ? "yes" : "");
}

static const struct action_option rows[] = {
    {"to", "HOST", "where to; without it the best host, and the plan says why", "the best", TAKES_TARGET, true, set_to,
        get_to},
    {"limit", "RATE", "copy no faster than that a second: 500K, 10M", "no limit", TAKES_TARGET, false, set_limit,
        get_limit},
    {"keep", "TIME", "how long the old copy is kept: 12h, 3d; without it 3d", "3d", TAKES_TARGET, false, set_keep,
        get_keep},
    {"through-console", NULL, "copy by way of this machine, also where the hosts may reach one another", NULL,
        TAKES_TARGET, false, set_through_console, get_through_console},
    {"on", "HOST", "which copy, where more than one host has the site", "the only one", TAKES_COPY, true, set_to,
        get_to},
};

const struct action_option *action_option_next(unsigned takes, const struct action_option *row)
{
    for (row = row ? row + 1 : rows; row < rows + sizeof rows / sizeof *rows; row++)
        if (row->takes & takes)
            return row;
    return NULL;
}
