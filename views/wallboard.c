/* The wallboard: reads the store once a second where it changed, turns the page every few seconds, draws. One thread.
 * Guarantees: opens the store read-only and nothing else; a store that vanishes, breaks or is replaced is said loudly
 * and tried again; no key does anything but turn, hold or quit. */
#include "views/wallboard.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/paths.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "tui/terminal.h"
#include "views/columns.h"
#include "views/wallboard_pages.h"

#define SECONDS_DEFAULT "10"
enum {
    SECONDS_MIN = 2,
    SECONDS_MAX = 3600,
    LOOK_EVERY_MS = 1000,
    JOBS_READ = 50,
    EVENTS_READ = 100,
    NAMED_MOST = 3,
    PROGRESS_MOST = 5
};
#define REOPEN_EVERY_US (5 * USEC_PER_SEC)

enum command { WALLBOARD_NEXT = 1, WALLBOARD_PREVIOUS, WALLBOARD_HOLD, WALLBOARD_QUIT };

static const struct key_binding bindings[] = {
    {KEYS_RIGHT, WALLBOARD_NEXT, "next", "next", "The next page", 2},
    {KEYS_LEFT, WALLBOARD_PREVIOUS, "previous", "back", "The page before", 3},
    {KEYS_SPACE, WALLBOARD_HOLD, "hold", "hold", "Stay on this page, or go on turning", 4},
    {'q', WALLBOARD_QUIT, "quit", "quit", "Leave the wallboard", 1},
};
static const struct keymap wallboard_keymap = KEYMAP("Wallboard", bindings);

static const struct {
    const char *name;
    wallboard_draw_page *draw;
} pages[WALLBOARD_PAGES] = {
    [WALLBOARD_TOTALS] = {"totals", wallboard_totals},
    [WALLBOARD_HOSTS] = {"hosts", wallboard_hosts},
    [WALLBOARD_WORST] = {"worst sites", wallboard_worst},
    [WALLBOARD_NOW] = {"now", wallboard_now},
};

/* --- drawing --- */

static unsigned environment_style(const char *environment)
{
    if (strcmp(environment, "production") == 0)
        return ROLE_ENV_PRODUCTION;
    return str_starts(environment, "stag") ? ROLE_ENV_STAGING : ROLE_ENV_TEST;
}

static void draw_title(struct area area, const struct wallboard *board)
{
    const struct snapshot *snapshot = board->snapshot;
    const char *crumbs[] = {pages[board->page].name};
    char place[48], stamp[16] = "";
    time_t at = (time_t)(board->now_us / USEC_PER_SEC);
    struct tm local;
    if (localtime_r(&at, &local))
        strftime(stamp, sizeof stamp, "%H:%M", &local);
    str_format(
        place, sizeof place, "%s%d/%d  %s", board->held ? "held  " : "", (int)board->page + 1, WALLBOARD_PAGES, stamp);
    layout_title(area, &(struct layout_title){.name = snapshot && snapshot->fleet[0] ? snapshot->fleet : "dogwatch",
                           .badge = snapshot && snapshot->environment[0] ? snapshot->environment : NULL,
                           .badge_style = snapshot ? environment_style(snapshot->environment) : ROLE_UNKNOWN,
                           .crumbs = crumbs,
                           .crumb_count = 1,
                           .right = place,
                           .right_style = ROLE_TITLE});
}

/* "" while everything can be believed. */
static void banner_text(const struct wallboard *board, struct freshness freshness, char *out, size_t size)
{
    char age[FORMAT_SIZE];
    out[0] = '\0';
    if (board->problem)
        str_format(out, size, "✖ STORE UNREADABLE: %s", board->problem);
    else if (board->snapshot && board->snapshot->engine_at_us == 0)
        str_format(out, size, "✖ NO DATA: the engine has not written anything yet");
    else if (board->snapshot && freshness_engine_silent(freshness, board->snapshot))
        str_format(out, size, "✖ DATA ARE STALE: the engine is silent for %s",
            format_age(freshness.now_us - board->snapshot->engine_at_us, age));
}

