/* Two compute hosts and a proxy for the tests of moving a site, in a process of its own: SSH servers whose helpers are
 * a script over a few figures kept in shared memory, and a web server that answers for whichever host runs the site. A
 * visitor writes whenever a helper hears anything: what was acknowledged must be there in the end. Engines come, are
 * killed, and come again without the hosts noticing more than a closed connection. */
#ifndef TESTS_UNIT_ACTIONS_FAKE_FLEET_H
#define TESTS_UNIT_ACTIONS_FAKE_FLEET_H

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "tests/unit/actions/script.h"

enum { SOURCE, TARGET, GATE, NODES };

static const char *const node_names[NODES] = {"mosh01", "mosh02", "gate"};
static const char *const node_addresses[NODES] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
/* IDs of the site's one container on each compute host, 64 digits are made of the letter. */
static const char node_letters[NODES] = {'a', 'b', 'c'};

enum target_fault {
    TARGET_FINE,
    TARGET_NEVER_WELL,
    TARGET_DIES,
    TARGET_IS_ANOTHER,
    TARGET_IMAGE_FAILS,
    TARGET_DISK_FULL
};

struct fake_node {
    uint16_t port;
    char key[1024];
    bool has_container, running, contained, has_image, has_volume;
    bool hook; /* containers that are marked do not start */
    char mark[16];
    bool trial, trial_this_boot;
    int64_t version; /* of the data: how many writes are in it */
    int64_t started_us;
    int64_t kept_until_us, clock_ahead_us;
    char lease_job[80];
    /* how it misbehaves: */
    char cut_verb[32]; /* a job's connection breaks at this verb */
    bool cut_after;    /* after it was done, else before */
    int cut_times;
    int hellos_refused, hellos;
    int refused_once_cut;  /* so many hellos, from the cut on */
    char refused_verb[32]; /* answered with an error, so many times */
    int refused_times;
};

struct fake_fleet {
    pthread_mutex_t mutex; /* process-shared */
    bool ready;
    uint16_t web_port;
    struct fake_node nodes[NODES];
    int64_t clock_us;
    int route; /* the compute host visitors are led to */
    bool held, notice;
    int64_t acknowledged, refused, lost; /* writes; lost: acknowledged by a copy that had not all before it */
    int64_t both;                        /* how often both copies were seen running */
    char heard[32768];                   /* verbs in their order */
    /* how the site misbehaves on the target: */
    enum target_fault target;
};

/* One visitor writes. */
static inline void fleet_visit(struct fake_fleet *fleet)
{
    struct fake_node *node = &fleet->nodes[fleet->route];
    fleet->both += fleet->nodes[SOURCE].running && fleet->nodes[TARGET].running &&
                   fleet->nodes[SOURCE].mark[0] == '\0' && fleet->nodes[TARGET].mark[0] == '\0';
    if (fleet->held || fleet->notice)
        return; /* it waits */
    if (!node->running || node->contained) {
        fleet->refused++;
        return;
    }
    if (node->version != fleet->acknowledged)
        fleet->lost++;
    node->version++;
    fleet->acknowledged++;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static inline json_t *fleet_containers(const struct fake_fleet *fleet, int number)
{
    const struct fake_node *node = &fleet->nodes[number];
    json_t *containers = json_array();
    char id[65];
    bool another = number == TARGET && fleet->target == TARGET_IS_ANOTHER && node->running;
    memset(id, another ? 'f' : node_letters[number], 64);
    id[64] = '\0';
    if (node->has_container)
        json_array_append_new(containers,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:[{s:i}], s:s, s:s, s:[s]}", "name", "example.org-web",
                "id", id, "state", node->running ? "running" : "exited", "restart_policy", "no", "runtime", "podman",
                "role", "web", "started_us", (json_int_t)node->started_us, "ports", "host", (int)fleet->web_port,
                "image", "localhost/web:1", "image_id",
                "1111111111111111111111111111111111111111111111111111111111111111", "layers", "sha256:22"));
    return containers;
}

