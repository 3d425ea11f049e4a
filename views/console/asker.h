/* Asking the engine: threads that do nothing else, so that a slow answer delays neither the screen nor the data, and no
 * question waits behind a slow one. Answers come in any order. */
#ifndef VIEWS_CONSOLE_ASKER_H
#define VIEWS_CONSOLE_ASKER_H

#include <stdint.h>

#include "views/console.h"

struct asker;

struct reply {
    int64_t ticket;
    enum err result;
    json_t *answer; /* owned; NULL on failure and for a start */
    struct err_info info;
};

struct asker *asker_start(const struct console_link *link, int wake_fd); /* both borrowed */
/* Gives up requests that are under way, and waits for their threads. NULL allowed. */
void asker_stop(struct asker *asker);

/* Queue a request (ownership taken); request NULL: start the engine. The ticket comes back with the reply. Where
 * many wait, the oldest is forgotten. */
void asker_ask(struct asker *asker, int64_t ticket, json_t *request);
bool asker_take(struct asker *asker, struct reply *reply); /* false where none is there; free with reply_clear */
void reply_clear(struct reply *reply);

#endif
