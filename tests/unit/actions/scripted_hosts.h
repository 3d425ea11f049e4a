/* Hosts for the tests of stopping, isolating and finding a site: SSH servers in this process, whose helpers are a
 * script over a few figures the test looks at and changes; fleet files that name them, a store that knows what they
 * run, and an engine's jobs over them. mosh01 has the site, mosh02 nothing of it, gate leads visitors to it. */
#ifndef TESTS_UNIT_ACTIONS_SCRIPTED_HOSTS_H
#define TESTS_UNIT_ACTIONS_SCRIPTED_HOSTS_H

#include "tests/unit/fleet/files.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>

#include "actions/action.h"
#include "actions/jobs.h"
#include "actions/plan_ask.h"
#include "base/clock.h"
#include "remote/connection.h"
#include "store/reader.h"
#include "store/store.h"
#include "tests/unit/actions/script.h"

enum { MOSH01, MOSH02, GATE, SCRIPTED_COUNT };
static const char *const scripted_names[SCRIPTED_COUNT] = {"mosh01", "mosh02", "gate"};

#define SCRIPT_HURRY 20
#define SCRIPT_PATIENCE_US (60 * USEC_PER_SEC)

struct scripted_host {
    struct scripted *all;
    struct ssh_server *server;
    bool has_site, running, paused;
    char mark[16], mark_job[80], before[16]; /* "": none */
    bool contained;
    bool notice, known; /* of a proxy */
    char lease_job[80];
    char refused_verb[32]; /* answered with an error */
    char refused_stage[16];
};

struct scripted {
    pthread_mutex_t mutex;
    struct scripted_host hosts[SCRIPTED_COUNT];
    int64_t clock_us;
    char heard[16384]; /* "HOST:VERB " in their order; of evidence.collect "HOST:STAGE " */
    char *state_dir;
    struct files files;
    struct fleet *fleet;
    struct store *store;
    struct jobs *jobs;
    struct plan_asker *asker;
    struct store_reader *reader;
    struct snapshot *snapshot;
    struct plan plan;
    int64_t job;
    struct job_record record;
    struct job_step_list steps;
    struct err_info info;
};

#define assert_says(text, part)                                                                                        \
    do {                                                                                                               \
        if (!strstr(text, part))                                                                                       \
            print_error("\"%s\" does not say \"%s\"\n", text, part);                                                   \
        assert_non_null(strstr(text, part));                                                                           \
    } while (0)

#define assert_good(call, error)                                                                                       \
    do {                                                                                                               \
        enum err assert_good_err = (call);                                                                             \
        if (assert_good_err)                                                                                           \
            print_error("%s: %s\n", err_word(assert_good_err), (error)->message);                                      \
        assert_int_equal(assert_good_err, ERR_OK);                                                                     \
    } while (0)

/* --- the script --------------------------------------------------------------------------------------------------- */

static inline json_t *script_status(const struct scripted_host *host)
{
    char id[65];
    memset(id, 'a', 64);
    id[64] = '\0';
    if (!host->has_site)
        return script_refusal("not-found", "no container of example.org is on this host");
    const char *state = host->paused ? "paused" : host->running ? "running" : "exited";
    json_t *marks = host->mark[0] ? json_pack("[{s:s, s:s, s:s, s:s*, s:I}]", "site", "example.org", "mark", host->mark,
                                        "job", host->mark_job, "before", host->before[0] ? host->before : NULL,
                                        "since_us", (json_int_t)1700000000000000)
                                  : json_array();
    return json_pack("{s:s, s:[{s:s, s:s, s:s, s:s, s:s, s:I}], s:o}", "site", "example.org", "containers", "name",
        "example.org-web", "id", id, "state", state, "restart_policy", "always", "runtime", "podman", "started_us",
        (json_int_t)host->all->clock_us, "marks", marks);
}

static inline json_t *script_route(const struct scripted_host *host)
{
    return json_pack("{s:s, s:b, s:s, s:s, s:i, s:b, s:i}", "proxy", "haproxy", "known", host->known, "state",
        host->notice ? "notice" : "site", "address", "192.0.2.11", "port", 8080, "can_hold", 1, "hold_limit_s", 60);
}

static inline json_t *script_mark(struct scripted_host *host, const json_t *args)
{
    const char *mark = json_get_text(args, "mark"), *now = host->mark[0] ? host->mark : "none";
    const json_t *from = json_object_get(args, "from"), *item;
    bool fits = json_array_size(from) == 0;
    size_t i;
    json_array_foreach (from, i, item)
        fits = fits || strcmp(json_string_value(item), now) == 0;
    if (!fits)
        return script_refusal("busy", "it bears another mark");
    str_copy(host->mark, sizeof host->mark, strcmp(mark, "none") == 0 ? "" : mark);
    str_copy(host->mark_job, sizeof host->mark_job, json_get_text(args, "job"));
    return json_object();
}

