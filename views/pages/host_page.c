/* The page of a host: how it does, what runs on it, its system log. */
#include "views/pages/page.h"

#include "base/format.h"

static const struct page_field fields[] = {
    {"reason", "reason", NULL},
    {"CPU", "cpu_pct", "cores"},
    {"memory", "mem_used_bytes", "mem_total_bytes"},
    {"load", "load1", NULL},
    {"disk", "disk_used_bytes", "disk_total_bytes"},
    {"fullest disk", "disk_worst_pct", NULL},
    {"containers", "containers_running", "containers"},
    {"swap", "swap_used_bytes", "swap_total_bytes"},
    {"I/O pressure", "psi_io_pct", NULL},
    {"failed units", "failed_units", NULL},
    {"up for", "uptime_s", NULL},
    {"address", "address", NULL},
    {"roles", "roles", NULL},
    {"engines", "runtimes", NULL},
    {"system", "os", NULL},
    {"kernel", "kernel", NULL},
    {0},
};

static const struct page_chart charts[] = {
    {"CPU", "%", {"cpu_pct", "cpu_iowait_pct"}, {"all", "iowait"}, NULL, 20, format_pct},
    {"Memory", NULL, {"mem_used_bytes", NULL}, {NULL, NULL}, "mem_total_bytes", 0, format_bytes},
    {"Network", NULL, {"net_rx_bytes_s", "net_tx_bytes_s"}, {"rx", "tx"}, NULL, 1024, format_rate},
    {"Disk", NULL, {"disk_read_bytes_s", "disk_write_bytes_s"}, {"read", "write"}, NULL, 1024, format_rate},
    {0},
};

const struct page_screen host_page = {
    .kind = KIND_HOST,
    .rows = ROWS_HOSTS,
    .children = ROWS_CONTAINERS,
    .children_title = "Containers",
    .children_empty = "nothing runs on this host",
    .fields = fields,
    .charts = charts,
    .has_log = true,
};
