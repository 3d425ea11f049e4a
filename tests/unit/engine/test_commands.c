/* Who may use which command of the socket: decided by what the kernel says of the asker, before anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/commands.h"

#define OWN_UID 1000

/* The code of the refusal; the requests lack what they need, so that none gets further than its first look. */
static void answer_code(uid_t uid, const char *command, char out[32])
{
    struct command_context context = {.own_uid = OWN_UID};
    struct peer peer = {.uid = uid, .name = "mallory"};
    json_t *request = json_pack("{s:s,s:s,s:i}", "command", command, "user", "root", "uid", 0);
    json_t *answer = commands_answer(&context, &peer, request);
    const char *code = json_get_text(json_object_get(answer, "error"), "code");
    str_copy(out, 32, code ? code : "ok");
    json_decref(answer);
    json_decref(request);
}

static void another_user_changes_nothing_whatever_he_says_he_is(void **state)
{
    (void)state;
    static const char *const changing[] = {"run", "cancel", "reload"};
    static const uid_t others[] = {4242, 65534, (uid_t)-1};
    char code[32];
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++) {
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            answer_code(others[k], changing[i], code);
            assert_string_equal(code, "denied");
        }
    }
}

static void root_and_the_engine_s_own_user_get_further(void **state)
{
    (void)state;
    char code[32];
    answer_code(0, "run", code);
    assert_string_equal(code, "invalid"); /* no action and no object */
    answer_code(OWN_UID, "cancel", code);
    assert_string_equal(code, "invalid");
}

static void another_user_may_look(void **state)
{
    (void)state;
    char code[32];
    answer_code(4242, "plan", code);
    assert_string_equal(code, "invalid"); /* no action and no object */
    answer_code(4242, "recent", code);
    assert_string_equal(code, "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_user_changes_nothing_whatever_he_says_he_is),
        cmocka_unit_test(root_and_the_engine_s_own_user_get_further),
        cmocka_unit_test(another_user_may_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