static inline json_t *fleet_marks(const struct fake_node *node)
{
    return node->mark[0] ? json_pack("[{s:s, s:s}]", "site", "example.org", "mark", node->mark) : json_array();
}

static inline json_t *fleet_mark_now(const struct fake_node *node)
{
    return node->mark[0] ? json_pack("{s:s, s:s}", "site", "example.org", "mark", node->mark) : json_null();
}

static inline json_t *fleet_volumes(void)
{
    return json_pack("[{s:s, s:s, s:s, s:s, s:I, s:i}]", "name", "example.org-data", "kind", "volume", "runtime",
        "podman", "driver", "dir", "used_bytes", (json_int_t)1000, "files", 10);
}

static inline json_t *verb_room(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    const struct fake_node *node = &fleet->nodes[number];
    json_t *names = json_array();
    if (node->has_container)
        json_array_append_new(names, json_string("example.org-web"));
    return json_pack("{s:I, s:[{s:s, s:b, s:I}], s:[], s:o, s:[], s:o}", "memory_available_bytes",
        (json_int_t)1000000000, "runtimes", "name", "podman", "ok", 1, "volumes_free_bytes", (json_int_t)1000000000,
        "listening", "containers", names, "volumes", "mark", fleet_mark_now(node));
}

static inline json_t *verb_status(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    struct fake_node *node = &fleet->nodes[number];
    if (number == TARGET && fleet->target == TARGET_DIES)
        node->running = false;
    return json_pack("{s:s, s:o, s:o}", "site", "example.org", "containers", fleet_containers(fleet, number), "marks",
        fleet_marks(node));
}

static inline json_t *verb_describe(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    return json_pack("{s:o, s:o, s:o}", "containers", fleet_containers(fleet, number), "volumes", fleet_volumes(),
        "marks", fleet_marks(&fleet->nodes[number]));
}

static inline json_t *verb_definition(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)fleet, (void)number, (void)args;
    return json_pack("{s:{s:i}}", "definition", "version", 1);
}

static inline json_t *verb_mark(struct fake_fleet *fleet, int number, const json_t *args)
{
    struct fake_node *node = &fleet->nodes[number];
    const char *mark = json_get_text(args, "mark"), *now = node->mark[0] ? node->mark : "none";
    json_t *from = json_object_get(args, "from"), *was = json_pack("{s:o}", "was", fleet_mark_now(node)), *item;
    bool fits = json_array_size(from) == 0;
    size_t i;
    json_array_foreach (from, i, item)
        fits = fits || strcmp(json_string_value(item), now) == 0;
    if (!fits) {
        json_decref(was);
        return script_refusal("busy", now);
    }
    str_copy(node->mark, sizeof node->mark, strcmp(mark, "none") == 0 ? "" : mark);
    json_get_i64(args, "until_us", &node->kept_until_us);
    node->trial = json_is_true(json_object_get(args, "trial"));
    return was;
}

static inline json_t *verb_create(struct fake_fleet *fleet, int number, const json_t *args)
{
    struct fake_node *node = &fleet->nodes[number];
    if (strcmp(node->mark, "incoming") != 0)
        return script_refusal("denied", "it is not marked as incoming");
    if (!json_object_get(args, "definition") || !node->has_image)
        return script_refusal("not-found", "no image, or no definition");
    node->has_container = true;
    return json_pack("{s:o}", "containers", fleet_containers(fleet, number));
}

static inline json_t *verb_remove(struct fake_fleet *fleet, int number, const json_t *args)
{
    struct fake_node *node = &fleet->nodes[number];
    if (strcmp(node->mark, "incoming") != 0 && strcmp(node->mark, "kept") != 0)
        return script_refusal("denied", "an active site is not removed");
    if (node->running)
        return script_refusal("failed", "it runs");
    node->has_container = false;
    node->has_volume = node->has_volume && !json_is_true(json_object_get(args, "volumes"));
    return json_pack("{s:[], s:[]}", "containers", "volumes");
}

