/* The fleet files as the schema says: descends through the nodes of one file beside the rows of the schema's tables.
 *
 * Guarantees: everything that is wrong is complained about once, with its position, and reading goes on behind it;
 * depth is that of the schema; what is there too often is skipped, so that memory is bounded by the limits. */
#include "fleet/records.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "fleet/complaints.h"

/* Where the reader is, from the inside out: "container web", "site example.org". */
struct context {
    const char *kind, *name; /* name NULL: the kind says it all */
    const struct context *of;
};

#define CONTEXT_SIZE 384
#define LINEAR_MOST 64 /* doubles among more records than this are found when everything has been read */

static void read_record(struct loader *loader, const struct record *record, void *target, const struct place *place);

/* --- messages ----------------------------------------------------------------------------------------------------- */

/* "container web of site example.org" */
static const char *context_text(const struct context *context, char out[CONTEXT_SIZE])
{
    out[0] = '\0';
    for (const struct context *at = context; at; at = at->of) {
        size_t used = strlen(out);
        const char *of = used ? " of " : "";
        char bad[QUOTED_SIZE];
        if (!at->name)
            str_format(out + used, CONTEXT_SIZE - used, "%s%s", of, at->kind);
        else
            str_format(out + used, CONTEXT_SIZE - used, "%s%s %s", of, at->kind, named(at->name, bad));
    }
    return out;
}

/* "memory in container web of site example.org: " and the message. */
static void complain_field(struct loader *loader, const struct field *field, const struct place *place,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void complain_field(
    struct loader *loader, const struct field *field, const struct place *place, const char *format, ...)
{
    char message[512], where[CONTEXT_SIZE];
    va_list args;
    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0)
        message[0] = '\0';
    va_end(args);
    complain(loader->complaints, place, "%s in %s: %s", field->key, context_text(loader->context, where), message);
}

/* Returns the key that was probably meant, or NULL. */
static const char *complain_unknown_key(struct loader *loader, const struct record *record, const struct node *key)
{
    char text[QUOTED_SIZE], where[CONTEXT_SIZE], keys[SCHEMA_KEYS_SIZE];
    quoted(key->text, key->length, text);
    context_text(loader->context, where);
    const char *nearest = schema_nearest(record, key->text);
    const char *elsewhere = schema_file_of(key->text);
    if (elsewhere)
        complain(loader->complaints, &key->place, "unknown key %s in %s; it belongs at the top of %s", text, where,
            elsewhere);
    else if (nearest)
        complain(loader->complaints, &key->place, "unknown key %s in %s; did you mean \"%s\"?", text, where, nearest);
    else
        complain(loader->complaints, &key->place, "unknown key %s in %s; known are %s", text, where,
            schema_keys(record, keys));
    return elsewhere ? NULL : nearest;
}

/* What stands there instead of what was expected; NULL where that has been complained about. */
static const char *got(const struct node *node, char out[QUOTED_SIZE])
{
    static const char *const kinds[] = {
        [NODE_LIST] = "a list", [NODE_MAP] = "a mapping", [NODE_REFUSED] = NULL, [NODE_FINISHED] = NULL};
    if (node->kind != NODE_SCALAR)
        return kinds[node->kind];
    return node_is_null(node) ? "nothing" : quoted(node->text, node->length, out);
}

static void complain_expected(
    struct loader *loader, const struct field *field, const char *expected, const struct node *node)
{
    char text[QUOTED_SIZE];
    const char *found = got(node, text);
    if (found)
        complain_field(loader, field, &node->place, "expected %s, got %s", expected, found);
}

/* "dir, btrfs or mount" */
static void choices_text(const char *const *words, char *out, size_t out_size)
{
    out[0] = '\0';
    for (size_t i = 0; words[i]; i++) {
        size_t used = strlen(out);
        const char *separator = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        str_format(out + used, out_size - used, "%s%s", separator, words[i]);
    }
}

static void complain_value(struct loader *loader, const struct field *field, const struct node *node, enum taken taken)
{
    char text[QUOTED_SIZE], choices[128];
    if (taken == TAKEN_OUT_OF_RANGE) {
        complain_field(
            loader, field, &node->place, "%s is not within %s", quoted(node->text, node->length, text), field->range);
        return;
    }
    if (field->words)
        choices_text(field->words, choices, sizeof choices);
    const char *expected = field->words ? choices : field->type->expected;
    if (node->kind == NODE_SCALAR && !node->plain && field->type->plain_only)
        complain_field(loader, field, &node->place, "expected %s without quotes, got %s in quotes", expected,
            quoted(node->text, node->length, text));
    else
        complain_expected(loader, field, expected, node);
}

