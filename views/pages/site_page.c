/* The page of a site: what it should be and what it is, its containers, the log of all of them. */
#include "views/pages/page.h"

#include "base/format.h"

static const struct page_field fields[] = {
    {"drift", "drift", NULL},
    {"host", "host", NULL},
    {"mark", "mark", NULL},
    {"by job", "mark_job", NULL},
    {"copy kept on", "kept_host", NULL},
    {"removed", "kept_until", NULL},
    {"CPU", "cpu_pct", NULL},
    {"memory", "mem_used_bytes", "mem_limit_bytes"},
    {"containers", "containers_running", "containers"},
    {"health", "health", NULL},
    {"disk", "disk_used_bytes", NULL},
    {"restarts", "restarts", NULL},
    {"should be", "desired", NULL},
    {"state for", "since", NULL},
    {"domains", "domains", NULL},
    {"image", "image", NULL},
    {"member", "member", NULL},
    {0},
};

static const struct page_chart charts[] = {
    {"CPU", "%", {"cpu_pct", NULL}, {NULL, NULL}, NULL, 5, format_pct},
    {"Memory", NULL, {"mem_used_bytes", NULL}, {NULL, NULL}, "mem_limit_bytes", 0, format_bytes},
    {"Network", NULL, {"net_rx_bytes_s", "net_tx_bytes_s"}, {"rx", "tx"}, NULL, 1024, format_rate},
    {0},
};

const struct page_screen site_page = {
    .kind = KIND_SITE,
    .rows = ROWS_SITES,
    .children = ROWS_CONTAINERS,
    .children_title = "Containers",
    .children_empty = "no container of this site is on any reachable host",
    .fields = fields,
    .charts = charts,
    .has_log = true,
};
