/* What each screen looks like at the usual size and at a large one, that nothing breaks at any size, and that hostile
 * text stays where it belongs. */
#include "tests/unit/views/console_pieces.h"

#include "base/sanitize.h"

static const char site_key[] = "library0003.example", container_key[] = "host05/library0003.example-web",
                  volume_key[] = "host05/library0003.example-data";

/* Everything there could be to show, about one object. */
static void show_all(struct stage *stage, enum object_kind kind, const char *key)
{
    struct picture fresh = {.snapshot = synthetic_snapshot(&small_fleet),
        .history = kind == KIND_COUNT ? NULL : some_history(kind, key, 30 * 60),
        .logs = some_log(kind, key),
        .events = some_events(kind, key)};
    console_update(stage->console, &fresh);
    picture_clear(&fresh);
}

static const struct screen {
    const char *name, *keys;
    enum object_kind kind; /* whose pieces are there */
    const char *key;
} screens[] = {
    {"hosts", "1", KIND_HOST, "host03"},
    {"sites", "2", KIND_SITE, site_key},
    {"containers", "3", KIND_SITE, site_key},
    {"volumes", "4", KIND_SITE, site_key},
    {"jobs", "5", KIND_SITE, site_key},
    {"timeline", "6", KIND_COUNT, ""},
    {"host_page", "1 / h o s t 0 3 Enter Enter", KIND_HOST, "host03"},
    {"site_page", "2 / l i b r a r y 0 0 0 3 Enter Enter", KIND_SITE, site_key},
    {"container_page", "3 / l i b r a r y 0 0 0 3 . e x a m p l e - w e b Enter Enter", KIND_CONTAINER, container_key},
    {"volume_page", "4 / l i b r a r y 0 0 0 3 Enter Enter", KIND_VOLUME, volume_key},
    {"site_log_pane", "2 / l i b r a r y 0 0 0 3 Enter Enter Tab", KIND_SITE, site_key},
    {"logs", "2 / l i b r a r y 0 0 0 3 Enter l", KIND_SITE, site_key},
    {"job_page", "5 Enter", KIND_SITE, site_key},
    {"palette", ":", KIND_SITE, site_key},
    {"help", "1 ?", KIND_SITE, site_key},
    {"restart", "R", KIND_SITE, site_key},
};
enum { SCREENS = sizeof screens / sizeof *screens };

static struct stage *open_screen(const struct screen *screen, int width, int height)
{
    struct stage *stage = stage_new(width, height);
    stage_show_job(stage, JOB_FAILED);
    show_all(stage, screen->kind, screen->key);
    stage_keys(stage, screen->keys);
    show_all(stage, screen->kind, screen->key);
    return stage;
}

/* --- scenes: what needs answers of the engine, or trouble --- */

static void sites_in_trouble(struct stage *stage)
{
    stage_show(stage, fleet_in_trouble());
    stage_keys(stage, "g j");
}

static void quarantined_site(struct stage *stage)
{
    sites_in_trouble(stage);
    stage_keys(stage, "Enter");
}

static void choice_of_a_target(struct stage *stage)
{
    stage_keys(stage, "m");
    stage_answer(stage, some_targets());
    stage_keys(stage, "Down");
}

static void plan_of_a_move(struct stage *stage)
{
    choice_of_a_target(stage);
    stage_keys(stage, "Enter");
    stage_answer(stage, a_move());
    stage_keys(stage, "b a k e");
}

static void options_of_a_move(struct stage *stage)
{
    plan_of_a_move(stage);
    stage_keys(stage, "Tab Down 1 0 x Enter");
}

static void copying(struct stage *stage)
{
    stage_show_copying(stage);
    stage_keys(stage, "5 j Enter");
    stage_show_copying(stage);
}

static void jobs_in_a_queue(struct stage *stage)
{
    stage_show_copying(stage);
    stage_keys(stage, "5");
}

static void where_in_conflict(struct stage *stage)
{
    stage_keys(stage, "W");
    stage_answer(stage, a_conflict());
}

