/* The pages of the wallboard: pure drawing into an area of any size. Shared by wallboard.c and its pages only. */
#ifndef VIEWS_WALLBOARD_PAGES_H
#define VIEWS_WALLBOARD_PAGES_H

#include "views/freshness.h"
#include "views/wallboard.h"

/* board->snapshot is set. */
typedef void wallboard_draw_page(struct area area, const struct wallboard *board, struct freshness freshness);

wallboard_draw_page wallboard_totals; /* six big figures */
wallboard_draw_page wallboard_hosts;  /* a cell for each host, the worst first */
wallboard_draw_page wallboard_worst;  /* sites in trouble, then the busiest */
wallboard_draw_page wallboard_now;    /* running jobs, what changed last */

/* How bad a host is: its state, or the worst colour among its figures. */
enum concern wallboard_host_concern(const struct host_state *host, struct freshness freshness);

#endif
