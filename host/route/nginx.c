/* nginx. A site is `upstream SITE` with one server, in a file of its own that the administrator's server blocks use. It
 * cannot hold requests, and learns a new address by a reload: the file is written, tested, and where the test fails put
 * back as it was; then nginx is told to reload, and the new address counts once new workers are there. The notice page
 * is one more address, at which nginx itself serves it.
 *
 * Changes run under route.c's lock. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "base/vec.h"
#include "host/path.h"
#include "host/route/driver.h"
#include "host/route/file.h"
#include "host/route/text.h"
#include "host/run.h"

#define PID_FILE "/run/nginx.pid"
#define PROGRAM_LIMIT_US (20 * USEC_PER_SEC)
#define WORKERS_LIMIT_US (10 * USEC_PER_SEC)
#define LOOK_AGAIN_US (20 * USEC_PER_MSEC)
#define TICK_US (10 * USEC_PER_MSEC) /* starts of processes are only known that well */

static const struct route_files files = {.directory = "/etc/nginx/dogwatch", .ending = ".conf"};
static const struct address notice_page = {.host = "127.0.0.1", .port = 8503};

/* --- the running nginx -------------------------------------------------------------------------------------------- */

struct workers {
    VEC(int64_t) pids; /* also helpers such as the cache's; all are begun afresh by a reload */
};

static bool read_number(const char *name, int64_t *number)
{
    struct buf text = BUF(64);
    char path[HOST_PATH_SIZE];
    bool is_read = buf_read_file(&text, host_path(path, sizeof path, name), NULL) == ERR_OK;
    if (is_read && text.length && text.data[text.length - 1] == '\n')
        text.data[text.length - 1] = '\0';
    is_read = is_read && str_to_i64(buf_text(&text), 1, INT32_MAX, number);
    buf_free(&text);
    return is_read;
}

/* Children of the process in the pid file (proc(5), /proc/PID/task/TID/children). ERR_UNREACHABLE where it does not
 * run. */
static enum err list_workers(struct workers *workers, struct err_info *info)
{
    struct buf text = BUF(65536);
    char path[HOST_PATH_SIZE];
    int64_t master = 0, pid;
    vec_clear(&workers->pids);
    bool is_read = read_number(PID_FILE, &master);
    host_path_format(path, sizeof path, "/proc/%" PRId64 "/task/%" PRId64 "/children", master, master);
    if (!is_read || buf_read_file(&text, path, NULL) != ERR_OK) {
        buf_free(&text);
        return err_set(info, ERR_UNREACHABLE, "nginx does not run (" PID_FILE ")");
    }
    char *rest = text.data;
    for (char *word; rest && (word = strsep(&rest, " \n")) != NULL;)
        if (str_to_i64(word, 1, INT32_MAX, &pid))
            vec_push(&workers->pids, pid);
    buf_free(&text);
    return ERR_OK;
}

