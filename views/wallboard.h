/* Screens for a wall: they change by themselves, are readable from across a room, and act on nothing. The store is
 * opened read-only; no socket, no host. Drawing is pure (wallboard_draw), so that it is tested without a terminal. */
#ifndef VIEWS_WALLBOARD_H
#define VIEWS_WALLBOARD_H

#include "store/reader.h"
#include "tui/cells.h"

enum wallboard_page { WALLBOARD_TOTALS, WALLBOARD_HOSTS, WALLBOARD_WORST, WALLBOARD_NOW, WALLBOARD_PAGES };

struct wallboard_progress { /* of a job that runs */
    int64_t job;
    struct job_step_list steps;
};

struct wallboard {
    const struct snapshot *snapshot;           /* borrowed; NULL: nothing has been read, `problem` says why */
    const struct job_list *jobs;               /* borrowed, newest first; NULL: not known */
    const struct wallboard_progress *progress; /* borrowed: of jobs that run, newest first */
    size_t progress_count;
    const struct event_list *events; /* borrowed, newest first; NULL: not known */
    const char *problem;             /* why the store cannot be read now; NULL while it can */
    int64_t now_us;
    enum wallboard_page page;
    bool held; /* pages do not change by themselves */
};

/* The whole screen, at any size. Data older than three intervals, a silent engine or an unreadable store put a banner
 * above everything. */
void wallboard_draw(struct cells *cells, const struct wallboard *board);

/* `dogwatch --wallboard [--seconds N]`. Exit status: 0 quit, or the terminal is gone; 2 no terminal, wrong words. */
int wallboard_main(int argc, char **argv);

#endif
