/* An action from the command line: the plan comes from the engine, is shown, confirmed as its risk asks for, and run as
 * the very thing that was shown (its IDs go along). The engine is started where none is alive. One thread. */
#include "engine/verb.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"
#include "engine/job_follow.h"
#include "engine/job_print.h"
#include "engine/spawn.h"

#define ANSWER_BYTES 512
#define FIRST_REPORTS_US (15 * USEC_PER_SEC)
#define ASK_AGAIN_MS 100

/* --- printing ----------------------------------------------------------------------------------------------------- */

void verb_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(value);
}

void verb_print_text(const char *text, FILE *out)
{
    while (*text) {
        char line[4096];
        size_t length = strcspn(text, "\n");
        sanitize(line, sizeof line, text, length);
        fprintf(out, "%s\n", line);
        text += length + (text[length] == '\n');
    }
}

int verb_exit_status(enum err result)
{
    return result == ERR_OK ? 0 : result == ERR_NOT_FOUND ? 2 : 1;
}

int verb_fail(enum err result, const struct err_info *info)
{
    cli_fail(info);
    return verb_exit_status(result);
}

/* --- asking the engine -------------------------------------------------------------------------------------------- */

static json_t *new_request(const struct verb *verb, const char *command)
{
    json_t *request = json_object(), *options = plan_options_to_json(&verb->options);
    json_put_text(request, "command", command);
    json_put_text(request, "action", verb->name);
    json_put_text(request, "object", verb->object);
    if (json_object_size(options))
        json_object_set(request, "options", options);
    json_decref(options);
    return request;
}

static int64_t hosts_untried(struct verb *verb)
{
    json_t *answer, *request = json_object();
    int64_t count = 0;
    json_put_text(request, "command", "status");
    if (client_request(verb->client, request, CLIENT_TIMEOUT_US, &answer, NULL) == ERR_OK)
        json_get_i64(answer, "hosts_untried", &count);
    json_decref(answer);
    return count;
}

/* Whether every host that runs sites, and is up, has said what runs on it. */
static bool is_listed(struct verb *verb)
{
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    bool listed = true;
    if (store_reader_open(verb->state_dir, &reader, NULL) == ERR_OK)
        store_read_snapshot(reader, &snapshot, NULL);
    for (size_t i = 0; snapshot && i < snapshot->host_count; i++) {
        const struct host_state *host = &snapshot->hosts[i];
        listed &= host->status != HOST_UP || !strstr(host->roles, "compute") || host->runtimes[0];
    }
    snapshot_free(snapshot);
    store_reader_close(reader);
    return listed;
}

/* An engine that has just begun knows nothing yet that a plan could rest on. */
static void wait_for_first_reports(struct verb *verb, bool started)
{
    int64_t deadline_us = clock_mono_us() + FIRST_REPORTS_US;
    while ((hosts_untried(verb) > 0 || (started && !is_listed(verb))) && clock_mono_us() < deadline_us)
        poll(NULL, 0, ASK_AGAIN_MS);
}

enum err verb_connect(struct verb *verb, struct err_info *info)
{
    bool started = false;
    enum err result = spawn_engine(verb->fleet_dir, verb->state_dir, SPAWN_TIMEOUT_US, &started, info);
    if (result == ERR_OK && started)
        fprintf(stderr, "started an engine for %s\n", verb->state_dir);
    if (result == ERR_OK)
        result = client_open(verb->state_dir, &verb->client, info);
    if (result == ERR_OK)
        wait_for_first_reports(verb, started);
    return result == ERR_NOT_FOUND ? err_prefix(info, ERR_FAILED, "no engine") : result;
}

/* --- confirming --------------------------------------------------------------------------------------------------- */

/* What has to be typed: the object's name; of several, how many. */
static void words_to_type(const struct verb *verb, const char *object, char *out, size_t size)
{
    if (verb->options.more.count)
        str_format(out, size, "%zu %ss", verb->options.more.count + 1, object_kind_word(verb->action->object_kind));
    else
        str_copy(out, size, object);
}

