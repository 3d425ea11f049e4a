/* Opens the console: starts an engine where none is alive, and gives the console its way to it. Where none can be
 * started the console opens all the same: it shows what is in the store and says what is wrong. */
#include "engine/console_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/client.h"
#include "engine/spawn.h"
#include "views/console.h"

#define REQUEST_TIMEOUT_US (INT64_C(60) * 1000000)
#define LOOK_TIMEOUT_US INT64_C(1000000)

struct way {
    char *fleet_dir, *state_dir;
    struct client *client;  /* NULL until it is needed, and after it broke */
    struct client *looking; /* the same, of another thread: never behind a request that takes long */
};

static bool is_broken(enum err result)
{
    return result == ERR_CLOSED || result == ERR_TIMEOUT || result == ERR_GARBAGE || result == ERR_IO;
}

/* Once anew over a connection that the engine closed in the meantime (it was started again); what could have begun
 * something is asked only once. */
static enum err request(void *owner, json_t *wish, json_t **answer, struct err_info *info)
{
    struct way *way = owner;
    *answer = NULL;
    bool was_open = way->client != NULL;
    enum err result = was_open ? ERR_OK : client_open(way->state_dir, &way->client, info);
    if (result == ERR_OK)
        result = client_request(way->client, json_incref(wish), REQUEST_TIMEOUT_US, answer, info);
    if (is_broken(result)) {
        client_free(way->client);
        way->client = NULL;
    }
    const char *command = json_get_text(wish, "command");
    bool harmless = command && strcmp(command, "run") != 0 && strcmp(command, "cancel") != 0;
    if (result == ERR_CLOSED && was_open && harmless)
        return request(owner, wish, answer, info);
    json_decref(wish);
    return result;
}

static enum err look(void *owner, json_t *wish, json_t **answer, struct err_info *info)
{
    struct way *way = owner;
    *answer = NULL;
    enum err result = way->looking ? ERR_OK : client_open(way->state_dir, &way->looking, info);
    if (result == ERR_OK)
        result = client_request(way->looking, json_incref(wish), LOOK_TIMEOUT_US, answer, info);
    if (is_broken(result)) {
        client_free(way->looking);
        way->looking = NULL;
    }
    json_decref(wish);
    return result;
}

static enum err start(void *owner, struct err_info *info)
{
    struct way *way = owner;
    return spawn_engine(way->fleet_dir, way->state_dir, SPAWN_TIMEOUT_US, NULL, info);
}

/* What a person does first; NULL where there are fleet files. */
static char *welcome(const char *fleet_dir)
{
    char *path = paths_join(fleet_dir, "fleet.yaml");
    bool begun = access(path, F_OK) == 0;
    free(path);
    return begun ? NULL
                 : xasprintf("dogwatch does not know any host yet\n\n"
                             "  dogwatch host add USER@ADDRESS   adds one; you log in with your own key\n"
                             "  dogwatch host add --help         ports, jump hosts, roles\n"
                             "  dogwatch --fleet DIR             where there are fleet files already\n\n"
                             "The fleet files will be in %s",
                       fleet_dir);
}

static enum err open_console(struct way *way, bool no_engine, const char *theme, struct err_info *info)
{
    struct err_info why = {0};
    struct console_link link = {.owner = way, .request = request, .look = look, .theme = theme};
    char *first_words = welcome(way->fleet_dir);
    link.welcome = first_words;
    link.start = no_engine ? NULL : start;
    if (!no_engine && start(way, &why) != ERR_OK && !first_words) {
        fprintf(stderr, "dogwatch: no engine: %s\n", why.message);
        link.trouble = why.message;
    }
    enum err result = console_run(way->state_dir, &link, info);
    free(first_words);
    return result;
}

int console_main(int argc, char **argv)
{
    bool no_engine = false;
    const char *theme = NULL;
    const struct cli_option options[] = {
        {"no-engine", NULL, "do not start an engine: only show what the store has", NULL, &no_engine},
        {"theme", "NAME", "colours: a file of themes/, or its path", &theme, NULL},
        {0},
    };
    struct cli cli = {.usage = "dogwatch [OPTION…]",
        .summary = "Open the console. It starts an engine where none is running; ? shows the keys.",
        .options = options};
    struct err_info info = {0};
    enum err result = cli_parse(&cli, argc, argv, &info);
    if (result == ERR_OK && !cli.help) {
        struct way way = {.fleet_dir = paths_fleet_dir(cli.fleet_dir), .state_dir = paths_state_dir(cli.state_dir)};
        result = open_console(&way, no_engine, theme, &info);
        client_free(way.client);
        client_free(way.looking);
        free(way.fleet_dir);
        free(way.state_dir);
    }
    cli_free(&cli);
    return result == ERR_OK ? 0 : cli_fail(&info);
}
