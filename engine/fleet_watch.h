/* Notice edits of the fleet files (inotify). A burst of changes, such as a git checkout, is one change. One thread. */
#ifndef ENGINE_FLEET_WATCH_H
#define ENGINE_FLEET_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct fleet_watch;

/* Watches the directory and its sites/; a system without inotify left gives a watch that sees nothing (logged). */
struct fleet_watch *fleet_watch_new(const char *fleet_dir);
void fleet_watch_free(struct fleet_watch *watch); /* NULL allowed */

int fleet_watch_fd(const struct fleet_watch *watch); /* to poll for reading; −1: sees nothing */
void fleet_watch_read(struct fleet_watch *watch);    /* when it is readable */

/* How long until the files have been quiet for a while after a change: 0 now, −1 no change. */
int64_t fleet_watch_due_us(const struct fleet_watch *watch);
void fleet_watch_rearm(struct fleet_watch *watch); /* the files are about to be read: forget the change */

#endif
