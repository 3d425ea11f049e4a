/* The top of the screen: which fleet (a production fleet is never mistaken for a test fleet), where one is, how the
 * engine does, and how many of everything are in which state. Also what must not be overlooked. Pure drawing. */
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "tui/layout.h"
#include "views/console/core.h"

enum { CRUMBS_MAX = 16, GROUPS_MAX = 12, JOBS_WORDS = 96 };

static unsigned environment_style(const char *environment)
{
    if (strcmp(environment, "production") == 0)
        return ROLE_ENV_PRODUCTION;
    return str_starts(environment, "stag") ? ROLE_ENV_STAGING : ROLE_ENV_TEST;
}

static void upper(char *out, size_t size, const char *text)
{
    str_copy(out, size, text);
    for (char *at = out; *at; at++)
        *at = (char)toupper((unsigned char)*at);
}

/* How old the newest word of the engine is; "" while nothing is known. */
static unsigned engine_words(const struct console *console, char out[64])
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    struct freshness freshness = console_freshness(console);
    char age[FORMAT_SIZE];
    out[0] = '\0';
    if (!snapshot)
        return ROLE_DIM;
    bool silent = freshness_engine_silent(freshness, snapshot);
    format_age(snapshot->engine_at_us ? freshness.now_us - snapshot->engine_at_us : -1, age);
    str_format(out, 64, silent ? "✖ engine silent %s" : "● live", age);
    return silent ? ROLE_CRITICAL : ROLE_OK;
}

static void draw_title(struct console *console, struct area area)
{
    const struct snapshot *snapshot = console_picture(console)->snapshot;
    const char *crumbs[CRUMBS_MAX];
    size_t depth = console_depth(console), first = depth > CRUMBS_MAX ? depth - CRUMBS_MAX : 0;
    char badge[NAME_SIZE], right[64];
    for (size_t i = first; i < depth; i++) {
        struct view *view = console_view(console, i);
        crumbs[i - first] = view->ops->crumb(view);
    }
    const char *environment = snapshot && snapshot->environment[0] ? snapshot->environment : NULL;
    upper(badge, sizeof badge, environment ? environment : "no fleet");
    struct layout_title title = {.name = snapshot && snapshot->fleet[0] ? snapshot->fleet : "dogwatch",
        .badge = badge,
        .badge_style = environment ? environment_style(environment) : ROLE_UNKNOWN,
        .crumbs = crumbs,
        .crumb_count = depth - first,
        .right = right};
    title.right_style = engine_words(console, right);
    layout_title(area, &title);
}

/* --- counts --- */

struct tally {
    struct {
        struct shown_state state;
        size_t count;
    } groups[GROUPS_MAX];
    size_t count;
};

static void tally_add(struct tally *tally, struct shown_state state)
{
    for (size_t i = 0; i < tally->count; i++)
        if (strcmp(tally->groups[i].state.word, state.word) == 0) {
            tally->groups[i].count++;
            if (state.concern > tally->groups[i].state.concern)
                tally->groups[i].state = state;
            return;
        }
    if (tally->count < GROUPS_MAX) {
        tally->groups[tally->count].state = state;
        tally->groups[tally->count++].count = 1;
    }
}

/* "● 5 up"; compact, where there is little room: "●5". */
static int draw_tally(struct area area, int x, const char *heading, const struct tally *tally, bool compact)
{
    x += area_text(area, x, 0, ROLE_DIM, heading);
    if (tally->count == 0)
        return x + area_text(area, x, 0, ROLE_DIM, " none") + 3;
    for (int concern = CONCERN_COUNT - 1; concern >= CONCERN_NONE; concern--) /* the worst first */
        for (size_t i = 0; i < tally->count; i++) {
            const struct shown_state *state = &tally->groups[i].state;
            unsigned style = concern == CONCERN_NONE ? ROLE_DIM : concern_style(state->concern);
            if ((int)state->concern == concern)
                x += compact ? area_textf(area, x, 0, style, " %s%zu", state->symbol, tally->groups[i].count)
                             : area_textf(
                                   area, x, 0, style, " %s %zu %s", state->symbol, tally->groups[i].count, state->word);
        }
    return x + 3;
}

