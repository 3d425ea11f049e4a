/* A host for the tests of jobs, in a process of its own: an SSH server whose helper is a script over a few containers
 * kept in shared memory, and a web server on the published port. The test looks at the memory and changes it; engines
 * come, are killed, and come again without the host noticing more than a closed connection. */
#ifndef TESTS_UNIT_ACTIONS_FAKE_HOST_H
#define TESTS_UNIT_ACTIONS_FAKE_HOST_H

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "tests/unit/actions/script.h"

#define BOXES 2

struct fake_box {
    char name[32], id[72], state[16], policy[16], health[16];
    int64_t started_us, finished_us, exit_code;
};

enum fake_moment { FAKE_NEVER, FAKE_BEFORE, FAKE_HALF, FAKE_AFTER };

struct fake_host {
    pthread_mutex_t mutex; /* process-shared */
    uint16_t port, web_port;
    char key[1024];
    bool ready;

    struct fake_box boxes[BOXES];
    char lease_job[80], lease_holder[80]; /* "": nobody */
    int64_t clock_us;                     /* of the host: grows with every start */
    int web_status;
    char heard[8192]; /* verbs in their order, each followed by a blank */

    /* how it misbehaves: */
    char cut_verb[32]; /* the connection breaks at this verb, so many times */
    enum fake_moment cut_at;
    int cut_times;
    int hellos_refused; /* the helper ends at so many hellos to come */
    int busy_times;     /* another command is still running there, for so many requests that change something */
    bool acts_late;     /* a restart that was cut FAKE_HALF ends by itself, busy for 5 requests */
    bool hangs;         /* at FAKE_HALF of a restart nothing is said any more, and nothing done */
    bool is_hanging;
    bool waits_for_renewal; /* a restart is answered only after the lease was renewed */
    int64_t unanswered;     /* its request */
    enum { STAYS, DIES, COMES_AS_ANOTHER, SLEEPS_ON, LOOPS } after_restart;
};

static inline void fake_answer(int fd, int64_t id, json_t *ok)
{
    script_say(fd, json_pack("{s:I, s:o}", "id", (json_int_t)id, "ok", ok));
}

static inline void fake_refuse(int fd, int64_t id, const char *code, const char *message)
{
    script_say(fd, json_pack("{s:I, s:{s:s, s:s}}", "id", (json_int_t)id, "error", "code", code, "message", message));
}

static inline json_t *fake_status(const struct fake_host *host)
{
    json_t *boxes = json_array();
    for (size_t i = 0; i < BOXES; i++) {
        const struct fake_box *box = &host->boxes[i];
        json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "name", box->name, "id", box->id, "state",
            box->state, "restart_policy", box->policy, "runtime", "podman", "started_us", (json_int_t)box->started_us,
            "finished_us", (json_int_t)box->finished_us, "exit_code", (json_int_t)box->exit_code);
        if (box->health[0])
            json_object_set_new(row, "health", json_string(box->health));
        json_array_append_new(boxes, row);
    }
    return json_pack("{s:s, s:o}", "site", "example.org", "containers", boxes);
}

static inline void fake_stop_all(struct fake_host *host)
{
    for (size_t i = 0; i < BOXES; i++) {
        str_copy(host->boxes[i].state, sizeof host->boxes[i].state, "exited");
        host->boxes[i].finished_us = host->clock_us += 1000;
        host->boxes[i].exit_code = 143;
    }
}

static inline void fake_start_all(struct fake_host *host)
{
    for (size_t i = 0; i < BOXES; i++) {
        if (strcmp(host->boxes[i].state, "running") == 0)
            continue;
        str_copy(host->boxes[i].state, sizeof host->boxes[i].state, "running");
        host->boxes[i].started_us = host->clock_us += 1000;
    }
}

static inline void fake_misbehave_after_restart(struct fake_host *host)
{
    if (host->after_restart == DIES) {
        str_copy(host->boxes[0].state, sizeof host->boxes[0].state, "exited");
        host->boxes[0].finished_us = host->boxes[0].started_us + 3000000;
        host->boxes[0].exit_code = 1;
    }
    if (host->after_restart == COMES_AS_ANOTHER)
        memset(host->boxes[0].id, 'f', 64);
}

/* False: the connection breaks here. */
static inline bool fake_is_cut(struct fake_host *host, const char *verb, enum fake_moment moment)
{
    if (host->cut_at != moment || host->cut_times <= 0 || strcmp(host->cut_verb, verb) != 0)
        return false;
    host->cut_times--;
    return true;
}

static inline bool fake_change(struct fake_host *host, int fd, int64_t id, const char *verb, const char *job)
{
    if (strcmp(host->lease_job, job) != 0) {
        fake_refuse(fd, id, "busy", "the lease is not yours");
        return true;
    }
    if (host->busy_times > 0) {
        if (--host->busy_times == 0 && host->acts_late)
            fake_start_all(host);
        fake_refuse(fd, id, "busy", "another command on example.org is still running on this host");
        return true;
    }
    if (strcmp(verb, "site.restart") == 0 && host->after_restart != SLEEPS_ON)
        fake_stop_all(host);
    if (fake_is_cut(host, verb, FAKE_HALF)) {
        host->busy_times = host->acts_late ? 5 : 0;
        return false;
    }
    if (host->hangs && strcmp(verb, "site.restart") == 0) {
        host->is_hanging = true;
        return true;
    }
    fake_start_all(host);
    if (strcmp(verb, "site.restart") == 0)
        fake_misbehave_after_restart(host);
    if (fake_is_cut(host, verb, FAKE_AFTER))
        return false;
    if (host->waits_for_renewal && strcmp(verb, "site.restart") == 0)
        host->unanswered = id;
    else
        fake_answer(fd, id, fake_status(host));
    return true;
}

