/* The page of a volume: how large it is, how it grew, how much room is left below it. */
#include "views/pages/page.h"

#include "base/format.h"

static const struct page_field fields[] = {
    {"site", "site", NULL},
    {"host", "host", NULL},
    {"used", "used_bytes", NULL},
    {"files", "files", NULL},
    {"free below it", "free_bytes", "total_bytes"},
    {"measured", "measured", NULL},
    {"driver", "driver", NULL},
    {"engine", "runtime", NULL},
    {"path", "path", NULL},
    {0},
};

static const struct page_chart charts[] = {
    {"Used", NULL, {"used_bytes", NULL}, {NULL, NULL}, NULL, 0, format_bytes},
    {"Free below it", NULL, {"free_bytes", NULL}, {NULL, NULL}, "total_bytes", 0, format_bytes},
    {"Files", NULL, {"files", NULL}, {NULL, NULL}, NULL, 0, format_count},
    {0},
};

const struct page_screen volume_page = {
    .kind = KIND_VOLUME,
    .rows = ROWS_VOLUMES,
    .children = ROWS_COUNT,
    .fields = fields,
    .charts = charts,
};
