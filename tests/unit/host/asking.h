/* A host of the test's own in a tree, and verbs asked there as a session asks them: one request, its answer or error.
 */
#ifndef TESTS_UNIT_HOST_ASKING_H
#define TESTS_UNIT_HOST_ASKING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/json.h"
#include "host/path.h"
#include "host/session.h"
#include "host/verbs.h"
#include "tests/unit/host/lasting.h"
#include "tests/unit/host/tree.h"

static struct tree tree;
static struct session *session;
static struct err_info info; /* of the last request */
static json_t *answer;       /* to the last request; NULL where it failed */

static inline void asking_no_requests(struct session *of, const json_t *request, void *context)
{
    (void)of, (void)request, (void)context;
}

static inline void asking_begin(void)
{
    int ends[2];
    tree_make(&tree);
    host_root_set(tree.root);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    session = last(session_new(ends[1], ends[1], asking_no_requests, NULL));
}

static inline int asking_end(void **state)
{
    (void)state;
    json_decref(answer);
    answer = NULL;
    tree_remove(&tree);
    return 0;
}

static inline enum err ask(verb_handler *verb, const char *args)
{
    json_t *parsed;
    json_decref(answer);
    answer = NULL;
    assert_int_equal(json_parse(args, strlen(args), &parsed, NULL), ERR_OK);
    info = (struct err_info){0};
    enum err result = verb(session, 1, parsed, &answer, &info);
    json_decref(parsed);
    if (result != ERR_OK && !info.message[0])
        fail_msg("an error without words");
    return result;
}

#endif
