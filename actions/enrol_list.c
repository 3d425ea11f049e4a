/* `dogwatch host list` and `dogwatch host test`. Testing dials as the engine does, several hosts at a time, so that a
 * dead one does not hold up the rest; results are printed in the order of the fleet as they come. Runs in the person's
 * process. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/enrol_private.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "remote/dial_pace.h"

/* --- list ------------------------------------------------------------------------------------------------------- */

static size_t widest(const struct fleet *fleet, size_t least, const char *(*text)(const struct host_def *host))
{
    for (size_t i = 0; i < fleet->hosts.count; i++) {
        size_t length = strlen(text(&fleet->hosts.items[i]));
        least = length > least ? length : least;
    }
    return least;
}

static const char *name_of(const struct host_def *host)
{
    return host->name;
}

static const char *address_of(const struct host_def *host)
{
    return host->address;
}

static void list_as_text(const struct fleet *fleet)
{
    if (fleet->hosts.count == 0) {
        puts("no hosts yet; the first: dogwatch host add USER@ADDRESS");
        return;
    }
    int name = (int)widest(fleet, 4, name_of), address = (int)widest(fleet, 7, address_of);
    printf("%-*s  %-*s  %5s  %-10s  %-24s  %s\n", name, "NAME", address, "ADDRESS", "PORT", "USER", "ROLES", "JUMP");
    for (size_t i = 0; i < fleet->hosts.count; i++) {
        const struct host_def *host = &fleet->hosts.items[i];
        char roles[64];
        printf("%-*s  %-*s  %5u  %-10s  %-24s  %s\n", name, host->name, address, host->address, host->port, host->user,
            roles_text(host->roles, roles), host->jump ? host->jump : "–");
    }
}

static json_t *host_as_json(const struct host_def *host)
{
    json_t *object = json_object();
    char roles[64];
    json_put_text(object, "name", host->name);
    json_put_text(object, "address", host->address);
    json_put_i64(object, "port", host->port);
    json_put_text(object, "user", host->user);
    json_put_text(object, "roles", roles_text(host->roles, roles));
    json_put_text(object, "jump", host->jump);
    return object;
}

static void list_as_json(const struct fleet *fleet)
{
    json_t *list = json_array();
    for (size_t i = 0; fleet && i < fleet->hosts.count; i++)
        json_array_append_new(list, host_as_json(&fleet->hosts.items[i]));
    json_t *whole = json_pack("{s:o}", "hosts", list);
    json_dumpf(whole, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
}

int enrol_list_main(int argc, char **argv)
{
    bool as_json = false;
    const struct cli_option options[] = {{.name = "json", .help = "for programs", .flag = &as_json}, {0}};
    struct cli cli = {
        .usage = "dogwatch host list [--json]", .summary = "The hosts of the fleet files.", .options = options};
    struct err_info info;
    struct enrolment enrolment = {0};
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err == ERR_OK && !cli.help) {
        err = enrolment_open(&enrolment, &cli, &info);
        if (err == ERR_OK && as_json)
            list_as_json(enrolment.fleet);
        else if (err == ERR_OK && enrolment.fleet)
            list_as_text(enrolment.fleet);
        else if (err == ERR_OK)
            printf("there are no fleet files in %s yet; host add makes them\n", enrolment.fleet_dir);
    }
    enrolment_close(&enrolment);
    cli_free(&cli);
    return err ? cli_fail(&info) : 0;
}

/* --- test ------------------------------------------------------------------------------------------------------- */

#define TESTERS_MAX 16

struct trial {
    const struct host_def *host;
    enum err err;
    struct err_info info;
    int64_t viewer_us, operator_us;
    char version[24];
    bool done;
};

struct trials {
    const struct enrolment *enrolment;
    VEC(struct trial) list;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    size_t next; /* the first that nobody has taken */
};