static const struct scene {
    const char *name;
    void (*play)(struct stage *stage);
} scenes[] = {
    {"trouble", sites_in_trouble},
    {"quarantined", quarantined_site},
    {"targets", choice_of_a_target},
    {"plan", plan_of_a_move},
    {"options", options_of_a_move},
    {"copying", copying},
    {"queue", jobs_in_a_queue},
    {"where", where_in_conflict},
};
enum { SCENES = sizeof scenes / sizeof *scenes };

static struct stage *open_scene(const struct scene *scene, int width, int height)
{
    struct stage *stage = stage_new(width, height);
    stage_show(stage, synthetic_snapshot(&small_fleet));
    scene->play(stage);
    return stage;
}

static void check_goldens(int width, int height)
{
    int wrong = 0;
    for (size_t i = 0; i < SCENES; i++) {
        char path[128];
        struct stage *stage = open_scene(&scenes[i], width, height);
        str_format(path, sizeof path, "tests/unit/views/golden/%s-%dx%d.txt", scenes[i].name, width, height);
        wrong += !golden_matches(path, stage_text(stage));
        stage_free(stage);
    }
    for (size_t i = 0; i < SCREENS; i++) {
        char path[128];
        struct stage *stage = open_screen(&screens[i], width, height);
        str_format(path, sizeof path, "tests/unit/views/golden/%s-%dx%d.txt", screens[i].name, width, height);
        wrong += !golden_matches(path, stage_text(stage));
        stage_free(stage);
    }
    assert_int_equal(wrong, 0);
}

static void screens_at_80x24_look_as_they_did(void **state)
{
    (void)state;
    check_goldens(80, 24);
}

static void screens_at_140x45_look_as_they_did(void **state)
{
    (void)state;
    check_goldens(140, 45);
}

static void every_screen_survives_every_size(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 7, 20, 33, 59, 60, 80, 109, 110, 140, 300},
                     heights[] = {1, 2, 3, 4, 5, 6, 9, 12, 16, 24, 26, 45, 100};
    for (size_t i = 0; i < SCREENS + SCENES; i++) {
        struct stage *stage = i < SCREENS ? open_screen(&screens[i], 80, 24) : open_scene(&scenes[i - SCREENS], 80, 24);
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t h = 0; h < sizeof heights / sizeof *heights; h++) {
                cells_resize(stage->cells, widths[w], heights[h]);
                (void)stage_text(stage);
            }
        cells_resize(stage->cells, 80, 24);
        assert_non_null(strstr(stage_text(stage), "example-coop"));
        stage_free(stage);
    }
}

static void every_screen_gets_along_without_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCREENS; i++) {
        struct stage *stage = stage_new(80, 24);
        stage_keys(stage, screens[i].keys);
        (void)stage_text(stage);
        struct snapshot *empty = xcalloc(1, sizeof *empty);
        stage_show(stage, empty);
        (void)stage_text(stage);
        stage_free(stage);
    }
}

static void page_of_an_object_that_vanishes_says_so(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCREENS; i++) {
        if (!strstr(screens[i].name, "_page") || strcmp(screens[i].name, "job_page") == 0)
            continue;
        struct stage *stage = open_screen(&screens[i], 80, 24);
        stage_show(stage, xcalloc(1, sizeof(struct snapshot)));
        assert_shows(stage, "is not there any more");
        stage_free(stage);
    }
}

static void empty_fleet_says_what_to_do(void **state)
{
    (void)state;
    struct stage *stage = stage_new(80, 24);
    struct snapshot *empty = xcalloc(1, sizeof *empty);
    empty->engine_at_us = NOW_US;
    stage_show(stage, empty);
    stage_keys(stage, "1");
    assert_shows(stage, "dogwatch host add USER@ADDRESS");
    stage_free(stage);
}

