/* The gate at the end of an action: identity *and* health, several times in a row. "HTTP 200" alone is no gate, a
 * left-over container can answer it; a running container alone is none either. A gate that stays shut says exactly what
 * it saw. Runs in the job's thread. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/step.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/http.h"

#define GATE_ROUNDS 3
#define ROUND_EVERY_MS 1000
#define DEADLINE_MS 60000
#define ASK_TIMEOUT_US (20 * USEC_PER_SEC)
#define HTTP_TIMEOUT_US (10 * USEC_PER_SEC)
#define BODY_CEILING ((size_t)256 << 10)
#define SEEN_SIZE 512

#define ENDED_ROUNDS 5       /* so often a container is seen ended that nothing starts again */
#define STAYS_ENDED_MS 10000 /* an engine that starts one again does so sooner, unless it has died many times */

enum verdict { VERDICT_GOOD, VERDICT_WAIT, VERDICT_BAD };

/* What one round saw of what is not (yet) good. */
struct seen {
    enum verdict verdict;
    char text[SEEN_SIZE];
    char container[CONTAINER_NAME_SIZE]; /* the first that is not good; "" where it is the site as a whole */
    bool ended;                          /* a container has ended, and nothing but us would start it again */
    int64_t started_sum;                 /* of all start times: another one is another life */
    int64_t ended_sum;                   /* of the end times of those that have ended; 0: none has */
};

