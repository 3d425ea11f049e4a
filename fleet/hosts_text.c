/* Surgery on the text of hosts.yaml. The YAML reader says where each host's entry begins and ends; lines and commas
 * around it decide what goes with it. Block style ("name: …" a line) and flow style ("{ name: …, … }") are both edited,
 * comments stay. No state; any thread. */
#include "fleet/hosts_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "fleet/yaml_reader.h"

#define TEXT_CEILING (2 * YAML_MAX_BYTES)
#define BLANKS " \t"

struct entry {
    char *name;
    size_t start, end; /* offsets: of its name, and just behind its value */
};

enum style { STYLE_ABSENT, STYLE_NULL, STYLE_FLOW, STYLE_BLOCK };

struct layout {
    const char *text;
    size_t length;
    VEC(size_t) lines; /* where each begins */
    enum style style;
    bool root_is_flow; /* the whole file is { … } */
    size_t start, end; /* of the value of "hosts" */
    size_t key_column; /* of "hosts" */
    VEC(struct entry) entries;
};

/* --- lines and offsets -------------------------------------------------------------------------------------------- */

/* The length of the line break at `at`, 0 where there is none. libyaml counts the breaks of YAML 1.1. */
static size_t break_length(const char *at)
{
    static const char *const breaks[] = {"\r\n", "\n", "\r", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++)
        if (str_starts(at, breaks[i]))
            return strlen(breaks[i]);
    return 0;
}

static void find_lines(struct layout *layout)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    size_t at = str_starts(layout->text, byte_order_mark) ? strlen(byte_order_mark) : 0;
    vec_push(&layout->lines, at);
    while (at < layout->length) {
        size_t length = break_length(layout->text + at);
        at += length ? length : 1;
        if (length)
            vec_push(&layout->lines, at);
    }
}

static size_t offset_of(const struct layout *layout, struct position position)
{
    if (position.line >= layout->lines.count)
        return layout->length;
    size_t at = layout->lines.items[position.line];
    for (size_t column = 0; column < position.column && at < layout->length; column++)
        do
            at++;
        while (((unsigned char)layout->text[at] & 0xC0) == 0x80);
    return at;
}

