/* What processes hold in memory and nowhere else: anonymous pages, pages of files they changed for themselves, and all
 * of what has no name on disk (deleted files, memfd, shared memory). Read from /proc/PID/mem page runs that
 * /proc/PID/pagemap names as present or swapped: address space that was only reserved costs nothing. Files that lie on
 * disk are in the stages after this one. gcore would hang: it stops the process, and a frozen one does not stop.
 *
 * memory/LABEL/PID.mem has the runs one behind the other; PID.index says for each its addresses, its place there, its
 * permissions and the mapping's name. One thread per request. */
#include "host/evidence/process.h"
#include "host/evidence/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define MOST_OF_PROCESS ((int64_t)1 << 30)
#define MOST_OF_ALL ((int64_t)4 << 30)
#define MOST_REGION_BYTES ((uint64_t)256 << 30) /* of address space looked through: 512 MiB of pagemap */
#define INDEX_CEILING ((size_t)4 << 20)
#define LINE_BYTES 8192
#define PIECE_BYTES 262144u
#define PAGES_AT_ONCE 4096u

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61) /* or of shared memory */

struct region {
    uint64_t begin, end;
    char permissions[5];
    const char *name; /* as in maps; "" for anonymous */
};

struct reading {
    struct output output;
    struct buf index;
    int memory, pages; /* /proc/PID/mem, /proc/PID/pagemap; pages -1: not to be had, all is read */
    uint64_t page_bytes;
    uint64_t *entries; /* PAGES_AT_ONCE of pagemap */
    char *piece;
    uint64_t unreadable;   /* bytes */
    uint64_t not_examined; /* address space beyond MOST_REGION_BYTES */
    bool index_full;
};

/* --- which pages ----------------------------------------------------------------------------------------------------
 */

static bool parse_region(char *line, struct region *region)
{
    int name_at = 0;
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &region->begin, &region->end, region->permissions,
            &name_at) < 3)
        return false;
    region->name = name_at ? line + name_at : "";
    return region->end > region->begin;
}

enum wanted { WANT_NONE, WANT_OWN_PAGES, WANT_ALL_PAGES };

/* Mappings of devices are never read: that could change the device. */
static enum wanted what_of(const struct region *region)
{
    static const char *const never[] = {"[vvar", "[vdso]", "[vsyscall]", "[uprobes]", NULL};
    static const char *const nameless[] = {"/memfd:", "/dev/shm/", "/dev/zero", "/SYSV", NULL};
    if (region->permissions[0] != 'r')
        return WANT_NONE;
    for (size_t i = 0; never[i]; i++)
        if (str_starts(region->name, never[i]))
            return WANT_NONE;
    for (size_t i = 0; nameless[i]; i++)
        if (str_starts(region->name, nameless[i]))
            return WANT_ALL_PAGES;
    if (str_starts(region->name, "/dev/"))
        return WANT_NONE;
    if (str_ends(region->name, " (deleted)"))
        return WANT_ALL_PAGES;
    return region->permissions[3] == 's' ? WANT_NONE : WANT_OWN_PAGES;
}

