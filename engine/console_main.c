/* Opens the console: starts an engine where none is alive, and gives the console its way to it. Where none can be
 * started the console opens all the same: it shows what is in the store and says what is wrong. */
#include "engine/console_main.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/vec.h"
#include "engine/client.h"
#include "engine/spawn.h"
#include "views/console.h"

#define REQUEST_TIMEOUT_US (INT64_C(120) * 1000000) /* a plan waits for a host as long as the engine does */
#define LOOK_TIMEOUT_US INT64_C(1000000)

struct way {
    char *fleet_dir, *state_dir;
    pthread_mutex_t mutex;          /* over the two below */
    VEC(struct client *) under_way; /* asked by threads of the console at this moment */
    bool over;                      /* the console ends: nothing more is asked */
    struct client *looking;         /* of one thread: never behind a request that takes long */
};

/* --- requests that are under way --- */

static bool enter(struct way *way, struct client *client)
{
    pthread_mutex_lock(&way->mutex);
    bool over = way->over;
    if (!over)
        vec_push(&way->under_way, client);
    pthread_mutex_unlock(&way->mutex);
    return !over;
}

static void leave(struct way *way, const struct client *client)
{
    pthread_mutex_lock(&way->mutex);
    for (size_t i = way->under_way.count; i-- > 0;)
        if (way->under_way.items[i] == client)
            way->under_way.items[i] = way->under_way.items[--way->under_way.count];
    pthread_mutex_unlock(&way->mutex);
}

static void give_up(void *owner)
{
    struct way *way = owner;
    pthread_mutex_lock(&way->mutex);
    way->over = true;
    vec_each (&way->under_way, struct client *, client)
        client_give_up(*client);
    pthread_mutex_unlock(&way->mutex);
}

static bool is_broken(enum err result)
{
    return result == ERR_CLOSED || result == ERR_TIMEOUT || result == ERR_GARBAGE || result == ERR_IO;
}

/* A connection for each: a question that takes long holds up none that comes after it. */
static enum err request(void *owner, json_t *wish, json_t **answer, struct err_info *info)
{
    struct way *way = owner;
    struct client *client;
    *answer = NULL;
    enum err result = client_open(way->state_dir, &client, info);
    if (result != ERR_OK) {
        json_decref(wish);
        return result;
    }
    if (enter(way, client)) {
        result = client_request(client, wish, REQUEST_TIMEOUT_US, answer, info);
        leave(way, client);
    } else {
        json_decref(wish);
        result = err_set(info, ERR_CANCELLED, "the console ends");
    }
    client_free(client);
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
    struct console_link link = {.owner = way, .request = request, .give_up = give_up, .look = look, .theme = theme};
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
        struct way way = {.fleet_dir = paths_fleet_dir(cli.fleet_dir),
            .state_dir = paths_state_dir(cli.state_dir),
            .mutex = PTHREAD_MUTEX_INITIALIZER};
        result = open_console(&way, no_engine, theme, &info);
        vec_free(&way.under_way);
        client_free(way.looking);
        free(way.fleet_dir);
        free(way.state_dir);
    }
    cli_free(&cli);
    return result == ERR_OK ? 0 : cli_fail(&info);
}
