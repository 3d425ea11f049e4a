/* Dialogs. One struct for all kinds: a body, and below it a question, a line to type into, or nothing. Guarantee: only
 * `y`, or the exact name and Enter, ever answers yes; whatever else is pressed cannot. One thread. */
#include "tui/dialog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tui/chart.h"
#include "tui/input.h"
#include "tui/keys.h"

enum dialog_kind { DIALOG_KIND_CONFIRM, DIALOG_KIND_NAME, DIALOG_KIND_MESSAGE, DIALOG_KIND_ASK };

enum {
    NOTE_LINES = 100,
    NOTE_SHARE = 3 /* of the height */,
    WIDEST = 100,
    SIDES = 4 /* frame and a blank on each side */
};

struct dialog {
    enum dialog_kind kind;
    char *title;
    char *question; /* confirm: the question; name: the name; ask: the prompt */
    struct text *body;
    struct input *input; /* name and ask */
    unsigned style;      /* of the frame */
    bool full;
    struct text *note; /* NULL: none */
    double progress;   /* < 0: no gauge */
    char *progress_label;
};

static struct dialog *dialog_new(enum dialog_kind kind, const char *title, struct text *body, const char *question)
{
    struct dialog *dialog = xcalloc(1, sizeof *dialog);
    dialog->kind = kind;
    dialog->title = xstrdup(title);
    dialog->question = xstrdup(question);
    dialog->body = body ? body : text_new(1);
    dialog->style = ROLE_ACCENT;
    dialog->progress = -1;
    text_set_wrap(dialog->body, true);
    return dialog;
}

struct dialog *dialog_confirm(const char *title, struct text *body, const char *question)
{
    return dialog_new(DIALOG_KIND_CONFIRM, title, body, question);
}

struct dialog *dialog_type_name(const char *title, struct text *body, const char *name)
{
    struct dialog *dialog = dialog_new(DIALOG_KIND_NAME, title, body, name);
    dialog->style = ROLE_WARNING;
    dialog->input = input_new("> ", NULL);
    return dialog;
}

struct dialog *dialog_message(const char *title, struct text *body, unsigned style)
{
    struct dialog *dialog = dialog_new(DIALOG_KIND_MESSAGE, title, body, "");
    dialog->style = style;
    return dialog;
}

struct dialog *dialog_ask(const char *title, struct text *body, const char *prompt, const char *initial)
{
    struct dialog *dialog = dialog_new(DIALOG_KIND_ASK, title, body, "");
    dialog->input = input_new(prompt, NULL);
    input_set(dialog->input, initial);
    return dialog;
}

void dialog_free(struct dialog *dialog)
{
    if (!dialog)
        return;
    text_free(dialog->body);
    input_free(dialog->input);
    free(dialog->title);
    free(dialog->question);
    free(dialog->progress_label);
    text_free(dialog->note);
    free(dialog);
}

const char *dialog_input(const struct dialog *dialog)
{
    return dialog->input ? input_text(dialog->input) : "";
}

struct text *dialog_body(struct dialog *dialog)
{
    return dialog->body;
}

void dialog_set_progress(struct dialog *dialog, double fraction, const char *label)
{
    dialog->progress = fraction;
    xstr_set(&dialog->progress_label, label);
}

void dialog_set_full(struct dialog *dialog)
{
    dialog->full = true;
}

void dialog_set_note(struct dialog *dialog, struct text *note)
{
    text_free(dialog->note);
    dialog->note = note;
    if (!note)
        return;
    text_set_wrap(note, true);
    text_set_follow(note, true); /* where there is little room its end stays */
}

/* --- keys */

static enum dialog_result confirm_key(int key)
{
    if (key == 'y' || key == 'Y')
        return DIALOG_YES;
    bool no = key == 'n' || key == 'N' || key == KEYS_ENTER || key == KEYS_ESC || key == KEYS_CTRL('c') || key == 'q';
    return no ? DIALOG_NO : DIALOG_OPEN;
}

static enum dialog_result message_key(int key)
{
    bool close = key == KEYS_ENTER || key == KEYS_ESC || key == 'q' || key == KEYS_CTRL('c');
    return close ? DIALOG_NO : DIALOG_OPEN;
}

static enum dialog_result typing_key(struct dialog *dialog, int key)
{
    enum input_result result = input_key(dialog->input, key);
    if (result == INPUT_CANCELLED)
        return DIALOG_NO;
    if (result != INPUT_ACCEPTED)
        return DIALOG_OPEN;
    if (dialog->kind == DIALOG_KIND_ASK || strcmp(input_text(dialog->input), dialog->question) == 0)
        return DIALOG_YES;
    if (input_text(dialog->input)[0])
        input_set_error(dialog->input, "not that name: nothing was done");
    return DIALOG_OPEN;
}

static bool is_scroll_key(int key)
{
    return key == KEYS_UP || key == KEYS_DOWN || key == KEYS_PAGE_UP || key == KEYS_PAGE_DOWN;
}

enum dialog_result dialog_key(struct dialog *dialog, int key)
{
    if (dialog->input && !is_scroll_key(key))
        return typing_key(dialog, key);
    enum dialog_result result = dialog->input                         ? DIALOG_OPEN
                                : dialog->kind == DIALOG_KIND_CONFIRM ? confirm_key(key)
                                                                      : message_key(key);
    if (result == DIALOG_OPEN)
        (void)text_key(dialog->body, key);
    return result;
}