/* Returns the rows it took. */
static int draw_banner(struct area area, const char *text)
{
    int height = !text[0] ? 0 : area.height >= 12 ? 3 : 1;
    struct area band = area_sub(area, 0, 0, area.width, height);
    area_fill(band, ROLE_CRITICAL | STYLE_REVERSE);
    area_fit(band, 0, height / 2, band.width, CELLS_CENTER, ROLE_CRITICAL | STYLE_REVERSE | STYLE_BOLD, text);
    return height;
}

/* "‡ CONFLICT: a.example, b.example and 2 more"; "" where no site is in that state. */
static void name_sites(const struct wallboard *board, struct freshness freshness, enum concern concern,
    const char *heading, char *out, size_t size)
{
    const struct snapshot *snapshot = board->snapshot;
    size_t count = 0;
    out[0] = '\0';
    for (size_t i = 0; snapshot && i < snapshot->site_count; i++) {
        if (shown_site(&snapshot->sites[i], freshness).concern != concern)
            continue;
        size_t length = strlen(out);
        if (count == 0)
            str_format(out, size, "%s %s: %s", concern_symbol(concern), heading, snapshot->sites[i].name);
        else if (count < NAMED_MOST)
            str_format(out + length, size - length, ", %s", snapshot->sites[i].name);
        count++;
    }
    size_t length = strlen(out);
    if (count > NAMED_MOST)
        str_format(out + length, size - length, " and %zu more", count - NAMED_MOST);
}

/* What nobody is to overlook, on every page. Returns the rows it took. */
static int draw_alarms(struct area area, const struct wallboard *board, struct freshness freshness)
{
    static const struct {
        enum concern concern;
        const char *heading;
    } alarms[] = {{CONCERN_CONFLICT, "CONFLICT"}, {CONCERN_QUARANTINED, "QUARANTINED"}};
    char text[512];
    int y = 0;
    for (size_t i = 0; i < sizeof alarms / sizeof *alarms && y < area.height / 4; i++) {
        unsigned style = concern_style(alarms[i].concern);
        name_sites(board, freshness, alarms[i].concern, alarms[i].heading, text, sizeof text);
        if (!text[0])
            continue;
        struct area band = area_sub(area, 0, y++, area.width, 1);
        area_fill(band, style);
        area_fit(band, 0, 0, band.width, CELLS_CENTER, style, text);
    }
    return y;
}

void wallboard_draw(struct cells *cells, const struct wallboard *board)
{
    static const struct keymap *const maps[] = {&wallboard_keymap};
    struct snapshot nothing = {.interval_us = 0};
    struct freshness freshness = freshness_of(board->snapshot ? board->snapshot : &nothing, board->now_us);
    char banner[512];
    cells_clear(cells);
    struct layout layout = layout_split(cells_area(cells));
    draw_title(layout.title, board);
    banner_text(board, freshness, banner, sizeof banner);
    int taken = draw_banner(layout.body, banner);
    taken += draw_alarms(area_sub(layout.body, 0, taken, layout.body.width, layout.body.height), board, freshness);
    /* The status line has nothing to say here: its row belongs to the page. */
    int height = layout.body.height - taken + layout.status.height;
    struct area body = {
        .cells = cells, .x = layout.body.x, .y = layout.body.y + taken, .width = layout.body.width, .height = height};
    if (!board->snapshot)
        layout_empty(body, ROLE_DIM, board->problem ? "Trying again every few seconds." : "Reading the store …");
    else if (board->snapshot->host_count == 0 && board->snapshot->site_count == 0)
        layout_empty(body, ROLE_DIM, "Nothing to show yet.\nAdd a host:  dogwatch host add USER@ADDRESS");
    else
        pages[board->page].draw(body, board, freshness);
    layout_footer(layout.footer, maps, 1);
}

