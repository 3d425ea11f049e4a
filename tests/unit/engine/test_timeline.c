/* The timeline's words: which difference is which kind of event, with which severity, and that all are documented. */
#include "tests/unit/engine/model_bench.h"

#include "base/buf.h"
#include "base/sanitize.h"

static int setup(void **state)
{
    struct bench *bench = bench_new();
    bench_add_host(bench, "alpha");
    bench_apply_fleet(bench);
    bench_report_one(bench, "alpha", "shop-web", "shop");
    bench_told(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    bench_free(*state);
    return 0;
}

struct change {
    void (*make)(struct container_state *container);
    const char *told;       /* of the container's kinds alone */
    enum severity severity; /* of the first */
};

static void stop(struct container_state *c)
{
    c->state = RUN_EXITED;
}
static void terminate(struct container_state *c)
{
    c->state = RUN_EXITED;
    c->exit_code = 143;
}
static void crash(struct container_state *c)
{
    c->state = RUN_EXITED;
    c->exit_code = 1;
}
static void be_killed(struct container_state *c)
{
    c->state = RUN_EXITED;
    c->exit_code = 137;
}
static void run_out_of_memory(struct container_state *c)
{
    c->state = RUN_EXITED;
    c->exit_code = 137;
    c->oom_killed = true;
}
static void lose_a_process(struct container_state *c)
{
    c->metrics[CONTAINER_OOM_KILLS] = 1;
}
static void be_paused(struct container_state *c)
{
    c->state = RUN_PAUSED;
}
static void restart(struct container_state *c)
{
    c->started_us += 5;
}
static void be_unhealthy(struct container_state *c)
{
    c->health = HEALTH_UNHEALTHY;
}
static void be_replaced(struct container_state *c)
{
    str_copy(c->id, sizeof c->id, "2222222222222222");
    c->started_us += 5;
}
static void change_image(struct container_state *c)
{
    be_replaced(c);
    str_copy(c->image_id, sizeof c->image_id, "bbbbbbbbbbbbbbbb");
}
static void change_nothing_of_note(struct container_state *c)
{
    c->metrics[CONTAINER_CPU] = 99;
    c->health = HEALTH_HEALTHY;
}

static const struct change changes[] = {
    {stop, "container.stopped", SEVERITY_NOTICE},
    {terminate, "container.stopped", SEVERITY_NOTICE},
    {crash, "container.died", SEVERITY_WARNING},
    {be_killed, "container.died", SEVERITY_WARNING},
    {run_out_of_memory, "container.oom", SEVERITY_CRITICAL},
    {lose_a_process, "container.oom", SEVERITY_CRITICAL},
    {be_paused, "container.paused", SEVERITY_NOTICE},
    {restart, "container.restarted", SEVERITY_WARNING},
    {be_unhealthy, "container.unhealthy", SEVERITY_WARNING},
    {be_replaced, "container.replaced", SEVERITY_NOTICE},
    {change_image, "container.replaced image.changed", SEVERITY_NOTICE},
    {change_nothing_of_note, "", SEVERITY_INFO},
};

static void remember_health(struct container_state *container)
{
    container->metrics[CONTAINER_OOM_KILLS] = 0;
}

static void each_change_of_a_container_is_told_as_what_it_is(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct box before = box_of("alpha"), after = box_of("alpha");
        remember_health(box_add(&before, "shop-web", "shop"));
        bench_report(bench, &before);
        bench_told(bench);
        struct container_state *container = box_add(&after, "shop-web", "shop");
        remember_health(container);
        changes[i].make(container);
        bench_report(bench, &after);
        enum severity severity = bench->events.count ? bench->events.items[0].severity : SEVERITY_INFO;
        char told[256];
        str_copy(told, sizeof told, bench_told(bench));
        char *sites = strstr(told, " site.");
        if (sites)
            *sites = '\0'; /* the site's own events follow */
        assert_string_equal(told, changes[i].told);
        assert_int_equal(severity, changes[i].severity);
    }
}

static void end_of_a_container_is_told_with_how_it_ended(void **state)
{
    struct bench *bench = *state;
    struct box box = box_of("alpha");
    be_killed(box_add(&box, "shop-web", "shop"));
    bench_report(bench, &box);
    assert_non_null(strstr(bench->events.items[0].text, "signal 9"));
    assert_string_equal(bench->events.items[0].object, "alpha/shop-web");
    assert_string_equal(bench->events.items[0].host, "alpha");
    assert_string_equal(bench->events.items[0].site, "shop");
}

static void reboot_is_one_event_where_all_came_back(void **state)
{
    struct bench *bench = *state;
    struct box box = box_of("alpha");
    str_copy(box.report.host.boot_id, sizeof box.report.host.boot_id, "boot-2");
    box_add(&box, "shop-web", "shop")->started_us = T0 + 5;
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "host.rebooted");
    box = box_of("alpha"); /* a restart after that is one of its own */
    str_copy(box.report.host.boot_id, sizeof box.report.host.boot_id, "boot-2");
    box_add(&box, "shop-web", "shop")->started_us = T0 + 9;
    bench_report(bench, &box);
    assert_string_equal(bench_told(bench), "container.restarted");
}

static void container_that_did_not_come_back_from_a_reboot_is_told(void **state)
{
    struct bench *bench = *state;
    struct box box = box_of("alpha");
    str_copy(box.report.host.boot_id, sizeof box.report.host.boot_id, "boot-2");
    be_killed(box_add(&box, "shop-web", "shop"));
    bench_report(bench, &box);
    assert_non_null(strstr(bench_told(bench), "host.rebooted container.died"));
}

static void hostile_text_is_clean_in_the_timeline(void **state)
{
    struct bench *bench = *state;
    struct box box = box_of("alpha");
    struct container_state *container = box_add(&box, "shop-web", "shop");
    change_image(container);
    str_copy(container->image, sizeof container->image, "\x1b]0;owned\a\xe2\x80\xae%n%s");
    bench_report(bench, &box);
    vec_each (&bench->events, const struct event, event)
        assert_true(sanitize_is_clean(event->text, strlen(event->text)));
    assert_true(bench->events.count > 0);
}

static void every_kind_of_event_is_documented_with_its_severity(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 20);
    assert_int_equal(buf_read_file(&text, "docs/events.md", NULL), ERR_OK);
    for (const struct event_kind *row = event_kinds; row->kind; row++) {
        char line[256];
        str_format(line, sizeof line, "| `%s` | %s | %s |", row->kind, severity_word(row->severity), row->meaning);
        if (!strstr(text.data, line))
            fail_msg("docs/events.md lacks %s", line);
    }
    buf_free(&text);
}

static void told_kinds_are_all_in_the_table(void **state)
{
    (void)state;
    for (int status = SITE_RUNNING; status <= SITE_QUARANTINED; status++) {
        char kind[64];
        bool found = false;
        str_format(kind, sizeof kind, "site.%s", site_status_word((enum site_status)status));
        for (const struct event_kind *row = event_kinds; row->kind; row++)
            found |= strcmp(row->kind, kind) == 0;
        assert_true(found);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_change_of_a_container_is_told_as_what_it_is),
        TEST(end_of_a_container_is_told_with_how_it_ended),
        TEST(reboot_is_one_event_where_all_came_back),
        TEST(container_that_did_not_come_back_from_a_reboot_is_told),
        TEST(hostile_text_is_clean_in_the_timeline),
        cmocka_unit_test(every_kind_of_event_is_documented_with_its_severity),
        cmocka_unit_test(told_kinds_are_all_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