/* When a process began, by the wall clock; 0: unknown. Field 22 of /proc/PID/stat, in ticks since boot. */
static int64_t began_us(int64_t pid)
{
    struct buf text = BUF(4096);
    char path[HOST_PATH_SIZE];
    uint64_t ticks = 0;
    long hz = sysconf(_SC_CLK_TCK);
    host_path_format(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    buf_read_file(&text, path, NULL);
    const char *after_name = strrchr(buf_text(&text), ')'); /* field 2 may have anything in it */
    char *rest = after_name ? text.data + (after_name + 1 - text.data) : NULL, *word = NULL;
    for (int field = 2; field <= 22 && rest; field++)
        word = strsep(&rest, " ");
    bool is_read = word && str_to_u64(word, &ticks) && hz > 0;
    buf_free(&text);
    return is_read ? clock_wall_us() - clock_boot_us() + (int64_t)(ticks * (uint64_t)USEC_PER_SEC / (uint64_t)hz) : 0;
}

/* Was the file changed after the newest worker began? Then the running nginx does not know it. */
static bool is_newer_than_workers(const char *name, const struct workers *workers)
{
    char path[HOST_PATH_SIZE];
    struct stat facts;
    int64_t newest_us = 0;
    vec_each (&workers->pids, const int64_t, pid) {
        int64_t at_us = began_us(*pid);
        newest_us = at_us > newest_us ? at_us : newest_us;
    }
    if (!newest_us || stat(host_path(path, sizeof path, name), &facts) != 0)
        return false;
    return facts.st_mtim.tv_sec * USEC_PER_SEC + facts.st_mtim.tv_nsec / 1000 > newest_us + TICK_US;
}

/* A worker that takes no new requests says so in its title (ngx_worker_process_cycle); one that is gone has none. */
static bool is_leaving(int64_t pid)
{
    struct buf title = BUF(4096);
    char path[HOST_PATH_SIZE];
    host_path_format(path, sizeof path, "/proc/%" PRId64 "/cmdline", pid);
    buf_read_file(&title, path, NULL);
    bool is_working = title.length && !memmem(title.data, title.length, "shutting down", strlen("shutting down"));
    buf_free(&title);
    return !is_working;
}

static bool has(const struct workers *workers, int64_t wanted)
{
    vec_each (&workers->pids, const int64_t, pid)
        if (*pid == wanted)
            return true;
    return false;
}

/* There are new ones, and none of the old ones takes requests any more: nginx leaves them 100 ms after the new ones
 * began. */
static bool have_changed(const struct workers *before, const struct workers *now)
{
    bool is_any_new = false;
    vec_each (&now->pids, const int64_t, pid)
        is_any_new = is_any_new || !has(before, *pid);
    vec_each (&before->pids, const int64_t, pid)
        if (!is_leaving(*pid))
            return false;
    return is_any_new;
}

/* `nginx -t`, `nginx -s reload`: its words where it fails. */
static enum err run_nginx(const char *option, const char *value, struct err_info *info)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"};
    char candidates[3][HOST_PATH_SIZE], clean[512];
    const char *found = NULL;
    struct buf words = BUF(65536);
    int status = 0;
    for (size_t i = 0; i < 3 && !found; i++)
        if (access(host_path(candidates[i], sizeof candidates[i], places[i]), X_OK) == 0)
            found = candidates[i];
    if (!found)
        return err_set(info, ERR_NOT_FOUND, "there is no nginx program on this host");
    const char *const argv[] = {found, "-q", option, value, NULL};
    enum err result = run_program(argv, PROGRAM_LIMIT_US, NULL, &words, &status, info);
    if (result == ERR_OK && status != 0) {
        sanitize(clean, sizeof clean, buf_text(&words), words.length);
        result = err_set(info, ERR_FAILED, "nginx %s failed: %s", option, clean);
    }
    buf_free(&words);
    return result;
}