static inline json_t *verb_start(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    struct fake_node *node = &fleet->nodes[number];
    if (node->mark[0] && !(strcmp(node->mark, "incoming") == 0 && node->trial))
        return script_refusal("denied", "it is marked");
    if (!node->has_container)
        return script_refusal("not-found", "no container of example.org is on this host");
    if (!node->running)
        node->started_us = fleet->clock_us += 1000;
    node->running = true;
    return verb_status(fleet, number, args);
}

static inline json_t *verb_stop(struct fake_fleet *fleet, int number, const json_t *args)
{
    struct fake_node *node = &fleet->nodes[number];
    if (!node->has_container)
        return script_refusal("not-found", "no container of example.org is on this host");
    node->running = false;
    return verb_status(fleet, number, args);
}

static inline json_t *verb_find_image(struct fake_fleet *fleet, int number, const json_t *args)
{
    const struct fake_node *node = &fleet->nodes[number];
    return json_pack("{s:o}", "image_id", node->has_image ? json_string(json_get_text(args, "image_id")) : json_null());
}

static inline json_t *verb_key(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)fleet, (void)number, (void)args;
    return json_pack("{s:s}", "public_key", "ssh-ed25519 AAAA");
}

static inline json_t *verb_check(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)fleet, (void)number, (void)args;
    return json_pack("{s:b}", "reachable", 1);
}

static inline json_t *verb_open(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    if (strcmp(fleet->nodes[number].mark, "incoming") != 0)
        return script_refusal("denied", "it is not marked as incoming");
    return json_pack("{s:s, s:s}", "token", "t1", "user", "root");
}

static inline json_t *verb_send(struct fake_fleet *fleet, int number, const json_t *args)
{
    const char *what = json_get_text(args, "what");
    struct fake_node *target = &fleet->nodes[number == SOURCE ? TARGET : SOURCE];
    if (fleet->target == TARGET_DISK_FULL && what && strcmp(what, "volume") == 0)
        return script_refusal("failed", "mosh02: no space left on device");
    if (fleet->target == TARGET_IMAGE_FAILS && what && strcmp(what, "image") == 0)
        return script_refusal("failed", "podman load: unexpected EOF");
    if (what && strcmp(what, "image") == 0) {
        target->has_image = true;
    } else {
        target->has_volume = true;
        target->version = fleet->nodes[number].version;
    }
    return json_pack("{s:i, s:i, s:i}", "bytes", 1000, "files", 10, "took_ms", 5);
}

static inline json_t *verb_nothing(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)fleet, (void)number, (void)args;
    return json_object();
}

static inline json_t *verb_ping(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    return json_pack("{s:I}", "epoch_us", (json_int_t)(clock_wall_us() + fleet->nodes[number].clock_ahead_us));
}

static inline json_t *verb_tail(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)fleet, (void)number, (void)args;
    return json_pack("{s:[]}", "lines");
}

static inline json_t *verb_route(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)number, (void)args;
    return json_pack("{s:s, s:b, s:s, s:s, s:i, s:b, s:i, s:i}", "proxy", "haproxy", "known", 1, "state",
        fleet->notice ? "notice"
        : fleet->held ? "held"
                      : "site",
        "address", node_addresses[fleet->route], "port", (int)fleet->web_port, "can_hold", 1, "hold_limit_s", 60,
        "waiting", 0);
}

static inline json_t *verb_hold(struct fake_fleet *fleet, int number, const json_t *args)
{
    fleet->held = true;
    return verb_route(fleet, number, args);
}

static inline json_t *verb_unhold(struct fake_fleet *fleet, int number, const json_t *args)
{
    fleet->held = false;
    return verb_route(fleet, number, args);
}

static inline json_t *verb_set(struct fake_fleet *fleet, int number, const json_t *args)
{
    const char *address = json_get_text(args, "address");
    for (int i = 0; address && i < GATE; i++)
        if (strcmp(node_addresses[i], address) == 0)
            fleet->route = i;
    return verb_route(fleet, number, args);
}

static inline json_t *verb_notice(struct fake_fleet *fleet, int number, const json_t *args)
{
    fleet->notice = json_is_true(json_object_get(args, "on"));
    return verb_route(fleet, number, args);
}

