/* Colouring a plan. The words are the engine's; which of them are warnings and what is lost is known from the plan
 * itself, not guessed from the words. */
#include "views/console/plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "tui/style.h"

enum { PLAN_LINES = 10000, WARNINGS_MOST = 3, WARNING_BYTES = 220 };

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
    if (is_warning(plan, line))
        return ROLE_WARNING;
    if (loses && strcmp(loses, line) == 0) /* also where it says that nothing is */
        return ROLE_NORMAL | STYLE_BOLD;
    if (str_starts(words, "undo: ") || str_starts(words, "runs: "))
        return ROLE_DIM;
    if (line[0] != ' ' && str_ends(line, ":"))
        return ROLE_TITLE;
    return str_starts(line, "Visitors ") ? ROLE_NORMAL | STYLE_BOLD : ROLE_NORMAL;
}

/* What stands before the words of a line: number, "runs:", "undo:", "!"; words that are wrapped hang below the words.
 */
static size_t head_length(const char *line)
{
    size_t blanks = strspn(line, " "), digits = strspn(line + blanks, "0123456789");
    if (digits > 0 && str_starts(line + blanks + digits, ". "))
        return blanks + digits + 2;
    if (str_starts(line + blanks, "! "))
        return blanks + 2;
    bool named = str_starts(line + blanks, "undo: ") || str_starts(line + blanks, "runs: ");
    return named ? blanks + strlen("undo: ") : blanks;
}

static void add_line(struct text *text, const json_t *plan, const char *line, size_t number)
{
    unsigned style = style_of(plan, line, number);
    char *head = xstrndup(line, head_length(line));
    text_add_pair(text, style, head, style, line + strlen(head));
    free(head);
}

struct text *plan_text_new(const char *plan_text, const json_t *plan)
{
    struct text *text = text_new(PLAN_LINES);
    for (size_t number = 0; *plan_text; number++) {
        size_t length = strcspn(plan_text, "\n");
        char *line = xstrndup(plan_text, length);
        add_line(text, plan, line, number);
        free(line);
        plan_text += length + (plan_text[length] == '\n');
    }
    return text;
}

/* The first warnings, a line each, and that there are more. */
static void add_warnings(const json_t *plan, struct text *out)
{
    const json_t *warnings = json_object_get(plan, "warnings"), *warning;
    size_t count = json_array_size(warnings), i;
    json_array_foreach (warnings, i, warning) {
        if (i == WARNINGS_MOST)
            break;
        bool last = i + 1 == WARNINGS_MOST && count > WARNINGS_MOST;
        text_addf(out, ROLE_WARNING, "! %.*s%s", WARNING_BYTES,
            json_string_value(warning) ? json_string_value(warning) : "", last ? "; and more below" : "");
    }
}

void plan_text_note(const json_t *plan, struct text *out)
{
    size_t warnings = json_array_size(json_object_get(plan, "warnings"));
    size_t steps = json_array_size(json_object_get(plan, "steps"));
    const char *loses = json_get_text(plan, "loses");
    int64_t cut_ms;
    char cut[FORMAT_SIZE], cut_words[96] = "", more[48] = "";
    bool is_cut = json_get_i64(plan, "cut_ms", &cut_ms);
    add_warnings(plan, out);
    if (loses && !is_cut) /* no moment without it, but until somebody ends it */
        text_add(out, ROLE_NORMAL | STYLE_BOLD, loses);
    if (warnings > 1)
        str_format(more, sizeof more, ", %zu warnings", warnings);
    if (is_cut)
        str_format(
            cut_words, sizeof cut_words, ", visitors cut off about %s", format_duration(cut_ms * USEC_PER_MSEC, cut));
    text_addf(out, ROLE_NORMAL, "%zu %s%s%s", steps, steps == 1 ? "step" : "steps", more, cut_words);
}
