/* `dogwatch site where SITE`: every host is asked now, through the engine; nothing is read from the store. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "engine/verb.h"
#include "engine/verb_main.h"
#include "views/where.h"

static void print_line(void *owner, enum concern concern, const char *text)
{
    char line[4096];
    (void)concern;
    sanitize(line, sizeof line, text, strlen(text));
    fprintf(owner, "%s\n", line);
}

static enum err ask_where(struct verb *verb, json_t **where, struct err_info *info)
{
    json_t *request = json_object();
    json_put_text(request, "command", "where");
    json_put_text(request, "object", verb->object);
    *where = NULL;
    enum err result = verb_connect(verb, info);
    if (result != ERR_OK) {
        json_decref(request);
        return result;
    }
    return client_request(verb->client, request, VERB_PLAN_TIMEOUT_US, where, info);
}

/* Returns the exit status. */
static int tell_where(struct verb *verb)
{
    struct err_info info = {0};
    json_t *where = NULL;
    enum err result = ask_where(verb, &where, &info);
    int status = result != ERR_OK ? verb_fail(result, &info) : where_concern(where) != CONCERN_OK;
    if (result == ERR_OK && verb->json)
        verb_print_json(json_incref(where));
    else if (result == ERR_OK)
        where_tell(where, clock_wall_us(), print_line, stdout);
    json_decref(where);
    client_free(verb->client);
    return status;
}

static enum err check_word(const char *word, struct err_info *info)
{
    static const char *const words[] = {"where"};
    if (strcmp(word, words[0]) == 0)
        return ERR_OK;
    const char *nearest = name_nearest(word, words, 1);
    return err_set(info, ERR_INVALID, "there is no `dogwatch site %s`%s", word,
        nearest ? "; did you mean `dogwatch site where`?" : ": usage: dogwatch site where SITE");
}

int site_main(int argc, char **argv)
{
    struct verb verb = {.name = "site"};
    const struct cli_option options[] = {
        {"json", NULL, "the answer as JSON", NULL, &verb.json},
        {0},
    };
    struct cli cli = {.usage = "dogwatch site where SITE [OPTION…]",
        .summary =
            "Ask every host where a site really is: active, stopped, kept, fenced, quarantined, or a conflict with "
            "the way out. Exit status 0 where it is active on exactly one host and every host answered, else 1.",
        .options = options,
        .min_words = 2,
        .max_words = 2};
    struct err_info info = {0};
    int status = 0;
    enum err result = cli_parse(&cli, argc, argv, &info);
    if (result == ERR_OK && !cli.help)
        result = check_word(cli.words[0], &info);
    if (result == ERR_OK && !cli.help) {
        verb.object = cli.words[1];
        verb.fleet_dir = paths_fleet_dir(cli.fleet_dir);
        verb.state_dir = paths_state_dir(cli.state_dir);
        status = tell_where(&verb);
    }
    if (result != ERR_OK)
        status = cli_fail(&info);
    free(verb.fleet_dir);
    free(verb.state_dir);
    cli_free(&cli);
    return status;
}
