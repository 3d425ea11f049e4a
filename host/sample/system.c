/* Processor, load, memory, pressure, processes and uptime, from /proc alone (proc(5),
 * Documentation/accounting/psi.rst). The sampler's thread. */
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/sample/sections.h"

#define FILE_CEILING 1048576 /* /proc/stat of a machine with hundreds of processors and interrupts */
#define KIB 1024u
#define MOST_LOAD 1e7 /* more than there can be tasks (PID_MAX_LIMIT is 4 million) */
#define MOST_SECONDS 1e11

enum { PSI_CPU, PSI_MEMORY, PSI_IO, PSI_COUNT };

struct system {
    struct proc_file stat, loadavg, meminfo, uptime, pressure[PSI_COUNT];
    DIR *proc;
    struct buf buf;
};

static const char *const psi_paths[PSI_COUNT] = {"/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io"};
static const char *const psi_keys[PSI_COUNT] = {"cpu_some_avg10", "memory_some_avg10", "io_some_avg10"};

static void *begin(struct session *session)
{
    (void)session;
    char path[HOST_PATH_SIZE];
    struct system *system = xcalloc(1, sizeof *system);
    system->stat = PROC_FILE("/proc/stat");
    system->loadavg = PROC_FILE("/proc/loadavg");
    system->meminfo = PROC_FILE("/proc/meminfo");
    system->uptime = PROC_FILE("/proc/uptime");
    for (size_t i = 0; i < PSI_COUNT; i++)
        system->pressure[i] = PROC_FILE(psi_paths[i]);
    system->proc = opendir(host_path(path, sizeof path, "/proc"));
    system->buf = BUF(FILE_CEILING);
    return system;
}

/* "cpu  USER NICE …", then one "cpuN" line per processor that is on line. In units of 1/hz seconds. */
static void add_cpu(struct system *system, json_t *sample)
{
    static const char *const keys[] = {"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"};
    const char *at = buf_text(&system->buf);
    uint64_t ticks;
    if (!proc_file_read(&system->stat, &system->buf) || !str_starts(at = buf_text(&system->buf), "cpu "))
        return;
    json_t *cpu = json_object();
    const char *line = at;
    at += strlen("cpu ");
    for (size_t i = 0; i < sizeof keys / sizeof *keys && proc_take_u64(&at, &ticks); i++)
        proc_put_u64(cpu, keys[i], ticks);
    int64_t cores = 0;
    while ((line = proc_next_line(line)) != NULL && str_starts(line, "cpu"))
        cores++;
    if (cores > 0)
        json_put_i64(cpu, "cores", cores);
    json_put_i64(cpu, "hz", sysconf(_SC_CLK_TCK));
    json_object_set_new(sample, "cpu", cpu);
}

static void add_load(struct system *system, json_t *sample)
{
    double load[3];
    if (!proc_file_read(&system->loadavg, &system->buf))
        return;
    const char *at = buf_text(&system->buf);
    for (size_t i = 0; i < 3; i++)
        if (!proc_take_double(&at, &load[i]) || load[i] < 0 || load[i] > MOST_LOAD)
            return;
    json_object_set_new(sample, "load", json_pack("[f,f,f]", load[0], load[1], load[2]));
}

static json_t *object_in(json_t *sample, const char *key)
{
    json_t *object = json_object_get(sample, key);
    if (!object)
        json_object_set_new(sample, key, object = json_object());
    return object;
}

/* "MemTotal:       24684092 kB" */
static void add_memory(struct system *system, json_t *sample)
{
    static const struct {
        const char *line, *section, *key;
    } rows[] = {
        {"MemTotal:", "mem", "total_bytes"},
        {"MemAvailable:", "mem", "available_bytes"},
        {"SwapTotal:", "swap", "total_bytes"},
        {"SwapFree:", "swap", "free_bytes"},
    };
    if (!proc_file_read(&system->meminfo, &system->buf))
        return;
    for (const char *line = buf_text(&system->buf); line; line = proc_next_line(line)) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            uint64_t kib;
            if (!str_starts(line, rows[i].line))
                continue;
            const char *at = line + strlen(rows[i].line);
            if (proc_take_u64(&at, &kib) && kib <= UINT64_MAX / KIB)
                proc_put_u64(object_in(sample, rows[i].section), rows[i].key, kib * KIB);
        }
    }
}

/* "some avg10=0.26 avg60=…": the share of the last ten seconds in which some task waited, in per cent. */
static void add_pressure(struct system *system, json_t *sample)
{
    for (size_t i = 0; i < PSI_COUNT; i++) {
        static const char prefix[] = "some avg10=";
        double pct;
        if (!proc_file_read(&system->pressure[i], &system->buf) || !str_starts(buf_text(&system->buf), prefix))
            continue;
        const char *at = buf_text(&system->buf) + strlen(prefix);
        if (proc_take_double(&at, &pct) && pct >= 0 && pct <= 100)
            json_put_number(object_in(sample, "psi"), psi_keys[i], pct);
    }
}

static void add_uptime(struct system *system, json_t *sample)
{
    double seconds;
    if (!proc_file_read(&system->uptime, &system->buf))
        return;
    const char *at = buf_text(&system->buf);
    if (proc_take_double(&at, &seconds) && seconds >= 0 && seconds < MOST_SECONDS)
        json_put_i64(sample, "uptime_s", (int64_t)seconds);
}

/* /proc/loadavg counts threads; processes are the directories with a number. */
static void add_processes(struct system *system, json_t *sample)
{
    int64_t count = 0;
    if (!system->proc)
        return;
    rewinddir(system->proc);
    for (const struct dirent *entry; (entry = readdir(system->proc)) != NULL;)
        count += isdigit((unsigned char)entry->d_name[0]) ? 1 : 0;
    if (count > 0)
        json_put_i64(sample, "processes", count);
}

static bool sample_system(void *state, json_t *sample, int64_t interval_us)
{
    (void)interval_us;
    struct system *system = state;
    add_cpu(system, sample);
    add_load(system, sample);
    add_memory(system, sample);
    add_pressure(system, sample);
    add_processes(system, sample);
    add_uptime(system, sample);
    return true;
}

const struct section section_system = {.name = "system", .begin = begin, .sample = sample_system};
