/* The page of a container: its figures and limits, its log. */
#include "views/pages/page.h"

#include "base/format.h"

static const struct page_field fields[] = {
    {"site", "site", NULL},
    {"host", "host", NULL},
    {"mark", "mark", NULL},
    {"CPU", "cpu_pct", NULL},
    {"memory", "mem_used_bytes", "mem_limit_bytes"},
    {"throttled", "throttled_pct", NULL},
    {"health", "health", NULL},
    {"running for", "started", NULL},
    {"exit code", "exit_code", NULL},
    {"processes", "processes", NULL},
    {"restarts", "restarts", NULL},
    {"out of memory", "oom_kills", NULL},
    {"ports", "ports", NULL},
    {"image", "image", NULL},
    {"image ID", "image_id", NULL},
    {"mounts", "mounts", NULL},
    {"engine", "runtime", NULL},
    {"run state", "run_state", NULL},
    {0},
};

static const struct page_chart charts[] = {
    {"CPU", "%", {"cpu_pct", NULL}, {NULL, NULL}, NULL, 5, format_pct},
    {"Memory", NULL, {"mem_used_bytes", NULL}, {NULL, NULL}, "mem_limit_bytes", 0, format_bytes},
    {"Network", NULL, {"net_rx_bytes_s", "net_tx_bytes_s"}, {"rx", "tx"}, NULL, 1024, format_rate},
    {0},
};

const struct page_screen container_page = {
    .kind = KIND_CONTAINER,
    .rows = ROWS_CONTAINERS,
    .children = ROWS_COUNT,
    .fields = fields,
    .charts = charts,
    .has_log = true,
};