/* --- reading --- */

struct watcher {
    const char *state_dir;
    struct store_reader *reader;
    struct snapshot *snapshot;
    struct job_list jobs;
    VEC(struct wallboard_progress) progress;
    struct event_list events;
    struct err_info problem; /* message "" while the store can be read */
    int64_t opened_mono_us;
};

static void watcher_close(struct watcher *watcher)
{
    store_reader_close(watcher->reader);
    watcher->reader = NULL;
}

/* A file that was replaced under an open reader stays silent for ever: look for the new one now and then. */
static bool must_reopen(const struct watcher *watcher)
{
    if (clock_mono_us() - watcher->opened_mono_us < REOPEN_EVERY_US && watcher->opened_mono_us)
        return false;
    if (!watcher->reader || !watcher->snapshot)
        return true;
    return freshness_engine_silent(freshness_of(watcher->snapshot, clock_wall_us()), watcher->snapshot);
}

static void forget_progress(struct watcher *watcher)
{
    vec_each (&watcher->progress, struct wallboard_progress, progress)
        job_step_list_free(&progress->steps);
    vec_clear(&watcher->progress);
}

static enum err read_progress(struct watcher *watcher, struct err_info *info)
{
    enum err err = ERR_OK;
    forget_progress(watcher);
    vec_each (&watcher->jobs.items, const struct job_record, job) {
        struct job_record record;
        struct job_step_list steps;
        if (err || job->state != JOB_RUNNING || watcher->progress.count == PROGRESS_MOST)
            continue;
        err = store_read_job(watcher->reader, job->id, &record, &steps, info);
        job_record_free(&record);
        vec_push(&watcher->progress, ((struct wallboard_progress){job->id, steps}));
    }
    return err;
}

static enum err read_all(struct watcher *watcher, struct err_info *info)
{
    const struct event_filter filter = {.object_kind = -1, .limit = EVENTS_READ};
    enum err err = store_refresh_snapshot(watcher->reader, &watcher->snapshot, info);
    if (!err) {
        job_list_free(&watcher->jobs);
        err = store_read_jobs(watcher->reader, JOBS_READ, &watcher->jobs, info);
    }
    if (!err)
        err = read_progress(watcher, info);
    if (!err) {
        event_list_free(&watcher->events);
        err = store_read_events(watcher->reader, &filter, &watcher->events, info);
    }
    return err;
}

static void look(struct watcher *watcher)
{
    struct err_info info = {0};
    enum err err = ERR_OK;
    bool reopened = must_reopen(watcher);
    if (reopened) {
        watcher_close(watcher);
        watcher->opened_mono_us = clock_mono_us();
        err = store_reader_open(watcher->state_dir, &watcher->reader, &info);
    }
    if (!err && watcher->reader && (store_reader_changed(watcher->reader) || reopened))
        err = read_all(watcher, &info);
    else if (!err)
        return;
    if (err)
        watcher_close(watcher);
    watcher->problem = info;
}

static void watcher_free(struct watcher *watcher)
{
    watcher_close(watcher);
    snapshot_free(watcher->snapshot);
    forget_progress(watcher);
    vec_free(&watcher->progress);
    job_list_free(&watcher->jobs);
    event_list_free(&watcher->events);
}

/* --- turning --- */

struct show {
    struct watcher watcher;
    enum wallboard_page page;
    bool held;
    int64_t dwell_us, turn_mono_us; /* when the page turns by itself */
};

static void turn(struct show *show, int by)
{
    show->page = (enum wallboard_page)(((int)show->page + WALLBOARD_PAGES + by) % WALLBOARD_PAGES);
    show->turn_mono_us = clock_mono_us() + show->dwell_us;
}