static inline json_t *verb_drain(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)fleet, (void)number, (void)args;
    return json_pack("{s:i}", "left", 0);
}

static inline json_t *verb_restart(struct fake_fleet *fleet, int number, const json_t *args)
{
    json_decref(verb_stop(fleet, number, args));
    return verb_start(fleet, number, args);
}

static inline json_t *verb_contain(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    struct fake_node *node = &fleet->nodes[number];
    str_copy(node->mark, sizeof node->mark, "quarantined");
    node->contained = true;
    return json_pack("{s:[{s:s}], s:i}", "interfaces", "container", "example.org-web", "took_ms", 5);
}

static inline json_t *verb_collect(struct fake_fleet *fleet, int number, const json_t *args)
{
    (void)args;
    if (!fleet->nodes[number].contained)
        return script_refusal("denied", "it is not contained");
    return json_pack("{s:[], s:i}", "files", "took_ms", 1);
}

static const struct {
    const char *verb;
    bool changes; /* needs the lease */
    json_t *(*answer)(struct fake_fleet *fleet, int node, const json_t *args);
} fleet_verbs[] = {
    {"site.status", false, verb_status},
    {"site.describe", false, verb_describe},
    {"host.room", false, verb_room},
    {"logs.tail", false, verb_tail},
    {"ping", false, verb_ping},
    {"route.get", false, verb_route},
    {"site.definition", true, verb_definition},
    {"site.mark", true, verb_mark},
    {"site.create", true, verb_create},
    {"site.remove", true, verb_remove},
    {"site.start", true, verb_start},
    {"site.stop", true, verb_stop},
    {"site.restart", true, verb_restart},
    {"site.contain", true, verb_contain},
    {"evidence.collect", true, verb_collect},
    {"image.find", true, verb_find_image},
    {"transfer.key", true, verb_key},
    {"transfer.check", true, verb_check},
    {"transfer.open", true, verb_open},
    {"transfer.send", true, verb_send},
    {"transfer.close", true, verb_nothing},
    {"route.hold", true, verb_hold},
    {"route.release", true, verb_unhold},
    {"route.set", true, verb_set},
    {"route.notice", true, verb_notice},
    {"route.drain", true, verb_drain},
};

static inline json_t *fleet_lease(struct fake_node *node, const char *verb, const char *job)
{
    if (node->lease_job[0] && strcmp(node->lease_job, job) != 0)
        return script_refusal("busy", "example.org is held by another job (bert@console2)");
    if (strcmp(verb, "lease.renew") == 0 && !node->lease_job[0])
        return script_refusal("not-found", "no lease any more");
    str_copy(node->lease_job, sizeof node->lease_job, strcmp(verb, "lease.release") == 0 ? "" : job);
    return json_pack("{s:i}", "expires_us", 1);
}

static inline json_t *fleet_answer(
    struct fake_fleet *fleet, int number, const char *role, const char *verb, const json_t *args)
{
    struct fake_node *node = &fleet->nodes[number];
    const char *job = json_get_text(args, "job");
    if (strcmp(verb, "hello") == 0)
        return json_pack("{s:i, s:s, s:s, s:s, s:[]}", "protocol", 1, "version", "0.1.0", "role", role, "boot_id", "b",
            "capabilities");
    if (strncmp(verb, "lease.", 6) == 0)
        return fleet_lease(node, verb, job ? job : "");
    if (node->refused_times > 0 && strcmp(verb, node->refused_verb) == 0 && node->refused_times--)
        return script_refusal("failed", "not now");
    for (size_t i = 0; i < sizeof fleet_verbs / sizeof *fleet_verbs; i++) {
        if (strcmp(fleet_verbs[i].verb, verb) != 0)
            continue;
        if (fleet_verbs[i].changes && (!job || strcmp(node->lease_job, job) != 0))
            return script_refusal("busy", "the lease is not yours");
        return fleet_verbs[i].answer(fleet, number, args);
    }
    return script_refusal("invalid", "no such verb");
}

/* --- helpers ------------------------------------------------------------------------------------------------------ */

