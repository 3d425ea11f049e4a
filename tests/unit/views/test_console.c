/* The console's grammar: what each key does, and what must never happen. Screens: test_screens.c. */
#include "tests/unit/views/console_stage.h"
#include "tests/unit/views/console_pieces.h"

#include "tui/table.h"
#include "tui/text.h"
#include "views/console/list.h"
#include "views/console/objects.h"
#include "views/console/screens.h"

static void begins_with_the_sites_in_most_trouble_on_top(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    const char *text = stage_text(stage);
    const char *worst = strstr(text, "✖ stopped"), *degraded = strstr(text, "! degraded"),
               *fine = strstr(text, "● running  ");
    assert_non_null(worst);
    assert_non_null(degraded);
    assert_non_null(fine);
    assert_true(worst < degraded && degraded < fine);
    stage_free(stage);
}

static void number_keys_and_words_lead_to_the_same_screens(void **state)
{
    (void)state;
    static const struct {
        const char *key, *typed, *heading;
    } ways[] = {
        {"1", ": h o s t s Enter", " HOST "},
        {"2", ": s i t e s Enter", " SITE "},
        {"3", ": c o n t a i n e r s Enter", " CONTAINER "},
        {"4", ": v o l u m e s Enter", " VOLUME "},
        {"5", ": j o b s Enter", "no jobs yet"},
        {"6", ": t i m e l i n e Enter", "nothing happened yet"},
    };
    struct stage *stage = started(80, 24);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        stage_keys(stage, ways[i].key);
        assert_shows(stage, ways[i].heading);
        stage_keys(stage, i == 0 ? "2" : "1");
        stage_keys(stage, ways[i].typed);
        assert_shows(stage, ways[i].heading);
    }
    stage_free(stage);
}

static void unknown_word_names_the_nearest(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, ": h s o t s Enter");
    assert_shows(stage, "did you mean “hosts”?");
    stage_keys(stage, "Esc");
    assert_shows(stage, " SITE ");
    stage_free(stage);
}

static void tab_completes_a_word(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, ": v o Tab Enter");
    assert_shows(stage, " VOLUME ");
    stage_free(stage);
}

static void filter_works_while_it_is_typed_and_escape_takes_it_back_before_leaving(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "1 2 3 / c h o i r");
    assert_hides(stage, "garden");
    stage_keys(stage, "Enter");
    assert_shows(stage, "/choir");
    stage_keys(stage, "Esc");
    assert_shows(stage, "garden");
    stage_free(stage);
}

static void words_after_a_screen_filter_it(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, ": s i t e s Space c h o i r Enter");
    assert_shows(stage, "choir");
    assert_hides(stage, "garden");
    stage_free(stage);
}

static void enter_opens_the_page_of_the_row_and_escape_comes_back_to_it(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "j");
    struct subject before, after;
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &before));
    stage_keys(stage, "Enter");
    char crumbs[KEY_SIZE + 16];
    str_format(crumbs, sizeof crumbs, "sites › %s", before.key);
    assert_shows(stage, crumbs);
    stage_keys(stage, "Esc");
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &after));
    assert_string_equal(before.key, after.key);
    stage_free(stage);
}

static void host_leads_to_its_sites_and_containers_only(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "1 / h o s t 0 3 Enter s");
    assert_shows(stage, "sites of host03");
    assert_hides(stage, "1/12");
    stage_keys(stage, "Esc c");
    assert_shows(stage, "containers of host03");
    stage_free(stage);
}

static void control_c_never_quits(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "C-c C-c Esc Esc");
    assert_false(console_is_over(stage->console));
    stage_keys(stage, ": C-c");
    assert_false(console_is_over(stage->console));
    stage_free(stage);
}

static void q_goes_back_and_quits_on_the_first_screen_only(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "Enter q");
    assert_false(console_is_over(stage->console));
    stage_keys(stage, "q");
    assert_true(console_is_over(stage->console));
    stage_free(stage);
}