static inline bool fake_lease(
    struct fake_host *host, int fd, int64_t id, const char *verb, const char *job, const char *holder)
{
    if (host->lease_job[0] && strcmp(host->lease_job, job) != 0) {
        char text[300];
        snprintf(text, sizeof text, "example.org is held by job %s (%s) for another 99 s unless it renews",
            host->lease_job, host->lease_holder);
        fake_refuse(fd, id, "busy", text);
        return true;
    }
    if (strcmp(verb, "lease.renew") == 0 && !host->lease_job[0]) {
        fake_refuse(fd, id, "not-found", "no lease any more");
        return true;
    }
    bool release = strcmp(verb, "lease.release") == 0;
    str_copy(host->lease_job, sizeof host->lease_job, release ? "" : job);
    if (holder)
        str_copy(host->lease_holder, sizeof host->lease_holder, holder);
    if (fake_is_cut(host, verb, FAKE_AFTER))
        return false;
    fake_answer(fd, id, json_pack("{s:i}", "expires_us", 1));
    if (host->unanswered && strcmp(verb, "lease.renew") == 0) {
        fake_answer(fd, host->unanswered, fake_status(host));
        host->unanswered = 0;
    }
    return true;
}

static inline bool fake_take(struct fake_host *host, int fd, const json_t *request)
{
    const json_t *args = json_object_get(request, "args");
    const char *verb = json_get_text(request, "verb"), *job = json_get_text(args, "job");
    int64_t id = 0;
    json_get_i64(request, "id", &id);
    size_t used = strlen(host->heard);
    snprintf(host->heard + used, sizeof host->heard - used, "%s ", verb);
    if (strcmp(verb, "hello") == 0) {
        if (host->hellos_refused > 0 && host->hellos_refused--)
            return false;
        fake_answer(fd, id,
            json_pack("{s:i, s:s, s:s, s:s, s:[]}", "protocol", 1, "version", "0.1.0", "role", "operator", "boot_id",
                "b", "capabilities"));
        return true;
    }
    if (fake_is_cut(host, verb, FAKE_BEFORE))
        return false;
    if (str_starts(verb, "lease."))
        return fake_lease(host, fd, id, verb, job ? job : "", json_get_text(args, "holder"));
    if (strcmp(verb, "site.start") == 0 || strcmp(verb, "site.restart") == 0)
        return fake_change(host, fd, id, verb, job ? job : "");
    if (strcmp(verb, "logs.tail") == 0)
        fake_answer(fd, id, json_pack("{s:[{s:i, s:s}]}", "lines", "t", 1000000, "text", "cannot \x1b[31mbind"));
    else
        fake_answer(fd, id, fake_status(host));
    if (host->after_restart == LOOPS && strstr(host->heard, "site.restart "))
        host->boxes[0].started_us = host->clock_us += 1000; /* it died and was started again unseen */
    return !fake_is_cut(host, verb, FAKE_AFTER);
}

static inline bool fake_take_line(void *owner, int out_fd, const json_t *request)
{
    struct fake_host *host = owner;
    pthread_mutex_lock(&host->mutex);
    bool goes_on = fake_take(host, out_fd, request);
    pthread_mutex_unlock(&host->mutex);
    return goes_on;
}

static inline int fake_helper(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    (void)command, (void)error_fd;
    return script_listen(in_fd, out_fd, fake_take_line, owner);
}

static inline int fake_page(void *owner, int fd)
{
    (void)fd;
    return ((const struct fake_host *)owner)->web_status;
}

/* The host's process; ends when it is killed. */
static inline void fake_serve(struct fake_host *host)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    int web = script_open_port(INADDR_LOOPBACK, &host->web_port);
    struct ssh_server *server = ssh_server_start(&(struct ssh_server_options){.command = fake_helper, .owner = host});
    host->port = ssh_server_port(server);
    str_copy(host->key, sizeof host->key, ssh_server_key(server));
    script_set(&host->mutex, &host->ready);
    for (;;)
        script_serve_page(web, fake_page, host);
}

static inline struct fake_host *fake_host_new(pid_t *pid)
{
    struct fake_host *host = script_share(sizeof *host);
    script_share_mutex(&host->mutex);
    host->clock_us = 1700000000000000;
    host->web_status = 200;
    for (size_t i = 0; i < BOXES; i++) {
        struct fake_box *box = &host->boxes[i];
        snprintf(box->name, sizeof box->name, "example.org-%s", i ? "db" : "web");
        memset(box->id, i ? 'b' : 'a', 64);
        str_copy(box->state, sizeof box->state, "running");
        str_copy(box->policy, sizeof box->policy, "no");
        box->started_us = host->clock_us += 1000;
    }
    *pid = fork();
    if (*pid == 0)
        fake_serve(host);
    script_await(&host->mutex, &host->ready);
    return host;
}

static inline void fake_host_free(struct fake_host *host, pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    munmap(host, sizeof *host);
}

#endif
