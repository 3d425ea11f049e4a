/* The data thread: the only one of the console that touches the disk, or asks for the newest hour. Reads what the
 * drawing thread wishes for, only when something changed, and hands it over by pointer. */
#ifndef VIEWS_CONSOLE_DATA_H
#define VIEWS_CONSOLE_DATA_H

#include "views/console.h"
#include "views/console/picture.h"

struct data;

/* link (borrowed, may be NULL): its look() is asked for the newest hour. wake_fd: an eventfd that is written to when
 * there is something to take; borrowed. */
struct data *data_start(const char *state_dir, const struct console_link *link, int wake_fd);
void data_stop(struct data *data); /* waits for the thread; NULL allowed */

/* The drawing thread's two calls; neither waits for anything but a pointer to be moved. */
void data_wish(struct data *data, const struct wish *wish); /* copied; nothing happens where it is the same as before */
/* Move what is new into `current`. False where nothing is. */
bool data_take(struct data *data, struct picture *current);

#endif
