/* `dogwatch restart SITE` and every other action on the command line: the plan comes from the engine, is shown,
 * confirmed as its risk asks for, and run as the very thing that was shown (its IDs go along). The engine is started
 * where none is alive. One thread. */
#include "engine/verb_main.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/action.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "engine/client.h"
#include "engine/job_print.h"
#include "engine/spawn.h"

#define ANSWER_BYTES 512
#define FIRST_REPORTS_US (15 * USEC_PER_SEC)
#define ASK_AGAIN_MS 100
#define PLAN_TIMEOUT_US (INT64_C(120) * 1000000)

struct verb {
    const struct action *action;
    const char *object, *reason;
    bool dry_run, yes, wait, json;
    char *fleet_dir, *state_dir;
    struct client *client;
};

static json_t *new_request(const struct verb *verb, const char *command)
{
    json_t *request = json_object();
    json_put_text(request, "command", command);
    json_put_text(request, "action", verb->action->name);
    json_put_text(request, "object", verb->object);
    return request;
}

static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(value);
}

/* Lines, each sanitised. */
static void print_text(const char *text, FILE *out)
{
    while (*text) {
        char line[4096];
        size_t length = strcspn(text, "\n");
        sanitize(line, sizeof line, text, length);
        fprintf(out, "%s\n", line);
        text += length + (text[length] == '\n');
    }
}

/* --- confirming --------------------------------------------------------------------------------------------------- */

static bool read_answer(char out[ANSWER_BYTES])
{
    if (!fgets(out, ANSWER_BYTES, stdin))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* What moves or takes away is confirmed by the object's name, what only disturbs by y. */
static enum err confirm(const struct verb *verb, struct err_info *info)
{
    char answer[ANSWER_BYTES];
    if (verb->yes || verb->action->risk == RISK_SAFE)
        return ERR_OK;
    if (!isatty(STDIN_FILENO))
        return err_set(info, ERR_DENIED,
            "not confirmed: there is no terminal to ask; add --yes to go ahead, or --dry-run to look");
    bool by_name = verb->action->risk != RISK_DISTURBING;
    if (by_name)
        fprintf(stderr, "Type %s to go ahead: ", verb->object);
    else
        fprintf(stderr, "%s %s? [y/N] ", verb->action->title, verb->object);
    fflush(stderr);
    bool agreed = read_answer(answer) &&
                  (by_name ? strcmp(answer, verb->object) == 0
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
        result = job_follow(reader, job_id, verb->json, &view, info);
    else
        result = job_view_read(reader, job_id, &view, info);
    if (result == ERR_OK && verb->json)
        print_json(job_view_json(&view));
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
    enum err result = client_request(verb->client, request, PLAN_TIMEOUT_US, &answer, info);
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

static enum err plan_and_run(struct verb *verb, int *status, struct err_info *info)
{
    json_t *answer;
    enum err result = client_request(verb->client, new_request(verb, "plan"), PLAN_TIMEOUT_US, &answer, info);
    if (result != ERR_OK)
        return result;
    const char *text = json_get_text(answer, "text");
    json_t *plan = json_object_get(answer, "plan");
    if (verb->dry_run && verb->json)
        print_json(json_deep_copy(plan));
    else if (!verb->json || !verb->yes)
        print_text(text ? text : "", verb->json || !verb->dry_run ? stderr : stdout);
    if (!verb->dry_run) {
        result = confirm(verb, info);
        if (result == ERR_OK)
            result = run_plan(verb, json_object_get(answer, "expect"), status, info);
    }
    json_decref(answer);
    return result;
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

/* An engine that has just begun knows nothing yet that a plan could rest on. */
static void wait_for_first_reports(struct verb *verb)
{
    int64_t deadline_us = clock_mono_us() + FIRST_REPORTS_US;
    while (hosts_untried(verb) > 0 && clock_mono_us() < deadline_us)
        poll(NULL, 0, ASK_AGAIN_MS);
}

static enum err run_verb(struct verb *verb, int *status, struct err_info *info)
{
    bool started = false;
    enum err result = spawn_engine(verb->fleet_dir, verb->state_dir, SPAWN_TIMEOUT_US, &started, info);
    if (result == ERR_OK && started)
        fprintf(stderr, "started an engine for %s\n", verb->state_dir);
    if (result == ERR_OK)
        result = client_open(verb->state_dir, &verb->client, info);
    if (result == ERR_OK) {
        wait_for_first_reports(verb);
        result = plan_and_run(verb, status, info);
    }
    client_free(verb->client);
    return result;
}

int verb_main(int argc, char **argv)
{
    struct verb verb = {.action = action_find(argv[0])};
    const struct cli_option options[] = {
        {"dry-run", NULL, "show the plan and change nothing", NULL, &verb.dry_run},
        {"yes", NULL, "do not ask", NULL, &verb.yes},
        {"reason", "TEXT", "why, for the job and the audit trail", &verb.reason, NULL},
        {"wait", NULL, "follow the job to its end; exit 0 where it is done, 1 where it failed", NULL, &verb.wait},
        {"json", NULL, "print the job (with --dry-run: the plan) as JSON", NULL, &verb.json},
        {0},
    };
    char usage[128];
    struct err_info info = {0};
    int status = 0;
    if (!verb.action) {
        err_set(&info, ERR_NOT_FOUND, "there is no action \"%s\"", argv[0]);
        return cli_fail(&info);
    }
    str_format(usage, sizeof usage, "dogwatch %s %s [OPTION…]", verb.action->name,
        verb.action->object_kind == KIND_SITE ? "SITE" : "OBJECT");
    struct cli cli = {.usage = usage, .summary = verb.action->help, .options = options, .min_words = 1, .max_words = 1};
    enum err result = cli_parse(&cli, argc, argv, &info);
    if (result == ERR_OK && !cli.help) {
        verb.object = cli.words[0];
        verb.fleet_dir = paths_fleet_dir(cli.fleet_dir);
        verb.state_dir = paths_state_dir(cli.state_dir);
        result = run_verb(&verb, &status, &info);
    }
    if (result != ERR_OK)
        status = cli_fail(&info);
    free(verb.fleet_dir);
    free(verb.state_dir);
    cli_free(&cli);
    return status;
}
