/* Asking many hosts at once: a few threads take one host after the other. Where they are many, every thread
 * keeps to the pace of dialling that the whole process has (remote/dial_pace.h). What a host answers is bounded by
 * remote/helper.h and not sanitised; texts for a person are. */
#include "actions/ask_many.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "actions/plan_ask.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/dial_pace.h"
#include "remote/helper.h"
#include "remote/target.h"

#define HELPER_IDLE_S 30
#define FEW 4 /* so many disturb nobody: they do not wait for a turn behind what is being collected */
/* libssh's key exchange needs most of it; sanitisers need more. */
#define STACK_BYTES ((size_t)1 << 20)

struct round {
    const struct fleet *fleet;
    const char *state_dir;
    const char *verb;
    const json_t *args;
    int64_t deadline_us;
    struct host_answer *answers;
    size_t count;
    atomic_size_t next;
};

static enum err converse(
    const struct round *round, struct connection *connection, int64_t until_us, json_t **ok, struct err_info *info)
{
    struct helper *helper = NULL;
    enum err err = helper_open(connection, "viewer", HELPER_IDLE_S, until_us - clock_mono_us(), &helper, info);
    if (!err)
        err = helper_request(helper, round->verb, round->args ? json_deep_copy(round->args) : NULL,
            until_us - clock_mono_us(), NULL, NULL, ok, info);
    helper_free(helper);
    return err;
}

static enum err ask_one(const struct round *round, struct host_answer *answer, struct err_info *info)
{
    struct target *target = NULL;
    struct connection *connection = NULL;
    enum err err = target_for_engine(round->fleet, answer->host, round->state_dir, "viewer", &target, info);
    if (err)
        return err;
    bool paced = round->count > FEW && pace_enter(target_jump(target), REMOTE_NO_CANCEL);
    int64_t until_us = clock_mono_us() + round->deadline_us; /* waiting for the turn is not the host's fault */
    err = remote_dial(target_address(target), round->deadline_us, REMOTE_NO_CANCEL, &connection, info);
    if (paced)
        pace_leave(target_jump(target));
    if (!err)
        err = converse(round, connection, until_us, &answer->ok, info);
    connection_free(connection);
    target_free(target);
    return err;
}

static void *work(void *arg)
{
    struct round *round = arg;
    for (size_t i; (i = atomic_fetch_add(&round->next, 1)) < round->count;) {
        struct host_answer *answer = &round->answers[i];
        struct err_info info = {0};
        answer->err = ask_one(round, answer, &info);
        if (answer->err)
            sanitize(answer->why, sizeof answer->why, info.message, strlen(info.message));
    }
    return NULL;
}

/* The caller's own thread works as well: without any other it just takes longer. */
static void work_together(struct round *round)
{
    pthread_t threads[ASK_MANY_AT_ONCE];
    pthread_attr_t attributes;
    size_t started = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (started + 1 < ASK_MANY_AT_ONCE && started + 1 < round->count &&
           pthread_create(&threads[started], &attributes, work, round) == 0)
        started++;
    pthread_attr_destroy(&attributes);
    work(round);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

void ask_many(const struct plan_request *request, const char *verb, const json_t *args, int64_t deadline_us,
    struct host_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        answers[i].ok = NULL;
        answers[i].err = request->asker ? ERR_OK : ERR_UNREACHABLE;
        str_copy(answers[i].why, sizeof answers[i].why, request->asker ? "" : "not asked here");
    }
    if (!request->asker || !count)
        return;
    struct round round = {.fleet = request->fleet,
        .state_dir = plan_asker_state_dir(request->asker),
        .verb = verb,
        .args = args,
        .deadline_us = deadline_us,
        .answers = answers,
        .count = count};
    work_together(&round);
}

void host_answers_free(struct host_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_decref(answers[i].ok);
}
