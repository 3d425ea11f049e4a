/* Strict reading of one YAML file with libyaml's event API, which keeps scalars as text and knows lines and columns.
 *
 * Guarantees: memory is bounded by the file (16 MB) and depth by YAML_MAX_DEPTH, since nothing is ever expanded; after
 * a syntax error the file ends, once complained about. No state but the reader; the loading thread. */
#include "fleet/yaml_reader.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/sanitize.h"
#include "fleet/complaints.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one, which the current node's text lies in */
    const char *file, *text;
    size_t length;
    struct complaints *complaints;
    size_t depth, documents;
    bool finished, broke;
};

/* --- encoding ----------------------------------------------------------------------------------------------------- */

static struct place place_of_offset(const struct reader *reader, size_t offset)
{
    struct place place = {.file = reader->file, .line = 1, .column = 1};
    for (size_t i = 0; i < offset; i++) {
        if (reader->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)reader->text[i] & 0xC0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static bool is_allowed_control(unsigned char byte)
{
    return byte == '\n' || byte == '\r' || byte == '\t';
}

/* The offset of the first byte that is neither text nor line break; length where all is well. */
static size_t find_bad_byte(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        unsigned char byte = (unsigned char)text[at];
        if (byte < 0x80) {
            if ((byte < 0x20 && !is_allowed_control(byte)) || byte == 0x7F)
                return at;
            at++;
            continue;
        }
        uint32_t code_point;
        size_t size = utf8_decode(text + at, length - at, &code_point);
        if (size == 0)
            return at;
        at += size;
    }
    return length;
}

static void check_encoding(struct reader *reader)
{
    static const char *const utf16[] = {"\xFE\xFF", "\xFF\xFE"};
    struct place whole = {.file = reader->file};
    for (size_t i = 0; i < 2; i++)
        if (reader->length >= 2 && memcmp(reader->text, utf16[i], 2) == 0) {
            complain(reader->complaints, &whole, "the file is in UTF-16; save it as UTF-8");
            reader->broke = reader->finished = true;
            return;
        }
    size_t bad = find_bad_byte(reader->text, reader->length);
    if (bad == reader->length)
        return;
    struct place place = place_of_offset(reader, bad);
    unsigned byte = (unsigned char)reader->text[bad];
    complain(reader->complaints, &place,
        byte < 0x80 ? "the byte 0x%02x is a control character, which cannot be in a fleet file"
                    : "the byte 0x%02x is not valid UTF-8; save the file as UTF-8",
        byte);
    reader->broke = reader->finished = true;
}

/* --- events to nodes ---------------------------------------------------------------------------------------------- */

static struct place place_of_mark(const struct reader *reader, const yaml_mark_t *mark)
{
    return (struct place){.file = reader->file, .line = (unsigned)mark->line + 1, .column = (unsigned)mark->column + 1};
}

/* The character at a line and column (from 0) of the text; '\0' behind its end. */
static char character_at(const struct reader *reader, const yaml_mark_t *mark)
{
    size_t line = 0, column = 0;
    for (size_t i = 0; i < reader->length; i++) {
        if (line == mark->line && column == mark->column)
            return reader->text[i];
        if (reader->text[i] == '\n') {
            line++;
            column = 0;
        } else if (((unsigned char)reader->text[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    return '\0';
}

/* libyaml's own words say what it expected; where it was when it gave up is the position, where the construct began is
 * often where the mistake is. */
static void complain_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    struct place place = place_of_mark(reader, &parser->problem_mark);
    const char *problem = parser->problem ? parser->problem : "it cannot be read";
    reader->broke = reader->finished = true;
    if (character_at(reader, &parser->problem_mark) == '\t')
        complain(reader->complaints, &place, "a tab cannot indent or separate YAML here; use blanks");
    else if (parser->context && parser->context_mark.line != parser->problem_mark.line)
        complain(reader->complaints, &place, "not valid YAML: %s, %s that begins on line %zu", problem, parser->context,
            parser->context_mark.line + 1);
    else
        complain(reader->complaints, &place, "not valid YAML: %s%s%s", problem, parser->context ? ", " : "",
            parser->context ? parser->context : "");
}

static void refuse_anchor_and_tag(
    struct reader *reader, const struct place *place, const unsigned char *anchor, const unsigned char *tag)
{
    char text[QUOTED_SIZE];
    if (anchor)
        complain(reader->complaints, place, "anchors and aliases are refused: write %s out where it is used",
            quoted((const char *)anchor, strlen((const char *)anchor), text));
    if (tag)
        complain(reader->complaints, place, "tags such as %s are refused: write the value alone",
            quoted((const char *)tag, strlen((const char *)tag), text));
}

static void enter(struct reader *reader, struct node *node)
{
    if (++reader->depth <= YAML_MAX_DEPTH)
        return;
    complain(reader->complaints, &node->place, "nested more than %d deep", YAML_MAX_DEPTH);
    reader->broke = reader->finished = true;
    node->kind = NODE_FINISHED;
}

static void take_scalar(struct reader *reader, struct node *node)
{
    const yaml_event_t *event = &reader->event;
    refuse_anchor_and_tag(reader, &node->place, event->data.scalar.anchor, event->data.scalar.tag);
    node->kind = NODE_SCALAR;
    node->text = (const char *)event->data.scalar.value;
    node->length = event->data.scalar.length;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(node->text) == node->length)
        return;
    complain(reader->complaints, &node->place, "text with a NUL character (\\0) within");
    node->kind = NODE_REFUSED;
}

static void take_start(struct reader *reader, struct node *node)
{
    const yaml_event_t *event = &reader->event;
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    node->kind = is_map ? NODE_MAP : NODE_LIST;
    node->flow = is_map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                        : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    refuse_anchor_and_tag(reader, &node->place,
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
    enter(reader, node);
}

static void take_alias(struct reader *reader, struct node *node)
{
    refuse_anchor_and_tag(reader, &node->place, reader->event.data.alias.anchor, NULL);
    node->kind = NODE_REFUSED;
}

static void take_end(struct reader *reader, struct node *node)
{
    reader->depth--;
    node->kind = NODE_END;
}

static void take_stream_end(struct reader *reader, struct node *node)
{
    reader->finished = true;
    node->kind = NODE_FINISHED;
}

/* Events that are no nodes: false. */
static bool take_event(struct reader *reader, struct node *node)
{
    static void (*const takers[])(struct reader *, struct node *) = {
        [YAML_SCALAR_EVENT] = take_scalar,
        [YAML_ALIAS_EVENT] = take_alias,
        [YAML_SEQUENCE_START_EVENT] = take_start,
        [YAML_MAPPING_START_EVENT] = take_start,
        [YAML_SEQUENCE_END_EVENT] = take_end,
        [YAML_MAPPING_END_EVENT] = take_end,
        [YAML_STREAM_END_EVENT] = take_stream_end,
    };
    const yaml_event_t *event = &reader->event;
    size_t type = (size_t)event->type;
    node->place = place_of_mark(reader, &event->start_mark);
    node->start = (struct position){event->start_mark.line, event->start_mark.column};
    node->end = (struct position){event->end_mark.line, event->end_mark.column};
    if (type >= sizeof takers / sizeof *takers || !takers[type])
        return false;
    takers[type](reader, node);
    return true;
}

/* A second document, or %YAML and %TAG before the first. */
static void check_document(struct reader *reader)
{
    const yaml_event_t *event = &reader->event;
    struct place place = place_of_mark(reader, &event->start_mark);
    if (event->data.document_start.version_directive ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        complain(reader->complaints, &place, "directives (%%YAML, %%TAG) are refused: remove the line");
    if (++reader->documents == 1)
        return;
    complain(reader->complaints, &place, "a second document begins here; a fleet file has one: remove the \"---\"");
    reader->broke = reader->finished = true;
}

/* ------------------------------------------------------------------------------------------------------------------ */

struct reader *reader_new(const char *file, const char *text, size_t length, struct complaints *complaints)
{
    struct reader *reader = xcalloc(1, sizeof *reader);
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
        text += 3;
        length -= 3;
    }
    *reader = (struct reader){.file = file, .text = text, .length = length, .complaints = complaints};
    check_encoding(reader);
    if (!yaml_parser_initialize(&reader->parser))
        abort(); /* only where memory is exhausted */
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, length);
    return reader;
}

void reader_free(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
    free(reader);
}

void reader_next(struct reader *reader, struct node *node)
{
    *node = (struct node){.kind = NODE_FINISHED, .place = {.file = reader->file}};
    while (!reader->finished) {
        yaml_event_delete(&reader->event);
        if (!yaml_parser_parse(&reader->parser, &reader->event))
            complain_syntax(reader);
        else if (reader->event.type == YAML_DOCUMENT_START_EVENT)
            check_document(reader);
        else if (take_event(reader, node))
            return;
    }
}

void reader_skip(struct reader *reader, const struct node *node)
{
    size_t depth = node->kind == NODE_LIST || node->kind == NODE_MAP;
    struct node inner;
    while (depth > 0) {
        reader_next(reader, &inner);
        if (inner.kind == NODE_FINISHED)
            return;
        if (inner.kind == NODE_LIST || inner.kind == NODE_MAP)
            depth++;
        else if (inner.kind == NODE_END)
            depth--;
    }
}

bool reader_broke(const struct reader *reader)
{
    return reader->broke;
}

bool node_is_null(const struct node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != NODE_SCALAR || !node->plain || node->length > sizeof "null" - 1)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(node->text, nulls[i]) == 0)
            return true;
    return false;
}