struct node_owner {
    struct fake_fleet *fleet;
    int number;
};

/* False: the connection breaks here. */
static inline bool fleet_take(struct fake_fleet *fleet, int number, const char *role, int fd, const json_t *request)
{
    struct fake_node *node = &fleet->nodes[number];
    const char *verb = json_get_text(request, "verb");
    bool is_hello = strcmp(verb, "hello") == 0;
    size_t used = strlen(fleet->heard);
    snprintf(fleet->heard + used, sizeof fleet->heard - used, "%s:%s ", node_names[number], verb);
    fleet_visit(fleet);
    node->hellos += is_hello;
    if (is_hello && node->hellos_refused > 0 && node->hellos_refused--)
        return false;
    bool cut = node->cut_times > 0 && strcmp(role, "operator") == 0 && strcmp(node->cut_verb, verb) == 0;
    node->cut_times -= cut;
    if (cut && node->refused_once_cut)
        node->hellos_refused = node->refused_once_cut;
    if (cut && !node->cut_after)
        return false;
    json_t *answer = fleet_answer(fleet, number, role, verb, json_object_get(request, "args"));
    fleet_visit(fleet);
    if (cut) {
        json_decref(answer);
        return false;
    }
    script_answer(fd, request, answer);
    return true;
}

struct node_line {
    struct node_owner *node;
    const char *role;
};

static inline bool fleet_take_line(void *owner, int out_fd, const json_t *request)
{
    struct node_line *line = owner;
    pthread_mutex_lock(&line->node->fleet->mutex);
    bool goes_on = fleet_take(line->node->fleet, line->node->number, line->role, out_fd, request);
    pthread_mutex_unlock(&line->node->fleet->mutex);
    return goes_on;
}

static inline int fleet_helper(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)error_fd;
    struct node_line line = {.node = owner, .role = strstr(command, "viewer") ? "viewer" : "operator"};
    return script_listen(in_fd, out_fd, fleet_take_line, &line);
}

static inline int fleet_page(void *owner, int fd)
{
    struct fake_fleet *fleet = owner;
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    getsockname(fd, (struct sockaddr *)&own, &length);
    int number = (int)(ntohl(own.sin_addr.s_addr) & 0xff) - 1;
    pthread_mutex_lock(&fleet->mutex);
    bool well = number >= 0 && number < GATE && fleet->nodes[number].running &&
                !(number == TARGET && fleet->target == TARGET_NEVER_WELL);
    pthread_mutex_unlock(&fleet->mutex);
    return well ? 200 : 502;
}

static inline void fleet_serve(struct fake_fleet *fleet)
{
    static struct node_owner owners[NODES];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    int web = script_open_port(INADDR_ANY, &fleet->web_port);
    for (int i = 0; i < NODES; i++) {
        owners[i] = (struct node_owner){fleet, i};
        struct ssh_server *server = ssh_server_start(&(struct ssh_server_options){
            .command = fleet_helper, .owner = &owners[i], .bind_address = node_addresses[i]});
        fleet->nodes[i].port = ssh_server_port(server);
        str_copy(fleet->nodes[i].key, sizeof fleet->nodes[i].key, ssh_server_key(server));
    }
    script_set(&fleet->mutex, &fleet->ready);
    for (;;)
        script_serve_page(web, fleet_page, fleet);
}

static inline struct fake_fleet *fake_fleet_new(pid_t *pid)
{
    struct fake_fleet *fleet = script_share(sizeof *fleet);
    script_share_mutex(&fleet->mutex);
    fleet->clock_us = 1700000000000000;
    fleet->nodes[SOURCE] = (struct fake_node){
        .has_container = true, .running = true, .has_image = true, .has_volume = true, .started_us = 1700000000000000};
    *pid = fork();
    if (*pid == 0)
        fleet_serve(fleet);
    script_await(&fleet->mutex, &fleet->ready);
    return fleet;
}

static inline void fake_fleet_free(struct fake_fleet *fleet, pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    munmap(fleet, sizeof *fleet);
}

#endif