static void see(struct seen *seen, enum verdict verdict, const char *container, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void see(struct seen *seen, enum verdict verdict, const char *container, const char *format, ...)
{
    char piece[SEEN_SIZE], before[SEEN_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    str_copy(before, sizeof before, seen->text);
    str_format(seen->text, sizeof seen->text, "%s%s%s", before, before[0] ? "; " : "", piece);
    if (verdict > seen->verdict)
        seen->verdict = verdict;
    if (!seen->container[0])
        str_copy(seen->container, sizeof seen->container, container);
}

/* --- identity ----------------------------------------------------------------------------------------------------- */

static const json_t *find_container(const json_t *containers, const char *name)
{
    const json_t *container;
    size_t i;
    json_array_foreach (containers, i, container) {
        const char *its_name = json_get_text(container, "name");
        if (its_name && strcmp(its_name, name) == 0)
            return container;
    }
    return NULL;
}

/* An engine starts it again by itself, by its restart policy. */
static bool comes_back(const json_t *now, int64_t exit_code)
{
    const char *policy = json_get_text(now, "restart_policy");
    if (!policy || !*policy || strcmp(policy, "no") == 0)
        return false;
    return strcmp(policy, "on-failure") != 0 || exit_code != 0;
}

static void look_at_ended(const json_t *now, const char *name, const char *state, struct seen *seen)
{
    int64_t started_us = 0, finished_us = 0, exit_code = 0;
    bool out_of_memory = false;
    char after[48] = "";
    json_get_i64(now, "started_us", &started_us);
    json_get_i64(now, "finished_us", &finished_us);
    json_get_i64(now, "exit_code", &exit_code);
    json_get_bool(now, "oom_killed", &out_of_memory);
    if (started_us > 0 && finished_us >= started_us)
        str_format(after, sizeof after, " %.1f s after its start", (double)(finished_us - started_us) / USEC_PER_SEC);
    see(seen, VERDICT_WAIT, name, "%s %s%s with exit code %lld%s", name, strcmp(state, "dead") == 0 ? "died" : state,
        after, (long long)exit_code, out_of_memory ? " (out of memory)" : "");
    seen->ended = seen->ended || !comes_back(now, exit_code);
    seen->ended_sum += finished_us;
}

static void look_at_state(const json_t *now, const char *name, int64_t before_us, struct seen *seen)
{
    const char *state = json_get_text(now, "state");
    int64_t started_us = 0;
    json_get_i64(now, "started_us", &started_us);
    seen->started_sum += started_us;
    if (state && (strcmp(state, "exited") == 0 || strcmp(state, "dead") == 0))
        look_at_ended(now, name, state, seen);
    else if (!state || strcmp(state, "running") != 0)
        see(seen, VERDICT_WAIT, name, "%s is %s", name, state ? state : "unknown");
    else if (started_us == before_us)
        see(seen, VERDICT_BAD, name, "%s runs since before the restart", name);
}

static void look_at_health(const json_t *now, const char *name, bool has_http, struct seen *seen)
{
    const char *health = json_get_text(now, "health");
    if (health && strcmp(health, "unhealthy") == 0)
        see(seen, VERDICT_WAIT, name, "the health check of %s fails", name);
    else if (health && strcmp(health, "starting") == 0 && !has_http)
        see(seen, VERDICT_WAIT, name, "the health check of %s has not answered yet", name);
}

static void look_at_container(const json_t *planned, const json_t *containers, bool has_http, struct seen *seen)
{
    const char *name = json_get_text(planned, "name"), *id = json_get_text(planned, "id");
    const json_t *now = name ? find_container(containers, name) : NULL;
    const char *now_id = now ? json_get_text(now, "id") : NULL;
    int64_t before_us = 0;
    json_get_i64(planned, "started_us", &before_us);
    if (!now || !id || !now_id) {
        see(seen, VERDICT_WAIT, name ? name : "", "%s is not there", name ? name : "a container");
    } else if (strcmp(id, now_id) != 0) {
        see(seen, VERDICT_BAD, name, "%s is another container (%.12s) than the one that was meant (%.12s)", name,
            now_id, id);
    } else {
        look_at_state(now, name, before_us, seen);
        look_at_health(now, name, has_http, seen);
    }
}

/* --- health over HTTP --------------------------------------------------------------------------------------------- */

static void look_at_answer(const json_t *health, const char *url, int status, const struct buf *body, struct seen *seen)
{
    int64_t wanted = 200;
    const char *contains = json_get_text(health, "contains"), *container = json_get_text(health, "container");
    json_get_i64(health, "status", &wanted);
    container = container ? container : "";
    if (status != (int)wanted)
        see(seen, VERDICT_WAIT, container, "%s answers HTTP %d, wanted %lld", url, status, (long long)wanted);
    else if (contains && !memmem(buf_text(body), body->length, contains, strlen(contains)))
        see(seen, VERDICT_WAIT, container, "%s answers HTTP %d, but the page does not contain \"%s\"", url, status,
            contains);
}

static void look_at_http(
    struct step_context *context, const struct plan_step *step, const json_t *health, struct seen *seen)
{
    const char *domain = json_get_text(health, "domain"), *path = json_get_text(health, "path");
    const char *container = json_get_text(health, "container");
    char address[ADDRESS_SIZE], url[1024], connect_to[ADDRESS_SIZE + 16];
    int64_t port = 0;
    uint16_t ssh_port;
    bool has_jump;
    json_get_i64(health, "port", &port);
    if (!step_host_address(context, step->host, address, &ssh_port, &has_jump)) {
        see(seen, VERDICT_BAD, "", "%s is not in the fleet files any more", step->host);
        return;
    }
    bool v6 = strchr(address, ':') != NULL;
    str_format(
        url, sizeof url, "http://%s:%lld%s", domain ? domain : step_site(context), (long long)port, path ? path : "/");
    str_format(connect_to, sizeof connect_to, "%s%s%s:%lld", v6 ? "[" : "", address, v6 ? "]" : "", (long long)port);
    const struct http_request request = {.url = url,
        .host_header = domain,
        .connect_to = connect_to,
        .timeout_us = step_patience(context, HTTP_TIMEOUT_US),
        .ceiling = BODY_CEILING};
    struct buf body = BUF(BODY_CEILING);
    struct err_info info = {0};
    int status = 0;
    if (http_get(&request, &status, &body, &info) == ERR_OK)
        look_at_answer(health, url, status, &body, seen);
    else
        see(seen, VERDICT_WAIT, container ? container : "", "no answer over HTTP: %.300s", info.message);
    buf_free(&body);
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

/* Those of the plan, or those an earlier step made. */
static const json_t *planned_containers(const struct step_context *context, const struct plan_step *step)
{
    const char *fact = json_get_text(step->parameters, "made");
    return fact ? step_recall(context, fact) : json_object_get(step->parameters, "containers");
}

/* What is known of the rounds so far. */
struct watch {
    int64_t until_us;
    int64_t every_us;
    int good, ended;                   /* rounds in a row */
    int64_t started_sum;               /* of the last good round */
    int64_t stays_ended_us;            /* how long one may stay ended that an engine is to start again */
    int64_t ended_sum, ended_since_us; /* of the rounds in which the same have ended */
};

/* Of rounds that follow one another closely, only the last asks who runs, before the page: the answer takes ten times
 * as long as the page, and visitors wait. One that is not good asks too, to say why. */
static bool is_page_enough(const struct watch *watch, const json_t *health)
{
    return health && watch->every_us < ROUND_EVERY_MS * USEC_PER_MSEC && watch->good < GATE_ROUNDS - 1;
}

static enum err look_at_identity(
    struct step_context *context, const struct plan_step *step, bool has_http, struct seen *seen, struct err_info *info)
{
    json_t *status = NULL;
    const json_t *planned;
    size_t i;
    enum err err = step_request(context, step->host, "site.status", NULL, ASK_TIMEOUT_US, &status, info);
    if (err)
        return err;
    seen->started_sum = 0;
    json_array_foreach (planned_containers(context, step), i, planned)
        look_at_container(planned, json_object_get(status, "containers"), has_http, seen);
    json_decref(status);
    return ERR_OK;
}

static enum err look(struct step_context *context, const struct plan_step *step, const struct watch *watch,
    struct seen *seen, struct err_info *info)
{
    const json_t *health = json_object_get(step->parameters, "health");
    struct seen page = {.verdict = VERDICT_GOOD};
    bool page_first = is_page_enough(watch, health);
    *seen = (struct seen){.verdict = VERDICT_GOOD, .started_sum = watch->started_sum};
    if (page_first) {
        look_at_http(context, step, health, &page);
        if (page.verdict == VERDICT_GOOD)
            return ERR_OK;
    }
    enum err err = look_at_identity(context, step, health != NULL, seen, info);
    if (err || !health || seen->verdict != VERDICT_GOOD)
        return err;
    if (page_first) {
        page.started_sum = seen->started_sum;
        *seen = page;
    } else {
        look_at_http(context, step, health, seen);
    }
    return ERR_OK;
}

/* The last thing a container said, for the message of a gate that stayed shut. */
static void add_last_line(struct step_context *context, const char *host, const struct seen *seen, struct buf *message)
{
    json_t *args = json_object(), *answer = NULL;
    json_put_text(args, "container", seen->container);
    json_put_i64(args, "lines", 1);
    if (step_command(context, host, "logs.tail", args, ASK_TIMEOUT_US, &answer, NULL) != ERR_OK)
        return;
    const json_t *line = json_array_get(json_object_get(answer, "lines"), 0);
    const char *text = line ? json_get_text(line, "text") : NULL;
    if (text) {
        char *clean = sanitize_dup(text, strlen(text), 200);
        buf_printf(message, "; last line of %s: %s", seen->container, clean);
        free(clean);
    }
    json_decref(answer);
}

static enum err shut(
    struct step_context *context, const struct plan_step *step, const struct seen *seen, struct err_info *info)
{
    struct buf message = BUF(1000);
    buf_printf(&message, "%s",
        seen->text[0] ? seen->text : "its containers do not stay up: they end and are started again and again");
    if (seen->container[0] && step_is_linked(context, step->host))
        add_last_line(context, step->host, seen, &message);
    err_set(info, ERR_FAILED, "%s; see `dogwatch log --site %s`", buf_text(&message), step_site(context));
    buf_free(&message);
    return ERR_FAILED;
}

/* One has ended and nobody starts it again, whatever its restart policy says (a person, or a kill, has the last word).
 */
static bool stays_ended(struct watch *watch, const struct seen *seen)
{
    int64_t now_us = clock_mono_us();
    if (!seen->ended_sum || seen->ended_sum != watch->ended_sum) {
        watch->ended_sum = seen->ended_sum;
        watch->ended_since_us = now_us;
    }
    return seen->ended_sum && now_us - watch->ended_since_us >= watch->stays_ended_us;
}

/* Whether the gate opens (good enough), stays shut (VERDICT_BAD) or is looked at again. */
static enum verdict judge(struct watch *watch, const struct seen *seen)
{
    bool good = seen->verdict == VERDICT_GOOD;
    /* else it died in between */
    bool same_life = watch->good == 0 || !watch->started_sum || watch->started_sum == seen->started_sum;
    watch->good = !good ? 0 : same_life ? watch->good + 1 : 1;
    watch->started_sum = seen->started_sum;
    watch->ended = seen->ended ? watch->ended + 1 : 0;
    if (watch->good >= GATE_ROUNDS)
        return VERDICT_GOOD;
    bool over = clock_mono_us() > watch->until_us && (watch->good <= 1 || !same_life);
    bool ended = watch->ended >= ENDED_ROUNDS || stays_ended(watch, seen);
    return seen->verdict == VERDICT_BAD || ended || over ? VERDICT_BAD : VERDICT_WAIT;
}

static enum err gate_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    int64_t deadline_ms = DEADLINE_MS, every_ms = ROUND_EVERY_MS;
    json_get_i64(step->parameters, "deadline_ms", &deadline_ms);
    json_get_i64(step->parameters, "every_ms", &every_ms);
    struct watch watch = {.until_us = clock_mono_us() + step_patience(context, deadline_ms * USEC_PER_MSEC),
        .every_us = every_ms * USEC_PER_MSEC,
        .stays_ended_us = step_patience(context, STAYS_ENDED_MS * USEC_PER_MSEC)};
    enum verdict verdict = VERDICT_WAIT;
    while (verdict == VERDICT_WAIT) {
        struct seen seen;
        enum err err = look(context, step, &watch, &seen, info);
        if (err) /* it was tried for a minute already */
            return err == ERR_CANCELLED
                       ? err
                       : err_prefix(info, err, "started, but it is not known whether %s is well", step_site(context));
        verdict = judge(&watch, &seen);
        if (verdict == VERDICT_BAD)
            return shut(context, step, &seen, info);
        if (watch.good)
            step_progress(context, "well, %d of %d times", watch.good, GATE_ROUNDS);
        else
            step_progress(context, "%s", seen.text);
        if (verdict == VERDICT_WAIT && step_wait(context, step_patience(context, watch.every_us)))
            return err_set(info, ERR_CANCELLED, "cancelled while waiting for %s to be well", step_site(context));
    }
    buf_printf(outcome, "the same containers run%s, %d times in a row",
        json_object_get(step->parameters, "health") ? " and answer as they should" : "", GATE_ROUNDS);
    return ERR_OK;
}

const struct step_kind step_gate = {
    .name = "gate", .runs = "site.status, GET", .again = true, .settles = true, .run = gate_run};
/* The same where there is still a way back: what proves itself here has yet to take over. */
const struct step_kind step_proof = {.name = "proof", .runs = "site.status, GET", .again = true, .run = gate_run};
