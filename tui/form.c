/* A form: rows of a label and a field, below them what the chosen field means or what is wrong with it, then the keys.
 * Where there is little room the chosen field stays. One thread. */
#include "tui/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "tui/input.h"
#include "tui/keys.h"
#include "tui/text.h"

enum { WIDEST = 78, SIDES = 4 /* frame and a blank on each side */, HELP_ROWS = 2, HELP_LINES = 10, LABEL_MOST = 24 };

struct field {
    char *label, *help, *empty;
    struct input *input; /* NULL: a switch */
    bool on;
};

struct form {
    char *title;
    VEC(struct field) fields;
    size_t at; /* the field that is filled in */
    char *error;
};

struct form *form_new(const char *title)
{
    struct form *form = xcalloc(1, sizeof *form);
    form->title = xstrdup(title);
    return form;
}

void form_free(struct form *form)
{
    if (!form)
        return;
    vec_each (&form->fields, struct field, field) {
        free(field->label);
        free(field->help);
        free(field->empty);
        input_free(field->input);
    }
    vec_free(&form->fields);
    free(form->title);
    free(form->error);
    free(form);
}

void form_add_text(struct form *form, const char *label, const char *help, const char *empty, const char *value)
{
    struct field field = {
        .label = xstrdup(label), .help = xstrdup(help), .empty = xstrdup(empty), .input = input_new("", NULL)};
    input_set(field.input, value);
    vec_push(&form->fields, field);
}

void form_add_switch(struct form *form, const char *label, const char *help, bool on)
{
    vec_push(&form->fields, ((struct field){.label = xstrdup(label), .help = xstrdup(help), .on = on}));
}

const char *form_value(const struct form *form, size_t index)
{
    const struct field *field = &form->fields.items[index];
    return field->input ? input_text(field->input) : field->on ? "yes" : "";
}

void form_refuse(struct form *form, size_t index, const char *message)
{
    form->at = index;
    xstr_set(&form->error, message);
}

/* --- keys */

static void go(struct form *form, bool down)
{
    size_t count = form->fields.count;
    form->at = (form->at + (down ? 1 : count - 1)) % count;
}

static void turn(struct field *field, int key)
{
    if (key == KEYS_SPACE || key == KEYS_LEFT || key == KEYS_RIGHT)
        field->on = !field->on;
    else if (key == 'y' || key == 'Y')
        field->on = true;
    else if (key == 'n' || key == 'N' || key == KEYS_BACKSPACE)
        field->on = false;
}

enum form_result form_key(struct form *form, int key)
{
    struct field *field = &form->fields.items[form->at];
    xstr_set(&form->error, NULL);
    if (key == KEYS_ESC || key == KEYS_CTRL('c'))
        return FORM_LEFT;
    if (key == KEYS_ENTER)
        return FORM_TAKEN;
    if (key == KEYS_UP || key == KEYS_DOWN || key == KEYS_TAB || key == KEYS_BACK_TAB)
        go(form, key == KEYS_DOWN || key == KEYS_TAB);
    else if (field->input)
        (void)input_key(field->input, key);
    else
        turn(field, key);
    return FORM_OPEN;
}

/* --- drawing */

static int label_columns(const struct form *form)
{
    int widest = 0;
    vec_each (&form->fields, const struct field, field) {
        int columns = text_columns(field->label);
        widest = columns > widest ? columns : widest;
    }
    return widest < LABEL_MOST ? widest : LABEL_MOST;
}

static void draw_switch(const struct field *field, bool chosen, struct area area)
{
    unsigned style = chosen ? ROLE_INPUT : ROLE_NORMAL;
    area_text(area, 0, 0, style, field->on ? "[x] yes" : "[ ] no");
    if (chosen && area.width > 1)
        cells_set_cursor(area.cells, area.x + 1, area.y);
}

static void draw_field(const struct form *form, size_t index, struct area row)
{
    const struct field *field = &form->fields.items[index];
    bool chosen = index == form->at;
    int label = label_columns(form) < row.width / 2 ? label_columns(form) : row.width / 2;
    struct area place = area_sub(row, label + 2, 0, row.width - label - 2, 1);
    area_fit(row, 0, 0, label, CELLS_LEFT, chosen ? ROLE_TITLE : ROLE_NORMAL, field->label);
    if (!field->input) {
        draw_switch(field, chosen, place);
        return;
    }
    const char *value = input_text(field->input);
    if (chosen)
        input_draw(field->input, place);
    else
        area_fit(place, 0, 0, place.width, CELLS_LEFT, ROLE_NORMAL, value);
    if (!value[0])
        area_textf(place, 1, 0, ROLE_DIM, "(%s)", field->empty);
}

/* As many rows as there is room for, the chosen one among them. */
static void draw_fields(const struct form *form, struct area area)
{
    size_t room = area.height > 0 ? (size_t)area.height : 0;
    size_t first = room && form->at >= room ? form->at - room + 1 : 0;
    for (size_t i = 0; i < room && first + i < form->fields.count; i++)
        draw_field(form, first + i, area_row(area, (int)i));
}

static void draw_help(const struct form *form, struct area area)
{
    struct text *text = text_new(HELP_LINES);
    text_set_wrap(text, true);
    text_add(
        text, form->error ? ROLE_CRITICAL : ROLE_DIM, form->error ? form->error : form->fields.items[form->at].help);
    text_draw(text, area);
    text_free(text);
}

static void draw_keys(const struct form *form, struct area row)
{
    static const char *const hints[][2] = {
        {"Enter", "take"}, {"Esc", "leave as it was"}, {"↑↓", "field"}, {"Space", "yes or no"}};
    bool is_switch = !form->fields.items[form->at].input, several = form->fields.count > 1;
    size_t count = is_switch ? 4 : several ? 3 : 2;
    int x = 0;
    for (size_t i = 0; i < count; i++) {
        x += area_text(row, x, 0, ROLE_KEY, hints[i][0]) + 1;
        x += area_text(row, x, 0, ROLE_DIM, hints[i][1]) + 2;
    }
}

void form_draw(struct form *form, struct area area)
{
    int count = (int)form->fields.count, width = area.width < WIDEST ? area.width : WIDEST;
    struct area outer = area_center(area, width, count + HELP_ROWS + 5); /* frame, two blanks, keys */
    bool framed = outer.height >= 6 && outer.width >= 16;
    struct area inside = outer;
    area_fill(outer, ROLE_NORMAL);
    if (framed) {
        inside = area_box(outer, ROLE_ACCENT, form->title);
        inside = area_sub(inside, 1, 0, inside.width - 2, inside.height);
    }
    int keys = inside.height > 2, help = inside.height - keys - 1 < HELP_ROWS ? inside.height - keys - 1 : HELP_ROWS;
    help = help > 0 ? help : 0;
    int rows = inside.height - keys - help, gaps = rows - count;
    rows = rows < count ? rows : count;
    draw_fields(form, area_sub(inside, 0, 0, inside.width, rows));
    if (help > 0)
        draw_help(form, area_sub(inside, 0, rows + (gaps > 0), inside.width, help));
    if (keys)
        draw_keys(form, area_row(inside, inside.height - 1));
}
