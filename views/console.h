/* The console: what a person at a terminal sees and presses. Reads the store; changes nothing but by asking the engine
 * through a link that is given from above. The drawing thread never waits for disk or network. */
#ifndef VIEWS_CONSOLE_H
#define VIEWS_CONSOLE_H

#include "base/err.h"
#include "base/json.h"

/* The way to the engine. The calls may block; request and start come from several worker threads of the console's own
 * at once, look from one other. */
struct console_link {
    void *owner;
    /* Ask the engine (docs/socket.md). Takes ownership of `request`; *answer is the "ok" member, the caller's, or NULL
     * on failure. */
    enum err (*request)(void *owner, json_t *request, json_t **answer, struct err_info *info);
    /* The console ends: calls of request that are under way return soon. From another thread. NULL: they are waited
     * for.
     */
    void (*give_up)(void *owner);
    /* Start an engine where none is alive, and wait until it answers. NULL: the console cannot. */
    enum err (*start)(void *owner, struct err_info *info);
    /* As request, for what is only looked at: answers within a second, or fails. NULL: nobody can be asked. */
    enum err (*look)(void *owner, json_t *request, json_t **answer, struct err_info *info);
    const char *welcome; /* what to do where there is no fleet yet, shown while there is no store; NULL: there is one */
    const char *trouble; /* shown at first: why no engine could be started; NULL */
    const char *theme;   /* NULL: $DOGWATCH_THEME, else "dark" */
};

/* Run until the person quits or the terminal is gone (both ERR_OK). A store that does not exist yet is waited for, with
 * a word on what to do. ERR_INVALID where there is no usable terminal. Calls setlocale. */
enum err console_run(const char *state_dir, const struct console_link *link, struct err_info *info);

#endif
