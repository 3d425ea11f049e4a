/* Plans as values: made step by step, written to JSON and read back, told in lines. No thread of its own. */
#include "actions/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/step.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define STEPS_MAX 256

void plan_free(struct plan *plan)
{
    vec_each (&plan->identity, char *, id)
        free(*id);
    vec_each (&plan->warnings, char *, warning)
        free(*warning);
    vec_each (&plan->steps, struct plan_step, step) {
        free(step->command);
        free(step->runs);
        free(step->undo);
        json_decref(step->parameters);
    }
    vec_free(&plan->identity);
    vec_free(&plan->warnings);
    vec_free(&plan->steps);
    vec_free(&plan->parts);
    vec_free(&plan->room);
    free(plan->cut_rests_on);
    free(plan->loses);
    json_decref(plan->options);
    *plan = (struct plan){.cut_us = -1};
}

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
static char *format_text(const char *format, va_list args)
{
    struct buf text = BUF((size_t)64 << 10);
    buf_vprintf(&text, format, args);
    char *taken = xstrdup(buf_text(&text));
    buf_free(&text);
    return taken;
}

void plan_add_step(struct plan *plan, const struct step_kind *kind, const char *host, json_t *parameters,
    const char *undo, const char *command_format, ...)
{
    struct plan_step *step = vec_add(&plan->steps);
    va_list args;
    va_start(args, command_format);
    step->command = format_text(command_format, args);
    va_end(args);
    step->kind = kind;
    step->runs = kind->runs ? xstrdup(kind->runs) : NULL;
    step->undo = undo ? xstrdup(undo) : NULL;
    step->parameters = parameters ? parameters : json_object();
    str_copy(step->host, sizeof step->host, host);
    str_copy(step->site, sizeof step->site, plan->site);
}

void plan_runs(struct plan *plan, const char *format, ...)
{
    struct plan_step *step = &plan->steps.items[plan->steps.count - 1];
    va_list args;
    va_start(args, format);
    free(step->runs);
    step->runs = format_text(format, args);
    va_end(args);
}

void plan_warn(struct plan *plan, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vec_push(&plan->warnings, format_text(format, args));
    va_end(args);
}

void plan_add_part(struct plan *plan, const char *name, int64_t us)
{
    struct plan_part *part = vec_add(&plan->parts);
    str_copy(part->name, sizeof part->name, name);
    part->us = us;
}

void plan_add_room(struct plan *plan, const char *host, const char *what, int64_t before_bytes, int64_t after_bytes)
{
    struct plan_room *room = vec_add(&plan->room);
    str_copy(room->host, sizeof room->host, host);
    str_copy(room->what, sizeof room->what, what);
    room->before_bytes = before_bytes;
    room->after_bytes = after_bytes;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static json_t *texts_to_json(char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *holder = json_object();
        json_put_text(holder, "t", texts[i]); /* repairs invalid UTF-8 */
        json_array_append(array, json_object_get(holder, "t"));
        json_decref(holder);
    }
    return array;
}

static json_t *parts_to_json(const struct plan *plan)
{
    json_t *parts = json_array();
    vec_each (&plan->parts, const struct plan_part, part) {
        json_t *row = json_object();
        json_put_text(row, "part", part->name);
        json_put_i64(row, "ms", part->us / USEC_PER_MSEC);
        json_array_append_new(parts, row);
    }
    return parts;
}

static json_t *room_to_json(const struct plan *plan)
{
    json_t *rooms = json_array();
    vec_each (&plan->room, const struct plan_room, room) {
        json_t *row = json_object();
        json_put_text(row, "host", room->host);
        json_put_text(row, "what", room->what);
        json_put_i64(row, "before_bytes", room->before_bytes);
        json_put_i64(row, "after_bytes", room->after_bytes);
        json_array_append_new(rooms, row);
    }
    return rooms;
}

