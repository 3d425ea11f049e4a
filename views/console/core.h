/* The console without its terminal and threads: picture and keys in, cells and wishes out. Tests drive it as
 * views/console.c does. Drawing thread only. */
#ifndef VIEWS_CONSOLE_CORE_H
#define VIEWS_CONSOLE_CORE_H

#include "base/json.h"
#include "tui/cells.h"
#include "views/console/view.h"
#include "views/freshness.h"

struct console;

/* How questions to the engine leave: queue and return at once. The answer comes back through console_reply with the
 * same ticket. request NULL: start the engine. Ownership of the request is taken. */
typedef void console_ask(void *owner, int64_t ticket, json_t *request);

struct console *console_new(console_ask *ask, void *ask_owner); /* begins with the view of sites */
void console_free(struct console *console);
/* What stands in the place of everything while there is no store; copied, NULL: why the store cannot be read. */
void console_set_welcome(struct console *console, const char *welcome);

/* Merge new pieces (what was replaced is in `fresh` or freed), and look at the clock. fresh may be NULL: only time has
 * passed. */
void console_update(struct console *console, struct picture *fresh);
/* The same for pieces that were merged into console_picture_mutable by the caller. */
struct picture *console_picture_mutable(struct console *console);
void console_key(struct console *console, int key);
/* Answer to a question; `answer` is borrowed and NULL on failure. */
void console_reply(struct console *console, int64_t ticket, json_t *answer, const struct err_info *info);
void console_draw(struct console *console, struct cells *cells);
void console_wish(struct console *console, struct wish *wish); /* overwritten; for what was drawn last */
bool console_is_over(const struct console *console);           /* the person wants to quit */
/* A job is running: what is shown moves by the second. */
bool console_is_busy(const struct console *console);
/* The person wants every cell sent again (Ctrl-L); true once. */
bool console_wants_repaint(struct console *console);

/* --- for views ---------------------------------------------------------------------------------------------------- */

const struct picture *console_picture(const struct console *console);
struct freshness console_freshness(const struct console *console);
/* Put a view on the stack (ownership taken); beyond a depth of 16 the oldest but the first goes. */
void console_push(struct console *console, struct view *view);
void console_back(struct console *console);
/* Forget the stack and begin with this view. */
void console_switch(struct console *console, struct view *view);
/* A line in the status row until the next key. */
void console_say(struct console *console, unsigned style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Open a text over everything until it is closed. `body` is taken. */
struct text;
void console_show(struct console *console, const char *title, struct text *body, unsigned style);
/* So show why no engine could be started: the words are long, and are to be read whole. */
void console_show_trouble(struct console *console, const char *message);
int64_t console_ask_engine(struct console *console, json_t *request); /* returns the ticket */

/* --- among the console's own files -------------------------------------------------------------------------------- */

struct action_dialog;
/* What is being asked about; *it is NULL while nothing is. */
struct action_dialog **console_action_dialog(struct console *console);
struct view *console_top(const struct console *console);
size_t console_depth(const struct console *console);
struct view *console_view(const struct console *console, size_t index);
void console_quit(struct console *console);
/* Which time charts go back, chosen last on any page; an index of page_ranges. */
size_t *console_range(struct console *console);
/* All key tables that are active now. Returns how many. */
#define CONSOLE_KEYMAPS_MAX 6
size_t console_keymaps(struct console *console, const struct keymap **maps);
extern const struct keymap console_keymap;

/* The two lines at the top; views/console/header.c. */
void header_draw(struct console *console, struct area title, struct area counts);
const char *console_welcome(const struct console *console); /* NULL unless it is to be shown now */
/* What must not be overlooked (store unreadable, engine silent), else "". */
const char *header_alarm(struct console *console, unsigned *style, char out[512]);
/* Which site is in conflict, wherever one is; "" where none is. */
const char *header_conflict(struct console *console, char out[512]);

#endif
