/* One RRD file, through librrd's re-entrant calls (rrdcreate(1), rrdupdate(1)). Runs in the series thread alone: librrd
 * is slower with two threads, and rrd_tune is not re-entrant. */
#include "store/series_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <rrd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/paths.h"

#define SAMPLE_TEXT_SIZE (32 + 24 * SERIES_MAX_SOURCES)
#define UPDATE_SAMPLES 64                    /* in one call */
#define ROOM_LEFT_BYTES ((uint64_t)16 << 20) /* histories never take the last of a disk */

/* Hosts: a day of 10 s, a week of 1 min, 31 days of 5 min, and two years of 1 h (17,568 hours: one is a leap year). */
static const struct series_archive from_10s[] = {
    {SERIES_AVERAGE, 1, 8640},
    {SERIES_AVERAGE, 6, 10080},
    {SERIES_AVERAGE, 30, 8928},
    {SERIES_AVERAGE, 360, 17568},
    {SERIES_MAX, 30, 8928},
    {SERIES_MAX, 360, 17568},
};
/* Everything else is fifty times as many: two days of 1 min, two weeks of 5 min, 92 days of 1 h, and two years of days,
 * 0.5 MB a file of four data sources. */
static const struct series_archive from_1min[] = {
    {SERIES_AVERAGE, 1, 2880},
    {SERIES_AVERAGE, 5, 4032},
    {SERIES_AVERAGE, 60, 2208},
    {SERIES_AVERAGE, 1440, 732},
    {SERIES_MAX, 5, 4032},
    {SERIES_MAX, 60, 2208},
    {SERIES_MAX, 1440, 732},
};

static const struct series_layout layout_10s = {10, from_10s, sizeof from_10s / sizeof from_10s[0]};
static const struct series_layout layout_1min = {60, from_1min, sizeof from_1min / sizeof from_1min[0]};

const struct series_layout *series_layout(enum object_kind kind)
{
    return kind == KIND_HOST || kind == KIND_ENGINE ? &layout_10s : &layout_1min;
}

#define COUNT_SOURCE(id, key, unit, in_rrd, title) +(in_rrd)
_Static_assert(0 HOST_METRICS(COUNT_SOURCE) <= SERIES_MAX_SOURCES, "too many data sources for hosts");
_Static_assert(0 SITE_METRICS(COUNT_SOURCE) <= SERIES_MAX_SOURCES, "too many data sources for sites");
_Static_assert(0 CONTAINER_METRICS(COUNT_SOURCE) <= SERIES_MAX_SOURCES, "too many data sources for containers");
_Static_assert(0 VOLUME_METRICS(COUNT_SOURCE) <= SERIES_MAX_SOURCES, "too many data sources for volumes");
_Static_assert(0 ENGINE_METRICS(COUNT_SOURCE) <= SERIES_MAX_SOURCES, "too many data sources for the engine");

size_t series_sources(enum object_kind kind, int out[SERIES_MAX_SOURCES])
{
    const struct metric_table *table = metric_table(kind);
    size_t count = 0;
    for (size_t i = 0; i < table->count && count < SERIES_MAX_SOURCES; i++)
        if (table->metrics[i].in_rrd)
            out[count++] = (int)i;
    return count;
}

/* --- names --- */

char *series_directory(const char *state_dir, enum object_kind kind)
{
    return xasprintf("%s/" SERIES_DIRECTORY "/%s", state_dir, metric_table(kind)->kind);
}

