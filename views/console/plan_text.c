/* Colouring a plan. The words are the engine's; which of them are warnings and what is lost is known from the plan
 * itself, not guessed from the words. */
#include "views/console/plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "tui/style.h"

enum { PLAN_LINES = 10000 };

static bool is_warning(const json_t *plan, const char *line)
{
    size_t i;
    const json_t *warning;
    line += strspn(line, " !");
    json_array_foreach (json_object_get(plan, "warnings"), i, warning)
        if (json_is_string(warning) && strcmp(json_string_value(warning), line) == 0)
            return true;
    return false;
}

/* A step's line begins with its number, headings end in a colon, both at the left. */
static unsigned style_of(const json_t *plan, const char *line, size_t number)
{
    const char *loses = json_get_text(plan, "loses"), *words = line + strspn(line, " ");
    if (number == 0)
        return ROLE_TITLE;
    if ((loses && strcmp(loses, line) == 0) || is_warning(plan, line))
        return ROLE_WARNING;
    if (str_starts(words, "undo: "))
        return ROLE_DIM;
    if (line[0] != ' ' && str_ends(line, ":"))
        return ROLE_TITLE;
    return str_starts(line, "Visitors ") ? ROLE_NORMAL | STYLE_BOLD : ROLE_NORMAL;
}

struct text *plan_text_new(const char *plan_text, const json_t *plan)
{
    struct text *text = text_new(PLAN_LINES);
    for (size_t number = 0; *plan_text; number++) {
        size_t length = strcspn(plan_text, "\n");
        char *line = xstrndup(plan_text, length);
        text_add(text, style_of(plan, line, number), line);
        free(line);
        plan_text += length + (plan_text[length] == '\n');
    }
    return text;
}

unsigned plan_text_note(const json_t *plan, char out[PLAN_NOTE_SIZE])
{
    size_t warnings = json_array_size(json_object_get(plan, "warnings"));
    size_t steps = json_array_size(json_object_get(plan, "steps"));
    int64_t cut_ms;
    char cut[FORMAT_SIZE], counted[64] = "";
    bool loses = json_get_text(plan, "loses") != NULL;
    if (warnings)
        str_format(counted, sizeof counted, "! %zu %s, ", warnings, warnings == 1 ? "warning" : "warnings");
    str_format(out, PLAN_NOTE_SIZE, "%s%zu %s", counted, steps, steps == 1 ? "step" : "steps");
    if (json_get_i64(plan, "cut_ms", &cut_ms)) {
        size_t length = strlen(out);
        str_format(out + length, PLAN_NOTE_SIZE - length, ", visitors cut off about %s",
            format_duration(cut_ms * USEC_PER_MSEC, cut));
    }
    return warnings || loses ? ROLE_WARNING : ROLE_DIM;
}