static enum err reload(struct err_info *info)
{
    struct workers before = {0}, now = {0};
    int64_t until_us = clock_mono_us() + WORKERS_LIMIT_US;
    enum err result = list_workers(&before, info);
    if (result == ERR_OK)
        result = run_nginx("-s", "reload", info);
    while (result == ERR_OK && (result = list_workers(&now, info)) == ERR_OK && !have_changed(&before, &now)) {
        struct timespec pause = {.tv_nsec = LOOK_AGAIN_US * 1000};
        if (clock_mono_us() > until_us)
            result = err_set(info, ERR_TIMEOUT,
                "nginx was told to reload, but its workers are not new ones after %d s: see its error log",
                (int)(WORKERS_LIMIT_US / USEC_PER_SEC));
        nanosleep(&pause, NULL);
    }
    vec_free(&before.pids);
    vec_free(&now.pids);
    return result;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static bool read_site_file(const char *site, struct buf *text, struct upstream *found, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    if (route_file_read(route_files_path(&files, site, path), text, info) != ERR_OK)
        return false;
    if (upstream_find(buf_text(text), site, found))
        return true;
    err_set(info, ERR_NOT_FOUND, "%s has no line \"server ADDRESS:PORT;\" in \"upstream %s {\" (docs/proxy.md)", path,
        site);
    return false;
}

static enum err look(const struct route_request *request, struct route_facts *facts, struct err_info *info)
{
    struct buf text = BUF(ROUTE_FILE_CEILING);
    struct workers workers = {0};
    struct upstream found;
    struct err_info why = {0};
    char path[HOST_PATH_SIZE];
    (void)info;
    *facts = (struct route_facts){.waiting = 0, .hold_problem = "nginx cannot let requests wait"};
    facts->known = read_site_file(request->site, &text, &found, &why);
    if (!facts->known) {
        str_format(facts->unknown_because, sizeof facts->unknown_because, "%.350s", why.message);
    } else {
        facts->address = found.site;
        facts->state = address_equal(&found.leads, &notice_page) ? ROUTE_STATE_NOTICE : ROUTE_STATE_SITE;
        if (list_workers(&workers, &why) != ERR_OK) {
            facts->state = ROUTE_STATE_UNKNOWN;
            str_format(facts->address_drift, sizeof facts->address_drift, "%.350s", why.message);
        } else if (is_newer_than_workers(route_files_path(&files, request->site, path), &workers)) {
            str_format(facts->address_drift, sizeof facts->address_drift,
                "%.300s was changed after nginx last read it: reload it", path);
        }
    }
    vec_free(&workers.pids);
    buf_free(&text);
    return ERR_OK;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

/* The tested new text is what the running nginx has, or the old one is in its place again. */
static enum err put(const char *name, const struct buf *old, const struct buf *text, struct err_info *info)
{
    struct err_info own, again = {0};
    info = info ? info : &own;
    bool is_new = strcmp(buf_text(old), buf_text(text)) != 0;
    enum err result = is_new ? route_file_write(name, text, info) : ERR_OK;
    if (result != ERR_OK)
        return result;
    result = run_nginx("-t", NULL, info);
    if (result == ERR_OK)
        return reload(info);
    if (is_new && route_file_write(name, old, &again) != ERR_OK)
        return err_prefix(info, result, "%s could not be put back (%.200s)", name, again.message);
    return err_prefix(info, result, "nothing was changed");
}

static enum err write_upstream(const struct route_request *request, const struct route_facts *facts,
    const struct address *leads, const struct address *site, struct err_info *info)
{
    struct buf text = BUF(ROUTE_FILE_CEILING), changed = BUF(ROUTE_FILE_CEILING), line = BUF(512);
    struct upstream found;
    char path[HOST_PATH_SIZE];
    enum err result = ERR_NOT_FOUND;
    if (!read_site_file(request->site, &text, &found, info))
        goto out;
    result = ERR_OK;
    bool is_as_wanted = address_equal(&found.leads, leads) && address_equal(&found.site, site);
    if (is_as_wanted && !facts->address_drift[0])
        goto out;
    upstream_line(&line, leads, site);
    text_replace(&changed, buf_text(&text), &found.line, buf_text(&line));
    result = put(route_files_path(&files, request->site, path), &text, is_as_wanted ? &text : &changed, info);
out:
    buf_free(&line);
    buf_free(&changed);
    buf_free(&text);
    return result;
}

static enum err hold(const struct route_request *request, const struct route_facts *facts, struct err_info *info)
{
    (void)request, (void)facts, (void)info;
    return ERR_OK; /* it cannot; `can_hold` says so */
}

static enum err set(const struct route_request *request, const struct route_facts *facts, const struct address *address,
    struct err_info *info)
{
    bool is_notice = facts->state == ROUTE_STATE_NOTICE;
    return write_upstream(request, facts, is_notice ? &notice_page : address, address, info);
}

static enum err notice(
    const struct route_request *request, const struct route_facts *facts, bool on, struct err_info *info)
{
    return write_upstream(request, facts, on ? &notice_page : &facts->address, &facts->address, info);
}

const struct route_driver route_nginx = {
    .name = "nginx",
    .files = &files,
    .look = look,
    .hold = hold,
    .release = hold,
    .set = set,
    .notice = notice,
};
