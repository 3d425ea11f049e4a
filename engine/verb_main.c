/* `dogwatch restart SITE` and every other action on the command line: which words and options there are comes from the
 * table of actions. `undo` and `cancel` take the number of a job. One thread. */
#include "engine/verb_main.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/verb.h"

enum { OPTIONS_MAX = 20 };

/* What stands on the line, before it is understood: of rows of the table of options, in its order. */
struct given {
    const char *texts[OPTIONS_MAX];
    bool flags[OPTIONS_MAX];
    const char *host;
};

static size_t add_common(struct cli_option *options, struct verb *verb)
{
    const struct cli_option common[] = {
        {"dry-run", NULL, "show the plan and change nothing", NULL, &verb->dry_run},
        {"yes", NULL, "do not ask", NULL, &verb->yes},
        {"reason", "TEXT", "why, for the job and the audit trail", &verb->reason, NULL},
        {"wait", NULL, "follow the job to its end; exit 0 where it is done, 1 where it failed", NULL, &verb->wait},
        {"json", NULL, "print the job (with --dry-run: the plan) as JSON", NULL, &verb->json},
    };
    memcpy(options, common, sizeof common);
    return sizeof common / sizeof *common;
}

static void make_options(struct cli_option options[OPTIONS_MAX], struct verb *verb, struct given *given)
{
    unsigned takes = verb->action ? verb->action->takes : 0;
    const struct action_option *row = NULL;
    size_t count = 0;
    for (; (row = action_option_next(takes, row)); count++)
        options[count] =
            (struct cli_option){row->name, row->value_name, row->help, &given->texts[count], &given->flags[count]};
    if (takes & TAKES_TARGET)
        options[count++] = (struct cli_option){
            "targets", NULL, "only list where it could go, best first, and why", NULL, &verb->targets};
    if (takes & TAKES_HOST)
        options[count++] =
            (struct cli_option){"host", "HOST", "all sites on that host, one after the other", &given->host, NULL};
    count += add_common(options + count, verb);
    options[count] = (struct cli_option){0};
}

/* "dogwatch restart SITE…|--host HOST [OPTION…]" */
static void make_usage(const struct verb *verb, char *out, size_t size)
{
    unsigned takes = verb->action ? verb->action->takes : 0;
    const char *object = !verb->action ? "JOB" : verb->action->object_kind == KIND_SITE ? "SITE" : "OBJECT";
    str_format(out, size, "dogwatch %s %s%s%s [OPTION…]", verb->name, object, takes & TAKES_MANY ? "…" : "",
        takes & TAKES_HOST ? "|--host HOST" : "");
}

static enum err read_options(struct verb *verb, const struct given *given, struct err_info *info)
{
    const struct action_option *row = NULL;
    unsigned takes = verb->action ? verb->action->takes : 0;
    struct err_info why;
    for (size_t i = 0; (row = action_option_next(takes, row)); i++) {
        const char *text = row->value_name ? given->texts[i] : given->flags[i] ? "yes" : NULL;
        if (text && !text[0])
            return err_set(info, ERR_INVALID, "--%s needs a value: --%s %s", row->name, row->name, row->value_name);
        if (text && row->set(&verb->options, text, &why) != ERR_OK)
            return err_set(info, ERR_INVALID, "--%s %s", row->name, why.message);
    }
    return ERR_OK;
}

static enum err read_given(struct verb *verb, const struct given *given, struct err_info *info)
{
    enum err err = read_options(verb, given, info);
    if (err)
        return err;
    if (given->host && verb->object)
        return err_set(info, ERR_INVALID, "either sites or --host %s, not both", given->host);
    verb->of_host = given->host != NULL;
    if (given->host)
        verb->object = given->host;
    return verb->object ? ERR_OK : err_set(info, ERR_INVALID, "something is missing: what to %s", verb->name);
}

static enum err check_number(const char *job, struct err_info *info)
{
    int64_t id;
    return str_to_i64(job, 1, INT64_MAX, &id)
               ? ERR_OK
               : err_set(info, ERR_INVALID, "\"%s\" is no job number; `dogwatch jobs` lists them", job);
}

static void take_words(struct verb *verb, const struct cli *cli)
{
    verb->object = cli->word_count ? cli->words[0] : NULL;
    for (size_t i = 1; i < cli->word_count; i++)
        vec_push(&verb->options.more, xstrdup(cli->words[i]));
    verb->fleet_dir = paths_fleet_dir(cli->fleet_dir);
    verb->state_dir = paths_state_dir(cli->state_dir);
}

static int go(struct verb *verb)
{
    struct err_info info = {0};
    int status = 0;
    enum err result = verb_connect(verb, &info);
    if (result == ERR_OK)
        result = verb->targets ? verb_print_targets(verb, &info) : verb_run(verb, &status, &info);
    client_free(verb->client);
    return result == ERR_OK ? status : verb_fail(result, &info);
}

static int parse_and_go(struct verb *verb, const char *summary, int argc, char **argv)
{
    struct cli_option options[OPTIONS_MAX];
    struct given given = {0};
    struct err_info info = {0};
    char usage[128];
    int status = 0;
    unsigned takes = verb->action ? verb->action->takes : 0;
    make_options(options, verb, &given);
    make_usage(verb, usage, sizeof usage);
    struct cli cli = {.usage = usage,
        .summary = summary,
        .options = options,
        .min_words = takes & TAKES_HOST ? 0 : 1,
        .max_words = takes & TAKES_MANY ? PLAN_MORE_MAX + 1 : 1};
    enum err result = cli_parse(&cli, argc, argv, &info);
    if (result == ERR_OK && !cli.help) {
        take_words(verb, &cli);
        result = read_given(verb, &given, &info);
        if (result == ERR_OK && !verb->action)
            result = check_number(verb->object, &info);
        if (result == ERR_OK)
            status = go(verb);
    }
    if (result != ERR_OK)
        status = cli_fail(&info);
    free(verb->fleet_dir);
    free(verb->state_dir);
    plan_options_free(&verb->options);
    cli_free(&cli);
    return status;
}

int verb_main(int argc, char **argv)
{
    struct verb verb = {.name = argv[0], .action = action_find(argv[0])};
    struct err_info info = {0};
    if (!verb.action || verb.action->is_internal) {
        err_set(&info, ERR_NOT_FOUND, "there is no action \"%s\"", argv[0]);
        return cli_fail(&info);
    }
    return parse_and_go(&verb, verb.action->help, argc, argv);
}

int undo_main(int argc, char **argv)
{
    struct verb verb = {.name = argv[0]};
    return parse_and_go(
        &verb, "Take back what a finished job did, by the action that is its opposite; the plan says how.", argc, argv);
}
