/* The worker threads behind the link to the engine: requests in, replies out, as they come. */
#include "views/console/asker.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/queue.h"

enum { WAITING_MAX = 16, THREADS = 3 };

struct question {
    int64_t ticket;
    json_t *request; /* NULL: start the engine */
};

struct asker {
    const struct console_link *link;
    int wake_fd;
    struct queue *questions, *replies;
    pthread_t threads[THREADS];
};

static void drop_question(void *item)
{
    struct question *question = item;
    json_decref(question->request);
    free(question);
}

void reply_clear(struct reply *reply)
{
    json_decref(reply->answer);
    reply->answer = NULL;
}

static void drop_reply(void *item)
{
    reply_clear(item);
    free(item);
}

static void answer(struct asker *asker, struct question *question)
{
    const struct console_link *link = asker->link;
    struct reply *reply = xcalloc(1, sizeof *reply);
    reply->ticket = question->ticket;
    if (question->request)
        reply->result = link->request(link->owner, question->request, &reply->answer, &reply->info);
    else if (link->start)
        reply->result = link->start(link->owner, &reply->info);
    else
        reply->result =
            err_set(&reply->info, ERR_INVALID, "this console cannot start an engine: run `dogwatch engine`");
    question->request = NULL;
    queue_push(asker->replies, reply);
    const uint64_t one = 1;
    ssize_t written = write(asker->wake_fd, &one, sizeof one);
    (void)written;
}

static void *run(void *arg)
{
    struct asker *asker = arg;
    void *item;
    while (queue_pop(asker->questions, &item, 1, -1) == 1) {
        answer(asker, item);
        drop_question(item);
    }
    return NULL;
}

struct asker *asker_start(const struct console_link *link, int wake_fd)
{
    struct asker *asker = xcalloc(1, sizeof *asker);
    asker->link = link;
    asker->wake_fd = wake_fd;
    asker->questions = queue_new(WAITING_MAX, drop_question);
    asker->replies = queue_new(WAITING_MAX, drop_reply);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&asker->threads[i], NULL, run, asker) != 0)
            abort();
    return asker;
}

void asker_stop(struct asker *asker)
{
    if (!asker)
        return;
    void *item;
    while (queue_pop(asker->questions, &item, 1, 0) == 1)
        drop_question(item);
    queue_close(asker->questions);
    if (asker->link->give_up)
        asker->link->give_up(asker->link->owner);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(asker->threads[i], NULL);
    queue_free(asker->questions);
    queue_free(asker->replies);
    free(asker);
}

void asker_ask(struct asker *asker, int64_t ticket, json_t *request)
{
    struct question *question = xcalloc(1, sizeof *question);
    question->ticket = ticket;
    question->request = request;
    queue_push(asker->questions, question);
}

bool asker_take(struct asker *asker, struct reply *reply)
{
    void *item;
    if (queue_pop(asker->replies, &item, 1, 0) != 1)
        return false;
    *reply = *(struct reply *)item;
    free(item);
    return true;
}