/* Percent-encoded, so that "/" and a leading "." are none in the file system, and two keys are never one file. */
static void encode_key(const char *key, struct buf *out)
{
    for (const char *at = key; *at; at++) {
        unsigned char c = (unsigned char)*at;
        bool plain = isascii(c) && (isalnum(c) || c == '-' || c == '_' || c == '@' || (c == '.' && at > key));
        if (plain)
            buf_putc(out, *at);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* NAME_MAX of file systems is 255 bytes; a longer name ends in a hash of the whole (FNV-1a, 64 bits). */
static void shorten(struct buf *name, const char *key)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    if (name->length <= 240)
        return;
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    name->length = 220;
    name->data[name->length] = '\0';
    buf_printf(name, "~%016llx", (unsigned long long)hash);
}

char *series_path(const char *state_dir, enum object_kind kind, const char *key)
{
    struct buf name = BUF(8192);
    encode_key(key, &name);
    shorten(&name, key);
    char *path = xasprintf("%s/" SERIES_DIRECTORY "/%s/%s.rrd", state_dir, metric_table(kind)->kind, buf_text(&name));
    buf_free(&name);
    return path;
}

/* Sizes of the file format's parts: rrd_format.h of librrd 1.7 on 64-bit machines; the sum is checked by a test. */
uint64_t series_predicted_bytes(enum object_kind kind, size_t count)
{
    int sources[SERIES_MAX_SOURCES];
    const struct series_layout *layout = series_layout(kind);
    uint64_t width = series_sources(kind, sources), archives = layout->archive_count, rows = 0;
    for (size_t i = 0; i < archives; i++)
        rows += layout->archives[i].rows;
    uint64_t header = 128 + 120 * width + 120 * archives + 16 + 112 * width + 80 * width * archives + 8 * archives;
    return count * (header + rows * width * sizeof(double));
}

/* --- librrd --- */

/* librrd has no codes, only sentences: those of a file that is none of its own. */
static bool tells_damage(const char *message)
{
    static const char *const signs[] = {
        "is not an RRD", "reached EOF", "too small", "truncated", "RRD version", "corrupt"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (strstr(message, signs[i]))
            return true;
    return false;
}

static enum err rrd_failed(struct err_info *info, const char *path, const char *what)
{
    const char *message = rrd_test_error() ? rrd_get_error() : "librrd gave no reason; is the disk full?";
    bool missing = access(path, F_OK) != 0 && errno == ENOENT;
    enum err code = missing ? ERR_NOT_FOUND : tells_damage(message) ? ERR_CORRUPT : ERR_IO;
    enum err result = err_set(info, code, "cannot %s %s: %.400s", what, path, message);
    rrd_clear_error();
    return result;
}

static void source_argument(enum object_kind kind, int metric, int heartbeat_s, char *out, size_t size)
{
    str_format(out, size, "DS:%s:GAUGE:%d:U:U", metric_table(kind)->metrics[metric].key, heartbeat_s);
}

/* A fresh file's pages would be written again and again while they are in memory; out of it, an update costs under 1
 * KB. */
static void release_pages(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* librrd gives no reason when the disk fills up while it writes a file: ask before. */
static enum err check_room(const char *path, enum object_kind kind, struct err_info *info)
{
    struct statvfs disk;
    char directory[4096], needed_text[FORMAT_SIZE], free_text[FORMAT_SIZE];
    uint64_t needed = series_predicted_bytes(kind, 1) + ROOM_LEFT_BYTES;
    str_copy(directory, sizeof directory, path);
    char *slash = strrchr(directory, '/');
    if (!slash)
        return ERR_OK;
    *slash = '\0';
    if (statvfs(directory, &disk) != 0 || (uint64_t)disk.f_bavail * disk.f_frsize >= needed)
        return ERR_OK;
    return err_set(info, ERR_FULL,
        "no room to make %s: it needs %s, %s are free; make room on that disk, it goes on by itself", path,
        format_bytes((double)needed, needed_text),
        format_bytes((double)disk.f_bavail * (double)disk.f_frsize, free_text));
}

enum err series_file_create(
    const char *path, enum object_kind kind, int64_t before_us, int heartbeat_s, struct err_info *info)
{
    const struct series_layout *layout = series_layout(kind);
    char texts[SERIES_MAX_SOURCES + 8][64];
    const char *arguments[SERIES_MAX_SOURCES + 8];
    int sources[SERIES_MAX_SOURCES], count = 0;
    size_t source_count = series_sources(kind, sources);
    for (size_t i = 0; i < source_count; i++)
        source_argument(kind, sources[i], heartbeat_s, texts[count++], sizeof texts[0]);
    for (size_t i = 0; i < layout->archive_count; i++)
        str_format(texts[count++], sizeof texts[0], "RRA:%s:0.5:%u:%u",
            layout->archives[i].cf == SERIES_MAX ? "MAX" : "AVERAGE", layout->archives[i].steps,
            layout->archives[i].rows);
    for (int i = 0; i < count; i++)
        arguments[i] = texts[i];
    enum err room = check_room(path, kind, info);
    if (room != ERR_OK)
        return room;
    rrd_clear_error();
    time_t last_up = (time_t)(before_us / USEC_PER_SEC) - 1;
    if (rrd_create_r2(path, layout->step_s, last_up, 1, NULL, NULL, count, arguments) != 0) {
        enum err result = rrd_failed(info, path, "make");
        return result == ERR_NOT_FOUND ? ERR_IO : result;
    }
    chmod(path, 0600);
    release_pages(path);
    return ERR_OK;
}

/* rrd_tune(3) takes its arguments as a program's main does. */
struct tune {
    char texts[2 * SERIES_MAX_SOURCES + 2][96];
    char *arguments[3 * SERIES_MAX_SOURCES + 3];
    int count, used;
};

static char *tune_text(struct tune *tune, const char *format, const char *name, int number)
{
    char *text = tune->texts[tune->used++];
    if (strcmp(format, "name:number") == 0)
        str_format(text, sizeof tune->texts[0], "%s:%d", name, number);
    else
        str_copy(text, sizeof tune->texts[0], format);
    return text;
}

/* What the file says of a data source: its heartbeat, or −1 where it has none of that name. */
static int known_heartbeat(const rrd_info_t *first, const char *name)
{
    char key[96];
    str_format(key, sizeof key, "ds[%s].minimal_heartbeat", name);
    for (const rrd_info_t *entry = first; entry; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return (int)entry->value.u_cnt;
    return -1;
}

static enum err tune_file(const char *path, struct tune *tune, struct err_info *info)
{
    if (tune->count == 0)
        return ERR_OK;
    char program[] = "tune";
    char *file = xstrdup(path);
    char *arguments[3 * SERIES_MAX_SOURCES + 6] = {program, file};
    memcpy(arguments + 2, tune->arguments, (size_t)tune->count * sizeof *arguments);
    rrd_clear_error();
    int code = rrd_tune(tune->count + 2, arguments);
    free(file);
    return code == 0 ? ERR_OK : rrd_failed(info, path, "bring up to date");
}

enum err series_file_check(const char *path, enum object_kind kind, int heartbeat_s, struct err_info *info)
{
    struct tune change = {0}, add = {0};
    int sources[SERIES_MAX_SOURCES];
    size_t count = series_sources(kind, sources);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return err_set(info, ERR_NOT_FOUND, "%s is not there", path);
    rrd_clear_error();
    rrd_info_t *known = rrd_info_r(path);
    if (!known)
        return rrd_failed(info, path, "read");
    for (size_t i = 0; i < count; i++) {
        const char *name = metric_table(kind)->metrics[sources[i]].key;
        int heartbeat = known_heartbeat(known, name);
        if (heartbeat < 0) {
            char *text = add.texts[add.used++];
            source_argument(kind, sources[i], heartbeat_s, text, sizeof add.texts[0]);
            add.arguments[add.count++] = text;
        } else if (heartbeat != heartbeat_s) {
            change.arguments[change.count++] = tune_text(&change, "--heartbeat", NULL, 0);
            change.arguments[change.count++] = tune_text(&change, "name:number", name, heartbeat_s);
        }
    }
    rrd_info_free(known);
    enum err result = tune_file(path, &change, info);
    return result == ERR_OK ? tune_file(path, &add, info) : result;
}

/* "1700000000.250000:1.5:U:…". The decimal point is a point in every locale. */
static void sample_text(const struct series_sample *sample, size_t width, char out[SAMPLE_TEXT_SIZE])
{
    size_t length = (size_t)snprintf(out, SAMPLE_TEXT_SIZE, "%lld.%06d", (long long)(sample->at_us / USEC_PER_SEC),
        (int)(sample->at_us % USEC_PER_SEC));
    for (size_t i = 0; i < width; i++) {
        double value = sample->values[i];
        int written = isfinite(value) ? snprintf(out + length, SAMPLE_TEXT_SIZE - length, ":%.15g", value)
                                      : snprintf(out + length, SAMPLE_TEXT_SIZE - length, ":U");
        length += (size_t)written;
    }
    for (char *comma; (comma = strchr(out, ','));)
        *comma = '.';
}

/* "cpu_pct:mem_used_bytes:…": which value is whose, whatever the order in the file. */
static char *template_text(enum object_kind kind, const int *sources, size_t count)
{
    struct buf text = BUF(SERIES_MAX_SOURCES * 24);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i ? ":" : "", metric_table(kind)->metrics[sources[i]].key);
    return buf_take(&text);
}

enum err series_file_update(
    const char *path, enum object_kind kind, const struct series_sample *samples, size_t count, struct err_info *info)
{
    char texts[UPDATE_SAMPLES][SAMPLE_TEXT_SIZE];
    const char *arguments[UPDATE_SAMPLES];
    int sources[SERIES_MAX_SOURCES];
    size_t width = series_sources(kind, sources);
    char *template = template_text(kind, sources, width);
    enum err result = ERR_OK;
    for (size_t done = 0; done < count && result == ERR_OK;) {
        size_t some = count - done < UPDATE_SAMPLES ? count - done : UPDATE_SAMPLES;
        for (size_t i = 0; i < some; i++) {
            sample_text(&samples[done + i], width, texts[i]);
            arguments[i] = texts[i];
        }
        rrd_clear_error();
        if (rrd_updatex_r(path, template, RRD_SKIP_PAST_UPDATES, (int)some, arguments) != 0)
            result = rrd_failed(info, path, "update");
        done += some;
    }
    free(template);
    return result;
}