static size_t line_of(const struct layout *layout, size_t offset)
{
    size_t low = 0, high = layout->lines.count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (layout->lines.items[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static size_t line_start(const struct layout *layout, size_t offset)
{
    return layout->lines.items[line_of(layout, offset)];
}

/* Where the next line begins; the end of the text where there is none. */
static size_t next_line(const struct layout *layout, size_t offset)
{
    size_t line = line_of(layout, offset) + 1;
    return line < layout->lines.count ? layout->lines.items[line] : layout->length;
}

/* Behind the last line of something that ends at `end`: a block scalar ends where the next line begins. */
static size_t behind_lines(const struct layout *layout, size_t end)
{
    return end == line_start(layout, end) ? end : next_line(layout, end);
}

static size_t skip_blanks(const struct layout *layout, size_t at)
{
    return at + strspn(layout->text + at, BLANKS);
}

/* From `at` on there is nothing, or only a comment, in its line. */
static bool rest_is_comment(const struct layout *layout, size_t at)
{
    char next = layout->text[skip_blanks(layout, at)];
    return next == '\0' || next == '#' || break_length(layout->text + skip_blanks(layout, at)) > 0;
}

static bool is_first_in_line(const struct layout *layout, size_t at)
{
    return skip_blanks(layout, line_start(layout, at)) == at;
}

/* --- finding the entries ------------------------------------------------------------------------------------------ */

/* Where the value that begins with `node` ends. Block collections end where the next thing begins, so it is the last
 * piece of them that counts: their own ends have no width. */
static struct position end_of_value(struct reader *reader, const struct node *node)
{
    struct position end = node->end;
    size_t depth = node->kind == NODE_LIST || node->kind == NODE_MAP;
    struct node inner;
    while (depth > 0) {
        reader_next(reader, &inner);
        if (inner.kind == NODE_FINISHED)
            break;
        if (inner.kind == NODE_LIST || inner.kind == NODE_MAP)
            depth++;
        if (inner.kind == NODE_END)
            depth--;
        if (inner.start.line != inner.end.line || inner.start.column != inner.end.column)
            end = inner.end;
    }
    return end;
}

static void find_entries(struct layout *layout, struct reader *reader)
{
    struct node key, value;
    for (;;) {
        reader_next(reader, &key);
        if (key.kind != NODE_SCALAR)
            break;
        struct entry *entry = vec_add(&layout->entries);
        entry->name = xstrdup(key.text);
        entry->start = offset_of(layout, key.start);
        reader_next(reader, &value);
        entry->end = offset_of(layout, end_of_value(reader, &value));
    }
    layout->end = offset_of(layout, key.end);
}

static void find_hosts(struct layout *layout, struct reader *reader, const struct node *key)
{
    struct node value;
    layout->key_column = key->start.column;
    reader_next(reader, &value);
    layout->start = offset_of(layout, value.start);
    layout->end = offset_of(layout, value.end);
    if (value.kind == NODE_MAP) {
        layout->style = value.flow ? STYLE_FLOW : STYLE_BLOCK;
        find_entries(layout, reader);
    } else {
        layout->style = STYLE_NULL;
    }
}

static enum err find_layout(struct layout *layout, const char *text, struct err_info *info)
{
    *layout = (struct layout){.text = text, .length = strlen(text), .style = STYLE_ABSENT};
    find_lines(layout);
    struct complaints complaints = {0};
    struct reader *reader = reader_new("hosts.yaml", text, layout->length, &complaints);
    struct node node;
    reader_next(reader, &node);
    layout->root_is_flow = node.kind == NODE_MAP && node.flow;
    for (bool in_map = node.kind == NODE_MAP; in_map;) {
        reader_next(reader, &node);
        in_map = node.kind == NODE_SCALAR;
        if (in_map && strcmp(node.text, "hosts") == 0)
            find_hosts(layout, reader, &node);
        else if (in_map)
            reader_next(reader, &node), reader_skip(reader, &node);
    }
    reader_free(reader);
    bool broken = complaints.list.count > 0;
    complaints_free(&complaints);
    return broken ? err_set(info, ERR_INVALID, "hosts.yaml has errors; dogwatch check shows them") : ERR_OK;
}

static void layout_free(struct layout *layout)
{
    vec_each (&layout->entries, struct entry, entry)
        free(entry->name);
    vec_free(&layout->entries);
    vec_free(&layout->lines);
}

/* --- writing a host ----------------------------------------------------------------------------------------------- */

/* A scalar inside brackets: bare where nothing in it can be taken for anything else. */
static void put_scalar(struct buf *out, const char *text)
{
    static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
    bool looks_null = strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
    if (text[0] != '\0' && text[0] != '-' && text[strspn(text, bare)] == '\0' && !looks_null) {
        buf_puts(out, text);
        return;
    }
    buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

static void put_member(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, ", %s: ", key);
    put_scalar(out, text);
}

static void put_roles(struct buf *out, unsigned roles)
{
    char text[64];
    const char *word = roles_text(roles, text);
    for (const char *separator = ", roles: ["; *word; separator = ", ") {
        size_t length = strcspn(word, " ");
        buf_puts(out, separator);
        buf_append(out, word, length);
        word += length + strspn(word + length, " ");
    }
    buf_putc(out, ']');
}

/* "mosh01: { address: 192.0.2.11, roles: [proxy] }"; what would hold anyway is left out. */
static void put_host(struct buf *out, const struct host_def *host)
{
    put_scalar(out, host->name);
    buf_puts(out, ": { address: ");
    put_scalar(out, host->address ? host->address : "");
    if (host->port && host->port != 22)
        buf_printf(out, ", port: %u", (unsigned)host->port);
    if (host->user && strcmp(host->user, "dogwatch") != 0)
        put_member(out, "user", host->user);
    if (host->jump)
        put_member(out, "jump", host->jump);
    if (host->roles && host->roles != ROLE_COMPUTE)
        put_roles(out, host->roles);
    vec_each (&host->labels, struct label, label) {
        buf_puts(out, label == host->labels.items ? ", labels: { " : ", ");
        put_scalar(out, label->name);
        buf_puts(out, ": ");
        put_scalar(out, label->value);
    }
    buf_puts(out, host->labels.count ? " } }" : " }");
}

/* --- putting texts together --------------------------------------------------------------------------------------- */

/* The text without [from, to), with `insertion` in its place. */
static char *spliced(const struct layout *layout, size_t from, size_t to, const char *insertion)
{
    struct buf out = BUF(TEXT_CEILING);
    buf_append(&out, layout->text, from);
    buf_puts(&out, insertion);
    buf_append(&out, layout->text + to, layout->length - to);
    return buf_take(&out);
}

static const char *line_break(const struct layout *layout)
{
    return strstr(layout->text, "\r\n") ? "\r\n" : "\n";
}

/* `entry` as a line of its own at the offset, where a line begins or the text ends. */
static char *with_line(const struct layout *layout, size_t at, size_t indent, const char *entry)
{
    struct buf line = BUF(TEXT_CEILING);
    bool unfinished = at > 0 && at == layout->length && line_start(layout, at) != at;
    buf_printf(&line, "%s%*s%s%s", unfinished ? line_break(layout) : "", (int)indent, "", entry, line_break(layout));
    char *text = spliced(layout, at, at, buf_text(&line));
    buf_free(&line);
    return text;
}

/* "hosts:" or "hosts: {}" becomes "hosts:" with one line below. */
static char *begin_block(const struct layout *layout, const char *entry)
{
    size_t from = layout->start;
    while (layout->end > layout->start && from > 0 && strchr(BLANKS, layout->text[from - 1]))
        from--;
    struct layout emptied;
    char *text = spliced(layout, from, layout->end, "");
    char *result = NULL;
    if (find_layout(&emptied, text, NULL) == ERR_OK)
        result = with_line(&emptied, next_line(&emptied, from), layout->key_column + 2, entry);
    layout_free(&emptied);
    free(text);
    return result;
}

/* Behind the last host between brackets: on a line of its own where the others have theirs. */
static char *extend_flow(const struct layout *layout, const char *entry)
{
    const struct entry *last = &layout->entries.items[layout->entries.count - 1];
    size_t comma = skip_blanks(layout, last->end);
    bool has_comma = layout->text[comma] == ',';
    size_t behind = has_comma ? comma + 1 : last->end;
    bool own_line = is_first_in_line(layout, last->start) && rest_is_comment(layout, behind);
    struct buf insertion = BUF(TEXT_CEILING);
    if (!own_line) {
        buf_printf(&insertion, ", %s", entry);
        char *text = spliced(layout, last->end, last->end, buf_text(&insertion));
        buf_free(&insertion);
        return text;
    }
    size_t at = next_line(layout, behind);
    size_t indent = last->start - line_start(layout, last->start);
    buf_append(&insertion, layout->text + behind, at - behind);
    buf_printf(&insertion, "%*s%s%s%s", (int)indent, "", entry, has_comma ? "," : "", line_break(layout));
    struct buf whole = BUF(TEXT_CEILING);
    buf_printf(&whole, "%s%s", has_comma ? "" : ",", buf_text(&insertion));
    char *text = spliced(layout, behind, at, buf_text(&whole));
    buf_free(&insertion);
    buf_free(&whole);
    return text;
}

static char *add_to_flow(const struct layout *layout, const char *entry)
{
    if (layout->entries.count > 0)
        return extend_flow(layout, entry);
    if (!layout->root_is_flow && line_of(layout, layout->start) == line_of(layout, layout->end))
        return begin_block(layout, entry);
    char *padded = xasprintf(" %s ", entry);
    char *text = spliced(layout, layout->start + 1, layout->start + 1, padded);
    free(padded);
    return text;
}

static char *add_to_block(const struct layout *layout, const char *entry)
{
    const struct entry *first = &layout->entries.items[0], *last = &layout->entries.items[layout->entries.count - 1];
    size_t indent = first->start - line_start(layout, first->start);
    return with_line(layout, behind_lines(layout, last->end), indent, entry);
}

static char *append_hosts(const struct layout *layout, const char *entry)
{
    struct buf lines = BUF(TEXT_CEILING);
    buf_printf(&lines, "hosts:%s  %s", line_break(layout), entry);
    char *text = layout->root_is_flow ? NULL : with_line(layout, layout->length, 0, buf_text(&lines));
    buf_free(&lines);
    return text;
}

enum err hosts_text_add(const char *text, const struct host_def *host, char **out, struct err_info *info)
{
    static char *(*const adders[])(const struct layout *, const char *) = {
        [STYLE_ABSENT] = append_hosts,
        [STYLE_NULL] = begin_block,
        [STYLE_FLOW] = add_to_flow,
        [STYLE_BLOCK] = add_to_block,
    };
    *out = NULL;
    struct layout layout;
    struct buf entry = BUF(TEXT_CEILING);
    enum err result = find_layout(&layout, text, info);
    if (result == ERR_OK) {
        put_host(&entry, host);
        *out = adders[layout.style](&layout, buf_text(&entry));
        if (!*out)
            result = err_set(info, ERR_INVALID,
                "hosts.yaml is written in a way that cannot be edited here; add the host by hand: %s",
                buf_text(&entry));
    }
    buf_free(&entry);
    layout_free(&layout);
    return result;
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

static char *remove_from_block(const struct layout *layout, const struct entry *entry)
{
    return spliced(layout, line_start(layout, entry->start), behind_lines(layout, entry->end), "");
}

/* With one of the commas beside it, and with its line where nothing else is in that. */
static char *remove_from_flow(const struct layout *layout, const struct entry *entry)
{
    size_t from = entry->start, to = entry->end, comma = skip_blanks(layout, to);
    if (layout->text[comma] == ',')
        to = comma + 1;
    if (is_first_in_line(layout, from) && rest_is_comment(layout, to))
        return spliced(layout, line_start(layout, from), next_line(layout, to), "");
    if (layout->text[comma] == ',') {
        to = skip_blanks(layout, to);
    } else {
        while (from > 0 && strchr(BLANKS, layout->text[from - 1]))
            from--;
        from = from > 0 && layout->text[from - 1] == ',' ? from - 1 : entry->start;
    }
    return spliced(layout, from, to, "");
}

enum err hosts_text_remove(const char *text, const char *name, char **out, struct err_info *info)
{
    *out = NULL;
    struct layout layout;
    enum err result = find_layout(&layout, text, info);
    const struct entry *found = NULL;
    vec_each (&layout.entries, struct entry, entry)
        if (strcmp(entry->name, name) == 0)
            found = entry;
    if (result == ERR_OK && !found)
        result = err_set(info, ERR_NOT_FOUND, "host %s is not in hosts.yaml", name);
    if (result == ERR_OK)
        *out = layout.style == STYLE_FLOW ? remove_from_flow(&layout, found) : remove_from_block(&layout, found);
    layout_free(&layout);
    return result;
}