static void complain_most(struct loader *loader, const struct field *field, const struct place *place)
{
    complain_field(loader, field, place, "there are more than %zu", field->most);
}

static void complain_double(struct loader *loader, const struct field *field, const struct node *key)
{
    char text[QUOTED_SIZE];
    complain_field(loader, field, &key->place, "%s is there twice", quoted(key->text, key->length, text));
}

static void check_name(struct loader *loader, const struct field *field, const struct node *key)
{
    char text[QUOTED_SIZE];
    if (!name_is_valid(key->text))
        complain_field(loader, field, &key->place,
            "%s cannot be a name; a name is made of lower-case letters, digits, \".\", \"_\" and \"-\", up to %d",
            quoted(key->text, key->length, text), NAME_MAX_BYTES);
}

/* --- moving on ---------------------------------------------------------------------------------------------------- */

static void skip_value(struct loader *loader)
{
    struct node value;
    reader_next(loader->reader, &value);
    reader_skip(loader->reader, &value);
}

/* To the end of the list or mapping the reader is in. */
static void skip_rest(struct loader *loader)
{
    struct node node;
    for (;;) {
        reader_next(loader->reader, &node);
        if (node.kind == NODE_END || node.kind == NODE_FINISHED)
            return;
        reader_skip(loader->reader, &node);
    }
}

/* The next key of a mapping, or false at its end. What cannot be a key is complained about and skipped. */
static bool next_key(struct loader *loader, struct node *key)
{
    for (;;) {
        reader_next(loader->reader, key);
        if (key->kind == NODE_END || key->kind == NODE_FINISHED)
            return false;
        if (key->kind == NODE_SCALAR && !node_is_null(key))
            return true;
        char text[QUOTED_SIZE], where[CONTEXT_SIZE];
        const char *found = got(key, text);
        if (found)
            complain(loader->complaints, &key->place, "expected a key in %s, got %s",
                context_text(loader->context, where), found);
        reader_skip(loader->reader, key);
        skip_value(loader);
    }
}

struct any_vec { /* any VEC, whose members are copied in and out: every VEC is a type of its own */
    char *items;
    size_t count, capacity;
};

/* A VEC begins with room for eight; 200,000 sites with mostly one of each keep only what they use. */
static void trim(void *slot, size_t item_size)
{
    struct any_vec vec;
    memcpy(&vec, slot, sizeof vec);
    if (vec.count == 0 || vec.count == vec.capacity)
        return;
    vec.items = xreallocarray(vec.items, vec.count, item_size);
    vec.capacity = vec.count;
    memcpy(slot, &vec, sizeof vec);
}

/* --- scalars, lists, pairs ---------------------------------------------------------------------------------------- */

static void note_reference(
    struct loader *loader, const struct field *field, const char *text, const struct place *place)
{
    if (field->refers == REFERS_NONE)
        return;
    size_t sites = loader->fleet->sites.count;
    vec_push(&loader->references[field->refers],
        ((struct reference){
            .text = text, .of = loader->context->name, .site = sites ? sites - 1 : 0, .place = *place}));
}

static bool take_scalar(struct loader *loader, const struct field *field, void *slot, const struct node *node)
{
    enum taken taken = TAKEN_WRONG;
    if (node->kind == NODE_SCALAR && !node_is_null(node) && (node->plain || !field->type->plain_only))
        taken = field->type->take(node->text, field, slot);
    if (taken == TAKEN)
        return true;
    complain_value(loader, field, node, taken);
    reader_skip(loader->reader, node);
    return false;
}

static void read_scalar(struct loader *loader, const struct field *field, void *slot, const struct node *node)
{
    if (take_scalar(loader, field, slot, node) && field->refers != REFERS_NONE)
        note_reference(loader, field, *(char **)slot, &node->place);
}

/* Of a VEC(char *), which every list that refers to something is. */
static const char *last_element(const void *slot)
{
    struct any_vec list;
    char *last;
    memcpy(&list, slot, sizeof list);
    memcpy(&last, list.items + (list.count - 1) * sizeof last, sizeof last);
    return last;
}

static void read_elements(struct loader *loader, const struct field *field, void *slot)
{
    struct node element;
    for (size_t count = 0;; count++) {
        reader_next(loader->reader, &element);
        if (element.kind == NODE_END || element.kind == NODE_FINISHED)
            return;
        if (count == field->most) {
            complain_most(loader, field, &element.place);
            reader_skip(loader->reader, &element);
            skip_rest(loader);
            return;
        }
        if (take_scalar(loader, field, slot, &element) && field->refers != REFERS_NONE)
            note_reference(loader, field, last_element(slot), &element.place);
    }
}

