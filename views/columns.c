/* The column tables. Getters return plain values; formatting for a person is in one place (column_text), for machines
 * in report.c. No state; any thread. */
#include "views/columns.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "tui/style.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define COUNT_DECIMALS_BELOW 100

/* --- values ------------------------------------------------------------------------------------------------------- */

static struct value text_value(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

static struct value number_value(enum value_kind kind, double number)
{
    return (struct value){.kind = kind, .number = number};
}

static struct value time_value(int64_t at_us)
{
    return (struct value){.kind = VALUE_TIME, .time_us = at_us};
}

static struct value bool_value(bool truth)
{
    return (struct value){.kind = VALUE_BOOL, .truth = truth};
}

static struct value age_value(int64_t at_us, struct freshness freshness)
{
    double age_s = at_us ? fmax(0, (double)(freshness.now_us - at_us) / (double)USEC_PER_SEC) : NAN;
    return number_value(VALUE_NUMBER, at_us ? round(age_s * 10) / 10 : NAN);
}

static struct value mark_value(enum site_mark mark)
{
    return text_value(mark == MARK_NONE ? "" : site_mark_word(mark));
}

/* GETTER(name, struct, expression): the object is `o`, the moment of looking `f`. */
#define GETTER(name, type, expression)                                                                                 \
    static struct value name(const void *object, const struct column *column, struct freshness f)                      \
    {                                                                                                                  \
        const type *o = object;                                                                                        \
        (void)column;                                                                                                  \
        (void)f;                                                                                                       \
        return expression;                                                                                             \
    }
#define METRIC_GETTER(name, type, array)                                                                               \
    static struct value name(const void *object, const struct column *column, struct freshness f)                      \
    {                                                                                                                  \
        (void)f;                                                                                                       \
        return number_value(VALUE_NUMBER, ((const type *)object)->array[column->metric]);                              \
    }

GETTER(host_name, struct host_state, text_value(o->name))
GETTER(host_shown, struct host_state, text_value(shown_host(o, f).word))
GETTER(host_age, struct host_state, age_value(o->seen_us, f))
GETTER(host_address, struct host_state, text_value(o->address))
GETTER(host_roles, struct host_state, text_value(o->roles))
GETTER(host_reason, struct host_state, text_value(shown_host_reason(o, f)))
GETTER(host_reason_code, struct host_state, text_value(o->reason_code ? err_word(o->reason_code) : ""))
GETTER(host_since, struct host_state, time_value(o->since_us))
GETTER(host_os, struct host_state, text_value(o->os))
GETTER(host_kernel, struct host_state, text_value(o->kernel))
GETTER(host_runtimes, struct host_state, text_value(o->runtimes))
GETTER(host_helper, struct host_state, text_value(o->helper_version))
GETTER(host_boot_id, struct host_state, text_value(o->boot_id))
GETTER(host_running, struct host_state,
    number_value(VALUE_COUNT, o->seen_us ? (double)o->containers_running : (double)NAN))
GETTER(host_containers, struct host_state,
    number_value(VALUE_COUNT, o->seen_us ? (double)o->containers_total : (double)NAN))
METRIC_GETTER(host_metric, struct host_state, metrics)

GETTER(site_name, struct site_state, text_value(o->name))
GETTER(site_shown, struct site_state, text_value(shown_site(o, f).word))
GETTER(site_age, struct site_state, age_value(o->seen_us, f))
GETTER(site_host, struct site_state, text_value(o->host))
GETTER(site_desired, struct site_state, text_value(o->desired))
GETTER(site_member, struct site_state, text_value(o->member))
GETTER(site_drift, struct site_state, text_value(o->drift))
GETTER(site_domains, struct site_state, text_value(o->domains))
GETTER(site_image, struct site_state, text_value(o->image))
GETTER(site_health, struct site_state, text_value(health_word(o->health)))
GETTER(site_declared, struct site_state, bool_value(o->declared))
GETTER(site_mark, struct site_state, mark_value(o->mark))
GETTER(site_mark_job, struct site_state, text_value(o->mark_job))
GETTER(site_mark_since, struct site_state, time_value(o->mark_since_us))
GETTER(site_kept_host, struct site_state, text_value(o->kept_host))
GETTER(site_kept_until, struct site_state, time_value(o->kept_until_us))
GETTER(site_since, struct site_state, time_value(o->since_us))
GETTER(site_running, struct site_state,
    number_value(VALUE_COUNT, o->seen_us ? (double)o->containers_running : (double)NAN))
GETTER(site_containers, struct site_state,
    number_value(VALUE_COUNT, o->seen_us ? (double)o->containers_total : (double)NAN))
GETTER(site_hosts, struct site_state, number_value(VALUE_COUNT, o->host_count))
METRIC_GETTER(site_metric, struct site_state, metrics)

GETTER(container_name, struct container_state, text_value(o->name))
GETTER(container_key, struct container_state, text_value(o->key))
GETTER(container_shown, struct container_state, text_value(shown_container(o, f).word))
GETTER(container_age, struct container_state, age_value(o->seen_us, f))
GETTER(container_run_state, struct container_state, text_value(run_state_word(o->state)))
GETTER(container_mark, struct container_state, mark_value(o->mark))
GETTER(container_boot, struct container_state, bool_value(o->starts_at_boot))
GETTER(container_site, struct container_state, text_value(o->site))
GETTER(container_host, struct container_state, text_value(o->host))
GETTER(container_role, struct container_state, text_value(o->role))
GETTER(container_runtime, struct container_state, text_value(o->runtime))
GETTER(container_image, struct container_state, text_value(o->image))
GETTER(container_image_id, struct container_state, text_value(o->image_id))
GETTER(container_id, struct container_state, text_value(o->id))
GETTER(container_health, struct container_state, text_value(health_word(o->health)))
GETTER(container_exit, struct container_state,
    number_value(VALUE_COUNT, o->state == RUN_EXITED || o->state == RUN_DEAD ? (double)o->exit_code : (double)NAN))
GETTER(container_oom, struct container_state, bool_value(o->oom_killed))
GETTER(container_created, struct container_state, time_value(o->created_us))
GETTER(container_started, struct container_state, time_value(o->started_us))
GETTER(container_finished, struct container_state, time_value(o->finished_us))
GETTER(container_ports, struct container_state, text_value(o->ports))
GETTER(container_mounts, struct container_state, text_value(o->mounts))
METRIC_GETTER(container_metric, struct container_state, metrics)

GETTER(volume_name, struct volume_state, text_value(o->name))
GETTER(volume_key, struct volume_state, text_value(o->key))
GETTER(volume_shown, struct volume_state, text_value(shown_volume(o, f).word))
GETTER(volume_age, struct volume_state, age_value(o->seen_us, f))
GETTER(volume_site, struct volume_state, text_value(o->site))
GETTER(volume_host, struct volume_state, text_value(o->host))
GETTER(volume_driver, struct volume_state, text_value(o->driver))
GETTER(volume_runtime, struct volume_state, text_value(o->runtime))
GETTER(volume_path, struct volume_state, text_value(o->path))
GETTER(volume_measured, struct volume_state, time_value(o->measured_us))
METRIC_GETTER(volume_metric, struct volume_state, metrics)

GETTER(job_id, struct job_record, number_value(VALUE_COUNT, (double)o->id))
GETTER(job_shown, struct job_record, text_value(shown_job(o).word))
GETTER(job_age, struct job_record, age_value(o->created_us, f))
GETTER(job_action, struct job_record, text_value(o->action))
GETTER(job_object, struct job_record, text_value(o->object))
GETTER(job_site, struct job_record, text_value(o->site))
GETTER(job_host, struct job_record, text_value(o->host))
GETTER(job_who, struct job_record, text_value(o->who))
GETTER(job_reason, struct job_record, text_value(o->reason))
GETTER(job_progress, struct job_record,
    number_value(VALUE_NUMBER, o->progress_pct < 0 ? (double)NAN : (double)o->progress_pct))
GETTER(job_message, struct job_record, text_value(o->message))
GETTER(job_created, struct job_record, time_value(o->created_us))
GETTER(job_started, struct job_record, time_value(o->started_us))
GETTER(job_ended, struct job_record, time_value(o->ended_us))

GETTER(event_at, struct event, time_value(o->at_us))
GETTER(event_age, struct event, age_value(o->at_us, f))
GETTER(event_shown, struct event, text_value(shown_event(o).word))
GETTER(event_kind, struct event, text_value(o->kind))
GETTER(event_object_kind, struct event, text_value(object_kind_word(o->object_kind)))
GETTER(event_object, struct event, text_value(o->object))
GETTER(event_host, struct event, text_value(o->host))
GETTER(event_site, struct event, text_value(o->site))
GETTER(event_text, struct event, text_value(o->text))
GETTER(event_id, struct event, number_value(VALUE_COUNT, (double)o->id))

GETTER(engine_name, struct snapshot, text_value(o ? "engine" : NULL))
GETTER(engine_shown, struct snapshot, text_value(freshness_engine_silent(f, o) ? "unknown" : "up"))
GETTER(engine_age, struct snapshot, age_value(o->engine_at_us, f))
METRIC_GETTER(engine_metric, struct snapshot, engine)

/* --- tables ------------------------------------------------------------------------------------------------------- */

#define BOTH (COLUMN_TABLE | COLUMN_REPORT)
#define TEXT(key, title, get, where, low, high, priority)                                                              \
    {                                                                                                                  \
        key, title, get, VALUE_TEXT, UNIT_COUNT, 0, where, low, high, priority, false                                  \
    }
#define AGE(get, priority)                                                                                             \
    {                                                                                                                  \
        "age_s", "AGE", get, VALUE_NUMBER, UNIT_SECONDS, 0, BOTH, 4, 5, priority, false                                \
    }
#define NUMBER(key, title, get, where, width, priority)                                                                \
    {                                                                                                                  \
        key, title, get, VALUE_COUNT, UNIT_COUNT, 0, where, width, width + 3, priority, true                           \
    }
#define TIME(key, title, get, where, priority)                                                                         \
    {                                                                                                                  \
        key, title, get, VALUE_TIME, UNIT_COUNT, 0, where, 5, 7, priority, true                                        \
    }
#define TRUTH(key, title, get)                                                                                         \
    {                                                                                                                  \
        key, title, get, VALUE_BOOL, UNIT_COUNT, 0, COLUMN_REPORT, 5, 5, 9, false                                      \
    }
/* A figure on screens: ID of fleet/metrics.h, key and unit as there. */
#define FIGURE(id, key, title, unit, get, priority)                                                                    \
    {                                                                                                                  \
        key, title, get, VALUE_NUMBER, unit, id, BOTH, 5, 8, priority, true                                            \
    }
#define REPORT_FIGURE(id, key, title, unit, get)                                                                       \
    {                                                                                                                  \
        key, title, get, VALUE_NUMBER, unit, id, COLUMN_REPORT, 5, 9, 9, true                                          \
    }

static const struct column host_columns[] = {
    TEXT("host", "HOST", host_name, BOTH, 8, 24, 0),
    TEXT("state", "STATE", host_shown, BOTH, 7, 8, 0),
    FIGURE(HOST_CPU, "cpu_pct", "CPU%", UNIT_PCT, host_metric, 0),
    FIGURE(HOST_LOAD1, "load1", "LOAD", UNIT_COUNT, host_metric, 5),
    FIGURE(HOST_MEM_USED, "mem_used_bytes", "MEM", UNIT_BYTES, host_metric, 1),
    FIGURE(HOST_MEM_TOTAL, "mem_total_bytes", "OF", UNIT_BYTES, host_metric, 4),
    FIGURE(HOST_DISK_WORST, "disk_worst_pct", "DISK%", UNIT_PCT, host_metric, 2),
    FIGURE(HOST_NET_RX, "net_rx_bytes_s", "RX/s", UNIT_BYTES_S, host_metric, 3),
    FIGURE(HOST_NET_TX, "net_tx_bytes_s", "TX/s", UNIT_BYTES_S, host_metric, 3),
    FIGURE(HOST_PSI_IO, "psi_io_pct", "PSI-I%", UNIT_PCT, host_metric, 6),
    NUMBER("containers_running", "RUN", host_running, BOTH, 4, 4),
    AGE(host_age, 1),
    TEXT("reason", "REASON", host_reason, BOTH, 6, 60, 0),
    TEXT("address", "ADDRESS", host_address, BOTH, 9, 24, 7),
    TEXT("roles", "ROLES", host_roles, BOTH, 6, 20, 8),
    TEXT("runtimes", "ENGINES", host_runtimes, BOTH, 8, 28, 9),
    TEXT("reason_code", "CODE", host_reason_code, COLUMN_REPORT, 6, 16, 9),
    TIME("since", "SINCE", host_since, COLUMN_REPORT, 9),
    NUMBER("containers", "ALL", host_containers, COLUMN_REPORT, 4, 9),
    REPORT_FIGURE(HOST_CPU_USER, "cpu_user_pct", "USER%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_CPU_SYSTEM, "cpu_system_pct", "SYS%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_CPU_IOWAIT, "cpu_iowait_pct", "IOWAIT%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_CPU_STEAL, "cpu_steal_pct", "STEAL%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_CORES, "cores", "CORES", UNIT_COUNT, host_metric),
    REPORT_FIGURE(HOST_LOAD5, "load5", "LOAD5", UNIT_COUNT, host_metric),
    REPORT_FIGURE(HOST_LOAD15, "load15", "LOAD15", UNIT_COUNT, host_metric),
    REPORT_FIGURE(HOST_SWAP_USED, "swap_used_bytes", "SWAP", UNIT_BYTES, host_metric),
    REPORT_FIGURE(HOST_SWAP_TOTAL, "swap_total_bytes", "SWAPTOTAL", UNIT_BYTES, host_metric),
    REPORT_FIGURE(HOST_PSI_CPU, "psi_cpu_pct", "PSI-C%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_PSI_MEM, "psi_mem_pct", "PSI-M%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_DISK_USED, "disk_used_bytes", "DISK", UNIT_BYTES, host_metric),
    REPORT_FIGURE(HOST_DISK_TOTAL, "disk_total_bytes", "DISKTOTAL", UNIT_BYTES, host_metric),
    REPORT_FIGURE(HOST_INODES_WORST, "inodes_worst_pct", "INODES%", UNIT_PCT, host_metric),
    REPORT_FIGURE(HOST_DISK_READ, "disk_read_bytes_s", "READ/s", UNIT_BYTES_S, host_metric),
    REPORT_FIGURE(HOST_DISK_WRITE, "disk_write_bytes_s", "WRITE/s", UNIT_BYTES_S, host_metric),
    REPORT_FIGURE(HOST_PROCESSES, "processes", "PROCS", UNIT_COUNT, host_metric),
    REPORT_FIGURE(HOST_FAILED_UNITS, "failed_units", "FAILED", UNIT_COUNT, host_metric),
    REPORT_FIGURE(HOST_UPTIME, "uptime_s", "UPTIME", UNIT_SECONDS, host_metric),
    REPORT_FIGURE(HOST_CLOCK_OFFSET, "clock_offset_ms", "CLOCK", UNIT_MS, host_metric),
    REPORT_FIGURE(HOST_LAG, "lag_ms", "LAG", UNIT_MS, host_metric),
    TEXT("os", "OS", host_os, COLUMN_REPORT, 8, 32, 9),
    TEXT("kernel", "KERNEL", host_kernel, COLUMN_REPORT, 8, 24, 9),
    TEXT("helper_version", "HELPER", host_helper, COLUMN_REPORT, 6, 10, 9),
    TEXT("boot_id", "BOOT", host_boot_id, COLUMN_REPORT, 8, 36, 9),
};

static const struct column site_columns[] = {
    TEXT("site", "SITE", site_name, BOTH, 12, 40, 0),
    TEXT("state", "STATE", site_shown, BOTH, 8, 11, 0),
    TEXT("host", "HOST", site_host, BOTH, 6, 20, 1),
    FIGURE(SITE_CPU, "cpu_pct", "CPU%", UNIT_PCT, site_metric, 0),
    FIGURE(SITE_MEM_USED, "mem_used_bytes", "MEM", UNIT_BYTES, site_metric, 1),
    FIGURE(SITE_MEM_LIMIT, "mem_limit_bytes", "LIMIT", UNIT_BYTES, site_metric, 5),
    FIGURE(SITE_NET_RX, "net_rx_bytes_s", "RX/s", UNIT_BYTES_S, site_metric, 3),
    FIGURE(SITE_NET_TX, "net_tx_bytes_s", "TX/s", UNIT_BYTES_S, site_metric, 3),
    FIGURE(SITE_DISK_USED, "disk_used_bytes", "DISK", UNIT_BYTES, site_metric, 4),
    NUMBER("containers_running", "RUN", site_running, BOTH, 3, 4),
    NUMBER("containers", "OF", site_containers, BOTH, 3, 4),
    AGE(site_age, 2),
    TEXT("drift", "DRIFT", site_drift, BOTH, 6, 60, 3),
    TEXT("kept_host", "COPY KEPT", site_kept_host, BOTH, 9, 20, 6),
    TEXT("desired", "DESIRED", site_desired, BOTH, 7, 8, 7),
    TEXT("image", "IMAGE", site_image, BOTH, 8, 40, 8),
    TEXT("member", "MEMBER", site_member, BOTH, 8, 28, 9),
    TEXT("domains", "DOMAINS", site_domains, COLUMN_REPORT, 8, 60, 9),
    TEXT("health", "HEALTH", site_health, COLUMN_REPORT, 8, 10, 9),
    TEXT("mark", "MARK", site_mark, COLUMN_REPORT, 8, 11, 9),
    TEXT("mark_job", "BY JOB", site_mark_job, COLUMN_REPORT, 8, 20, 9),
    TIME("mark_since", "MARKED", site_mark_since, COLUMN_REPORT, 9),
    TIME("kept_until", "KEPT UNTIL", site_kept_until, COLUMN_REPORT, 9),
    TRUTH("declared", "DECLARED", site_declared),
    TIME("since", "SINCE", site_since, COLUMN_REPORT, 9),
    NUMBER("hosts", "HOSTS", site_hosts, COLUMN_REPORT, 4, 9),
    REPORT_FIGURE(SITE_PROCESSES, "processes", "PROCS", UNIT_COUNT, site_metric),
    REPORT_FIGURE(SITE_RESTARTS, "restarts", "RESTARTS", UNIT_COUNT, site_metric),
};

static const struct column container_columns[] = {
    TEXT("container", "CONTAINER", container_name, BOTH, 12, 40, 0),
    TEXT("state", "STATE", container_shown, BOTH, 8, 11, 0),
    TEXT("host", "HOST", container_host, BOTH, 6, 20, 1),
    TEXT("site", "SITE", container_site, BOTH, 8, 32, 3),
    FIGURE(CONTAINER_CPU, "cpu_pct", "CPU%", UNIT_PCT, container_metric, 0),
    FIGURE(CONTAINER_MEM_USED, "mem_used_bytes", "MEM", UNIT_BYTES, container_metric, 1),
    FIGURE(CONTAINER_MEM_LIMIT, "mem_limit_bytes", "LIMIT", UNIT_BYTES, container_metric, 4),
    FIGURE(CONTAINER_NET_RX, "net_rx_bytes_s", "RX/s", UNIT_BYTES_S, container_metric, 3),
    FIGURE(CONTAINER_NET_TX, "net_tx_bytes_s", "TX/s", UNIT_BYTES_S, container_metric, 3),
    FIGURE(CONTAINER_THROTTLED, "throttled_pct", "THR%", UNIT_PCT, container_metric, 6),
    FIGURE(CONTAINER_PROCESSES, "processes", "PROCS", UNIT_COUNT, container_metric, 7),
    FIGURE(CONTAINER_RESTARTS, "restarts", "RST", UNIT_COUNT, container_metric, 6),
    AGE(container_age, 2),
    TEXT("health", "HEALTH", container_health, BOTH, 7, 9, 5),
    TIME("started", "UP", container_started, BOTH, 5),
    TEXT("runtime", "ENGINE", container_runtime, BOTH, 6, 7, 8),
    TEXT("image", "IMAGE", container_image, BOTH, 8, 40, 8),
    TEXT("ports", "PORTS", container_ports, BOTH, 6, 24, 9),
    TEXT("key", "KEY", container_key, COLUMN_REPORT, 8, 60, 9),
    TEXT("run_state", "RUNS", container_run_state, COLUMN_REPORT, 8, 10, 9),
    TEXT("mark", "MARK", container_mark, COLUMN_REPORT, 8, 11, 9),
    TRUTH("starts_at_boot", "AT BOOT", container_boot),
    TEXT("role", "ROLE", container_role, COLUMN_REPORT, 4, 20, 9),
    TEXT("id", "ID", container_id, COLUMN_REPORT, 12, 64, 9),
    TEXT("image_id", "IMAGE ID", container_image_id, COLUMN_REPORT, 12, 64, 9),
    TEXT("mounts", "MOUNTS", container_mounts, COLUMN_REPORT, 8, 60, 9),
    NUMBER("exit_code", "EXIT", container_exit, COLUMN_REPORT, 4, 9),
    TRUTH("oom_killed", "OOM-KILLED", container_oom),
    TIME("created", "CREATED", container_created, COLUMN_REPORT, 9),
    TIME("finished", "FINISHED", container_finished, COLUMN_REPORT, 9),
    REPORT_FIGURE(CONTAINER_IO_READ, "io_read_bytes_s", "READ/s", UNIT_BYTES_S, container_metric),
    REPORT_FIGURE(CONTAINER_IO_WRITE, "io_write_bytes_s", "WRITE/s", UNIT_BYTES_S, container_metric),
    REPORT_FIGURE(CONTAINER_OOM_KILLS, "oom_kills", "OOM", UNIT_COUNT, container_metric),
};

static const struct column volume_columns[] = {
    TEXT("volume", "VOLUME", volume_name, BOTH, 12, 40, 0),
    TEXT("state", "STATE", volume_shown, BOTH, 7, 8, 0),
    TEXT("host", "HOST", volume_host, BOTH, 6, 20, 1),
    TEXT("site", "SITE", volume_site, BOTH, 8, 32, 2),
    FIGURE(VOLUME_USED, "used_bytes", "USED", UNIT_BYTES, volume_metric, 0),
    FIGURE(VOLUME_FILES, "files", "FILES", UNIT_COUNT, volume_metric, 3),
    FIGURE(VOLUME_FREE, "free_bytes", "FREE", UNIT_BYTES, volume_metric, 1),
    FIGURE(VOLUME_TOTAL, "total_bytes", "OF", UNIT_BYTES, volume_metric, 4),
    AGE(volume_age, 2),
    TIME("measured", "MEASURED", volume_measured, BOTH, 5),
    TEXT("driver", "DRIVER", volume_driver, BOTH, 6, 8, 6),
    TEXT("path", "PATH", volume_path, BOTH, 10, 60, 7),
    TEXT("runtime", "ENGINE", volume_runtime, COLUMN_REPORT, 6, 7, 9),
    TEXT("key", "KEY", volume_key, COLUMN_REPORT, 8, 60, 9),
};

static const struct column job_columns[] = {
    NUMBER("job", "JOB", job_id, BOTH, 4, 0),
    TEXT("state", "STATE", job_shown, BOTH, 9, 9, 0),
    TEXT("action", "ACTION", job_action, BOTH, 7, 9, 1),
    TEXT("object", "OBJECT", job_object, BOTH, 10, 40, 0),
    TEXT("host", "HOST", job_host, BOTH, 6, 20, 3),
    {"progress_pct", "DONE%", job_progress, VALUE_NUMBER, UNIT_PCT, 0, BOTH, 5, 5, 2, true},
    AGE(job_age, 1),
    TEXT("message", "WHAT HAPPENS", job_message, BOTH, 10, 80, 1),
    TEXT("who", "WHO", job_who, BOTH, 5, 20, 4),
    TEXT("reason", "WHY", job_reason, BOTH, 5, 40, 5),
    TEXT("site", "SITE", job_site, COLUMN_REPORT, 8, 32, 9),
    TIME("created", "CREATED", job_created, COLUMN_REPORT, 9),
    TIME("started", "STARTED", job_started, COLUMN_REPORT, 9),
    TIME("ended", "ENDED", job_ended, COLUMN_REPORT, 9),
};

static const struct column timeline_columns[] = {
    AGE(event_age, 0),
    TEXT("state", "SEVERITY", event_shown, BOTH, 8, 8, 2),
    TEXT("kind", "KIND", event_kind, BOTH, 14, 22, 1),
    TEXT("host", "HOST", event_host, BOTH, 6, 20, 3),
    TEXT("text", "WHAT", event_text, BOTH, 20, 120, 0),
    TEXT("site", "SITE", event_site, BOTH, 8, 32, 5),
    TEXT("object_kind", "OF", event_object_kind, COLUMN_REPORT, 6, 9, 9),
    TEXT("object", "OBJECT", event_object, COLUMN_REPORT, 10, 60, 9),
    TIME("at", "AT", event_at, COLUMN_REPORT, 9),
    NUMBER("event", "EVENT", event_id, COLUMN_REPORT, 6, 9),
};

#define ENGINE_COLUMN(id, key, unit, in_rrd, title)                                                                    \
    {#key, title, engine_metric, VALUE_NUMBER, unit, id, BOTH, 5, 10, 1, true},
static const struct column engine_columns[] = {TEXT("engine", "ENGINE", engine_name, BOTH, 6, 12, 0),
    TEXT("state", "STATE", engine_shown, BOTH, 7, 8, 0), AGE(engine_age, 0), ENGINE_METRICS(ENGINE_COLUMN)};

static const struct {
    const char *word;
    const struct column *columns;
    size_t count;
} tables[ROWS_COUNT] = {
    [ROWS_HOSTS] = {"hosts", host_columns, COUNT(host_columns)},
    [ROWS_SITES] = {"sites", site_columns, COUNT(site_columns)},
    [ROWS_CONTAINERS] = {"containers", container_columns, COUNT(container_columns)},
    [ROWS_VOLUMES] = {"volumes", volume_columns, COUNT(volume_columns)},
    [ROWS_JOBS] = {"jobs", job_columns, COUNT(job_columns)},
    [ROWS_TIMELINE] = {"timeline", timeline_columns, COUNT(timeline_columns)},
    [ROWS_ENGINE] = {"engine", engine_columns, COUNT(engine_columns)},
};

const struct column *columns_of(enum row_kind kind, size_t *count)
{
    *count = tables[kind].count;
    return tables[kind].columns;
}

const struct column *column_find(enum row_kind kind, const char *key)
{
    for (size_t i = 0; i < tables[kind].count; i++)
        if (strcmp(tables[kind].columns[i].key, key) == 0)
            return &tables[kind].columns[i];
    return NULL;
}

const char *row_kind_word(enum row_kind kind)
{
    return tables[kind].word;
}

/* --- for a person ------------------------------------------------------------------------------------------------- */

struct value column_value(const struct column *column, const void *object, struct freshness freshness)
{
    return column->get(object, column, freshness);
}

static const char *format_number(enum metric_unit unit, double number, char out[FORMAT_SIZE])
{
    switch (unit) {
    case UNIT_PCT:
        return format_pct(number, out);
    case UNIT_BYTES:
    case UNIT_BYTES_S: /* "/s" is in the heading */
        return format_bytes(number, out);
    case UNIT_SECONDS:
        return format_age(isnan(number) ? -1 : (int64_t)(number * (double)USEC_PER_SEC), out);
    case UNIT_MS:
        str_format(out, FORMAT_SIZE, isnan(number) ? "–" : "%.0f", number);
        return out;
    case UNIT_COUNT:
        break;
    }
    if (number < COUNT_DECIMALS_BELOW && number != round(number)) { /* a load average; NaN compares false */
        str_format(out, FORMAT_SIZE, "%.1f", number);
        return out;
    }
    return format_count(number, out);
}

const char *column_text(
    const struct column *column, const void *object, struct freshness freshness, char out[COLUMN_TEXT_SIZE])
{
    struct value value = column_value(column, object, freshness);
    char figure[FORMAT_SIZE];
    switch (value.kind) {
    case VALUE_TEXT:
        sanitize(out, COLUMN_TEXT_SIZE, value.text ? value.text : "–", strlen(value.text ? value.text : "–"));
        break;
    case VALUE_NUMBER:
    case VALUE_COUNT:
        str_copy(out, COLUMN_TEXT_SIZE, format_number(column->unit, value.number, figure));
        break;
    case VALUE_TIME:
        if (value.time_us > freshness.now_us)
            str_format(out, COLUMN_TEXT_SIZE, "in %s", format_age(value.time_us - freshness.now_us, figure));
        else
            str_copy(out, COLUMN_TEXT_SIZE, format_age(value.time_us ? freshness.now_us - value.time_us : -1, figure));
        break;
    case VALUE_BOOL:
        str_copy(out, COLUMN_TEXT_SIZE, value.truth ? "yes" : "no");
        break;
    }
    return out;
}

/* When a percentage deserves a colour. Of CPU only that of hosts: 100 % of a site or container is one core, which it
 * may well be meant to use; that it gets less than it wants is told by its throttling. */
static const struct {
    const char *key;
    column_get *get;
    double warning, critical;
} thresholds[] = {
    {"cpu_pct", host_metric, 85, 97},
    {"disk_worst_pct", host_metric, 85, 95},
    {"inodes_worst_pct", host_metric, 85, 95},
    {"psi_io_pct", host_metric, 20, 50},
    {"throttled_pct", container_metric, 20, 60},
};

static enum concern state_concern(column_get *get, const void *object, struct freshness freshness)
{
    if (get == host_shown)
        return shown_host(object, freshness).concern;
    if (get == site_shown)
        return shown_site(object, freshness).concern;
    if (get == container_shown)
        return shown_container(object, freshness).concern;
    if (get == volume_shown)
        return shown_volume(object, freshness).concern;
    if (get == job_shown)
        return shown_job(object).concern;
    if (get == event_shown)
        return shown_event(object).concern;
    return freshness_engine_silent(freshness, object) ? CONCERN_CRITICAL : CONCERN_OK;
}

unsigned column_style(const struct column *column, const void *object, struct freshness freshness)
{
    if (strcmp(column->key, "state") == 0)
        return concern_style(state_concern(column->get, object, freshness));
    if (strcmp(column->key, "reason") == 0 && column->get == host_reason)
        return ROLE_UNKNOWN;
    if (strcmp(column->key, "drift") == 0)
        return ROLE_WARNING;
    if (column->kind != VALUE_NUMBER || column->unit != UNIT_PCT)
        return ROLE_NORMAL;
    double number = column_value(column, object, freshness).number;
    for (size_t i = 0; i < COUNT(thresholds); i++)
        if (thresholds[i].get == column->get && strcmp(thresholds[i].key, column->key) == 0 &&
            number >= thresholds[i].warning)
            return number >= thresholds[i].critical ? ROLE_CRITICAL : ROLE_WARNING;
    return ROLE_NORMAL;
}

bool column_is_right_aligned(const struct column *column)
{
    return column->kind == VALUE_NUMBER || column->kind == VALUE_COUNT || column->kind == VALUE_TIME;
}