json_t *plan_to_json(const struct plan *plan)
{
    json_t *json = json_object(), *steps = json_array();
    json_put_text(json, "action", plan->action);
    json_put_text(json, "kind", object_kind_word(plan->object_kind));
    json_put_text(json, "object", plan->object);
    json_put_text(json, "site", plan->site);
    json_put_text(json, "host", plan->host);
    json_put_text(json, "to", plan->to[0] ? plan->to : NULL);
    json_object_set_new(json, "identity", texts_to_json(plan->identity.items, plan->identity.count));
    vec_each (&plan->steps, const struct plan_step, step) {
        json_t *row = json_object();
        json_put_text(row, "step", step->kind->name);
        json_put_text(row, "host", step->host);
        json_put_text(row, "site", step->site);
        json_put_text(row, "command", step->command);
        json_put_text(row, "runs", step->runs);
        json_put_text(row, "undo", step->undo);
        json_object_set(row, "parameters", step->parameters);
        json_array_append_new(steps, row);
    }
    json_object_set_new(json, "steps", steps);
    json_object_set_new(json, "warnings", texts_to_json(plan->warnings.items, plan->warnings.count));
    if (plan->cut_us >= 0) {
        json_put_i64(json, "cut_ms", plan->cut_us / USEC_PER_MSEC);
        json_put_text(json, "cut_rests_on", plan->cut_rests_on);
        json_object_set_new(json, "cut_parts", parts_to_json(plan));
    }
    json_object_set_new(json, "room", room_to_json(plan));
    json_put_text(json, "loses", plan->loses);
    if (plan->options)
        json_object_set(json, "options", plan->options);
    return json;
}

static enum err step_from_json(const json_t *row, struct plan *plan, struct err_info *info)
{
    const char *name = json_get_text(row, "step"), *command = json_get_text(row, "command");
    const char *host = json_get_text(row, "host");
    json_t *parameters = json_object_get(row, "parameters");
    const struct step_kind *kind = name ? step_find(name) : NULL;
    if (!kind || !command || !host || !json_is_object(parameters))
        return err_set(info, ERR_CORRUPT, "the plan has a step this dogwatch does not know: %s", name ? name : "?");
    plan_add_step(plan, kind, host, json_incref(parameters), json_get_text(row, "undo"), "%s", command);
    json_copy_text(row, "site", plan->steps.items[plan->steps.count - 1].site, NAME_SIZE);
    if (json_get_text(row, "runs"))
        plan_runs(plan, "%s", json_get_text(row, "runs"));
    return ERR_OK;
}

static enum object_kind kind_from_word(const char *word)
{
    for (int kind = 0; word && kind < KIND_COUNT; kind++)
        if (strcmp(word, object_kind_word((enum object_kind)kind)) == 0)
            return (enum object_kind)kind;
    return KIND_SITE;
}

static void cut_from_json(const json_t *json, struct plan *plan)
{
    int64_t cut_ms;
    size_t i;
    const json_t *row;
    if (!json_get_i64(json, "cut_ms", &cut_ms))
        return;
    plan->cut_us = cut_ms * USEC_PER_MSEC;
    const char *rests_on = json_get_text(json, "cut_rests_on");
    plan->cut_rests_on = xstrdup(rests_on ? rests_on : "nothing that is known");
    json_array_foreach (json_object_get(json, "cut_parts"), i, row) {
        const char *name = json_get_text(row, "part");
        int64_t ms = 0;
        if (name && json_get_i64(row, "ms", &ms))
            plan_add_part(plan, name, ms * USEC_PER_MSEC);
    }
}

static void room_from_json(const json_t *json, struct plan *plan)
{
    size_t i;
    const json_t *row;
    json_array_foreach (json_object_get(json, "room"), i, row) {
        const char *host = json_get_text(row, "host"), *what = json_get_text(row, "what");
        int64_t before = 0, after = 0;
        json_get_i64(row, "before_bytes", &before);
        json_get_i64(row, "after_bytes", &after);
        if (host && what)
            plan_add_room(plan, host, what, before, after);
    }
}