static void help_is_made_of_the_keys_of_the_screen_it_was_called_from(void **state)
{
    (void)state;
    struct stage *stage = started(100, 90);
    stage_keys(stage, "1 ?");
    assert_shows(stage, "The volumes on this host");
    assert_shows(stage, "Take back marks");
    stage_keys(stage, "Esc");
    assert_shows(stage, " HOST ");
    stage_free(stage);
}

/* --- actions --- */

static void restart_shows_the_plan_and_runs_nothing_before_y(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "R");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_shows(stage, "Asking the engine");
    stage_answer(stage, a_plan());
    assert_shows(stage, "2. look whether it is well");
    stage_keys(stage, "Enter"); /* the default is no */
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_hides(stage, "look whether");
    stage_free(stage);
}

static void restart_keeps_the_site_it_was_opened_for_while_rows_move(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct subject frozen;
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &frozen));
    stage_keys(stage, "R");
    stage_answer(stage, a_plan());
    struct snapshot *other = synthetic_snapshot(&small_fleet);
    for (size_t i = 0; i < other->site_count; i++) /* everything is the other way round now */
        other->sites[i].status = other->sites[i].status == SITE_RUNNING ? SITE_MISSING : SITE_RUNNING;
    stage_show(stage, other);
    stage_keys(stage, "y");
    assert_string_equal(json_get_text(stage->asked, "command"), "run");
    assert_string_equal(json_get_text(stage->asked, "object"), frozen.key);
    assert_string_equal(json_string_value(json_array_get(json_object_get(stage->asked, "expect"), 0)), "0123456789ab");
    stage_free(stage);
}

static void restart_of_a_site_that_vanished_is_refused(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "R");
    stage_answer(stage, a_plan());
    struct snapshot *other = synthetic_snapshot(&small_fleet);
    other->site_count = 0;
    stage_show(stage, other);
    stage_keys(stage, "y");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_shows(stage, "It is gone since the plan was made");
    stage_free(stage);
}

static void nothing_is_restarted_when_the_selected_row_vanished(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "G");
    struct subject selected;
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &selected));
    struct snapshot *other = synthetic_snapshot(&small_fleet);
    for (size_t i = 0; i < other->site_count; i++)
        if (strcmp(other->sites[i].name, selected.key) == 0) {
            memmove(&other->sites[i], &other->sites[i + 1], (other->site_count - i - 1) * sizeof *other->sites);
            other->site_count--;
            break;
        }
    stage_show(stage, other);
    stage_keys(stage, "R");
    assert_int_equal(stage->ticket, 0);
    assert_shows(stage, "nothing is selected");
    stage_free(stage);
}

static void marked_rows_are_not_mistaken_for_the_selected_one(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "Space Space m");
    assert_int_equal(stage->ticket, 0);
    assert_shows(stage, "2 rows are marked, but migrate takes one at a time");
    stage_keys(stage, "Esc m");
    assert_true(stage->ticket > 0);
    stage_free(stage);
}

/* Frozen when the dialog opens: marks that are gone by then change nothing. */
static void marked_sites_are_restarted_together(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "Space Space Space R");
    assert_shows(stage, "Restart 3 sites");
    stage_answer(stage, a_plan());
    assert_shows(stage, "│ bakery0005.example, ");
    stage_keys(stage, "y");
    assert_string_equal(json_get_text(stage->asked, "command"), "run");
    const json_t *more = json_object_get(json_object_get(stage->asked, "options"), "more");
    assert_int_equal(json_array_size(more), 2);
    assert_string_not_equal(json_get_text(stage->asked, "object"), json_string_value(json_array_get(more, 0)));
    stage_free(stage);
}

/* Two containers of one site are one site. */
static void marked_containers_of_one_site_are_one_object(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "2 / l i b r a r y 0 0 0 3 Enter Enter Space Space R");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_null(json_object_get(stage->asked, "options"));
    stage_free(stage);
}

static void reason_goes_with_the_job(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "R");
    stage_answer(stage, a_plan());
    stage_keys(stage, "r y e s Enter");
    assert_shows(stage, "reason: yes");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan"); /* a typed y is no answer */
    stage_keys(stage, "y");
    assert_string_equal(json_get_text(stage->asked, "reason"), "yes");
    stage_free(stage);
}

