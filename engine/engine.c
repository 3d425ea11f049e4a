/* The engine: one process per state directory that puts the parts together in order, waits for signals, edits of the
 * fleet files and the next interval, and takes the parts apart again.
 *
 *     collectors → model → store, series, recent        the way in (model.c)
 *     socket → commands → jobs, reload                  the way of a wish (commands.c)
 *
 * The main thread runs engine_main and nothing that waits for the network or the disk for long, but at the end. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/collecting.h"
#include "engine/commands.h"
#include "engine/fleet_watch.h"
#include "engine/self.h"
#include "store/lock.h"

#define LOG_KEEP_DAYS 14
#define FLUSH_US (2 * USEC_PER_SEC)
#define STOP_SECONDS 10 /* then SIGALRM ends what is left: the store can take it */
#define LOOK_AFTER_INTERVALS 6

struct engine {
    char *fleet_dir, *state_dir;
    int lock_fd, signal_fd;
    struct model_outputs outputs;
    struct fleet_box *fleets;
    struct reload *reload;
    struct model *model;
    struct collecting *collecting;
    struct jobs *jobs;
    void (*crash_point)(const char *step, bool before); /* tests; else NULL */
    struct command_context commands;
    struct server *server;
    struct fleet_watch *watch;
    struct self self;
    int64_t interval_us, next_self_us; /* monotonic */
    int64_t next_look_us;              /* for jobs that are due by themselves */
    bool stopping;
};

/* --- the fleet files ---------------------------------------------------------------------------------------------- */

static void predict(struct engine *engine, const struct fleet *fleet, const struct snapshot *before)
{
    size_t sites = fleet->sites.count, containers = 0, volumes = 0;
    vec_each (&fleet->sites, const struct site_def, site) {
        containers += site->containers.count;
        volumes += site->volumes.count;
    }
    if (before && before->container_count > containers)
        containers = before->container_count;
    if (before && before->site_count > sites)
        sites = before->site_count;
    if (before && before->volume_count > volumes)
        volumes = before->volume_count;
    size_t memory = sites * recent_bytes_each(KIND_SITE, engine->interval_us) +
                    containers * recent_bytes_each(KIND_CONTAINER, engine->interval_us) +
                    volumes * recent_bytes_each(KIND_VOLUME, engine->interval_us);
    uint64_t disk = series_predicted_bytes(KIND_HOST, fleet->hosts.count) + series_predicted_bytes(KIND_SITE, sites) +
                    series_predicted_bytes(KIND_CONTAINER, containers) + series_predicted_bytes(KIND_VOLUME, volumes);
    char room[2][FORMAT_SIZE];
    log_info("%zu hosts, %zu sites, %zu containers, %zu volumes: the newest hour takes up to %s of memory%s, "
             "their history %s of disk",
        fleet->hosts.count, sites, containers, volumes, format_bytes((double)memory, room[0]),
        memory > RECENT_BUDGET_BYTES ? " (more than there may be: not all will have one)" : "",
        format_bytes((double)disk, room[1]));
}

static void put_fleet(struct engine *engine, const struct fleet *fleet)
{
    engine->interval_us = fleet->interval_us;
    store_put_fleet(engine->outputs.store, fleet->name, fleet->environment, fleet->interval_us);
    series_set_interval(engine->outputs.series, fleet->interval_us);
    recent_set_interval(engine->outputs.recent, fleet->interval_us);
}