static void hostile_text_never_reaches_a_cell(void **state)
{
    (void)state;
    static const char evil[] = "\x1b]0;owned\x07\x1b[2J\xe2\x80\xae"
                               "cba\xff\n\r\t\x9b"
                               "31m";
    for (size_t i = 0; i < SCREENS; i++) {
        struct stage *stage = open_screen(&screens[i], 140, 45);
        struct snapshot *snapshot = synthetic_snapshot(&small_fleet);
        for (size_t s = 0; s < snapshot->site_count; s++) {
            str_copy(snapshot->sites[s].drift, sizeof snapshot->sites[s].drift, evil);
            str_copy(snapshot->sites[s].image, sizeof snapshot->sites[s].image, evil);
            str_copy(snapshot->sites[s].member, sizeof snapshot->sites[s].member, evil);
        }
        for (size_t h = 0; h < snapshot->host_count; h++)
            str_copy(snapshot->hosts[h].reason, sizeof snapshot->hosts[h].reason, evil);
        for (size_t c = 0; c < snapshot->container_count; c++)
            str_copy(snapshot->containers[c].name, sizeof snapshot->containers[c].name, evil);
        str_copy(snapshot->environment, sizeof snapshot->environment, evil);
        stage_show(stage, snapshot);
        const char *text = stage_text(stage);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
            assert_true(sanitize_is_clean(line, strcspn(line, "\n")));
        stage_free(stage);
    }
}

static void colours_of_log_lines_are_left_out_and_the_words_stay(void **state)
{
    (void)state;
    struct stage *stage = open_screen(&screens[11], 80, 24);
    assert_string_equal(screens[11].name, "logs");
    assert_shows(stage, "web red warning");
    assert_shows(stage, "1234 lines were left out here");
    stage_free(stage);
}

static void unknown_figures_are_never_zero(void **state)
{
    (void)state;
    struct stage *stage = stage_new(140, 24);
    struct snapshot *snapshot = synthetic_snapshot(&small_fleet);
    for (size_t i = 0; i < snapshot->site_count; i++)
        metrics_clear(snapshot->sites[i].metrics, SITE_METRIC_COUNT);
    stage_show(stage, snapshot);
    const char *row = strstr(stage_text(stage), "library0003");
    assert_non_null(row);
    assert_null(memmem(row, strcspn(row, "\n"), " 0.0 ", 5));
    assert_non_null(memmem(row, strcspn(row, "\n"), "–", strlen("–")));
    stage_free(stage);
}

static void smallest_glyphs_are_ascii(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCREENS; i++) {
        struct stage *stage = open_screen(&screens[i], 80, 24);
        cells_set_glyphs(stage->cells, GLYPHS_ASCII);
        for (const char *at = stage_text(stage); *at; at++)
            assert_true((unsigned char)*at < 0x80);
        stage_free(stage);
    }
}

static void signs_of_states_differ_in_ascii_too(void **state)
{
    (void)state;
    char seen[CONCERN_COUNT + 1] = "";
    struct cells *cells = cells_new(10, 1);
    cells_set_glyphs(cells, GLYPHS_ASCII);
    for (int concern = 0; concern < CONCERN_COUNT; concern++) {
        cells_clear(cells);
        area_text(cells_area(cells), 0, 0, ROLE_NORMAL, concern_symbol((enum concern)concern));
        assert_null(strchr(seen, cells_at(cells, 0, 0)->text[0]));
        seen[concern] = cells_at(cells, 0, 0)->text[0];
    }
    cells_free(cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screens_at_80x24_look_as_they_did),
        cmocka_unit_test(screens_at_140x45_look_as_they_did),
        cmocka_unit_test(every_screen_survives_every_size),
        cmocka_unit_test(every_screen_gets_along_without_data),
        cmocka_unit_test(page_of_an_object_that_vanishes_says_so),
        cmocka_unit_test(empty_fleet_says_what_to_do),
        cmocka_unit_test(hostile_text_never_reaches_a_cell),
        cmocka_unit_test(colours_of_log_lines_are_left_out_and_the_words_stay),
        cmocka_unit_test(unknown_figures_are_never_zero),
        cmocka_unit_test(smallest_glyphs_are_ascii),
        cmocka_unit_test(signs_of_states_differ_in_ascii_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
