/* `dogwatch jobs`, `dogwatch job N`, `dogwatch audit`: what was done, from the store; the engine is not needed, but for
 * cancelling. One thread. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "engine/client.h"
#include "engine/job_follow.h"
#include "engine/verb.h"
#include "engine/verb_main.h"
#include "store/audit.h"

#define LIST_LIMIT 50

/* Opens the store of a parsed command line. */
static enum err open_store(const struct cli *cli, struct store_reader **reader, struct err_info *info)
{
    char *state_dir = paths_state_dir(cli->state_dir);
    enum err result = store_reader_open(state_dir, reader, info);
    free(state_dir);
    return result;
}

static const char *clean(const char *text, char *out, size_t size)
{
    sanitize(out, size, text, strlen(text));
    return out;
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static void print_jobs_json(const struct job_list *jobs)
{
    json_t *list = json_array();
    vec_each (&jobs->items, const struct job_record, job) {
        struct job_view view = {.job = *job};
        json_t *row = job_view_json(&view);
        json_object_del(row, "steps");
        json_array_append_new(list, row);
    }
    json_dumpf(list, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(list);
}

static void print_jobs(const struct job_list *jobs)
{
    if (!jobs->items.count)
        puts("no jobs yet; `dogwatch restart SITE --dry-run` shows the plan of one");
    vec_each (&jobs->items, const struct job_record, job) {
        char at[CLOCK_RFC3339_SIZE], object[64], who[32], message[256];
        printf("%6" PRId64 "  %s  %-9s  %-10s %-28s %-12s %s\n", job->id, clock_rfc3339(job->created_us, 0, at),
            job_state_word(job->state), job->action, clean(job->object, object, sizeof object),
            clean(job->who, who, sizeof who), clean(job->message, message, sizeof message));
    }
}

int jobs_main(int argc, char **argv)
{
    bool json = false, all = false;
    const struct cli_option options[] = {
        {"all", NULL, "all of them, not only the newest 50", NULL, &all},
        {"json", NULL, "as a JSON array", NULL, &json},
        {0},
    };
    struct cli cli = {.usage = "dogwatch jobs [OPTION…]", .summary = "List jobs, newest first.", .options = options};
    struct err_info info = {0};
    struct store_reader *reader = NULL;
    struct job_list jobs = {0};
    enum err result = cli_parse(&cli, argc, argv, &info);
    if (result == ERR_OK && !cli.help) {
        result = open_store(&cli, &reader, &info);
        if (result == ERR_OK)
            result = store_read_jobs(reader, all ? 0 : LIST_LIMIT, &jobs, &info);
        if (result == ERR_OK)
            (json ? print_jobs_json : print_jobs)(&jobs);
    }
    job_list_free(&jobs);
    store_reader_close(reader);
    cli_free(&cli);
    return result == ERR_OK ? 0 : cli_fail(&info);
}

/* --- one job ------------------------------------------------------------------------------------------------------ */

struct job_options {
    bool follow, cancel, json;
};

static enum err cancel_job(const char *state_dir, int64_t id, struct err_info *info)
{
    json_t *answer, *request = json_object();
    json_put_text(request, "command", "cancel");
    json_put_i64(request, "job", id);
    enum err result = client_ask(state_dir, request, &answer, info);
    if (result == ERR_OK)
        fprintf(stderr, "job %" PRId64 " is asked to stop at a safe place\n", id);
    json_decref(answer);
    return result;
}

static enum err read_job(
    const char *state_dir, int64_t id, const struct job_options *options, struct job_view *view, struct err_info *info)
{
    struct store_reader *reader = NULL;
    enum err result = options->cancel ? cancel_job(state_dir, id, info) : ERR_OK;
    if (result == ERR_OK)
        result = store_reader_open(state_dir, &reader, info);
    if (result == ERR_OK)
        result = options->follow ? job_follow(reader, state_dir, id, options->json, view, info)
                                 : job_view_read(reader, id, view, info);
    store_reader_close(reader);
    return result;
}

/* Returns the exit status. */
static int show_job(const struct cli *cli, const struct job_options *options)
{
    struct job_view view = {0};
    struct err_info info = {0};
    int64_t id = 0;
    if (!str_to_i64(cli->words[0], 1, INT64_MAX, &id)) {
        err_set(&info, ERR_INVALID, "\"%s\" is no job number; `dogwatch jobs` lists them", cli->words[0]);
        return cli_fail(&info);
    }
    char *state_dir = paths_state_dir(cli->state_dir);
    enum err result = read_job(state_dir, id, options, &view, &info);
    if (result == ERR_OK && options->json)
        verb_print_json(job_view_json(&view));
    else if (result == ERR_OK && !options->follow && !options->cancel)
        job_view_print(&view, stdout);
    int status = result != ERR_OK ? verb_fail(result, &info)
                 : job_has_ended(view.job.state) && !(options->cancel && !options->follow)
                     ? job_exit_status(view.job.state)
                     : 0;
    job_view_free(&view);
    free(state_dir);
    return status;
}

static int parse_job(struct cli *cli, struct job_options *wanted, int argc, char **argv)
{
    struct err_info info = {0};
    enum err result = cli_parse(cli, argc, argv, &info);
    int status = result != ERR_OK ? cli_fail(&info) : cli->help ? 0 : show_job(cli, wanted);
    cli_free(cli);
    return status;
}

int job_main(int argc, char **argv)
{
    struct job_options wanted = {0};
    const struct cli_option options[] = {
        {"follow", NULL, "show each step as it happens, to the end", NULL, &wanted.follow},
        {"cancel", NULL, "ask it to undo what it did and stop", NULL, &wanted.cancel},
        {"json", NULL, "as a JSON object", NULL, &wanted.json},
        {0},
    };
    struct cli cli = {.usage = "dogwatch job NUMBER [OPTION…]",
        .summary = "Show a job with its steps. Exit status 1 where it has ended and is not done.",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    return parse_job(&cli, &wanted, argc, argv);
}

int cancel_main(int argc, char **argv)
{
    struct job_options wanted = {.cancel = true};
    const struct cli_option options[] = {
        {"wait", NULL, "show what is undone, to the end; exit 1, as the job was not done", NULL, &wanted.follow},
        {"json", NULL, "print the job as a JSON object", NULL, &wanted.json},
        {0},
    };
    struct cli cli = {.usage = "dogwatch cancel JOB [OPTION…]",
        .summary = "Ask a running or waiting job to undo what it did and stop at a safe place.",
        .options = options,
        .min_words = 1,
        .max_words = 1};
    return parse_job(&cli, &wanted, argc, argv);
}

/* --- audit -------------------------------------------------------------------------------------------------------- */

static bool print_audit(void *count, const struct audit_entry *entry)
{
    char at[CLOCK_RFC3339_SIZE], uid[32] = "", who[64], action[64], object[128], text[512];
    ++*(size_t *)count;
    if (entry->uid != (uid_t)-1) /* the engine itself, in that person's name */
        str_format(uid, sizeof uid, " (%lu)", (unsigned long)entry->uid);
    printf("%6" PRId64 "  %s  %s%s  %s %s  %s\n", entry->id, clock_rfc3339(entry->at_us, 0, at),
        clean(entry->who, who, sizeof who), uid, clean(entry->action, action, sizeof action),
        clean(entry->object, object, sizeof object), clean(entry->text, text, sizeof text));
    return true;
}

static bool count_audit(void *count, const struct audit_entry *entry)
{
    (void)entry;
    ++*(size_t *)count;
    return true;
}

static enum err verify_audit(struct store_reader *reader, int *status, struct err_info *info)
{
    int64_t first_bad_id = 0;
    size_t count = 0;
    enum err result = store_audit_verify(reader, &first_bad_id, info);
    if (result == ERR_CORRUPT && first_bad_id) {
        printf("the record was changed: entry %" PRId64 " does not fit those before it\n", first_bad_id);
        *status = 1;
        return ERR_OK;
    }
    if (result == ERR_OK)
        result = store_read_audit(reader, 0, count_audit, &count, info);
    if (result == ERR_OK)
        printf("%zu %s, each fits the one before it\n", count, count == 1 ? "entry" : "entries");
    return result;
}

static enum err list_audit(struct store_reader *reader, bool all, struct err_info *info)
{
    size_t count = 0;
    enum err result = store_read_audit(reader, all ? 0 : LIST_LIMIT, print_audit, &count, info);
    if (result == ERR_OK && !count)
        puts("nothing was done yet");
    return result;
}

int audit_main(int argc, char **argv)
{
    bool all = false;
    const struct cli_option options[] = {{"all", NULL, "all entries, not only the newest 50", NULL, &all}, {0}};
    struct cli cli = {.usage = "dogwatch audit [verify] [OPTION…]",
        .summary =
            "Show who did what, newest first; or verify that the record was not changed (exit status 1 where it was).",
        .options = options,
        .max_words = 1};
    struct err_info info = {0};
    struct store_reader *reader = NULL;
    int status = 0;
    enum err result = cli_parse(&cli, argc, argv, &info);
    if (result == ERR_OK && !cli.help) {
        bool verify = cli.word_count && strcmp(cli.words[0], "verify") == 0;
        if (cli.word_count && !verify)
            result = err_set(&info, ERR_INVALID, "unexpected \"%s\"; usage: %s", cli.words[0], cli.usage);
        if (result == ERR_OK)
            result = open_store(&cli, &reader, &info);
        if (result == ERR_OK)
            result = verify ? verify_audit(reader, &status, &info) : list_audit(reader, all, &info);
    }
    store_reader_close(reader);
    cli_free(&cli);
    return result == ERR_OK ? status : cli_fail(&info);
}
