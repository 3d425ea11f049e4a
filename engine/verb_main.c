/* `dogwatch restart SITE` and every other action on the command line: which words and options there are comes from the
 * table of actions. `undo` and `cancel` take the number of a job. One thread. */
#include "engine/verb_main.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/verb.h"

enum { OPTIONS_MAX = 16 };

/* Texts of options as they stand on the line, before they are understood. */
struct given {
    const char *host, *limit, *keep;
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

static size_t add_target(struct cli_option *options, struct verb *verb, struct given *given)
{
    const struct cli_option target[] = {
        {"to", "HOST", "where to; without it the best host, and the plan says why", &verb->to, NULL},
        {"targets", NULL, "only list where it could go, best first, and why", NULL, &verb->targets},
        {"limit", "RATE", "copy no faster than that a second: 500K, 10M", &given->limit, NULL},
        {"keep", "TIME", "how long the old copy is kept: 12h, 3d (3d)", &given->keep, NULL},
        {"through-console", NULL, "copy by way of this machine, also where the hosts may reach one another", NULL,
            &verb->through_console},
    };
    memcpy(options, target, sizeof target);
    return sizeof target / sizeof *target;
}

static void make_options(struct cli_option options[OPTIONS_MAX], struct verb *verb, struct given *given)
{
    unsigned takes = verb->action ? verb->action->takes : 0;
    size_t count = 0;
    if (takes & TAKES_TARGET)
        count += add_target(options, verb, given);
    if (takes & TAKES_COPY)
        options[count++] =
            (struct cli_option){"on", "HOST", "which copy, where more than one host has the site", &verb->to, NULL};
    if (takes & TAKES_COPY)
        options[count++] =
            (struct cli_option){"on", "HOST", "which copy, where more than one host has the site", &verb->to, NULL};
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

static enum err read_given(struct verb *verb, const struct given *given, struct err_info *info)
{
    if (given->limit && !format_parse_bytes(given->limit, &verb->limit_bytes_s))
        return err_set(info, ERR_INVALID, "--limit %s is no rate; try 500K or 10M (bytes a second)", given->limit);
    if (given->keep && (!clock_parse_duration(given->keep, &verb->keep_us) || verb->keep_us < USEC_PER_SEC))
        return err_set(info, ERR_INVALID, "--keep %s is no time; try 12h or 3d", given->keep);
    if (given->host && verb->object)
        return err_set(info, ERR_INVALID, "either sites or --host %s, not both", given->host);
    verb->of_host = given->host != NULL;
    if (given->host)
        verb->object = given->host;
    return verb->object ? ERR_OK : err_set(info, ERR_INVALID, "something is missing: what to %s", verb->name);
}

static void take_words(struct verb *verb, const struct cli *cli)
{
    verb->object = cli->word_count ? cli->words[0] : NULL;
    verb->more = cli->words + 1;
    verb->more_count = cli->word_count ? cli->word_count - 1 : 0;
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
        if (result == ERR_OK)
            status = go(verb);
    }
    if (result != ERR_OK)
        status = cli_fail(&info);
    free(verb->fleet_dir);
    free(verb->state_dir);
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