static void started_job_opens_its_page(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "R");
    stage_answer(stage, a_plan());
    stage_keys(stage, "y");
    stage_answer(stage, json_pack("{s:i}", "job", 12));
    assert_shows(stage, "sites › job 12");
    struct wish wish;
    console_wish(stage->console, &wish);
    assert_int_equal(wish.job, 12);
    stage_free(stage);
}

static void lost_answer_to_run_is_not_called_unchanged(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct err_info lost = {ERR_TIMEOUT, "no answer from the engine within 30 s"};
    stage_keys(stage, "R");
    stage_answer(stage, a_plan());
    stage_keys(stage, "y");
    console_reply(stage->console, stage->ticket, NULL, &lost);
    assert_shows(stage, "It is not known whether the job began");
    assert_hides(stage, "Nothing was changed");
    stage_free(stage);
}

static void late_plan_for_a_closed_dialog_is_ignored(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "R");
    int64_t first = stage->ticket;
    stage_keys(stage, "Esc G R");
    struct err_info fine = {0};
    json_t *plan = a_plan();
    console_reply(stage->console, first, plan, &fine);
    json_decref(plan);
    assert_shows(stage, "Asking the engine");
    stage_free(stage);
}

static void refusal_of_the_engine_is_shown(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct err_info refused = {ERR_BUSY, "garden0000.example is being migrated by ada (job 4)"};
    stage_keys(stage, "R");
    console_reply(stage->console, stage->ticket, NULL, &refused);
    assert_shows(stage, "is being migrated by ada");
    assert_shows(stage, "Nothing was changed");
    stage_free(stage);
}

static void container_row_restarts_its_site(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct subject selected;
    stage_keys(stage, "3");
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &selected));
    stage_keys(stage, "R");
    assert_string_equal(json_get_text(stage->asked, "object"), objects_site(stage->console, &selected));
    stage_free(stage);
}

static void host_row_is_restarted_as_a_whole_and_not_moved(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct subject selected;
    stage_keys(stage, "1 m");
    assert_int_equal(stage->ticket, 0);
    assert_shows(stage, "migrate is for sites");
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &selected));
    stage_keys(stage, "R");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_string_equal(json_get_text(stage->asked, "object"), selected.key);
    assert_shows(stage, "Restart all sites on"); /* nobody is to take it for a reboot */
    stage_free(stage);
}

/* --- moving --- */

static void moving_asks_where_to_then_shows_the_plan_then_wants_the_name(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "m");
    assert_string_equal(json_get_text(stage->asked, "command"), "targets");
    stage_answer(stage, some_targets());
    assert_shows(stage, "2.1 GiB free of memory, needs 128 MiB");
    stage_keys(stage, "h o s t 0 1 Enter");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_string_equal(json_get_text(json_object_get(stage->asked, "options"), "to"), "host01");
    stage_answer(stage, a_move());
    assert_shows(stage, "2 steps, visitors cut off about 2.4s");
    assert_shows(stage, "PID 1 ignores SIGTERM");
    stage_keys(stage, "y Enter");
    assert_shows(stage, "not that name: nothing was done");
    stage_keys(stage, "C-u Enter");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    stage_keys(stage, "Tab f u l l Enter");
    assert_shows(stage, "reason: full");
    stage_keys(stage, "b a k e r y 0 0 0 5 . e x a m p l e Enter");
    assert_string_equal(json_get_text(stage->asked, "command"), "run");
    assert_string_equal(json_get_text(json_object_get(stage->asked, "options"), "to"), "host01");
    assert_string_equal(json_get_text(stage->asked, "reason"), "full");
    stage_free(stage);
}

