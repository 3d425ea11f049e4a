/* The list of hosts a site could move to. The selection is kept by name while the filter is typed; what cannot take the
 * site stays in the list with its reason, and is never chosen. */
#include "views/console/targets.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "tui/input.h"
#include "tui/keys.h"
#include "tui/text.h"
#include "views/freshness.h"

enum { DETAIL_LINES = 100, DETAIL_LEAST = 3, NAME_COLUMNS = 20, FOOT_ROWS = 2, REASONS_BYTES = 4096 };

struct target {
    char host[NAME_SIZE];
    bool fits;
    VEC(char *) reasons;
};

struct targets {
    char *title;
    VEC(struct target) all;
    VEC(size_t) shown; /* indices of `all` that pass the filter */
    size_t selected;   /* index of `shown` */
    struct input *filter;
    struct text *detail; /* of the selected one */
};

static struct target *selected_of(const struct targets *targets)
{
    return targets->selected < targets->shown.count ? &targets->all.items[targets->shown.items[targets->selected]]
                                                    : NULL;
}

static void show_detail(struct targets *targets)
{
    const struct target *target = selected_of(targets);
    text_clear(targets->detail);
    if (!target) {
        text_add(targets->detail, ROLE_DIM,
            targets->all.count ? "no host has that in its name" : "no other host can be asked");
        return;
    }
    text_addf(targets->detail, target->fits ? ROLE_TITLE : ROLE_WARNING, "%s%s", target->host,
        target->fits ? "" : " cannot take it:");
    vec_each (&target->reasons, char *const, reason)
        text_addf(targets->detail, target->fits ? ROLE_NORMAL : ROLE_WARNING, "  %s", *reason);
}

static void apply_filter(struct targets *targets)
{
    const struct target *before = selected_of(targets);
    const char *typed = input_text(targets->filter);
    vec_clear(&targets->shown);
    targets->selected = 0;
    for (size_t i = 0; i < targets->all.count; i++) {
        if (!strstr(targets->all.items[i].host, typed))
            continue;
        if (before == &targets->all.items[i])
            targets->selected = targets->shown.count;
        vec_push(&targets->shown, i);
    }
    show_detail(targets);
}

struct targets *targets_new(const char *title, const json_t *list)
{
    struct targets *targets = xcalloc(1, sizeof *targets);
    size_t i, j;
    const json_t *row, *reason;
    targets->title = xstrdup(title);
    targets->filter = input_new("host: ", NULL);
    targets->detail = text_new(DETAIL_LINES);
    text_set_wrap(targets->detail, true);
    json_array_foreach (list, i, row) {
        struct target target = {0};
        if (!json_copy_text(row, "host", target.host, sizeof target.host))
            continue;
        json_get_bool(row, "fits", &target.fits);
        json_array_foreach (json_object_get(row, "reasons"), j, reason)
            vec_push(&target.reasons, xstrdup(json_string_value(reason)));
        vec_push(&targets->all, target);
    }
    apply_filter(targets);
    return targets;
}

void targets_free(struct targets *targets)
{
    if (!targets)
        return;
    vec_each (&targets->all, struct target, target) {
        vec_each (&target->reasons, char *, reason)
            free(*reason);
        vec_free(&target->reasons);
    }
    vec_free(&targets->all);
    vec_free(&targets->shown);
    input_free(targets->filter);
    text_free(targets->detail);
    free(targets->title);
    free(targets);
}

static void move(struct targets *targets, bool down)
{
    if (down && targets->selected + 1 < targets->shown.count)
        targets->selected++;
    else if (!down && targets->selected > 0)
        targets->selected--;
    show_detail(targets);
}

enum targets_result targets_key(struct targets *targets, int key)
{
    if (key == KEYS_UP || key == KEYS_DOWN) {
        move(targets, key == KEYS_DOWN);
        return TARGETS_OPEN;
    }
    if (key == KEYS_ENTER) {
        const struct target *target = selected_of(targets);
        if (target && target->fits)
            return TARGETS_CHOSEN;
        input_set_error(targets->filter, target ? "that host cannot take it" : "no such host");
        return TARGETS_OPEN;
    }
    enum input_result result = input_key(targets->filter, key);
    if (result == INPUT_CANCELLED)
        return TARGETS_LEFT;
    if (result == INPUT_CHANGED)
        apply_filter(targets);
    return TARGETS_OPEN;
}

const char *targets_chosen(const struct targets *targets)
{
    const struct target *target = selected_of(targets);
    return target ? target->host : "";
}

/* --- drawing --- */

static void draw_row(const struct targets *targets, size_t index, struct area row)
{
    const struct target *target = &targets->all.items[targets->shown.items[index]];
    unsigned style = target->fits ? ROLE_NORMAL : ROLE_DIM;
    unsigned flag = index == targets->selected ? STYLE_SELECTED : 0;
    enum concern concern = target->fits ? CONCERN_OK : CONCERN_NONE;
    int name = row.width / 3 < NAME_COLUMNS ? row.width / 3 : NAME_COLUMNS;
    area_fill(row, style | flag);
    area_text(row, 0, 0, concern_style(concern) | flag, target->fits ? concern_symbol(concern) : "–");
    area_fit(row, 2, 0, name, CELLS_LEFT, style | flag, target->host);
    struct buf words = BUF(REASONS_BYTES);
    buf_puts(&words, !target->fits ? "cannot: " : target->reasons.count ? "" : "fits");
    vec_each (&target->reasons, char *const, reason)
        buf_printf(&words, "%s%s", reason == target->reasons.items ? "" : "; ", *reason);
    area_fit(row, name + 3, 0, row.width - name - 3, CELLS_LEFT, style | flag, buf_text(&words));
    buf_free(&words);
}

static void draw_list(const struct targets *targets, struct area area)
{
    size_t room = area.height > 0 ? (size_t)area.height : 0;
    size_t first = targets->selected >= room && room ? targets->selected - room + 1 : 0;
    for (size_t i = 0; i < room && first + i < targets->shown.count; i++)
        draw_row(targets, first + i, area_row(area, (int)i));
}

static void draw_foot(const struct targets *targets, struct area foot)
{
    int x = 0;
    static const char *const hints[][2] = {{"↑↓", "choose"}, {"Enter", "plan it"}, {"Esc", "leave"}, {"a–z", "filter"}};
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        x += area_text(foot, x, 0, ROLE_KEY, hints[i][0]) + 1;
        x += area_text(foot, x, 0, ROLE_DIM, hints[i][1]) + 2;
    }
    input_draw(targets->filter, area_row(foot, foot.height - 1));
}

void targets_draw(struct targets *targets, struct area area)
{
    struct area inside = area_box(area, ROLE_ACCENT, targets->title);
    inside = area_sub(inside, 1, 0, inside.width - 2, inside.height);
    int foot = inside.height < 6 ? 1 : FOOT_ROWS, room = inside.height - foot;
    int rows = (int)(targets->all.count < 100 ? targets->all.count : 100), most = room * 3 / 5;
    rows = rows > most ? most : rows < 1 ? 1 : rows;
    draw_list(targets, area_sub(inside, 0, 0, inside.width, rows));
    if (room - rows >= DETAIL_LEAST)
        text_draw(targets->detail, area_sub(inside, 0, rows + 1, inside.width, room - rows - 1));
    draw_foot(targets, area_sub(inside, 0, room, inside.width, foot));
}