static bool read_answer(char out[ANSWER_BYTES])
{
    if (!fgets(out, ANSWER_BYTES, stdin))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* What moves or takes away is confirmed by the object's name, what only disturbs by y. */
static enum err confirm(const struct verb *verb, const json_t *plan, struct err_info *info)
{
    char answer[ANSWER_BYTES], wanted[ANSWER_BYTES], shown[ANSWER_BYTES];
    bool by_name = !verb->action || verb->action->risk > RISK_DISTURBING;
    if (verb->yes || (verb->action && verb->action->risk == RISK_SAFE))
        return ERR_OK;
    if (!isatty(STDIN_FILENO))
        return err_set(info, ERR_DENIED,
            "not confirmed: there is no terminal to ask; add --yes to go ahead, or --dry-run to look");
    const char *object = json_get_text(plan, "object"), *kind = json_get_text(plan, "kind");
    bool of_host = kind && strcmp(kind, object_kind_word(KIND_HOST)) == 0;
    words_to_type(verb, object ? object : verb->object, wanted, sizeof wanted);
    sanitize(shown, sizeof shown, wanted, strlen(wanted));
    if (by_name)
        fprintf(stderr, "Type %s to go ahead: ", shown);
    else
        fprintf(stderr, "%s %s%s? [y/N] ", verb->action->title, of_host ? "all sites on " : "", shown);
    fflush(stderr);
    bool agreed = read_answer(answer) &&
                  (by_name ? strcmp(answer, wanted) == 0
                           : strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 || strcmp(answer, "yes") == 0);
    return agreed ? ERR_OK : err_set(info, ERR_CANCELLED, "not confirmed; nothing was changed");
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static enum err watch(const struct verb *verb, int64_t job_id, int *status, struct err_info *info)
{
    struct store_reader *reader;
    struct job_view view = {0};
    enum err result = store_reader_open(verb->state_dir, &reader, info);
    if (result != ERR_OK)
        return result;
    if (verb->wait)
        result = job_follow(reader, verb->state_dir, job_id, verb->json, &view, info);
    else
        result = job_view_read(reader, job_id, &view, info);
    if (result == ERR_OK && verb->json)
        verb_print_json(job_view_json(&view));
    if (result == ERR_OK && verb->wait)
        *status = job_exit_status(view.job.state);
    job_view_free(&view);
    store_reader_close(reader);
    return result;
}

static enum err run_plan(struct verb *verb, json_t *expect, int *status, struct err_info *info)
{
    json_t *answer, *request = new_request(verb, "run");
    int64_t job_id = 0;
    json_put_text(request, "reason", verb->reason ? verb->reason : "");
    json_object_set(request, "expect", expect);
    enum err result = client_request(verb->client, request, VERB_PLAN_TIMEOUT_US, &answer, info);
    if (result != ERR_OK)
        return result;
    if (!json_get_i64(answer, "job", &job_id))
        result = err_set(info, ERR_GARBAGE, "the engine's answer has no job number");
    json_decref(answer);
    if (result == ERR_OK && !verb->wait && !verb->json)
        printf("job %" PRId64 " begun; `dogwatch job %" PRId64 " --follow` shows it\n", job_id, job_id);
    if (result == ERR_OK && (verb->wait || verb->json))
        result = watch(verb, job_id, status, info);
    return result;
}

static void show_plan(const struct verb *verb, json_t *plan, const char *text)
{
    if (verb->dry_run && verb->json)
        verb_print_json(json_deep_copy(plan));
    else if (!verb->json || !verb->yes)
        verb_print_text(text ? text : "", verb->json || !verb->dry_run ? stderr : stdout);
}

/* With --host a name that is no host's is not looked for among the sites. */
static enum err check_host(const struct verb *verb, struct err_info *info)
{
    struct store_reader *reader = NULL;
    struct snapshot *snapshot = NULL;
    enum err result = store_reader_open(verb->state_dir, &reader, info);
    if (result == ERR_OK)
        result = store_read_snapshot(reader, &snapshot, info);
    if (result == ERR_OK && !snapshot_host(snapshot, verb->object)) {
        const char **names = xcalloc(snapshot->host_count + 1, sizeof *names);
        for (size_t i = 0; i < snapshot->host_count; i++)
            names[i] = snapshot->hosts[i].name;
        const char *nearest = name_nearest(verb->object, names, snapshot->host_count);
        result = err_set(info, ERR_NOT_FOUND, "no host is called \"%s\"%s%s%s", verb->object,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        free(names);
    }
    snapshot_free(snapshot);
    store_reader_close(reader);
    return result;
}

enum err verb_run(struct verb *verb, int *status, struct err_info *info)
{
    json_t *answer;
    enum err result = verb->of_host ? check_host(verb, info) : ERR_OK;
    if (result != ERR_OK)
        return result;
    result = client_request(verb->client, new_request(verb, "plan"), VERB_PLAN_TIMEOUT_US, &answer, info);
    if (result != ERR_OK)
        return result;
    json_t *plan = json_object_get(answer, "plan");
    const char *action = json_get_text(plan, "action");
    if (!verb->action && action) /* what takes the job back */
        verb->action = action_find(action);
    show_plan(verb, plan, json_get_text(answer, "text"));
    if (!verb->dry_run) {
        result = confirm(verb, plan, info);
        if (result == ERR_OK)
            result = run_plan(verb, json_object_get(answer, "expect"), status, info);
    }
    json_decref(answer);
    return result;
}

/* --- targets ------------------------------------------------------------------------------------------------------ */

static void print_target(const json_t *target)
{
    char host[NAME_SIZE], line[512];
    bool fits = false;
    size_t i;
    const json_t *reason;
    const char *name = json_get_text(target, "host");
    json_get_bool(target, "fits", &fits);
    sanitize(host, sizeof host, name ? name : "?", strlen(name ? name : "?"));
    printf("%-20s %s", host, fits ? "fits   " : "cannot ");
    json_array_foreach (json_object_get(target, "reasons"), i, reason) {
        const char *words = json_string_value(reason);
        sanitize(line, sizeof line, words ? words : "", words ? strlen(words) : 0);
        printf("%s%s", i ? "; " : " ", line);
    }
    putchar('\n');
}

enum err verb_print_targets(struct verb *verb, struct err_info *info)
{
    json_t *answer, *request = json_object();
    size_t i;
    const json_t *target;
    json_put_text(request, "command", "targets");
    json_put_text(request, "object", verb->object);
    enum err result = client_request(verb->client, request, VERB_PLAN_TIMEOUT_US, &answer, info);
    if (result != ERR_OK)
        return result;
    json_t *targets = json_object_get(answer, "targets");
    if (verb->json)
        verb_print_json(json_deep_copy(targets));
    else if (!json_array_size(targets))
        puts("no other host of the fleet has the role compute");
    else
        json_array_foreach (targets, i, target)
            print_target(target);
    json_decref(answer);
    return ERR_OK;
}
