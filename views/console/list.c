/* The view behind all tables. Keeps filter, sort order, selection and marks by ID across updates (tui/table). */
#include "views/console/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "views/console/objects.h"
#include "views/console/rows.h"

enum command { LIST_OPEN = 1, LIST_BY_NAME, LIST_BY_STATE, LIST_BY_CPU, LIST_BY_MEMORY, LIST_BY_AGE };

static const struct key_binding list_bindings[] = {
    {KEYS_ENTER, LIST_OPEN, "open", "open", "Open the selected row", 1},
    {'N', LIST_BY_NAME, "sort-name", NULL, "Sort by name; again: the other way round", 9},
    {'S', LIST_BY_STATE, "sort-state", NULL, "Sort by state: worst first, then the busiest", 9},
    {'C', LIST_BY_CPU, "sort-cpu", NULL, "Sort by CPU", 9},
    {'M', LIST_BY_MEMORY, "sort-memory", NULL, "Sort by memory, or by space used", 9},
    {'A', LIST_BY_AGE, "sort-age", NULL, "Sort by age", 9},
};
static const struct keymap list_keymap = KEYMAP("List", list_bindings);

struct list {
    struct view view;
    const struct list_screen *screen;
    struct subject scope; /* KIND_COUNT: everything */
    struct rows *rows;
    char crumb[KEY_SIZE + 64];
};

/* --- life --- */

static const struct view_ops list_ops;

static const char *const no_host[] = {"host", NULL}, *const no_site[] = {"site", NULL};

static const char *const *hidden_columns(const struct list_screen *screen, const struct subject *scope)
{
    if (scope->kind == KIND_HOST && screen->kind != ROWS_HOSTS)
        return no_host;
    return scope->kind == KIND_SITE && screen->kind != ROWS_SITES ? no_site : NULL;
}

struct view *list_new_within(struct console *console, const struct list_screen *screen, const struct subject *scope)
{
    struct list *list = xcalloc(1, sizeof *list);
    bool all = scope->kind == KIND_COUNT;
    list->view = (struct view){.ops = &list_ops, .console = console};
    list->screen = screen;
    list->scope = *scope;
    list->rows = rows_new(screen->kind, hidden_columns(screen, scope));
    struct table *table = rows_table(list->rows);
    table_set_empty(table, all ? screen->empty : screen->empty_scope);
    if (screen->sort)
        table_sort(table, screen->sort,
            column_find(screen->kind, screen->sort)->largest_first || strcmp(screen->sort, "state") == 0);
    str_format(list->crumb, sizeof list->crumb, all ? "%s%s" : "%s of %s", row_kind_word(screen->kind), scope->key);
    return &list->view;
}

struct view *list_new(struct console *console, const struct list_screen *screen)
{
    struct subject all = subject_of(KIND_COUNT, "");
    return list_new_within(console, screen, &all);
}

struct view *list_new_filtered(struct console *console, const struct list_screen *screen, const char *filter)
{
    struct view *view = list_new(console, screen);
    (void)table_set_filter(rows_table(((struct list *)view)->rows), filter, NULL);
    return view;
}

static void list_free(struct view *view)
{
    struct list *list = (struct list *)view;
    rows_free(list->rows);
    free(list);
}

static const char *list_crumb(struct view *view)
{
    return ((struct list *)view)->crumb;
}

/* --- data --- */

static void list_update(struct view *view)
{
    struct list *list = (struct list *)view;
    const struct picture *picture = console_picture(view->console);
    rows_update(list->rows, picture, &list->scope, console_freshness(view->console));
    bool all = list->scope.kind == KIND_COUNT;
    const char *empty = all ? list->screen->empty : list->screen->empty_scope;
    if (!picture->snapshot)
        empty = console_welcome(view->console)            ? console_welcome(view->console)
                : picture->problem && picture->problem[0] ? picture->problem
                                                          : "reading the store…";
    table_set_empty(rows_table(list->rows), empty);
}

static void list_wish(struct view *view, struct wish *wish)
{
    struct list *list = (struct list *)view;
    rows_wish(list->rows, wish);
    wish->events = list->screen->with_events;
    wish->events_of = list->scope;
}

static void list_draw(struct view *view, struct area area)
{
    table_draw(rows_table(((struct list *)view)->rows), area);
}

/* --- keys --- */

static void sort_by(struct list *list, const char *const *keys)
{
    struct table *table = rows_table(list->rows);
    bool descending;
    const char *now = table_sort_column(table, &descending);
    for (; *keys; keys++) {
        const struct column *column = column_find(list->screen->kind, *keys);
        if (!column)
            continue;
        bool again = now && strcmp(now, *keys) == 0;
        bool first = column->largest_first || strcmp(*keys, "state") == 0;
        table_sort(table, *keys, again ? !descending : first);
        return;
    }
    console_say(list->view.console, ROLE_DIM, "there is no such column here");
}

static void open_selected(struct list *list)
{
    const void *object = rows_selected_object(list->rows);
    if (object)
        list->screen->open(list->view.console, object);
    else if (table_selection_vanished(rows_table(list->rows)))
        console_say(list->view.console, ROLE_WARNING, "the selected row is gone: j or k takes the next");
}