static void try_host(const struct enrolment *enrolment, struct trial *trial)
{
    pace_enter(trial->host->jump, REMOTE_NO_CANCEL);
    trial->err = enrol_greet(enrolment, trial->host, "viewer", NULL, &trial->viewer_us, trial->version, &trial->info);
    if (trial->err == ERR_OK)
        trial->err =
            enrol_greet(enrolment, trial->host, "operator", NULL, &trial->operator_us, trial->version, &trial->info);
    pace_leave(trial->host->jump);
}

static void *tester(void *arg)
{
    struct trials *trials = arg;
    pthread_mutex_lock(&trials->lock);
    while (trials->next < trials->list.count) {
        struct trial *trial = &trials->list.items[trials->next++];
        pthread_mutex_unlock(&trials->lock);
        try_host(trials->enrolment, trial);
        pthread_mutex_lock(&trials->lock);
        trial->done = true;
        pthread_cond_broadcast(&trials->finished);
    }
    pthread_mutex_unlock(&trials->lock);
    return NULL;
}

static void print_trial(const struct trial *trial)
{
    if (trial->err)
        printf("%-16s FAIL  %-12s %s\n", trial->host->name, err_word(trial->err), trial->info.message);
    else
        printf("%-16s ok    viewer %lld ms, operator %lld ms, helper %s\n", trial->host->name,
            (long long)trial->viewer_us / 1000, (long long)trial->operator_us / 1000, trial->version);
    fflush(stdout);
}

/* Returns how many failed. */
static size_t run_trials(struct trials *trials)
{
    pthread_t threads[TESTERS_MAX];
    size_t running = 0, failed = 0;
    pthread_mutex_init(&trials->lock, NULL);
    pthread_cond_init(&trials->finished, NULL);
    while (running < TESTERS_MAX && running < trials->list.count &&
           pthread_create(&threads[running], NULL, tester, trials) == 0)
        running++;
    if (running == 0)
        tester(trials);
    for (size_t i = 0; i < trials->list.count; i++) {
        struct trial *trial = &trials->list.items[i];
        pthread_mutex_lock(&trials->lock);
        while (!trial->done)
            pthread_cond_wait(&trials->finished, &trials->lock);
        pthread_mutex_unlock(&trials->lock);
        print_trial(trial);
        failed += trial->err != ERR_OK;
    }
    for (size_t i = 0; i < running; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&trials->finished);
    pthread_mutex_destroy(&trials->lock);
    return failed;
}

static enum err choose(struct trials *trials, const struct cli *cli, struct err_info *info)
{
    const struct fleet *fleet = trials->enrolment->fleet;
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < cli->word_count; i++) {
        const struct host_def *host;
        err = enrolment_host(trials->enrolment, cli->words[i], &host, info);
        if (err == ERR_OK)
            vec_add(&trials->list)->host = host;
    }
    for (size_t i = 0; cli->word_count == 0 && fleet && i < fleet->hosts.count; i++)
        vec_add(&trials->list)->host = &fleet->hosts.items[i];
    return err;
}

int enrol_test_main(int argc, char **argv)
{
    struct cli cli = {.usage = "dogwatch host test [NAME…]",
        .summary = "Dial all hosts, or these, as the engine does: host key, both keys, the helper. Exit status 1 if "
                   "one fails.",
        .max_words = SIZE_MAX};
    struct err_info info;
    struct enrolment enrolment = {0};
    struct trials trials = {.enrolment = &enrolment};
    size_t failed = 0;
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (err == ERR_OK && !cli.help) {
        err = enrolment_open(&enrolment, &cli, &info);
        if (err == ERR_OK)
            err = enrolment_keys(&enrolment, &info);
        if (err == ERR_OK)
            err = choose(&trials, &cli, &info);
        if (err == ERR_OK)
            failed = run_trials(&trials);
    }
    vec_free(&trials.list);
    enrolment_close(&enrolment);
    cli_free(&cli);
    return err ? cli_fail(&info) : failed > 0;
}