static inline json_t *script_contain(struct scripted_host *host, const json_t *args, bool on)
{
    const char *restore = json_get_text(args, "restore"), *before = host->before[0] ? host->before : "none";
    if (!on && (!restore || strcmp(restore, before) != 0))
        return script_refusal("failed", "it bore another mark before");
    if (on && strcmp(host->mark, "quarantined") != 0)
        str_copy(host->before, sizeof host->before, host->mark);
    host->contained = on;
    if (on)
        str_copy(host->mark, sizeof host->mark, "quarantined");
    else
        str_copy(host->mark, sizeof host->mark, restore && strcmp(restore, "none") != 0 ? restore : "");
    host->paused = host->paused && on;
    return json_pack("{s:[{s:s, s:s}], s:i, s:i}", "interfaces", "container", "example.org-web", "interface", "veth0",
        "took_ms", 12, "killed_connections", 2);
}

static inline json_t *script_collect(struct scripted_host *host, const json_t *args)
{
    const char *what = json_get_text(args, "what");
    if (strcmp(what, host->refused_stage) == 0)
        return script_refusal("failed", "the disk is broken");
    host->paused = host->paused || strcmp(what, "freeze") == 0;
    return json_pack("{s:[{s:s, s:i}], s:i, s:[{s:s, s:s}]}", "files", "name", what, "bytes", 2048, "took_ms", 5,
        "left_out", "what", "a pipe", "why", "it is none of ours");
}

static inline json_t *script_set_running(struct scripted_host *host, bool on)
{
    if (on && host->mark[0])
        return script_refusal("denied", "it is marked");
    if (on && !host->running)
        host->all->clock_us += 1000;
    host->running = on;
    return script_status(host);
}

static inline json_t *script_lease(struct scripted_host *host, const char *verb, const char *job)
{
    if (host->lease_job[0] && strcmp(host->lease_job, job) != 0)
        return script_refusal("busy", "example.org is held by another job (bert@console2)");
    str_copy(host->lease_job, sizeof host->lease_job, strcmp(verb, "lease.release") == 0 ? "" : job);
    return json_pack("{s:i}", "expires_us", 1);
}

static inline json_t *script_reply(struct scripted_host *host, const char *role, const char *verb, const json_t *args)
{
    const char *job = json_get_text(args, "job");
    if (strcmp(verb, "hello") == 0)
        return json_pack("{s:i, s:s, s:s, s:s, s:[]}", "protocol", 1, "version", "0.1.0", "role", role, "boot_id", "b",
            "capabilities");
    if (strcmp(verb, host->refused_verb) == 0)
        return script_refusal("failed", "not today");
    if (strncmp(verb, "lease.", 6) == 0)
        return script_lease(host, verb, job ? job : "");
    if (strcmp(verb, "site.status") == 0)
        return script_status(host);
    if (strcmp(verb, "route.get") == 0)
        return script_route(host);
    if (strcmp(verb, "logs.tail") == 0)
        return json_pack("{s:[]}", "lines");
    if (!job || strcmp(job, host->lease_job) != 0)
        return script_refusal("busy", "the lease is not yours");
    if (strcmp(verb, "site.mark") == 0)
        return script_mark(host, args);
    if (strcmp(verb, "site.contain") == 0 || strcmp(verb, "site.uncontain") == 0)
        return script_contain(host, args, strcmp(verb, "site.contain") == 0);
    if (strcmp(verb, "site.start") == 0 || strcmp(verb, "site.stop") == 0)
        return script_set_running(host, strcmp(verb, "site.start") == 0);
    if (strcmp(verb, "evidence.collect") == 0)
        return script_collect(host, args);
    if (strcmp(verb, "route.notice") != 0)
        return script_refusal("invalid", "no such verb");
    host->notice = json_is_true(json_object_get(args, "on"));
    return script_route(host);
}

static inline void script_hear(struct scripted_host *host, const char *role, int fd, const json_t *request)
{
    struct scripted *all = host->all;
    const json_t *args = json_object_get(request, "args");
    const char *verb = json_get_text(request, "verb"), *stage = json_get_text(args, "what");
    size_t used = strlen(all->heard);
    snprintf(
        all->heard + used, sizeof all->heard - used, "%s:%s ", scripted_names[host - all->hosts], stage ? stage : verb);
    json_t *answer = script_reply(host, role, verb, args);
    script_answer(fd, request, answer);
}

struct scripted_line {
    struct scripted_host *host;
    const char *role;
};

static inline bool script_take_line(void *owner, int out_fd, const json_t *request)
{
    struct scripted_line *line = owner;
    pthread_mutex_lock(&line->host->all->mutex);
    script_hear(line->host, line->role, out_fd, request);
    pthread_mutex_unlock(&line->host->all->mutex);
    return true;
}

