/* The console on a real terminal: wires the core (views/console/core.h) to the terminal, the data thread and the
 * asker's thread. This is the drawing thread; it sleeps in terminal_wait and nowhere else. */
#include "views/console.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "tui/terminal.h"
#include "views/console/asker.h"
#include "views/console/core.h"
#include "views/console/data.h"

/* How often ages are looked at again while nothing else happens. A paint that changes nothing sends nothing. */
enum { TICK_MS = 5000, BUSY_TICK_MS = 1000 };

struct session {
    struct terminal *terminal;
    struct theme *theme;
    struct cells *cells;
    struct console *console;
    struct data *data;
    struct asker *asker;
    struct wish wish;
    int wake_fd;
    char *log_path;
};

static void ask(void *owner, int64_t ticket, json_t *request)
{
    asker_ask(((struct session *)owner)->asker, ticket, request);
}

static enum err open_terminal(struct session *session, const struct console_link *link, struct err_info *info)
{
    const char *name = link->theme ? link->theme : getenv("DOGWATCH_THEME");
    setlocale(LC_ALL, "");
    enum err result = theme_load(name && *name ? name : "dark", &session->theme, info);
    if (result != ERR_OK)
        return result;
    struct terminal_options options = {
        .theme = session->theme, .most_colors = COLOR_DEPTH_TRUE, .log_path = session->log_path};
    return terminal_open(&session->terminal, &options, info);
}

static void draw(struct session *session)
{
    console_draw(session->console, session->cells);
    if (console_wants_repaint(session->console)) { /* everything anew: something else wrote on this terminal */
        terminal_leave(session->terminal);
        terminal_return(session->terminal);
    }
    terminal_paint(session->terminal, session->cells);
    console_wish(session->console, &session->wish);
    data_wish(session->data, &session->wish);
}

static void take_news(struct session *session)
{
    uint64_t count;
    struct reply reply;
    ssize_t got = read(session->wake_fd, &count, sizeof count);
    (void)got;
    if (data_take(session->data, console_picture_mutable(session->console)))
        console_update(session->console, NULL);
    while (asker_take(session->asker, &reply)) {
        console_reply(session->console, reply.ticket, reply.answer, &reply.info);
        reply_clear(&reply);
    }
}

static void resize(struct session *session)
{
    int width, height;
    terminal_size(session->terminal, &width, &height);
    cells_resize(session->cells, width, height);
}

static void loop(struct session *session)
{
    while (!console_is_over(session->console)) {
        int key = 0, tick_ms = console_is_busy(session->console) ? BUSY_TICK_MS : TICK_MS;
        draw(session);
        switch (terminal_wait(session->terminal, tick_ms, session->wake_fd, &key)) {
        case TERMINAL_KEY:
            console_key(session->console, key);
            break;
        case TERMINAL_RESIZE:
            resize(session);
            break;
        case TERMINAL_WAKE:
            take_news(session);
            break;
        case TERMINAL_TIMEOUT:
            console_update(session->console, NULL);
            break;
        case TERMINAL_CLOSED:
            return;
        }
    }
}

enum err console_run(const char *state_dir, const struct console_link *link, struct err_info *info)
{
    struct session session = {.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    session.log_path = paths_join(state_dir, "engine.log");
    enum err result = open_terminal(&session, link, info);
    if (result == ERR_OK) {
        int width, height;
        terminal_size(session.terminal, &width, &height);
        session.cells = cells_new(width, height);
        cells_set_glyphs(session.cells, terminal_glyphs(session.terminal));
        session.data = data_start(state_dir, link, session.wake_fd);
        session.asker = asker_start(link, session.wake_fd);
        session.console = console_new(ask, &session);
        console_set_welcome(session.console, link->welcome);
        if (link->trouble)
            console_show_trouble(session.console, link->trouble);
        loop(&session);
    }
    terminal_close(session.terminal); /* first: what follows may take a moment */
    console_free(session.console);
    asker_stop(session.asker);
    data_stop(session.data);
    cells_free(session.cells);
    theme_free(session.theme);
    if (session.wake_fd >= 0)
        close(session.wake_fd);
    free(session.log_path);
    return result;
}