static void a_target_that_cannot_take_the_site_is_not_chosen(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "m");
    stage_answer(stage, some_targets());
    stage_keys(stage, "Down Down Enter");
    assert_string_equal(json_get_text(stage->asked, "command"), "targets");
    assert_shows(stage, "that host cannot take it");
    assert_shows(stage, "host02 is down since 03:12");
    stage_keys(stage, "Up Enter");
    assert_string_equal(json_get_text(json_object_get(stage->asked, "options"), "to"), "host01");
    stage_keys(stage, "Esc");
    assert_hides(stage, "Migrate bakery0005.example: where to?"); /* the plan was under way: left altogether */
    stage_free(stage);
}

/* However small the terminal, the question and what was typed can be read. */
static void the_plan_screen_works_in_the_smallest_terminal(void **state)
{
    (void)state;
    static const int sizes[][2] = {{40, 10}, {20, 5}, {140, 45}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct stage *stage = started(sizes[i][0], sizes[i][1]);
        stage_keys(stage, "m");
        stage_answer(stage, some_targets());
        stage_keys(stage, "Enter");
        stage_answer(stage, a_move());
        stage_keys(stage, "b a k e");
        assert_shows(stage, "> bake");
        stage_keys(stage, "PgDn PgDn Up");
        assert_shows(stage, "> bake");
        stage_free(stage);
    }
}

/* --- states nobody is to overlook --- */

static void conflict_is_first_and_said_on_every_screen(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct subject selected;
    stage_show(stage, fleet_in_trouble());
    stage_keys(stage, "g");
    assert_true(console_top(stage->console)->ops->selected(console_top(stage->console), &selected));
    assert_string_equal(selected.key, "garden0000.example");
    assert_shows(stage, "CONFLICT");
    static const char *const screens[] = {"1", "2", "3", "4", "5", "6", "?"};
    for (size_t i = 0; i < sizeof screens / sizeof *screens; i++) {
        stage_keys(stage, screens[i]);
        assert_shows(stage, "‡");
    }
    stage_free(stage);
}

/* Of two copies one is stopped: the person says which. */
static void stopping_a_site_in_conflict_asks_which_copy(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct snapshot *snapshot = fleet_in_trouble();
    size_t first = 0;
    while (strcmp(snapshot->containers[first].host, snapshot->sites[3].host) == 0)
        first++;
    str_copy(snapshot->containers[first].site, NAME_SIZE, snapshot->sites[3].name); /* on another host as well */
    stage_show(stage, snapshot);
    stage_keys(stage, "g");
    assert_shows(stage, "CONFLICT – W: the way out – on host02 and host0");
    assert_shows(stage, "W where");
    assert_hides(stage, "m migrate"); /* it would be refused */
    stage_keys(stage, "x");
    assert_int_equal(stage->ticket, 0);
    assert_shows(stage, "which copy?");
    assert_shows(stage, ": running");
    stage_keys(stage, "Down Enter");
    assert_string_equal(json_get_text(stage->asked, "action"), "stop");
    assert_non_null(json_get_text(json_object_get(stage->asked, "options"), "to"));
    assert_shows(stage, "Stop garden0000.example on host");
    stage_free(stage);
}

static void quarantined_site_refuses_before_any_dialog(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_show(stage, fleet_in_trouble());
    stage_keys(stage, "g j");
    assert_shows(stage, "quarantined: nothing in or out for 3h");
    stage_keys(stage, "R");
    assert_int_equal(stage->ticket, 0);
    assert_shows(stage, "is quarantined: restart is refused; I releases it");
    stage_keys(stage, "I");
    assert_string_equal(json_get_text(stage->asked, "action"), "release");
    stage_free(stage);
}

static void where_is_asked_of_the_hosts_and_shown(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "W");
    assert_string_equal(json_get_text(stage->asked, "command"), "where");
    assert_shows(stage, "asking every host now");
    stage_answer(
        stage, json_pack("{s:[{s:s,s:b,s:s,s:i},{s:s,s:b,s:s}],s:s,s:[s]}", "hosts", "host", "host03", "answered", true,
                   "state", "active", "running", 2, "host", "host04", "answered", false, "why", "no answer \x1b[2J",
                   "verdict", "active on host03", "way_out", "dogwatch site where x"));
    assert_shows(stage, "active on host03");
    assert_shows(stage, "no answer");
    assert_shows(stage, "dogwatch site where x");
    stage_keys(stage, "Esc");
    assert_hides(stage, "active on host03");
    stage_free(stage);
}

