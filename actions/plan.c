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
        free(step->undo);
        json_decref(step->parameters);
    }
    vec_free(&plan->identity);
    vec_free(&plan->warnings);
    vec_free(&plan->steps);
    free(plan->cut_rests_on);
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
    step->undo = undo ? xstrdup(undo) : NULL;
    step->parameters = parameters ? parameters : json_object();
    str_copy(step->host, sizeof step->host, host);
}

void plan_warn(struct plan *plan, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vec_push(&plan->warnings, format_text(format, args));
    va_end(args);
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

json_t *plan_to_json(const struct plan *plan)
{
    json_t *json = json_object(), *steps = json_array();
    json_put_text(json, "action", plan->action);
    json_put_text(json, "kind", object_kind_word(plan->object_kind));
    json_put_text(json, "object", plan->object);
    json_put_text(json, "site", plan->site);
    json_put_text(json, "host", plan->host);
    json_object_set_new(json, "identity", texts_to_json(plan->identity.items, plan->identity.count));
    vec_each (&plan->steps, const struct plan_step, step) {
        json_t *row = json_object();
        json_put_text(row, "step", step->kind->name);
        json_put_text(row, "host", step->host);
        json_put_text(row, "command", step->command);
        json_put_text(row, "undo", step->undo);
        json_object_set(row, "parameters", step->parameters);
        json_array_append_new(steps, row);
    }
    json_object_set_new(json, "steps", steps);
    json_object_set_new(json, "warnings", texts_to_json(plan->warnings.items, plan->warnings.count));
    if (plan->cut_us >= 0) {
        json_put_i64(json, "cut_ms", plan->cut_us / USEC_PER_MSEC);
        json_put_text(json, "cut_rests_on", plan->cut_rests_on);
    }
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
    return ERR_OK;
}

static enum object_kind kind_from_word(const char *word)
{
    for (int kind = 0; word && kind < KIND_COUNT; kind++)
        if (strcmp(word, object_kind_word((enum object_kind)kind)) == 0)
            return (enum object_kind)kind;
    return KIND_SITE;
}

enum err plan_from_json(const json_t *json, struct plan *plan, struct err_info *info)
{
    size_t i;
    json_t *item;
    int64_t cut_ms;
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
    if (json_get_i64(json, "cut_ms", &cut_ms)) {
        plan->cut_us = cut_ms * USEC_PER_MSEC;
        plan->cut_rests_on = xstrdup(json_get_text(json, "cut_rests_on"));
    }
    enum err err = ERR_OK;
    json_array_foreach (steps, i, item)
        if (!err)
            err = step_from_json(item, plan, info);
    return err;
}

/* --- for a person ------------------------------------------------------------------------------------------------- */

void plan_to_text(const struct plan *plan, struct buf *out)
{
    char cut[FORMAT_SIZE];
    buf_printf(out, "%s %s%s%s\n\n", plan->action, plan->object, plan->host[0] ? " on " : "", plan->host);
    for (size_t i = 0; i < plan->steps.count; i++) {
        const struct plan_step *step = &plan->steps.items[i];
        buf_printf(out, "%2zu. %s%s%s\n", i + 1, step->host, step->host[0] ? ": " : "", step->command);
        if (step->undo)
            buf_printf(out, "      undo: %s\n", step->undo);
    }
    if (plan->cut_us >= 0)
        buf_printf(
            out, "\nVisitors are cut off for about %s: %s.\n", format_duration(plan->cut_us, cut), plan->cut_rests_on);
    if (plan->warnings.count)
        buf_puts(out, "\nWarnings:\n");
    vec_each (&plan->warnings, char *const, warning)
        buf_printf(out, "  ! %s\n", *warning);
}