static void read_list(struct loader *loader, const struct field *field, void *slot, const struct node *node)
{
    if (node->kind != NODE_LIST) {
        complain_expected(loader, field, "a list such as [a, b]", node);
        reader_skip(loader->reader, node);
        return;
    }
    read_elements(loader, field, slot);
    if (field->type->element_size)
        trim(slot, field->type->element_size);
}

struct pair { /* as struct label and struct mount_def */
    char *name, *value;
};
_Static_assert(sizeof(struct pair) == sizeof(struct label) && sizeof(struct pair) == sizeof(struct mount_def),
    "pairs are read as two texts");

typedef VEC(struct pair) pair_list;

static bool has_pair(const pair_list *pairs, const char *name)
{
    vec_each (pairs, struct pair, pair)
        if (strcmp(pair->name, name) == 0)
            return true;
    return false;
}

static void read_pair(struct loader *loader, const struct field *field, pair_list *pairs, const struct node *key)
{
    if (has_pair(pairs, key->text)) {
        complain_double(loader, field, key);
        skip_value(loader);
        return;
    }
    check_name(loader, field, key);
    struct pair *pair = vec_add(pairs);
    pair->name = xstrdup(key->text);
    note_reference(loader, field, pair->name, &key->place);
    struct node value;
    reader_next(loader->reader, &value);
    take_scalar(loader, field, &pair->value, &value);
}

