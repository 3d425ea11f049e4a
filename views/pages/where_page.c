/* The page "where": the engine's answer as lines, with the moment it was given; it does not change by itself, and says
 * so. */
#include "views/pages/where_page.h"

#include <stdlib.h>

#include "base/format.h"
#include "base/mem.h"
#include "tui/layout.h"
#include "tui/text.h"
#include "views/console/objects.h"
#include "views/where.h"

enum { WHERE_LINES = 5000, HEAD_ROWS = 2 };
enum command { WHERE_AGAIN = 1 };

static const struct key_binding bindings[] = {
    {'r', WHERE_AGAIN, "where-again", "ask again", "Ask every host again", 2},
    {'W', WHERE_AGAIN, "where-again", NULL, NULL, 9},
};
static const struct keymap keymap = KEYMAP("Where", bindings);

struct where_page {
    struct view view;
    struct subject site;
    struct text *lines;
    int64_t ticket;   /* of the question that is under way; 0: none */
    int64_t asked_us; /* when the last answer came; 0: none yet */
    char crumb[NAME_SIZE + 16];
};

static const struct view_ops where_ops;

static void ask(struct where_page *page)
{
    json_t *request = json_object();
    json_put_text(request, "command", "where");
    json_put_text(request, "object", page->site.key);
    page->ticket = console_ask_engine(page->view.console, request);
}

struct view *where_page_new(struct console *console, const char *site)
{
    struct where_page *page = xcalloc(1, sizeof *page);
    page->view = (struct view){.ops = &where_ops, .console = console};
    page->site = subject_of(KIND_SITE, site);
    page->lines = text_new(WHERE_LINES);
    text_set_wrap(page->lines, true);
    str_format(page->crumb, sizeof page->crumb, "where %s", site);
    ask(page);
    return &page->view;
}

static void where_free(struct view *view)
{
    text_free(((struct where_page *)view)->lines);
    free(view);
}

static const char *where_crumb(struct view *view)
{
    return ((struct where_page *)view)->crumb;
}

static void where_update(struct view *view)
{
    (void)view;
}

static void add_line(void *owner, enum concern concern, const char *text)
{
    text_add(owner, concern_style(concern), text);
}

static bool where_reply(struct view *view, int64_t ticket, json_t *answer, const struct err_info *info)
{
    struct where_page *page = (struct where_page *)view;
    if (!page->ticket || ticket != page->ticket)
        return false;
    page->ticket = 0;
    page->asked_us = console_freshness(view->console).now_us;
    text_clear(page->lines);
    if (answer)
        where_tell(answer, page->asked_us, add_line, page->lines);
    else
        text_addf(page->lines, ROLE_CRITICAL, "%s", info->message);
    return true;
}

static void where_draw(struct view *view, struct area area)
{
    struct where_page *page = (struct where_page *)view;
    char age[FORMAT_SIZE];
    int head = area.height >= HEAD_ROWS + 3 ? HEAD_ROWS : 0;
    if (head && page->ticket)
        area_text(area, 0, 0, ROLE_ACTIVE, "▶ asking every host now…");
    else if (head)
        area_textf(area, 0, 0, ROLE_DIM, "asked %s ago, of every host, not of the store; r asks again",
            format_age(console_freshness(view->console).now_us - page->asked_us, age));
    text_set_empty(page->lines, page->ticket ? "asking every host now…" : "no answer");
    text_draw(page->lines, area_sub(area, 0, head, area.width, area.height - head));
}

static bool where_key(struct view *view, int key)
{
    struct where_page *page = (struct where_page *)view;
    if (keymap_command(&keymap, key) != WHERE_AGAIN)
        return text_key(page->lines, key);
    if (!page->ticket)
        ask(page);
    return true;
}

static bool where_selected(struct view *view, struct subject *out)
{
    *out = ((struct where_page *)view)->site;
    return true;
}

static size_t where_keymaps(struct view *view, const struct keymap **maps, size_t max)
{
    const struct where_page *page = (struct where_page *)view;
    if (max < 3)
        return 0;
    maps[0] = &keymap;
    maps[1] = objects_keymap(view->console, &page->site);
    maps[2] = &text_keymap;
    return 3;
}

static const struct view_ops where_ops = {
    .name = "where",
    .free = where_free,
    .crumb = where_crumb,
    .update = where_update,
    .draw = where_draw,
    .key = where_key,
    .selected = where_selected,
    .reply = where_reply,
    .keymaps = where_keymaps,
};