/* --- jobs --- */

static void cancel_is_asked_before_it_is_done(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_show_job(stage, JOB_RUNNING);
    stage_keys(stage, "5 Enter");
    stage_show_job(stage, JOB_RUNNING);
    stage_keys(stage, "c Enter x");
    assert_int_equal(stage->ticket, 0);
    stage_keys(stage, "c y");
    assert_string_equal(json_get_text(stage->asked, "command"), "cancel");
    stage_free(stage);
}

static void show_long_job(struct stage *stage)
{
    struct picture fresh = {.job = xcalloc(1, sizeof *fresh.job)};
    fresh.job->id = 7;
    fresh.job->found = true;
    fresh.job->job = some_job(JOB_RUNNING);
    for (int i = 0; i < 40; i++) {
        char command[32];
        str_format(command, sizeof command, "do thing %d of it", i);
        add_step(&fresh.job->steps, command, i < 30 ? STEP_DONE : i == 30 ? STEP_RUNNING : STEP_PENDING);
    }
    console_update(stage->console, &fresh);
    picture_clear(&fresh);
}

/* The step that runs is in sight, until the person looks elsewhere: then it stays there, whatever comes in. */
static void a_long_job_shows_the_step_that_runs(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_show_job(stage, JOB_RUNNING);
    stage_keys(stage, "5 Enter");
    show_long_job(stage);
    assert_shows(stage, "do thing 30 of it");
    stage_keys(stage, "Home");
    show_long_job(stage);
    assert_shows(stage, "do thing 0 of it");
    assert_hides(stage, "do thing 30 of it");
    stage_keys(stage, "f");
    assert_shows(stage, "do thing 30 of it");
    stage_free(stage);
}

static void a_done_job_is_undone_through_its_plan(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_show_job(stage, JOB_RUNNING);
    stage_keys(stage, "5 u");
    assert_shows(stage, "job 7 is not over");
    stage_show_job(stage, JOB_DONE);
    stage_keys(stage, "u"); /* a restart leaves nothing to take back */
    assert_int_equal(stage->ticket, 0);
    assert_shows(stage, "there is nothing to take back");
    stage_show_other_job(stage, "migrate", JOB_FAILED); /* maybe after the site had moved: the engine knows */
    stage_keys(stage, "u");
    assert_string_equal(json_get_text(stage->asked, "action"), "undo");
    stage_keys(stage, "Esc");
    stage_show_other_job(stage, "migrate", JOB_DONE);
    stage_keys(stage, "u");
    assert_string_equal(json_get_text(stage->asked, "command"), "plan");
    assert_string_equal(json_get_text(stage->asked, "action"), "undo");
    assert_string_equal(json_get_text(stage->asked, "object"), "7");
    stage_answer(stage, a_move());
    stage_keys(stage, "b a k e r y 0 0 0 5 . e x a m p l e Enter");
    assert_string_equal(json_get_text(stage->asked, "command"), "run");
    assert_string_equal(json_get_text(stage->asked, "action"), "undo");
    stage_free(stage);
}

/* What x, s and i would do to a site must not happen to the site of whatever job is selected. */
static void keys_for_sites_do_nothing_on_the_list_of_jobs(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_show_job(stage, JOB_DONE);
    stage_keys(stage, "5 x i m R s");
    assert_int_equal(stage->ticket, 0);
    stage_free(stage);
}

static void job_that_ends_elsewhere_is_told_of(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_show_job(stage, JOB_RUNNING);
    assert_hides(stage, "job 7");
    stage_show_job(stage, JOB_FAILED);
    assert_shows(stage, "✖ job 7: restart");
    stage_free(stage);
    stage = started(80, 24);
    stage_show_job(stage, JOB_RUNNING);
    stage_keys(stage, "5 Enter");
    stage_show_job(stage, JOB_FAILED);
    assert_hides(stage, "✖ job 7: restart"); /* its own page says it */
    stage_free(stage);
}