static void read_pairs(struct loader *loader, const struct field *field, void *slot, const struct node *node)
{
    if (node->kind != NODE_MAP) {
        complain_expected(loader, field, "a mapping such as { name: value }", node);
        reader_skip(loader->reader, node);
        return;
    }
    pair_list pairs;
    memcpy(&pairs, slot, sizeof pairs);
    struct node key;
    while (next_key(loader, &key)) {
        if (pairs.count == field->most) {
            complain_most(loader, field, &key.place);
            skip_rest(loader);
            break;
        }
        read_pair(loader, field, &pairs, &key);
    }
    memcpy(slot, &pairs, sizeof pairs);
    trim(slot, sizeof *pairs.items);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void read_single(struct loader *loader, const struct field *field, void *slot, const struct node *node)
{
    if (node->kind != NODE_MAP) {
        complain_expected(loader, field, "a mapping", node);
        reader_skip(loader->reader, node);
        return;
    }
    struct context inner = {.kind = field->record->kind, .of = loader->context};
    loader->context = &inner;
    read_record(loader, field->record, slot, &node->place);
    loader->context = inner.of;
}

static const char *name_of(const struct record *record, const struct any_vec *vec, size_t index)
{
    char *name;
    memcpy(&name, vec->items + index * record->size + record->name_offset, sizeof name);
    return name;
}

static bool is_double(const struct field *field, const struct any_vec *vec, const char *name)
{
    for (size_t i = 0; field->most <= LINEAR_MOST && i < vec->count; i++)
        if (strcmp(name_of(field->record, vec, i), name) == 0)
            return true;
    return false;
}

/* The record of that name is added before its value is read: nothing else of its kind is added meanwhile. */
static void read_named(struct loader *loader, const struct field *field, void *slot, const struct node *key)
{
    const struct record *record = field->record;
    struct any_vec vec;
    memcpy(&vec, slot, sizeof vec);
    vec.items = vec_grow(vec.items, vec.count, &vec.capacity, record->size);
    char *target = vec.items + record->size * vec.count++;
    memcpy(slot, &vec, sizeof vec);
    char *name = xstrdup(key->text);
    memcpy(target + record->name_offset, &name, sizeof name);
    memcpy(target + record->place_offset, &key->place, sizeof key->place);

    const struct context *outer = loader->context;
    struct context inner = {.kind = record->kind, .name = name, .of = outer->name ? outer : NULL};
    loader->context = &inner;
    struct node value;
    reader_next(loader->reader, &value);
    char text[QUOTED_SIZE], where[CONTEXT_SIZE];
    if (value.kind == NODE_MAP) {
        read_record(loader, record, target, &key->place);
    } else if (got(&value, text)) {
        complain(loader->complaints, &value.place, "%s: expected a mapping, got %s", context_text(&inner, where),
            got(&value, text));
        reader_skip(loader->reader, &value);
    }
    loader->context = outer;
}

static size_t vec_count(const void *slot)
{
    struct any_vec vec;
    memcpy(&vec, slot, sizeof vec);
    return vec.count;
}

static void read_records_of_map(struct loader *loader, const struct field *field, void *slot)
{
    struct node key;
    while (next_key(loader, &key)) {
        struct any_vec vec;
        memcpy(&vec, slot, sizeof vec);
        if (vec.count == field->most) {
            complain_most(loader, field, &key.place);
            skip_rest(loader);
            return;
        }
        check_name(loader, field, &key);
        if (is_double(field, &vec, key.text)) {
            complain_double(loader, field, &key);
            skip_value(loader);
        } else {
            read_named(loader, field, slot, &key);
        }
    }
}

static void read_records(struct loader *loader, const struct field *field, void *slot, const struct node *node)
{
    if (node->kind != NODE_MAP && !(field->may_be_empty && node_is_null(node))) {
        complain_expected(loader, field, "a mapping from names", node);
        reader_skip(loader->reader, node);
        return;
    }
    if (node->kind == NODE_MAP)
        read_records_of_map(loader, field, slot);
    if (field->most <= LINEAR_MOST)
        trim(slot, field->record->size);
    if (field->required && vec_count(slot) == 0 && !reader_broke(loader->reader))
        complain_field(loader, field, &node->place, "at least one is needed");
}

static void read_field(struct loader *loader, const struct field *field, void *slot)
{
    static void (*const readers[])(struct loader *, const struct field *, void *, const struct node *) = {
        [SHAPE_SCALAR] = read_scalar,
        [SHAPE_LIST] = read_list,
        [SHAPE_PAIRS] = read_pairs,
        [SHAPE_RECORD] = read_single,
        [SHAPE_RECORDS] = read_records,
    };
    struct node node;
    reader_next(loader->reader, &node);
    readers[field->shape](loader, field, slot, &node);
}

/* What is known of a record's keys while it is read, in the order of its fields. */
struct keys {
    bool seen[SCHEMA_MAX_KEYS];
    bool meant[SCHEMA_MAX_KEYS]; /* by an unknown key, so that it need not be missed as well */
};

static void complain_missing(
    struct loader *loader, const struct record *record, const struct keys *keys, const struct place *place)
{
    char where[CONTEXT_SIZE];
    if (reader_broke(loader->reader))
        return;
    for (size_t i = 0; i < record->count; i++)
        if (record->fields[i].required && !keys->seen[i] && !keys->meant[i])
            complain(loader->complaints, place, "%s needs the key \"%s\" (%s)", context_text(loader->context, where),
                record->fields[i].key, record->fields[i].help);
}

static void read_unknown_key(
    struct loader *loader, const struct record *record, const struct node *key, struct keys *keys)
{
    const char *meant = complain_unknown_key(loader, record, key);
    if (meant)
        keys->meant[schema_find(record, meant, strlen(meant)) - record->fields] = true;
    skip_value(loader);
}

static void read_key(
    struct loader *loader, const struct record *record, void *target, const struct node *key, struct keys *keys)
{
    const struct field *field = schema_find(record, key->text, key->length);
    char where[CONTEXT_SIZE];
    if (!field) {
        read_unknown_key(loader, record, key, keys);
    } else if (keys->seen[field - record->fields]) {
        complain(loader->complaints, &key->place, "duplicate key \"%s\" in %s", field->key,
            context_text(loader->context, where));
        skip_value(loader);
    } else {
        keys->seen[field - record->fields] = true;
        read_field(loader, field, (char *)target + field->offset);
    }
}

/* From behind the start of its mapping to its end. `place` is where it is complained that something is missing. */
static void read_record(struct loader *loader, const struct record *record, void *target, const struct place *place)
{
    struct keys keys = {0};
    struct node key;
    while (next_key(loader, &key))
        read_key(loader, record, target, &key, &keys);
    complain_missing(loader, record, &keys, place);
    if (record->finish)
        record->finish(target);
}

/* ------------------------------------------------------------------------------------------------------------------ */

void records_read_file(struct loader *loader, const struct record *record, const char *file, const char *title,
    const char *text, size_t length)
{
    struct context context = {.kind = title};
    struct place top = {.file = file, .line = 1, .column = 1};
    loader->reader = reader_new(file, text, length, loader->complaints);
    loader->context = &context;
    struct node node;
    reader_next(loader->reader, &node);
    char found[QUOTED_SIZE];
    if (node.kind == NODE_MAP) {
        read_record(loader, record, loader->fleet, &top);
    } else if (node.kind == NODE_FINISHED || node_is_null(&node)) {
        complain_missing(loader, record, &(struct keys){0}, &top); /* nothing but comments */
    } else if (got(&node, found)) {
        complain(loader->complaints, &node.place, "%s: expected a mapping, got %s", title, got(&node, found));
        reader_skip(loader->reader, &node);
    }
    while (node.kind != NODE_FINISHED)
        reader_next(loader->reader, &node); /* a second document */
    reader_free(loader->reader);
    loader->reader = NULL;
    loader->context = NULL;
}