enum err plan_from_json(const json_t *json, struct plan *plan, struct err_info *info)
{
    size_t i;
    json_t *item;
    *plan = (struct plan){.cut_us = -1};
    const json_t *steps = json_object_get(json, "steps");
    if (!json_copy_text(json, "action", plan->action, sizeof plan->action) ||
        !json_copy_text(json, "object", plan->object, sizeof plan->object) || !json_is_array(steps) ||
        json_array_size(steps) == 0 || json_array_size(steps) > STEPS_MAX)
        return err_set(info, ERR_CORRUPT, "this is no plan");
    json_copy_text(json, "site", plan->site, sizeof plan->site);
    json_copy_text(json, "host", plan->host, sizeof plan->host);
    plan->object_kind = kind_from_word(json_get_text(json, "kind"));
    json_array_foreach (json_object_get(json, "identity"), i, item)
        vec_push(&plan->identity, xstrdup(json_string_value(item)));
    json_array_foreach (json_object_get(json, "warnings"), i, item)
        vec_push(&plan->warnings, xstrdup(json_string_value(item)));
    json_copy_text(json, "to", plan->to, sizeof plan->to);
    cut_from_json(json, plan);
    room_from_json(json, plan);
    const char *loses = json_get_text(json, "loses");
    plan->loses = loses ? xstrdup(loses) : NULL;
    plan->options = json_incref(json_object_get(json, "options"));
    enum err err = ERR_OK;
    json_array_foreach (steps, i, item)
        if (!err)
            err = step_from_json(item, plan, info);
    return err;
}

/* --- for a person ------------------------------------------------------------------------------------------------- */

static void cut_to_text(const struct plan *plan, struct buf *out)
{
    char time[FORMAT_SIZE];
    buf_printf(out, "\nVisitors are cut off for about %s", format_duration(plan->cut_us, time));
    for (size_t i = 0; i < plan->parts.count; i++)
        buf_printf(out, "%s%s %s", i ? " + " : " (", plan->parts.items[i].name,
            format_duration(plan->parts.items[i].us, time));
    buf_printf(out, "%s: %s.\n", plan->parts.count ? ")" : "", plan->cut_rests_on);
}

static void room_to_text(const struct plan *plan, struct buf *out)
{
    char before[FORMAT_SIZE], after[FORMAT_SIZE];
    buf_puts(out, "\nFree room:\n");
    vec_each (&plan->room, const struct plan_room, room)
        buf_printf(out, "  %s: %s %s, afterwards %s\n", room->host, room->what,
            format_bytes((double)room->before_bytes, before), format_bytes((double)room->after_bytes, after));
}

/* "migrate example.org from mosh01 to mosh02", "restart example.org and 2 more", "restart all sites on mosh01" */
static void title_to_text(const struct plan *plan, struct buf *out)
{
    size_t more = json_array_size(json_object_get(plan->options, "more"));
    bool of_host = plan->object_kind == KIND_HOST, has_place = plan->host[0] && !of_host && !more;
    buf_printf(out, "%s %s%s", plan->action, of_host ? "all sites on " : "", plan->object);
    if (more)
        buf_printf(out, " and %zu more", more);
    if (has_place)
        buf_printf(out, " %s %s", plan->to[0] ? "from" : "on", plan->host);
    if (plan->to[0])
        buf_printf(out, " to %s", plan->to);
    buf_puts(out, "\n\n");
}

void plan_to_text(const struct plan *plan, struct buf *out)
{
    title_to_text(plan, out);
    for (size_t i = 0; i < plan->steps.count; i++) {
        const struct plan_step *step = &plan->steps.items[i];
        buf_printf(out, "%2zu. %s%s%s\n", i + 1, step->host, step->host[0] ? ": " : "", step->command);
        if (step->runs)
            buf_printf(out, "      runs: %s\n", step->runs);
        if (step->undo)
            buf_printf(out, "      undo: %s\n", step->undo);
    }
    if (plan->cut_us >= 0)
        cut_to_text(plan, out);
    if (plan->loses)
        buf_printf(out, "\n%s\n", plan->loses);
    if (plan->room.count)
        room_to_text(plan, out);
    if (plan->warnings.count)
        buf_puts(out, "\nWarnings:\n");
    vec_each (&plan->warnings, char *const, warning)
        buf_printf(out, "  ! %s\n", *warning);
}
