/* Watches on the fleet directory and its sites/, set anew after each change: either may have been replaced. */
#include "engine/fleet_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"

#define QUIET_US (250 * USEC_PER_MSEC)
#define LONGEST_US (3 * USEC_PER_SEC) /* after the first change, however restless the files */
#define EVENTS                                                                                                         \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct fleet_watch {
    int fd;
    char *directory, *sites;
    int64_t first_us, last_us; /* of the change that was not told yet, monotonic; 0: none */
};

static void watch_directories(struct fleet_watch *watch)
{
    if (watch->fd < 0)
        return;
    if (inotify_add_watch(watch->fd, watch->directory, EVENTS) < 0)
        log_warning("cannot watch %s for edits (%s); SIGHUP still works", watch->directory, strerror(errno));
    inotify_add_watch(watch->fd, watch->sites, EVENTS); /* there may be none yet */
}

struct fleet_watch *fleet_watch_new(const char *fleet_dir)
{
    struct fleet_watch *watch = xcalloc(1, sizeof *watch);
    watch->directory = xstrdup(fleet_dir);
    watch->sites = paths_join(fleet_dir, "sites");
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0)
        log_warning("cannot watch the fleet files for edits (%s); SIGHUP still works", strerror(errno));
    watch_directories(watch);
    return watch;
}

void fleet_watch_free(struct fleet_watch *watch)
{
    if (!watch)
        return;
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch->directory);
    free(watch->sites);
    free(watch);
}

int fleet_watch_fd(const struct fleet_watch *watch)
{
    return watch->fd;
}

/* Editors leave swap and backup files beside what they edit. */
static bool concerns_us(const struct inotify_event *event)
{
    if (!event->len)
        return !(event->mask & IN_IGNORED);
    return (event->name[0] != '.' && str_ends(event->name, ".yaml")) || strcmp(event->name, "sites") == 0;
}

void fleet_watch_read(struct fleet_watch *watch)
{
    _Alignas(struct inotify_event) char piece[16384];
    ssize_t length;
    while ((length = read(watch->fd, piece, sizeof piece)) > 0) {
        for (const char *at = piece; at < piece + length;) {
            const struct inotify_event *event = (const void *)at;
            at += sizeof *event + event->len;
            if (!concerns_us(event))
                continue;
            watch->last_us = clock_mono_us();
            if (!watch->first_us)
                watch->first_us = watch->last_us;
        }
    }
}

int64_t fleet_watch_due_us(const struct fleet_watch *watch)
{
    if (!watch->first_us)
        return -1;
    int64_t quiet_us = watch->last_us + QUIET_US, longest_us = watch->first_us + LONGEST_US;
    int64_t left_us = (quiet_us < longest_us ? quiet_us : longest_us) - clock_mono_us();
    return left_us > 0 ? left_us : 0;
}

void fleet_watch_rearm(struct fleet_watch *watch)
{
    watch->first_us = watch->last_us = 0;
    watch_directories(watch);
}