static bool is_wanted(enum wanted wanted, uint64_t entry)
{
    return (entry & (PAGE_PRESENT | PAGE_SWAPPED)) && (wanted == WANT_ALL_PAGES || !(entry & PAGE_OF_FILE));
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static void note_run(struct reading *reading, const struct region *region, uint64_t begin, uint64_t end, int64_t at)
{
    if (buf_printf(&reading->index, "%012" PRIx64 "-%012" PRIx64 " %012" PRIx64 " %s ", begin, end, (uint64_t)at,
            region->permissions) != ERR_OK)
        reading->index_full = true;
    output_escape(&reading->index, region->name, strlen(region->name));
    buf_putc(&reading->index, '\n');
}

/* One piece; a page that cannot be read ends a run and is passed over. Returns how far it came. */
static uint64_t read_piece(struct reading *reading, uint64_t begin, uint64_t end, size_t *got)
{
    size_t size = end - begin < PIECE_BYTES ? (size_t)(end - begin) : PIECE_BYTES;
    ssize_t length = pread(reading->memory, reading->piece, size, (off_t)begin);
    *got = length > 0 ? (size_t)length : 0;
    if (length > 0)
        return begin + *got;
    reading->unreadable += reading->page_bytes;
    return begin + reading->page_bytes;
}

/* False: the file takes no more. */
static bool read_run(struct reading *reading, const struct region *region, uint64_t begin, uint64_t end)
{
    uint64_t from = begin, at = begin;
    int64_t offset = reading->output.bytes;
    bool takes = true;
    while (at < end && takes && !reading->index_full) {
        size_t got;
        uint64_t next = read_piece(reading, at, end, &got);
        if (got)
            takes = output_write(&reading->output, reading->piece, got);
        if (!got || !takes || next >= end) {
            uint64_t written = (uint64_t)(reading->output.bytes - offset);
            if (written)
                note_run(reading, region, from, from + written, offset);
            from = next;
            offset = reading->output.bytes;
        }
        at = next;
    }
    return takes && !reading->index_full;
}

/* The entries of pagemap for `count` pages; all as wanted where it cannot be read. */
static void look_up_pages(struct reading *reading, uint64_t begin, size_t count)
{
    ssize_t got = -1;
    if (reading->pages >= 0)
        got = pread(reading->pages, reading->entries, count * sizeof *reading->entries,
            (off_t)(begin / reading->page_bytes * sizeof *reading->entries));
    size_t known = got > 0 ? (size_t)got / sizeof *reading->entries : 0;
    for (size_t i = known; i < count; i++)
        reading->entries[i] = reading->pages < 0 ? PAGE_PRESENT : 0;
}

static bool read_region(struct reading *reading, const struct region *region)
{
    enum wanted wanted = what_of(region);
    uint64_t end = region->end, run = 0; /* run: where it began, 0: none */
    if (wanted == WANT_NONE)
        return true;
    if (end - region->begin > MOST_REGION_BYTES) {
        reading->not_examined += end - region->begin - MOST_REGION_BYTES;
        end = region->begin + MOST_REGION_BYTES;
    }
    bool takes = true;
    for (uint64_t at = region->begin; at < end && takes;) {
        uint64_t left = (end - at) / reading->page_bytes;
        size_t count = left < PAGES_AT_ONCE ? (size_t)left : PAGES_AT_ONCE;
        if (count == 0)
            break;
        look_up_pages(reading, at, count);
        for (size_t i = 0; i < count && takes; i++, at += reading->page_bytes) {
            bool want = is_wanted(wanted, reading->entries[i]);
            if (want && !run)
                run = at;
            if (!want && run) {
                takes = read_run(reading, region, run, at);
                run = 0;
            }
        }
        takes = takes && output_write(&reading->output, NULL, 0); /* a sign of life */
    }
    return takes && (!run || read_run(reading, region, run, end));
}

static void read_regions(struct reading *reading, int maps)
{
    char *line = xmalloc(LINE_BYTES);
    struct region region;
    FILE *file = fdopen(maps, "r");
    if (!file)
        close(maps);
    while (file && fgets(line, LINE_BYTES, file))
        if (parse_region(line, &region) && !read_region(reading, &region))
            break;
    if (file)
        fclose(file);
    free(line);
}

/* --- a process ------------------------------------------------------------------------------------------------------
 */

static void note_gaps(const struct reading *reading)
{
    struct evidence *evidence = reading->output.of;
    if (reading->unreadable)
        evidence_leave_out(evidence, reading->output.name, "%" PRIu64 " bytes could not be read (unmapped meanwhile)",
            reading->unreadable);
    if (reading->not_examined)
        evidence_leave_out(evidence, reading->output.name,
            "%" PRIu64 " bytes of address space were not looked through: only 256 GiB of a mapping are",
            reading->not_examined);
    if (reading->index_full)
        evidence_leave_out(evidence, reading->output.name, "cut: its memory is in too many pieces");
    if (reading->pages < 0)
        evidence_leave_out(
            evidence, reading->output.name, "pagemap cannot be read: untouched pages are in it as zeros");
}

/* Takes maps over. */
static enum err read_process(struct reading *reading, int maps, struct err_info *info)
{
    char name[OUTPUT_NAME_SIZE];
    struct evidence *evidence = reading->output.of;
    reading->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    reading->index = BUF(INDEX_CEILING);
    reading->entries = xcalloc(PAGES_AT_ONCE, sizeof *reading->entries);
    reading->piece = xmalloc(PIECE_BYTES);
    read_regions(reading, maps);
    free(reading->entries);
    free(reading->piece);
    note_gaps(reading);
    str_copy(name, sizeof name, reading->output.name);
    enum err result = output_end(&reading->output, info);
    str_copy(name + strlen(name) - strlen(".mem"), sizeof ".index", ".index");
    if (result == ERR_OK)
        result = output_text(evidence, name, buf_text(&reading->index), reading->index.length, info);
    buf_free(&reading->index);
    return result;
}

static enum err keep_memory(
    struct evidence *evidence, const json_t *container, pid_t pid, int proc, void *context, struct err_info *info)
{
    char label[EVIDENCE_LABEL_SIZE], name[OUTPUT_NAME_SIZE];
    struct reading reading = {.pages = openat(proc, "pagemap", O_RDONLY | O_CLOEXEC)};
    int64_t *left = context, limit = *left < MOST_OF_PROCESS ? *left : MOST_OF_PROCESS;
    int maps = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
    reading.memory = openat(proc, "mem", O_RDONLY | O_CLOEXEC);
    str_format(name, sizeof name, "memory/%s/%d.mem", evidence_label(container, label), (int)pid);
    enum err result = ERR_OK;
    if (maps < 0 || reading.memory < 0 || limit <= 0) {
        evidence_leave_out(evidence, name, "%s",
            limit <= 0 ? "no room: 4 GiB of memory, and what leaves the host's disk room, is taken" : strerror(errno));
    } else {
        result = output_begin(&reading.output, evidence, limit, info, "%s", name);
        if (result == ERR_OK) {
            result = read_process(&reading, maps, info);
            maps = -1;
            *left -= reading.output.bytes;
        }
    }
    int fds[] = {maps, reading.memory, reading.pages};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return result;
}

enum err stage_memory(struct evidence *evidence, struct err_info *info)
{
    json_t *container;
    size_t i;
    enum err result = ERR_OK;
    int64_t left = vault_room_bytes(&evidence->vault) / 2; /* the other half is for files */
    left = left < MOST_OF_ALL ? left : MOST_OF_ALL;
    json_array_foreach (evidence->containers, i, container) {
        char label[EVIDENCE_LABEL_SIZE];
        size_t count = 0;
        const char *state = json_get_text(container, "state");
        result = process_each(evidence, container, keep_memory, &left, &count, info);
        if (result != ERR_OK)
            break;
        if (count == 0)
            evidence_leave_out(evidence, evidence_label(container, label), "it has no processes");
        else if (!state || strcmp(state, "paused") != 0)
            evidence_leave_out(evidence, evidence_label(container, label),
                "it was not frozen: its memory may have changed while it was read");
    }
    return result;
}