static bool obey(struct show *show, int key) /* false: quit */
{
    switch (keymap_command(&wallboard_keymap, key)) {
    case WALLBOARD_NEXT:
        turn(show, 1);
        break;
    case WALLBOARD_PREVIOUS:
        turn(show, -1);
        break;
    case WALLBOARD_HOLD:
        show->held = !show->held;
        turn(show, 0);
        break;
    case WALLBOARD_QUIT:
        return false;
    default:
        break;
    }
    return true;
}

static void show_now(struct show *show, struct terminal *terminal, struct cells *cells)
{
    struct watcher *watcher = &show->watcher;
    int width, height;
    terminal_size(terminal, &width, &height);
    if (width != cells_width(cells) || height != cells_height(cells))
        cells_resize(cells, width, height);
    wallboard_draw(cells, &(struct wallboard){.snapshot = watcher->snapshot,
                              .jobs = &watcher->jobs,
                              .progress = watcher->progress.items,
                              .progress_count = watcher->progress.count,
                              .events = &watcher->events,
                              .problem = watcher->problem.message[0] ? watcher->problem.message : NULL,
                              .now_us = clock_wall_us(),
                              .page = show->page,
                              .held = show->held});
    terminal_paint(terminal, cells);
}

static void run(struct show *show, struct terminal *terminal)
{
    struct cells *cells = cells_new(80, 24);
    enum terminal_event event = TERMINAL_TIMEOUT;
    int key = 0;
    cells_set_glyphs(cells, terminal_glyphs(terminal));
    turn(show, 0);
    do {
        if (event == TERMINAL_TIMEOUT)
            look(&show->watcher);
        if (!show->held && clock_mono_us() >= show->turn_mono_us)
            turn(show, 1);
        show_now(show, terminal, cells);
        event = terminal_wait(terminal, LOOK_EVERY_MS, -1, &key);
    } while (event != TERMINAL_CLOSED && (event != TERMINAL_KEY || obey(show, key)));
    cells_free(cells);
}

static enum err open_and_run(struct show *show, const char *theme_wanted, struct err_info *info)
{
    struct terminal *terminal = NULL;
    struct theme *theme = NULL;
    enum err err = theme_load(theme_wanted, &theme, info);
    if (!err)
        err =
            terminal_open(&terminal, &(struct terminal_options){.theme = theme, .most_colors = COLOR_DEPTH_TRUE}, info);
    if (!err)
        run(show, terminal);
    terminal_close(terminal);
    theme_free(theme);
    return err;
}

int wallboard_main(int argc, char **argv)
{
    const char *seconds = SECONDS_DEFAULT, *theme = getenv("DOGWATCH_THEME");
    const struct cli_option options[] = {
        {"seconds", "N", "turn the page every N seconds, 2 to 3600 (" SECONDS_DEFAULT ")", &seconds, NULL},
        {"theme", "NAME", "dark, light, high-contrast, mono, or one of your own ($DOGWATCH_THEME, else dark)", &theme,
            NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct cli cli = {.usage = "dogwatch --wallboard [OPTION…]",
        .summary = "Rotating read-only screens for a wall: totals, hosts, worst sites, what happens now.",
        .options = options};
    struct err_info info = {0};
    struct show show = {0};
    int64_t number = 0;
    char *state_dir = NULL;
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err || cli.help)
        goto out;
    if (!str_to_i64(seconds, SECONDS_MIN, SECONDS_MAX, &number)) {
        err = err_set(&info, ERR_INVALID, "--seconds %s is no number from %d to %d", seconds, SECONDS_MIN, SECONDS_MAX);
        goto out;
    }
    state_dir = paths_state_dir(cli.state_dir);
    show.watcher.state_dir = state_dir;
    show.dwell_us = number * USEC_PER_SEC;
    err = open_and_run(&show, theme && theme[0] ? theme : "dark", &info);
    watcher_free(&show.watcher);
out:
    free(state_dir);
    cli_free(&cli);
    return err ? cli_fail(&info) : 0;
}