static inline int script_helper(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)error_fd;
    struct scripted_line line = {.host = owner, .role = strstr(command, "operator") ? "operator" : "viewer"};
    return script_listen(in_fd, out_fd, script_take_line, &line);
}

/* --- what an engine knows ----------------------------------------------------------------------------------------- */

static inline void scripted_fill_fleet(struct scripted *all)
{
    struct buf text = BUF(4096);
    all->files = files_new();
    files_write(&all->files, "fleet.yaml", FLEET_YAML);
    buf_puts(&text, "hosts:\n");
    for (int i = 0; i < SCRIPTED_COUNT; i++)
        buf_printf(&text, "  %s: { address: 127.0.0.1, port: %u, roles: [%s] }\n", scripted_names[i],
            ssh_server_port(all->hosts[i].server), i == GATE ? "proxy" : "compute");
    files_write(&all->files, "hosts.yaml", buf_text(&text));
    files_write(&all->files, "sites/a.yaml",
        "sites:\n  example.org:\n    domains: [www.example.org]\n    containers:\n      web: { image: x }\n");
    all->fleet = files_load(&all->files);
    buf_free(&text);
}

static inline void scripted_trust(struct scripted *all)
{
    for (int i = 0; i < SCRIPTED_COUNT; i++)
        assert_good(script_trust(all->state_dir, scripted_names[i], ssh_server_key(all->hosts[i].server), &all->info),
            &all->info);
}

/* What a collector would have put there, from what is true now. */
static inline void scripted_collect(struct scripted *all)
{
    const struct scripted_host *at = &all->hosts[MOSH01];
    enum site_mark mark = MARK_NONE;
    site_mark_parse(at->mark, &mark);
    struct site_state site = {.name = "example.org",
        .host = "mosh01",
        .host_count = 1,
        .declared = true,
        .mark = mark,
        .mark_job = "abc.7",
        .status = mark == MARK_QUARANTINED ? SITE_QUARANTINED
                  : at->running            ? SITE_RUNNING
                                           : SITE_STOPPED,
        .containers_running = at->running,
        .containers_total = 1};
    struct container_state container = {.key = "mosh01/example.org-web",
        .host = "mosh01",
        .name = "example.org-web",
        .site = "example.org",
        .role = "web",
        .runtime = "podman",
        .mark = mark,
        .state = at->paused    ? RUN_PAUSED
                 : at->running ? RUN_RUNNING
                               : RUN_EXITED};
    memset(container.id, 'a', 64);
    metrics_clear(container.metrics, CONTAINER_METRIC_COUNT);
    container.metrics[CONTAINER_MEM_USED] = 3 << 20;
    metrics_clear(site.metrics, SITE_METRIC_COUNT);
    for (int i = 0; i < SCRIPTED_COUNT; i++) {
        struct host_state host = {.status = HOST_UP};
        str_copy(host.name, sizeof host.name, scripted_names[i]);
        metrics_clear(host.metrics, HOST_METRIC_COUNT);
        host.metrics[HOST_DISK_TOTAL] = 100e9;
        host.metrics[HOST_DISK_USED] = 20e9;
        store_put_host(all->store, &host);
    }
    store_put_site(all->store, &site);
    store_put_container(all->store, &container);
    assert_true(store_flush(all->store, SCRIPT_PATIENCE_US));
}

static inline struct scripted *scripted_new(void)
{
    struct scripted *all = xcalloc(1, sizeof *all);
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&all->mutex, NULL);
    all->state_dir = test_dir_new();
    all->clock_us = 1700000000000000;
    for (int i = 0; i < SCRIPTED_COUNT; i++) {
        all->hosts[i].all = all;
        all->hosts[i].server =
            ssh_server_start(&(struct ssh_server_options){.command = script_helper, .owner = &all->hosts[i]});
    }
    all->hosts[MOSH01].has_site = all->hosts[MOSH01].running = all->hosts[GATE].known = true;
    scripted_fill_fleet(all);
    scripted_trust(all);
    assert_good(store_open(all->state_dir, &all->store, &all->info), &all->info);
    all->jobs = jobs_new(&(struct jobs_config){.store = all->store,
        .state_dir = all->state_dir,
        .fleet_owner = all->fleet,
        .fleet_hold = script_hold,
        .fleet_release = script_let_go,
        .hurry = SCRIPT_HURRY});
    all->asker = plan_asker_new(all->fleet, all->state_dir, REMOTE_NO_CANCEL);
    scripted_collect(all);
    assert_good(store_reader_open(all->state_dir, &all->reader, &all->info), &all->info);
    return all;
}