/* --- data --- */

static void silent_engine_is_loud_and_makes_everything_unknown(void **state)
{
    (void)state;
    struct stage *stage = started(100, 24);
    clock_freeze_wall(NOW_US + 180 * USEC_PER_SEC);
    console_update(stage->console, NULL);
    assert_shows(stage, "the engine is not running: data are 3m old – E starts it");
    assert_hides(stage, "● running");
    assert_shows(stage, "? 12 unknown");
    stage_keys(stage, "E");
    assert_null(stage->asked);
    assert_true(stage->ticket > 0);
    stage_free(stage);
}

static void unreadable_store_is_told_of(void **state)
{
    (void)state;
    struct stage *stage = stage_new(80, 24);
    struct picture fresh = {.problem = xstrdup("no store at /x: start `dogwatch engine`")};
    console_update(stage->console, &fresh);
    assert_shows(stage, "no store at /x");
    assert_hides(stage, "● live");
    stage_free(stage);
}

static void status_row_says_why_the_selected_one_is_as_it_is(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "1 / h o s t 0 2 Enter");
    assert_shows(stage, "\nhost02: no answer within");
    stage_keys(stage, "3 / e x i t e d Enter");
    assert_shows(stage, "ended with exit code 137");
    stage_keys(stage, "2 / h o s t 0 2 Enter"); /* a site is unknown because its host is */
    assert_shows(stage, "? unknown");
    assert_shows(stage, "\nhost02: no answer within");
    stage_free(stage);
}

static void without_a_fleet_it_says_what_to_do_first(void **state)
{
    (void)state;
    struct stage *stage = stage_new(80, 24);
    struct picture fresh = {.problem = xstrdup("no store at /nowhere")};
    console_update(stage->console, &fresh);
    console_set_welcome(stage->console, "first\n  dogwatch host add USER@ADDRESS");
    assert_shows(stage, "dogwatch host add USER@ADDRESS");
    assert_hides(stage, "no store at");
    stage_show(stage, synthetic_snapshot(&small_fleet)); /* there is one now */
    assert_hides(stage, "dogwatch host add");
    picture_clear(&fresh);
    stage_free(stage);
}

static void why_no_engine_starts_can_be_read_whole(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    struct err_info info = {0};
    stage_keys(stage, "E");
    err_set(&info, ERR_FAILED,
        "the engine ended at once: hosts.yaml:2:13: unknown key \"adress\" in host mosh01; did you mean \"address\"?");
    console_reply(stage->console, stage->ticket, NULL, &info);
    assert_shows(stage, "did you mean");
    assert_shows(stage, "\"address\"?");
    stage_keys(stage, "Esc");
    assert_hides(stage, "did you mean");
    assert_shows(stage, " SITE "); /* Esc closed the words, nothing else */
    stage_free(stage);
}

static void only_rows_on_screen_are_wished_for(void **state)
{
    (void)state;
    struct stage *stage = stage_new(80, 24);
    struct synthetic many = small_fleet;
    many.sites = 2000;
    stage_show(stage, synthetic_snapshot(&many));
    (void)stage_text(stage);
    struct wish wish;
    console_wish(stage->console, &wish);
    assert_in_range(wish.spark_count, 5, 24);
    assert_int_equal(wish.spark_kind, KIND_SITE);
    stage_free(stage);
}

static void history_of_another_object_is_not_shown(void **state)
{
    (void)state;
    struct stage *stage = started(80, 24);
    stage_keys(stage, "Enter");
    struct picture fresh = {.history = some_history(KIND_SITE, "somebody.else", 3 * 3600)};
    console_update(stage->console, &fresh);
    picture_clear(&fresh);
    assert_shows(stage, "reading the history…");
    stage_free(stage);
}

