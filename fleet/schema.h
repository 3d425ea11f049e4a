/* What may stand in the fleet files, as constant tables: one row a key. The reader (fleet/records.c), the messages and
 * the reference in docs/fleet-files.md are all made from them. Within fleet/ only, except schema_describe. */
#ifndef FLEET_SCHEMA_H
#define FLEET_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum shape {
    SHAPE_SCALAR,
    SHAPE_LIST,    /* of scalars; each is taken into the slot */
    SHAPE_PAIRS,   /* a mapping from names to scalars; each pair is added to the slot */
    SHAPE_RECORD,  /* one record, lying in the slot */
    SHAPE_RECORDS, /* a mapping from names to records; the slot is a VEC of them */
};

enum taken { TAKEN, TAKEN_WRONG, TAKEN_OUT_OF_RANGE };

struct field;

/* How a text becomes a value in a slot; `text` is no null. Lists call take once an element. */
struct value_type {
    const char *word;     /* for the reference: "size" */
    const char *expected; /* for messages: "a size such as 256M" */
    enum taken (*take)(const char *text, const struct field *field, void *slot);
    size_t element_size; /* where a list of it is a VEC; 0 where elements only change the slot */
    bool plain_only;     /* quotes make it text, so another type */
};

enum refers { REFERS_NONE, REFERS_DOMAIN, REFERS_JUMP, REFERS_VOLUME, REFERS_COUNT };

struct field {
    const char *key;
    const struct value_type *type; /* of the scalar, the element or the second of a pair; NULL for records */
    const struct record *record;   /* for records */
    const char *const *words;      /* the choices of an enumerated type, in the order of its enum; ends with NULL */
    const char *range;             /* min to max for people; NULL where there is none to tell */
    const char *otherwise;         /* what holds where the key is not given, for the reference; NULL: nothing */
    const char *help;
    double min, max; /* of the value; of the length in bytes for text */
    size_t offset;   /* of the slot in the record's struct */
    size_t most;     /* elements, pairs or records; 0: no limit */
    enum shape shape;
    enum refers refers; /* for a pair: its name */
    bool required;
    bool may_be_empty; /* "key:" with nothing behind it is an empty mapping */
};

#define NO_OFFSET ((size_t)-1)
#define SCHEMA_MAX_KEYS 8 /* of one record */

struct record {
    const char *kind; /* "host" */
    const struct field *fields;
    size_t count;
    size_t size;
    size_t name_offset, place_offset; /* NO_OFFSET where the struct has none */
    void (*finish)(void *record);     /* defaults of what was not given; may be NULL */
};

extern const struct record schema_fleet_file, schema_hosts_file, schema_sites_file; /* read into struct fleet */

const struct field *schema_find(const struct record *record, const char *key, size_t length);
const char *schema_nearest(const struct record *record, const char *key); /* a key, or NULL */
#define SCHEMA_KEYS_SIZE 256
const char *schema_keys(const struct record *record, char out[SCHEMA_KEYS_SIZE]); /* "path, status, contains" */
/* Which file (“hosts.yaml”) has that key at its top; NULL where none has. */
const char *schema_file_of(const char *key);

/* Append the reference of all keys as Markdown tables. */
void schema_describe(struct buf *out);

#endif
