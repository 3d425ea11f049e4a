/* Asking the engine never holds up who asks, however slow the engine is. */
#include "tests/unit/views/console_stage.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "views/console/asker.h"

struct engine { /* answers only when it may */
    pthread_mutex_t mutex;
    pthread_cond_t may_answer;
    bool released;
    int asked;
};

static void give_up(void *owner)
{
    struct engine *engine = owner;
    pthread_mutex_lock(&engine->mutex);
    engine->released = true;
    pthread_cond_broadcast(&engine->may_answer);
    pthread_mutex_unlock(&engine->mutex);
}

static enum err request(void *owner, json_t *wish, json_t **answer, struct err_info *info)
{
    struct engine *engine = owner;
    pthread_mutex_lock(&engine->mutex);
    while (!engine->released && !json_get_text(wish, "quick"))
        pthread_cond_wait(&engine->may_answer, &engine->mutex);
    engine->asked++;
    pthread_mutex_unlock(&engine->mutex);
    bool refused = json_get_text(wish, "refuse") != NULL;
    json_decref(wish);
    *answer = refused ? NULL : json_object();
    return refused ? err_set(info, ERR_BUSY, "somebody else holds it") : ERR_OK;
}

static void release(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->released = true;
    pthread_cond_broadcast(&engine->may_answer);
    pthread_mutex_unlock(&engine->mutex);
}

static bool take(struct asker *asker, int wake_fd, struct reply *reply)
{
    int64_t end_us = clock_mono_us() + 20 * USEC_PER_SEC;
    uint64_t count;
    while (!asker_take(asker, reply)) {
        struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
        if (clock_mono_us() > end_us)
            return false;
        if (poll(&fd, 1, 1000) > 0 && read(wake_fd, &count, sizeof count) < 0)
            return false;
    }
    return true;
}

static void answers_come_after_the_asker_went_on(void **state)
{
    (void)state;
    struct engine engine = {.mutex = PTHREAD_MUTEX_INITIALIZER, .may_answer = PTHREAD_COND_INITIALIZER};
    struct console_link link = {.owner = &engine, .request = request};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct asker *asker = asker_start(&link, wake_fd);
    struct reply reply;
    asker_ask(asker, 1, json_object());
    asker_ask(asker, 2, json_pack("{s:s}", "refuse", "yes"));
    assert_false(asker_take(asker, &reply)); /* both calls came back, nothing is answered */
    release(&engine);
    for (int i = 0; i < 2; i++) { /* in any order */
        assert_true(take(asker, wake_fd, &reply));
        assert_int_equal(reply.result, reply.ticket == 2 ? ERR_BUSY : ERR_OK);
        assert_true((reply.answer != NULL) == (reply.ticket == 1));
        if (reply.ticket == 2)
            assert_string_equal(reply.info.message, "somebody else holds it");
        reply_clear(&reply);
    }
    asker_stop(asker);
    close(wake_fd);
}

/* A plan may take its time; a job must be cancelled meanwhile, and the console left. */
static void a_slow_answer_holds_up_neither_the_next_question_nor_the_end(void **state)
{
    (void)state;
    struct engine engine = {.mutex = PTHREAD_MUTEX_INITIALIZER, .may_answer = PTHREAD_COND_INITIALIZER};
    struct console_link link = {.owner = &engine, .request = request, .give_up = give_up};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct asker *asker = asker_start(&link, wake_fd);
    struct reply reply;
    asker_ask(asker, 1, json_object());
    asker_ask(asker, 2, json_pack("{s:s}", "quick", "yes"));
    assert_true(take(asker, wake_fd, &reply));
    assert_int_equal(reply.ticket, 2);
    reply_clear(&reply);
    asker_stop(asker);
    assert_true(engine.released);
    close(wake_fd);
}

static void console_that_cannot_start_an_engine_says_so(void **state)
{
    (void)state;
    struct engine engine = {.released = true};
    struct console_link link = {.owner = &engine, .request = request};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct asker *asker = asker_start(&link, wake_fd);
    struct reply reply;
    asker_ask(asker, 5, NULL);
    assert_true(take(asker, wake_fd, &reply));
    assert_int_equal(reply.ticket, 5);
    assert_int_equal(reply.result, ERR_INVALID);
    assert_non_null(strstr(reply.info.message, "dogwatch engine"));
    reply_clear(&reply);
    asker_stop(asker);
    close(wake_fd);
}

static void questions_that_wait_are_given_up_at_the_end(void **state)
{
    (void)state;
    struct engine engine = {.mutex = PTHREAD_MUTEX_INITIALIZER, .may_answer = PTHREAD_COND_INITIALIZER};
    struct console_link link = {.owner = &engine, .request = request};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct asker *asker = asker_start(&link, wake_fd);
    release(&engine);
    for (int i = 1; i <= 10; i++)
        asker_ask(asker, i, json_object());
    asker_stop(asker); /* and nothing leaks: a sanitiser would say so */
    assert_in_range(engine.asked, 0, 10);
    close(wake_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_after_the_asker_went_on),
        cmocka_unit_test(a_slow_answer_holds_up_neither_the_next_question_nor_the_end),
        cmocka_unit_test(console_that_cannot_start_an_engine_says_so),
        cmocka_unit_test(questions_that_wait_are_given_up_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
