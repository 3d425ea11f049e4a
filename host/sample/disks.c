/* Whole disks, from /proc/diskstats (Documentation/admin-guide/iostats.rst). What lies upon others (partitions, device
 * mapper, md, loop) or in memory is left out, so that nothing is counted twice. The sampler's thread. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/path.h"
#include "host/sample/proc_file.h"
#include "host/sample/sections.h"

#define FILE_CEILING 1048576
#define SECTOR_BYTES 512u /* the unit of this file, whatever the disk's own */
#define MOST_DISKS 256
#define NAME_BYTES 64

struct disks {
    struct proc_file file;
    struct buf buf;
};

static void *begin(struct session *session)
{
    (void)session;
    struct disks *disks = xcalloc(1, sizeof *disks);
    disks->file = PROC_FILE("/proc/diskstats");
    disks->buf = BUF(FILE_CEILING);
    return disks;
}

/* A whole disk has a directory in /sys/block, where '/' in a name ("cciss/c0d0") is written '!'. */
static bool is_whole_disk(const char *name)
{
    static const char *const skipped[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "drbd"};
    char path[HOST_PATH_SIZE], written[NAME_BYTES];
    for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
        if (str_starts(name, skipped[i]))
            return false;
    str_copy(written, sizeof written, name);
    for (char *c = written; *c; c++)
        *c = *c == '/' ? '!' : *c;
    return access(host_path_format(path, sizeof path, "/sys/block/%s", written), F_OK) == 0;
}

/* MAJOR MINOR NAME reads merged SECTORS ms writes merged SECTORS ms in-flight BUSY-MS … */
static void add_disk(const char *at, json_t *list)
{
    char name[NAME_BYTES];
    uint64_t read_sectors, write_sectors, busy_ms;
    if (!proc_skip(&at, 2) || !proc_take_word(&at, name, sizeof name) || !is_whole_disk(name))
        return;
    if (!proc_skip(&at, 2) || !proc_take_u64(&at, &read_sectors) || !proc_skip(&at, 3) ||
        !proc_take_u64(&at, &write_sectors) || !proc_skip(&at, 2) || !proc_take_u64(&at, &busy_ms))
        return;
    json_t *disk = json_object();
    json_put_text(disk, "name", name);
    proc_put_u64(disk, "read_bytes", read_sectors * SECTOR_BYTES);
    proc_put_u64(disk, "write_bytes", write_sectors * SECTOR_BYTES);
    proc_put_u64(disk, "busy_ms", busy_ms);
    json_array_append_new(list, disk);
}

static bool sample_disks(void *state, json_t *sample, int64_t interval_us)
{
    (void)interval_us;
    struct disks *disks = state;
    if (!proc_file_read(&disks->file, &disks->buf))
        return true;
    json_t *list = json_array();
    for (const char *line = buf_text(&disks->buf); line && json_array_size(list) < MOST_DISKS;
         line = proc_next_line(line))
        add_disk(line, list);
    json_object_set_new(sample, "disks", list);
    return true;
}

const struct section section_disks = {.name = "disks", .begin = begin, .sample = sample_disks};