/* --- drawing */

static int foot_rows(const struct dialog *dialog)
{
    static const int rows[] = {
        [DIALOG_KIND_CONFIRM] = 1, [DIALOG_KIND_NAME] = 2, [DIALOG_KIND_MESSAGE] = 1, [DIALOG_KIND_ASK] = 1};
    bool gauge = !(dialog->progress < 0);
    return rows[dialog->kind] + (gauge ? 1 : 0);
}

static int widest_of(const struct dialog *dialog)
{
    int widest = text_widest(dialog->body), title = text_columns(dialog->title) + 4;
    int question = text_columns(dialog->question) + 30;
    widest = title > widest ? title : widest;
    widest = question > widest ? question : widest;
    return widest + SIDES < WIDEST ? widest + SIDES : WIDEST;
}

static void draw_confirm(const struct dialog *dialog, struct area row)
{
    int columns = text_columns(dialog->question), room = row.width - 4; /* " y/N" */
    columns = columns < room ? columns : room;
    area_fit(row, 0, 0, columns, CELLS_LEFT, ROLE_NORMAL | STYLE_BOLD, dialog->question);
    int x = columns > 0 ? columns + 1 : 0;
    x += area_text(row, x, 0, ROLE_KEY, "y");
    x += area_text(row, x, 0, ROLE_DIM, "/");
    area_text(row, x, 0, ROLE_KEY, "N");
}

static void draw_foot(struct dialog *dialog, struct area foot)
{
    int y = 0;
    if (!(dialog->progress < 0))
        gauge_draw(foot, y++, dialog->progress, ROLE_ACTIVE, dialog->progress_label);
    switch (dialog->kind) {
    case DIALOG_KIND_CONFIRM:
        draw_confirm(dialog, area_row(foot, y));
        break;
    case DIALOG_KIND_NAME:
        area_textf(foot, 0, y++, ROLE_NORMAL | STYLE_BOLD, "Type %s and Enter; Esc: no", dialog->question);
        input_draw(dialog->input, area_row(foot, y));
        break;
    case DIALOG_KIND_ASK:
        input_draw(dialog->input, area_row(foot, y));
        break;
    case DIALOG_KIND_MESSAGE:
        area_text(foot, area_text(foot, 0, y, ROLE_KEY, "Esc") + 1, y, ROLE_DIM, "close");
        break;
    }
}

/* Which part of the body is seen, at the right of the frame's top line. */
static void draw_position(const struct dialog *dialog, struct area outer)
{
    char position[TEXT_POSITION_SIZE], words[TEXT_POSITION_SIZE + 16];
    text_position(dialog->body, position);
    str_format(words, sizeof words, " %s PgUp PgDn ", position);
    int columns = text_columns(words), x = outer.width - 2 - columns;
    if (x > text_columns(dialog->title) + 4)
        area_text(outer, x, 0, dialog->style, words);
}

static int width_of(const struct dialog *dialog, struct area area)
{
    return dialog->full || widest_of(dialog) > area.width ? area.width : widest_of(dialog);
}

static int note_rows(const struct dialog *dialog, struct area area)
{
    int most = area.height / NOTE_SHARE > 1 ? area.height / NOTE_SHARE : 1;
    bool some = dialog->note && text_count(dialog->note) > 0;
    size_t rows = some ? text_rows(dialog->note, width_of(dialog, area) - SIDES) : 0;
    return rows < (size_t)most ? (int)rows : most;
}

static struct area place_of(const struct dialog *dialog, struct area area, int foot)
{
    int width = width_of(dialog, area);
    size_t body = text_rows(dialog->body, width - SIDES);
    int wanted = (body > 500 ? 500 : (int)body) + (body > 0 ? 1 : 0) + foot + 2;
    return dialog->full ? area : area_center(area, width, wanted);
}

/* Where there is hardly any room the frame goes first, then the body: the question must stay readable. */
void dialog_draw(struct dialog *dialog, struct area area)
{
    int note = note_rows(dialog, area), foot = foot_rows(dialog) + note;
    struct area outer = place_of(dialog, area, foot), inside = outer;
    bool framed = outer.height >= foot + 3 && outer.width >= 16;
    area_fill(outer, ROLE_NORMAL);
    if (framed) {
        inside = area_box(outer, dialog->style, dialog->title);
        inside = area_sub(inside, 1, 0, inside.width - 2, inside.height);
    }
    int room = inside.height - foot, body = (int)text_rows(dialog->body, inside.width);
    int gap = room > 1 && body < room ? 1 : 0;
    if (room > 0)
        text_draw(dialog->body, area_sub(inside, 0, 0, inside.width, room - gap));
    if (framed && body > room)
        draw_position(dialog, outer);
    struct area below = area_sub(inside, 0, room > 0 ? room : 0, inside.width, foot);
    if (note > 0)
        text_draw(dialog->note, area_sub(below, 0, 0, below.width, note));
    draw_foot(dialog, area_sub(below, 0, note, below.width, foot - note));
}
