/* Where a site is: what hosts say becomes one sentence and the commands that end a conflict; a host that says nothing
 * is never one that has nothing. */
#include "tests/unit/actions/scripted_hosts.h"

#include "actions/where.h"

struct saying {
    const char *host;
    const char *mark;  /* "": none; NULL: the host did not answer */
    const char *state; /* of its one container; NULL: it has none */
    const char *policy;
};

static json_t *judge(const struct saying *sayings, size_t count)
{
    struct host_def defs[4] = {0};
    struct host_answer answers[4] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct saying *saying = &sayings[i];
        defs[i].name = (char *)saying->host;
        answers[i].host = &defs[i];
        answers[i].err = !saying->mark ? ERR_TIMEOUT : saying->state || saying->mark[0] ? ERR_OK : ERR_NOT_FOUND;
        str_copy(answers[i].why, sizeof answers[i].why, saying->mark ? "" : "no answer within 5 s");
        if (answers[i].err)
            continue;
        answers[i].ok = json_pack("{s:[], s:[]}", "containers", "marks");
        if (saying->state)
            json_array_append_new(json_object_get(answers[i].ok, "containers"),
                json_pack("{s:s, s:s, s:s}", "name", "web\x1b[31m", "state", saying->state, "restart_policy",
                    saying->policy));
        if (saying->mark[0])
            json_array_append_new(json_object_get(answers[i].ok, "marks"),
                json_pack("{s:s, s:s, s:s}", "site", "example.org", "mark", saying->mark, "job", "abc.7"));
    }
    json_t *where = where_judge("example.org", answers, count);
    host_answers_free(answers, count);
    return where;
}

static void what_hosts_say_becomes_one_sentence_and_commands(void **state)
{
    (void)state;
    static const struct {
        struct saying sayings[3];
        size_t count;
        const char *verdict, *way_out; /* its first command; NULL: none */
    } rows[] = {
        {{{"mosh01", "", "running", "always"}, {"mosh02", "", NULL, NULL}}, 2, "active on mosh01", NULL},
        {{{"mosh01", "", "running", "always"}, {"mosh02", "", "running", "no"}}, 2,
            "conflict: two startable copies, on mosh01 and mosh02", "dogwatch stop example.org --on mosh01"},
        {{{"mosh01", "", "exited", "always"}, {"mosh02", "", "running", "no"}}, 2,
            "conflict: two startable copies, on mosh01 and mosh02", "dogwatch stop example.org --on mosh01"},
        {{{"mosh01", "", "exited", "no"}, {"mosh02", "", "running", "always"}}, 2,
            "active on mosh02; containers that neither run nor start by themselves on mosh01", NULL},
        {{{"mosh01", "kept", "exited", "always"}, {"mosh02", "", "running", "always"}}, 2,
            "active on mosh02; the copy from before its move is kept on mosh01", NULL},
        {{{"mosh01", "quarantined", "paused", "no"}, {"mosh02", "", NULL, NULL}}, 2, "quarantined on mosh01",
            "dogwatch release example.org"},
        {{{"mosh01", "stopped", "exited", "no"}}, 1, "stopped on mosh01", "dogwatch start example.org"},
        {{{"mosh01", "leaving", "exited", "no"}, {"mosh02", "incoming", NULL, NULL}}, 2,
            "stopped for its move, on mosh01; a copy is being made on mosh02", "dogwatch jobs"},
        {{{"mosh01", "", NULL, NULL}, {"mosh02", "", NULL, NULL}}, 2, "nowhere", NULL},
        {{{"mosh01", "", NULL, NULL}, {"mosh02", NULL, NULL, NULL}}, 2, "nowhere that answered; no answer from mosh02",
            "dogwatch host test mosh02"},
        {{{"mosh01", "", "running", "always"}, {"mosh02", NULL, NULL, NULL}}, 2,
            "active on mosh01; no answer from mosh02", "dogwatch host test mosh02"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *where = judge(rows[i].sayings, rows[i].count);
        const json_t *first = json_array_get(json_object_get(where, "way_out"), 0);
        assert_string_equal(json_get_text(where, "verdict"), rows[i].verdict);
        if (rows[i].way_out)
            assert_string_equal(json_string_value(first), rows[i].way_out);
        else
            assert_null(first);
        json_decref(where);
    }
}

static void a_host_that_does_not_answer_has_no_state(void **state)
{
    (void)state;
    static const struct saying sayings[] = {{"mosh01", NULL, NULL, NULL}, {"mosh02", "kept", "exited", "no"}};
    json_t *where = judge(sayings, 2);
    const json_t *silent = json_array_get(json_object_get(where, "hosts"), 0);
    const json_t *kept = json_array_get(json_object_get(where, "hosts"), 1);
    assert_true(json_is_false(json_object_get(silent, "answered")));
    assert_null(json_object_get(silent, "state"));
    assert_string_equal(json_get_text(silent, "why"), "no answer within 5 s");
    assert_string_equal(json_get_text(kept, "job"), "abc.7");
    const json_t *container = json_array_get(json_object_get(kept, "containers"), 0);
    assert_null(strchr(json_get_text(container, "name"), '\x1b'));
    json_decref(where);
}

static void every_compute_host_is_asked_and_a_silent_one_is_said(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_request request = scripted_request(all, "example.org");
    json_t *where;
    ssh_server_set_fault(all->hosts[MOSH02].server, SSH_SERVER_CLOSES);
    assert_good(where_ask(&request, &where, &all->info), &all->info);
    assert_string_equal(json_get_text(where, "verdict"), "active on mosh01; no answer from mosh02");
    assert_int_equal(json_array_size(json_object_get(where, "hosts")), 2);
    json_decref(where);
    scripted_free(all);
}

static void a_name_nobody_knows_is_refused_only_where_all_hosts_answered(void **state)
{
    (void)state;
    struct scripted *all = scripted_new();
    struct plan_request request = scripted_request(all, "nobody.example");
    json_t *where;
    all->hosts[MOSH01].has_site = false;
    assert_int_equal(where_ask(&request, &where, &all->info), ERR_NOT_FOUND);
    assert_null(where);
    ssh_server_set_fault(all->hosts[MOSH02].server, SSH_SERVER_CLOSES);
    assert_good(where_ask(&request, &where, &all->info), &all->info);
    json_decref(where);
    request.object = "../etc";
    assert_int_equal(where_ask(&request, &where, &all->info), ERR_INVALID);
    scripted_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_hosts_say_becomes_one_sentence_and_commands),
        cmocka_unit_test(a_host_that_does_not_answer_has_no_state),
        cmocka_unit_test(every_compute_host_is_asked_and_a_silent_one_is_said),
        cmocka_unit_test(a_name_nobody_knows_is_refused_only_where_all_hosts_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