static int tally_columns(const char *heading, const struct tally *tally)
{
    char text[96];
    int columns = text_columns(heading) + (tally->count ? 3 : 8);
    for (size_t i = 0; i < tally->count; i++) {
        str_format(text, sizeof text, " %s %zu %s", tally->groups[i].state.symbol, tally->groups[i].count,
            tally->groups[i].state.word);
        columns += text_columns(text);
    }
    return columns;
}

/* "▶ 1 job running, 2 waiting"; "" where none does. */
static void jobs_words(const struct job_list *jobs, char out[JOBS_WORDS])
{
    size_t running = 0, waiting = 0;
    char rest[JOBS_WORDS / 2] = "";
    out[0] = '\0';
    vec_each (&jobs->items, const struct job_record, job) {
        running += job->state == JOB_RUNNING;
        waiting += job->state == JOB_PLANNED;
    }
    if (waiting > 0)
        str_format(rest, sizeof rest, "%s%zu waiting", running ? ", " : "▶ ", waiting);
    if (running > 0)
        str_format(out, JOBS_WORDS, "▶ %zu %s running%s", running, running == 1 ? "job" : "jobs", rest);
    else
        str_copy(out, JOBS_WORDS, rest);
}

static void draw_counts(struct console *console, struct area area)
{
    const struct picture *picture = console_picture(console);
    const struct snapshot *snapshot = picture->snapshot;
    struct freshness freshness = console_freshness(console);
    struct tally hosts = {0}, sites = {0};
    if (area.height < 1 || !snapshot)
        return;
    for (size_t i = 0; i < snapshot->host_count; i++)
        tally_add(&hosts, shown_host(&snapshot->hosts[i], freshness));
    for (size_t i = 0; i < snapshot->site_count; i++)
        tally_add(&sites, shown_site(&snapshot->sites[i], freshness));
    char jobs[JOBS_WORDS] = "";
    if (picture->jobs)
        jobs_words(picture->jobs, jobs);
    int tallies = tally_columns("hosts", &hosts) + tally_columns("sites", &sites);
    bool compact = tallies + text_columns(jobs) > area.width + (jobs[0] ? 0 : 3);
    int x = draw_tally(area, 0, "hosts", &hosts, compact);
    x = draw_tally(area, x, "sites", &sites, compact);
    area_text(area, x, 0, ROLE_ACTIVE, jobs);
}

void header_draw(struct console *console, struct area title, struct area counts)
{
    if (title.height > 0)
        draw_title(console, title);
    draw_counts(console, counts);
}

/* The first site in conflict; NULL where there is none. */
static const struct site_state *find_conflict(const struct picture *picture, struct freshness freshness, size_t *count)
{
    const struct snapshot *snapshot = picture->snapshot;
    const struct site_state *first = NULL;
    *count = 0;
    for (size_t i = 0; snapshot && i < snapshot->site_count; i++)
        if (shown_site(&snapshot->sites[i], freshness).concern == CONCERN_CONFLICT) {
            first = first ? first : &snapshot->sites[i];
            ++*count;
        }
    return first;
}

const char *header_conflict(struct console *console, char out[512])
{
    size_t count;
    const struct site_state *site = find_conflict(console_picture(console), console_freshness(console), &count);
    out[0] = '\0';
    if (site && count == 1)
        str_format(out, 512, "‡ CONFLICT: %s: two startable copies – W on it: the way out", site->name);
    else if (site)
        str_format(out, 512, "‡ CONFLICT: %zu sites with two startable copies, the first is %s", count, site->name);
    return out;
}

const char *header_alarm(struct console *console, unsigned *style, char out[512])
{
    const struct picture *picture = console_picture(console);
    struct freshness freshness = console_freshness(console);
    char age[FORMAT_SIZE];
    out[0] = '\0';
    *style = ROLE_CRITICAL;
    if (console_welcome(console)) {
        str_copy(out, 512, "E starts the engine once there is a host; q leaves");
        *style = ROLE_DIM;
    } else if (picture->problem && picture->problem[0]) {
        str_format(out, 512, "✖ %s – E starts the engine", picture->problem);
    } else if (picture->snapshot && picture->snapshot->engine_at_us == 0) {
        str_copy(out, 512, "? the engine has not written yet: it begins with its first round");
        *style = ROLE_UNKNOWN;
    } else if (picture->snapshot && freshness_engine_silent(freshness, picture->snapshot)) {
        format_age(freshness.now_us - picture->snapshot->engine_at_us, age);
        str_format(out, 512, "✖ the engine is not running: data are %s old – E starts it", age);
    }
    return out;
}