static void keys_never_conflict_on_any_screen(void **state)
{
    (void)state;
    static const char *const ways[] = {"1", "2", "3", "4", "5", "6", "1 Enter", "2 Enter", "3 Enter", "4 Enter",
        "2 Enter Tab", "2 Enter Tab Tab", "2 l", "?"};
    struct stage *stage = started(80, 24);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const struct keymap *maps[CONSOLE_KEYMAPS_MAX];
        struct err_info info = {0};
        stage_keys(stage, "1");
        stage_keys(stage, ways[i]);
        size_t count = console_keymaps(stage->console, maps);
        if (keymap_check(maps, count, &info) != ERR_OK)
            fail_msg("%s: %s", ways[i], info.message);
    }
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_sites_in_most_trouble_on_top),
        cmocka_unit_test(number_keys_and_words_lead_to_the_same_screens),
        cmocka_unit_test(unknown_word_names_the_nearest),
        cmocka_unit_test(tab_completes_a_word),
        cmocka_unit_test(filter_works_while_it_is_typed_and_escape_takes_it_back_before_leaving),
        cmocka_unit_test(words_after_a_screen_filter_it),
        cmocka_unit_test(enter_opens_the_page_of_the_row_and_escape_comes_back_to_it),
        cmocka_unit_test(host_leads_to_its_sites_and_containers_only),
        cmocka_unit_test(control_c_never_quits),
        cmocka_unit_test(q_goes_back_and_quits_on_the_first_screen_only),
        cmocka_unit_test(help_is_made_of_the_keys_of_the_screen_it_was_called_from),
        cmocka_unit_test(restart_shows_the_plan_and_runs_nothing_before_y),
        cmocka_unit_test(restart_keeps_the_site_it_was_opened_for_while_rows_move),
        cmocka_unit_test(restart_of_a_site_that_vanished_is_refused),
        cmocka_unit_test(nothing_is_restarted_when_the_selected_row_vanished),
        cmocka_unit_test(marked_rows_are_not_mistaken_for_the_selected_one),
        cmocka_unit_test(reason_goes_with_the_job),
        cmocka_unit_test(started_job_opens_its_page),
        cmocka_unit_test(lost_answer_to_run_is_not_called_unchanged),
        cmocka_unit_test(late_plan_for_a_closed_dialog_is_ignored),
        cmocka_unit_test(refusal_of_the_engine_is_shown),
        cmocka_unit_test(container_row_restarts_its_site),
        cmocka_unit_test(host_row_is_restarted_as_a_whole_and_not_moved),
        cmocka_unit_test(cancel_is_asked_before_it_is_done),
        cmocka_unit_test(marked_sites_are_restarted_together),
        cmocka_unit_test(marked_containers_of_one_site_are_one_object),
        cmocka_unit_test(moving_asks_where_to_then_shows_the_plan_then_wants_the_name),
        cmocka_unit_test(a_target_that_cannot_take_the_site_is_not_chosen),
        cmocka_unit_test(the_plan_screen_works_in_the_smallest_terminal),
        cmocka_unit_test(conflict_is_first_and_said_on_every_screen),
        cmocka_unit_test(stopping_a_site_in_conflict_asks_which_copy),
        cmocka_unit_test(quarantined_site_refuses_before_any_dialog),
        cmocka_unit_test(where_is_asked_of_the_hosts_and_shown),
        cmocka_unit_test(a_long_job_shows_the_step_that_runs),
        cmocka_unit_test(a_done_job_is_undone_through_its_plan),
        cmocka_unit_test(keys_for_sites_do_nothing_on_the_list_of_jobs),
        cmocka_unit_test(job_that_ends_elsewhere_is_told_of),
        cmocka_unit_test(silent_engine_is_loud_and_makes_everything_unknown),
        cmocka_unit_test(unreadable_store_is_told_of),
        cmocka_unit_test(status_row_says_why_the_selected_one_is_as_it_is),
        cmocka_unit_test(without_a_fleet_it_says_what_to_do_first),
        cmocka_unit_test(why_no_engine_starts_can_be_read_whole),
        cmocka_unit_test(only_rows_on_screen_are_wished_for),
        cmocka_unit_test(history_of_another_object_is_not_shown),
        cmocka_unit_test(keys_never_conflict_on_any_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
