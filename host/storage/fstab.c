/* Reading and editing /etc/fstab. A row is looked at where it stands in the text: words between blanks, octal escapes
 * in the mount point, options between commas that are not in quotes. What is not understood is passed over and stays.
 * Changes of all helpers of a host exclude one another by a lock file. */
#include "host/storage/fstab.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/run.h"
#include "host/site/record.h"
#include "host/storage/mounts.h"

#define FSTAB "/etc/fstab"
#define FILE_CEILING (4u * 1024 * 1024)
#define MOST_POINTS 1000
#define RELOAD_LIMIT_US (60 * USEC_PER_SEC)

struct span {
    const char *begin, *end;
};

struct row {
    char point[HOST_PATH_SIZE]; /* unescaped; "" where this line is no row, or its mount point is too long */
    struct span type;
    struct span options; /* empty, behind the type, where there are none */
};

/* --- words and options ----------------------------------------------------------------------------------------------
 */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of the line; empty at its end. */
static struct span take_word(const char **at, const char *end)
{
    struct span word;
    while (*at < end && is_blank(**at))
        (*at)++;
    word.begin = *at;
    while (*at < end && !is_blank(**at))
        (*at)++;
    word.end = *at;
    return word;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* `\040` is a blank (fstab(5)). Slashes at the end do not count. False where it does not fit, or is no path. */
static bool unescape(struct span word, char out[HOST_PATH_SIZE])
{
    size_t length = 0;
    for (const char *c = word.begin; c < word.end; length++) {
        if (length + 1 >= HOST_PATH_SIZE)
            return false;
        bool escaped = word.end - c >= 4 && c[0] == '\\' && is_octal(c[1]) && is_octal(c[2]) && is_octal(c[3]);
        out[length] = escaped ? (char)((c[1] - '0') * 64 + (c[2] - '0') * 8 + (c[3] - '0')) : *c;
        if (!out[length])
            return false;
        c += escaped ? 4 : 1;
    }
    while (length > 1 && out[length - 1] == '/')
        length--;
    out[length] = '\0';
    return true;
}

/* A comma in double quotes (context="a,b") separates nothing. False behind the last one. */
static bool next_option(const char **at, const char *end, struct span *option)
{
    bool quoted = false;
    if (!*at || *at > end)
        return false;
    option->begin = *at;
    const char *c = *at;
    for (; c < end && (quoted || *c != ','); c++)
        quoted = quoted != (*c == '"');
    option->end = c;
    *at = c < end ? c + 1 : NULL;
    return true;
}

static bool is_word(struct span span, const char *word)
{
    size_t length = (size_t)(span.end - span.begin);
    return length == strlen(word) && memcmp(span.begin, word, length) == 0;
}

static bool begins(struct span span, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(span.end - span.begin) >= length && memcmp(span.begin, word, length) == 0;
}

static bool has_option(const struct row *row, const char *word)
{
    struct span option;
    for (const char *at = row->options.begin; next_option(&at, row->options.end, &option);)
        if (is_word(option, word))
            return true;
    return false;
}

/* --- rows -----------------------------------------------------------------------------------------------------------
 */

static void read_row(const char *line, const char *end, struct row *row)
{
    *row = (struct row){0};
    if (end > line && end[-1] == '\r') /* edited on another system */
        end--;
    struct span device = take_word(&line, end), point = take_word(&line, end), type = take_word(&line, end);
    bool is_row = type.begin < type.end && *device.begin != '#' && *point.begin == '/';
    if (!is_row || !unescape(point, row->point))
        row->point[0] = '\0';
    row->type = type;
    row->options = take_word(&line, end);
    if (row->options.begin == row->options.end)
        row->options = (struct span){type.end, type.end};
}

/* Walk over the lines: *at moves to the next one, *line is the one passed, without its newline. */
static bool next_line(const char **at, const char *end, struct span *line)
{
    if (*at >= end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    *line = (struct span){*at, newline ? newline : end};
    *at = newline ? newline + 1 : end;
    return true;
}

/* Of `auto` and `noauto` the last one counts, but old tools look for the latter only. */
static bool is_last_noauto(const struct row *row)
{
    struct span option;
    bool noauto = false;
    for (const char *at = row->options.begin; next_option(&at, row->options.end, &option);)
        noauto = is_word(option, "noauto") || (noauto && !is_word(option, "auto"));
    return noauto;
}

static enum fstab_when when_of(const struct row *row)
{
    struct span option;
    for (const char *at = row->options.begin; next_option(&at, row->options.end, &option);) {
        if (is_word(option, "x-systemd.automount") || is_word(option, "comment=systemd.automount"))
            return FSTAB_ON_ACCESS;
        if (begins(option, "x-systemd.wanted-by=") || begins(option, "x-systemd.required-by="))
            return FSTAB_WITH_UNIT;
    }
    return has_option(row, "noauto") ? FSTAB_BY_HAND : FSTAB_AT_BOOT;
}

/* As systemd has it (src/basic/mountpoint-util.c, fstype_is_network). */
static bool is_of_network(struct span type)
{
    static const char *const types[] = {"afs", "ceph", "cifs", "davfs", "gfs", "gfs2", "glusterfs", "lustre", "ncp",
        "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "sshfs"};
    if (begins(type, "fuse."))
        type.begin += strlen("fuse.");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is_word(type, types[i]))
            return true;
    return false;
}

static bool stops_boot(const struct row *row)
{
    return when_of(row) == FSTAB_AT_BOOT && !has_option(row, "nofail") && !has_option(row, "_netdev") &&
           !is_of_network(row->type);
}

/* --- looking --------------------------------------------------------------------------------------------------------
 */

static enum err read_file(struct buf *text, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    *text = BUF(FILE_CEILING);
    return buf_read_file(text, host_path(path, sizeof path, FSTAB), info);
}

/* The file of now, row by row; one that cannot be read has none. */
struct table {
    struct buf text;
    const char *at;
    struct row row;
};

static struct table open_table(void)
{
    struct table table = {0};
    read_file(&table.text, NULL);
    table.at = buf_text(&table.text);
    return table;
}

/* Lines that are no rows are passed over. False behind the last one. */
static bool next_row(struct table *table)
{
    struct span line;
    table->row.point[0] = '\0';
    while (!table->row.point[0] && next_line(&table->at, buf_text(&table->text) + table->text.length, &line))
        read_row(line.begin, line.end, &table->row);
    return table->row.point[0];
}

bool fstab_has_below(const char *path)
{
    struct table table = open_table();
    bool found = false;
    while (!found && next_row(&table))
        found = mounts_is_at_or_below(table.row.point, path);
    buf_free(&table.text);
    return found;
}

static bool runs_systemd(void)
{
    char path[HOST_PATH_SIZE];
    return access(host_path(path, sizeof path, "/run/systemd/system"), F_OK) == 0;
}

bool fstab_stops_boot(const char *path)
{
    struct table table = open_table();
    bool found = false;
    while (!found && next_row(&table))
        found = strcmp(table.row.point, path) == 0;
    bool stops = found && stops_boot(&table.row) && runs_systemd();
    buf_free(&table.text);
    return stops;
}

json_t *fstab_points(void)
{
    struct table table = open_table();
    json_t *once = json_object(), *points = json_array();
    const char *point = table.row.point;
    while (json_array_size(points) < MOST_POINTS && next_row(&table)) {
        if (strcmp(point, "/") == 0 || json_object_get(once, point))
            continue;
        if (json_object_set_new(once, point, json_true()) == 0) /* what is no UTF-8 is nobody's */
            json_array_append_new(points, json_string(point));
    }
    json_decref(once);
    buf_free(&table.text);
    return points;
}

/* Of several rows for one mount point the first one counts. */
static enum fstab_when find(const char *path, bool also_above, char point[HOST_PATH_SIZE])
{
    struct table table = open_table();
    const struct row *row = &table.row;
    enum fstab_when when = FSTAB_NEVER;
    point[0] = '\0';
    while (next_row(&table)) {
        bool fits = also_above ? mounts_is_at_or_below(path, row->point) : strcmp(row->point, path) == 0;
        if (strcmp(row->point, "/") == 0 || !fits || strlen(row->point) <= strlen(point))
            continue;
        str_copy(point, HOST_PATH_SIZE, row->point);
        when = when_of(row);
    }
    buf_free(&table.text);
    return when;
}

enum fstab_when fstab_when(const char *path)
{
    char point[HOST_PATH_SIZE];
    return find(path, false, point);
}

enum fstab_when fstab_find_above(const char *path, char point[HOST_PATH_SIZE])
{
    return find(path, true, point);
}

/* --- editing --------------------------------------------------------------------------------------------------------
 */

static void put_span(struct buf *out, const char *begin, const char *end)
{
    if (end > begin)
        buf_append(out, begin, (size_t)(end - begin));
}

/* The options without `noauto`; a row needs at least one. */
static void put_without_noauto(struct buf *out, struct span options)
{
    struct span option;
    size_t kept = 0;
    for (const char *at = options.begin; next_option(&at, options.end, &option);) {
        if (is_word(option, "noauto"))
            continue;
        if (kept++)
            buf_putc(out, ',');
        put_span(out, option.begin, option.end);
    }
    if (!kept)
        buf_puts(out, "defaults");
}

static void put_with_noauto(struct buf *out, struct span options)
{
    bool any = options.begin < options.end;
    put_span(out, options.begin, options.end);
    buf_puts(out, any ? ",noauto" : " noauto");
}

static void put_line(struct buf *out, struct span line, const struct row *row, bool at_boot)
{
    put_span(out, line.begin, row->options.begin);
    if (at_boot)
        put_without_noauto(out, row->options);
    else
        put_with_noauto(out, row->options);
    put_span(out, row->options.end, line.end);
}

/* Whether this row, one of those for the mount point, is to be written anew. */
static bool is_to_change(const struct row *row, bool is_first, bool at_boot)
{
    enum fstab_when when = when_of(row);
    if (when == FSTAB_ON_ACCESS || when == FSTAB_WITH_UNIT)
        return false;
    if (!at_boot)
        return !is_last_noauto(row);
    return when == FSTAB_BY_HAND && (is_first || has_option(row, "remount"));
}

enum err fstab_rewrite(const struct buf *text, const char *path, bool at_boot, struct buf *out)
{
    const char *at = buf_text(text), *end = at + text->length;
    struct span line;
    struct row row;
    bool is_first = true;
    while (next_line(&at, end, &line)) {
        read_row(line.begin, line.end, &row);
        bool is_named = strcmp(row.point, path) == 0;
        if (is_named && is_to_change(&row, is_first, at_boot))
            put_line(out, line, &row, at_boot);
        else
            put_span(out, line.begin, line.end);
        put_span(out, line.end, at); /* the newline, where there is one */
        is_first = is_first && !is_named;
    }
    return out->overflowed ? ERR_FULL : ERR_OK;
}

/* Units made of the file are made anew; none is started or stopped by that. */
static enum err reload_units(struct err_info *info)
{
    char usr[HOST_PATH_SIZE], bin[HOST_PATH_SIZE];
    if (!runs_systemd())
        return ERR_OK;
    host_path(usr, sizeof usr, "/usr/bin/systemctl");
    const char *const candidates[] = {usr, host_path(bin, sizeof bin, "/bin/systemctl"), NULL};
    const char *const argv[] = {run_find(candidates), "daemon-reload", NULL};
    enum err result = run_told("systemctl", argv, RELOAD_LIMIT_US, info);
    return result == ERR_OK ? ERR_OK
                            : err_prefix(info, result, FSTAB " is changed, but `systemctl daemon-reload` failed");
}

static enum err change_file(const char *path, bool at_boot, struct err_info *info)
{
    struct buf text, out = BUF(FILE_CEILING);
    char file[HOST_PATH_SIZE];
    enum err result = read_file(&text, info);
    if (result == ERR_OK && fstab_rewrite(&text, path, at_boot, &out) != ERR_OK)
        result = err_set(info, ERR_FULL, FSTAB " would be longer than %u bytes", FILE_CEILING);
    bool same = out.length == text.length && memcmp(buf_text(&out), buf_text(&text), text.length) == 0;
    if (result == ERR_OK && !same)
        result = paths_replace(host_path(file, sizeof file, FSTAB), buf_text(&out), out.length, info);
    if (result == ERR_OK && !same)
        result = reload_units(info);
    buf_free(&out);
    buf_free(&text);
    return result;
}

enum err fstab_set_boot(const char *path, bool at_boot, struct err_info *info)
{
    int lock;
    if (fstab_when(path) == FSTAB_NEVER)
        return err_set(info, ERR_NOT_FOUND, "%s is no mount point in this host's " FSTAB, path);
    enum err result = record_lock("fstab", "lock", true, &lock, info);
    if (result != ERR_OK)
        return result;
    result = change_file(path, at_boot, info);
    record_unlock(lock);
    return result;
}
