/* What a person may add to an action, as values and as JSON (docs/socket.md). No state. */
#include <stdlib.h>
#include <string.h>

#include "actions/action.h"
#include "base/clock.h"
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

static enum err take_keep(const json_t *value, struct plan_options *options, struct err_info *info)
{
    int64_t keep_s = json_integer_value(value);
    if (!json_is_integer(value) || keep_s < 1 || keep_s > KEEP_MOST_S)
        return err_set(info, ERR_INVALID, "the old copy is kept for 1 second to a year");
    options->keep_us = keep_s * USEC_PER_SEC;
    return ERR_OK;
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