/* Put good files in force; a bad edit leaves everything as it is and is told of. */
static void reload_fleet(struct engine *engine)
{
    struct fleet *fleet = NULL;
    struct complaints complaints = {0};
    struct err_info info = {0};
    char text[sizeof info.message];
    reload_begin(engine->reload);
    fleet_watch_rearm(engine->watch);
    enum err result = fleet_load(engine->fleet_dir, &fleet, &complaints, &info);
    if (result == ERR_OK) {
        put_fleet(engine, fleet);
        fleet_box_replace(engine->fleets, fleet);
        collecting_apply(engine->collecting, fleet);
        model_fleet_changed(engine->model);
        str_format(text, sizeof text, "the fleet files were read again: %zu hosts, %zu sites", fleet->hosts.count,
            fleet->sites.count);
        model_tell(engine->model, "fleet.reloaded", text);
    } else {
        reload_describe(&complaints, &info, text, sizeof text);
        model_tell(engine->model, "fleet.refused", text);
    }
    reload_done(engine->reload, result, text);
    complaints_free(&complaints);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Before any thread begins: they inherit the mask. */
static int catch_signals(void)
{
    sigset_t caught;
    sigemptyset(&caught);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &caught, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
}

static enum err load_fleet(struct engine *engine, struct err_info *info)
{
    struct fleet *fleet = NULL;
    struct complaints complaints = {0};
    enum err result = fleet_load(engine->fleet_dir, &fleet, &complaints, info);
    if (result != ERR_OK) {
        char text[sizeof info->message];
        reload_describe(&complaints, info, text, sizeof text);
        err_set(info, result, "%s", text);
    } else {
        engine->fleets = fleet_box_new(fleet);
        engine->interval_us = fleet->interval_us;
    }
    complaints_free(&complaints);
    return result;
}

static enum err open_outputs(struct engine *engine, struct err_info *info)
{
    struct model_outputs *outputs = &engine->outputs;
    enum err result = store_open(engine->state_dir, &outputs->store, info);
    if (result == ERR_OK)
        result = series_open(engine->state_dir, engine->interval_us, &outputs->series, info);
    if (result == ERR_OK)
        result = log_store_open(engine->state_dir, LOG_KEEP_DAYS, &outputs->logs, info);
    outputs->recent = recent_new(engine->interval_us, RECENT_BUDGET_BYTES);
    return result;
}

/* How the engine before this one ended. */
static bool predecessor_died(struct store_reader *reader)
{
    struct event_filter filter = {.object_kind = KIND_ENGINE, .limit = 100};
    struct event_list events = {0};
    bool died = false;
    if (store_read_events(reader, &filter, &events, NULL) == ERR_OK) {
        vec_each (&events.items, const struct event, event) {
            if (!str_starts(event->kind, "engine."))
                continue;
            died = strcmp(event->kind, "engine.stopped") != 0;
            break;
        }
    }
    event_list_free(&events);
    return died;
}

/* What was known goes on; the model begins with it. */
static enum err start_model(struct engine *engine, struct err_info *info)
{
    struct store_reader *reader = NULL;
    struct snapshot *before = NULL;
    enum err result = store_reader_open(engine->state_dir, &reader, info);
    if (result == ERR_OK)
        result = store_read_snapshot(reader, &before, info);
    if (result == ERR_OK)
        result = model_start(&engine->outputs, engine->fleets, before, &engine->model, info);
    if (result == ERR_OK) {
        if (predecessor_died(reader))
            model_tell(engine->model, "engine.died", "the engine before this one did not end as asked");
        model_tell(engine->model, "engine.started", "the engine began, version " DOGWATCH_VERSION);
        const struct fleet *fleet = fleet_box_hold(engine->fleets);
        put_fleet(engine, fleet);
        predict(engine, fleet, before);
        fleet_box_release(engine->fleets, fleet);
    }
    snapshot_free(before);
    store_reader_close(reader);
    return result;
}

static const struct fleet *hold_fleet(void *fleets)
{
    return fleet_box_hold(fleets);
}

static void release_fleet(void *fleets, const struct fleet *fleet)
{
    fleet_box_release(fleets, fleet);
}

/* What an earlier engine left unfinished goes on before anything new is accepted. */
static enum err start_jobs(struct engine *engine, struct err_info *info)
{
    const struct jobs_config config = {.store = engine->outputs.store,
        .state_dir = engine->state_dir,
        .fleet_owner = engine->fleets,
        .fleet_hold = hold_fleet,
        .fleet_release = release_fleet,
        .crash_point = engine->crash_point};
    engine->jobs = jobs_new(&config);
    return jobs_resume(engine->jobs, info);
}

static enum err start_serving(struct engine *engine, struct err_info *info)
{
    engine->commands = (struct command_context){.model = engine->model,
        .outputs = engine->outputs,
        .fleets = engine->fleets,
        .reload = engine->reload,
        .jobs = engine->jobs,
        .started_us = clock_wall_us(),
        .own_uid = geteuid()};
    return server_start(engine->state_dir, commands_answer, &engine->commands, &engine->server, info);
}

static void start_collecting(struct engine *engine)
{
    engine->collecting = collecting_new(engine->state_dir, model_sink(engine->model), &real_collectors);
    const struct fleet *fleet = fleet_box_hold(engine->fleets);
    collecting_apply(engine->collecting, fleet);
    fleet_box_release(engine->fleets, fleet);
}

static enum err begin(struct engine *engine, struct err_info *info)
{
    enum err result = store_lock(engine->state_dir, &engine->lock_fd, info);
    if (result == ERR_OK)
        result = load_fleet(engine, info);
    if (result == ERR_OK)
        result = open_outputs(engine, info);
    if (result == ERR_OK)
        result = start_model(engine, info);
    if (result != ERR_OK)
        return result;
    engine->reload = reload_new();
    engine->watch = fleet_watch_new(engine->fleet_dir);
    start_collecting(engine);
    result = start_jobs(engine, info);
    return result == ERR_OK ? start_serving(engine, info) : result;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void read_signals(struct engine *engine)
{
    struct signalfd_siginfo signal;
    while (read(engine->signal_fd, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGHUP)
            reload_fleet(engine);
        else
            engine->stopping = true;
    }
}

static void tell_of_self(struct engine *engine)
{
    double metrics[ENGINE_METRIC_COUNT];
    self_measure(&engine->self, engine->model, &engine->outputs, metrics);
    store_put_engine(engine->outputs.store, metrics);
    series_append(engine->outputs.series, KIND_ENGINE, "engine", clock_wall_us(), metrics);
}

static int wait_ms(const struct engine *engine)
{
    int64_t left_us = engine->next_self_us - clock_mono_us(), due_us = fleet_watch_due_us(engine->watch);
    if (due_us >= 0 && due_us < left_us)
        left_us = due_us;
    return left_us > 0 ? (int)(left_us / USEC_PER_MSEC) + 1 : 0;
}

static void run(struct engine *engine)
{
    struct pollfd sources[] = {
        {.fd = engine->signal_fd, .events = POLLIN},
        {.fd = reload_fd(engine->reload), .events = POLLIN},
        {.fd = fleet_watch_fd(engine->watch), .events = POLLIN},
    };
    engine->next_self_us = clock_mono_us();
    engine->next_look_us = clock_mono_us() + LOOK_AFTER_INTERVALS * engine->interval_us; /* hosts report first */
    while (!engine->stopping) {
        if (clock_mono_us() >= engine->next_self_us) {
            tell_of_self(engine);
            engine->next_self_us = clock_mono_us() + engine->interval_us;
        }
        if (clock_mono_us() >= engine->next_look_us) {
            jobs_look_after(engine->jobs);
            engine->next_look_us = clock_mono_us() + LOOK_AFTER_INTERVALS * engine->interval_us;
        }
        if (poll(sources, sizeof sources / sizeof *sources, wait_ms(engine)) < 0)
            continue;
        if (sources[0].revents)
            read_signals(engine);
        if (sources[2].revents)
            fleet_watch_read(engine->watch);
        if (!engine->stopping && (sources[1].revents || fleet_watch_due_us(engine->watch) == 0))
            reload_fleet(engine);
    }
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

/* Also after a beginning that failed half way. */
static void end(struct engine *engine)
{
    alarm(STOP_SECONDS);
    if (engine->collecting)
        collecting_cancel(engine->collecting);
    if (engine->reload)
        reload_end(engine->reload);
    jobs_leave(engine->jobs); /* who asked for a plan is answered before the server waits for them */
    server_free(engine->server);
    jobs_free(engine->jobs);
    collecting_free(engine->collecting);
    if (engine->model && engine->stopping)
        model_tell(engine->model, "engine.stopped", "the engine ended as asked");
    model_stop(engine->model);
    series_close(engine->outputs.series);
    log_store_close(engine->outputs.logs);
    store_close(engine->outputs.store);
    recent_free(engine->outputs.recent);
    fleet_watch_free(engine->watch);
    reload_free(engine->reload);
    fleet_box_free(engine->fleets);
    if (engine->signal_fd >= 0)
        close(engine->signal_fd);
    if (engine->lock_fd >= 0)
        close(engine->lock_fd);
    free(engine->fleet_dir);
    free(engine->state_dir);
}

static int run_engine(const struct cli *cli, void (*crash_point)(const char *, bool), struct err_info *info)
{
    struct engine engine = {.lock_fd = -1,
        .crash_point = crash_point,
        .fleet_dir = paths_fleet_dir(cli->fleet_dir),
        .state_dir = paths_state_dir(cli->state_dir),
        .signal_fd = catch_signals()};
    raise_limits();
    enum err result = begin(&engine, info);
    if (result == ERR_OK) {
        log_info("engine %s: fleet %s, state %s, process %ld", DOGWATCH_VERSION, engine.fleet_dir, engine.state_dir,
            (long)getpid());
        run(&engine);
        log_info("ending");
    }
    end(&engine);
    return result == ERR_OK ? 0 : cli_fail(info);
}

int engine_main(int argc, char **argv)
{
    return engine_main_with(argc, argv, NULL);
}

int engine_main_with(int argc, char **argv, void (*crash_point)(const char *step, bool before))
{
    const char *log = NULL;
    bool verbose = false;
    const struct cli_option options[] = {
        {"log", "FILE", "append the log to this file; \"stderr\" (the default) or \"syslog\"", &log, NULL},
        {"verbose", NULL, "log details too", NULL, &verbose},
        {0},
    };
    struct cli cli = {.usage = "dogwatch engine [OPTION…]",
        .summary =
            "Collect from all hosts, keep the store and run jobs, until SIGTERM. SIGHUP reads the fleet files again; "
            "so does an edit.",
        .options = options};
    struct err_info info = {0};
    int status = 0;
    enum err result = cli_parse(&cli, argc, argv, &info);
    enum log_level least = verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    if (result == ERR_OK && log && strcmp(log, "syslog") == 0)
        log_to_syslog("dogwatch", least);
    else if (result == ERR_OK && log && strcmp(log, "stderr") != 0)
        result = log_to_file(log, least, &info);
    else
        log_to_stderr(least);
    if (result != ERR_OK)
        status = cli_fail(&info);
    else if (!cli.help)
        status = run_engine(&cli, crash_point, &info);
    cli_free(&cli);
    return status;
}