static void run_command(struct list *list, int command)
{
    static const char *const names[] = {"host", "site", "container", "volume", "job", "kind", NULL};
    static const char *const states[] = {"state", NULL}, *const cpu[] = {"cpu_pct", NULL};
    static const char *const memory[] = {"mem_used_bytes", "used_bytes", NULL}, *const ages[] = {"age_s", NULL};
    static const char *const *const keys[] = {
        [LIST_BY_STATE] = states, [LIST_BY_CPU] = cpu, [LIST_BY_MEMORY] = memory, [LIST_BY_AGE] = ages};
    const char *const name[] = {list->screen->kind <= ROWS_JOBS ? names[list->screen->kind] : "kind", NULL};
    if (command == LIST_OPEN)
        open_selected(list);
    else
        sort_by(list, command == LIST_BY_NAME ? name : keys[command]);
}

static bool own_key(struct list *list, int key)
{
    int command = list->screen->keymap ? keymap_command(list->screen->keymap, key) : 0;
    struct subject subject;
    if (!command)
        return false;
    if (rows_selected(list->rows, &subject))
        list->screen->run(list->view.console, command, &subject, rows_selected_object(list->rows));
    return true;
}

static bool list_key(struct view *view, int key)
{
    struct list *list = (struct list *)view;
    if (own_key(list, key) || table_key(rows_table(list->rows), key))
        return true;
    int command = keymap_command(&list_keymap, key);
    bool refused = !command && list->screen->no_actions && objects_is_action_key(key);
    if (command)
        run_command(list, command);
    if (refused)
        console_say(view->console, ROLE_DIM, "%s", list->screen->no_actions);
    return command != 0 || refused;
}

static bool list_back(struct view *view)
{
    struct table *table = rows_table(((struct list *)view)->rows);
    if (table_mark_count(table) > 0) {
        table_clear_marks(table);
        return true;
    }
    if (!table_filter(table)[0] && !table_filter_error(table))
        return false;
    (void)table_set_filter(table, "", NULL);
    return true;
}

static enum err list_filter(struct view *view, const char *text, struct err_info *info)
{
    return table_set_filter(rows_table(((struct list *)view)->rows), text, info);
}

static bool list_selected(struct view *view, struct subject *out)
{
    return rows_selected(((struct list *)view)->rows, out);
}

static unsigned list_why(struct view *view, char out[VIEW_WHY_SIZE])
{
    struct list *list = (struct list *)view;
    const void *object = rows_selected_object(list->rows);
    struct subject subject;
    out[0] = '\0';
    if (list->screen->kind == ROWS_JOBS || list->screen->kind == ROWS_TIMELINE) {
        const struct job_record *job = object;
        const struct event *event = object;
        if (object)
            str_copy(out, VIEW_WHY_SIZE, list->screen->kind == ROWS_JOBS ? job->message : event->text);
        return ROLE_DIM;
    }
    return rows_selected(list->rows, &subject) ? objects_why(view->console, &subject, out) : ROLE_NORMAL;
}

static size_t list_marked(struct view *view)
{
    return table_mark_count(rows_table(((struct list *)view)->rows));
}

struct marked_row {
    enum object_kind kind;
    void (*each)(void *context, const struct subject *subject);
    void *context;
};

static void tell_marked(void *context, const char *id)
{
    struct marked_row *row = context;
    struct subject subject = subject_of(row->kind, id);
    row->each(row->context, &subject);
}

/* Rows of jobs and events have numbers instead of keys: what belongs to them is not looked up. */
static void list_each_marked(
    struct view *view, void (*each)(void *context, const struct subject *subject), void *context)
{
    struct list *list = (struct list *)view;
    struct marked_row row = {.kind = rows_object_kind(list->screen->kind), .each = each, .context = context};
    if (row.kind != KIND_COUNT)
        table_each_target(rows_table(list->rows), tell_marked, &row);
    else
        console_say(
            view->console, ROLE_WARNING, "marks are for sites, containers, volumes and hosts: Esc takes them back");
}

static size_t list_keymaps(struct view *view, const struct keymap **maps, size_t max)
{
    const struct list *list = (struct list *)view;
    struct subject selected;
    size_t count = 0;
    if (count < max)
        maps[count++] = &list_keymap;
    if (list->screen->keymap && count < max)
        maps[count++] = list->screen->keymap;
    if (!rows_selected(list->rows, &selected))
        selected.kind = rows_object_kind(list->screen->kind);
    if (count < max && !list->screen->no_actions)
        maps[count++] = objects_keymap(view->console, &selected);
    if (count < max)
        maps[count++] = &table_keymap;
    return count;
}

static const struct view_ops list_ops = {
    .name = "list",
    .free = list_free,
    .crumb = list_crumb,
    .update = list_update,
    .wish = list_wish,
    .draw = list_draw,
    .key = list_key,
    .back = list_back,
    .filter = list_filter,
    .selected = list_selected,
    .why = list_why,
    .marked = list_marked,
    .each_marked = list_each_marked,
    .keymaps = list_keymaps,
};