static inline void scripted_forget(struct scripted *all)
{
    job_record_free(&all->record);
    job_step_list_free(&all->steps);
    all->record = (struct job_record){0};
    all->steps = (struct job_step_list){0};
}

static inline void scripted_free(struct scripted *all)
{
    scripted_forget(all);
    plan_free(&all->plan);
    plan_asker_free(all->asker);
    snapshot_free(all->snapshot);
    store_reader_close(all->reader);
    jobs_free(all->jobs);
    store_close(all->store);
    for (int i = 0; i < SCRIPTED_COUNT; i++)
        ssh_server_stop(all->hosts[i].server);
    fleet_free(all->fleet);
    files_free(&all->files);
    test_dir_free(all->state_dir);
    pthread_mutex_destroy(&all->mutex);
    free(all);
}

/* --- plans and jobs ----------------------------------------------------------------------------------------------- */

static inline struct plan_request scripted_request(struct scripted *all, const char *object)
{
    static const struct plan_options none;
    scripted_collect(all);
    assert_good(store_refresh_snapshot(all->reader, &all->snapshot, &all->info), &all->info);
    return (struct plan_request){.snapshot = all->snapshot,
        .fleet = all->fleet,
        .history = all->reader,
        .object = object,
        .options = &none,
        .asker = all->asker};
}

static inline enum err scripted_plan(struct scripted *all, const char *action)
{
    struct plan_request request = scripted_request(all, "example.org");
    plan_free(&all->plan);
    all->info = (struct err_info){0};
    return action_find(action)->plan(&request, &all->plan, &all->info);
}

static inline char *scripted_text(struct scripted *all)
{
    struct buf text = BUF(65536);
    plan_to_text(&all->plan, &text);
    char *copy = xstrdup(buf_text(&text));
    buf_free(&text);
    return copy;
}

#define assert_plan_says(all, part)                                                                                    \
    do {                                                                                                               \
        char *plan_text = scripted_text(all);                                                                          \
        assert_says(plan_text, part);                                                                                  \
        free(plan_text);                                                                                               \
    } while (0)

static inline bool scripted_has_ended(struct scripted *all)
{
    scripted_forget(all);
    assert_good(store_job(all->store, all->job, &all->record, &all->steps, &all->info), &all->info);
    return all->record.state != JOB_PLANNED && all->record.state != JOB_RUNNING;
}

static inline void scripted_wait(struct scripted *all)
{
    int64_t until_us = clock_mono_us() + SCRIPT_PATIENCE_US;
    while (!scripted_has_ended(all)) {
        if (clock_mono_us() > until_us)
            fail_msg("the job does not end: %s", all->record.message);
        usleep(2000);
    }
}

static inline void scripted_begin(struct scripted *all, const char *action)
{
    assert_good(jobs_run(all->jobs, action, "example.org", NULL, NULL, "anna", 1000, "a test", &all->job, &all->info),
        &all->info);
}

static inline void scripted_until_heard(struct scripted *all, const char *what)
{
    int64_t until_us = clock_mono_us() + SCRIPT_PATIENCE_US;
    for (bool heard = false; !heard; usleep(1000)) {
        pthread_mutex_lock(&all->mutex);
        heard = strstr(all->heard, what) != NULL;
        pthread_mutex_unlock(&all->mutex);
        if (clock_mono_us() > until_us)
            fail_msg("%s is not heard", what);
    }
}

/* With what the store knew before: a collector is behind. */
static inline void scripted_run_at_once(struct scripted *all, const char *action)
{
    scripted_begin(all, action);
    scripted_wait(all);
}

static inline void scripted_run(struct scripted *all, const char *action)
{
    scripted_collect(all);
    scripted_run_at_once(all, action);
}

static inline void scripted_expect(struct scripted *all, enum job_state state, const char *message)
{
    if (all->record.state != state || !strstr(all->record.message, message)) {
        print_message("%s: %s\n", job_state_word(all->record.state), all->record.message);
        vec_each (&all->steps.items, const struct job_step_record, step)
            print_message(
                "  %s %s: %s\n", step_state_word(step->state), step->name, step->outcome ? step->outcome : "");
        print_message("  heard: %s\n", all->heard);
    }
    assert_int_equal(all->record.state, state);
    assert_says(all->record.message, message);
    for (int i = 0; i < SCRIPTED_COUNT; i++)
        assert_string_equal(all->hosts[i].lease_job, "");
}

/* `first` was heard before `then`. */
static inline void scripted_expect_order(const struct scripted *all, const char *first, const char *then)
{
    const char *at_first = strstr(all->heard, first), *at_then = strstr(all->heard, then);
    if (!at_first || !at_then || at_first > at_then)
        print_error("\"%s\" has not %s before %s\n", all->heard, first, then);
    assert_non_null(at_first);
    assert_non_null(at_then);
    assert_true(at_first < at_then);
}

#endif
