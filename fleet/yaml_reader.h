/* One YAML file as a stream of nodes, strictly: UTF-8, one document, no anchors, aliases, tags or directives, bounded
 * in size and depth. What breaks these rules is complained about with its position. Within fleet/ only. */
#ifndef FLEET_YAML_READER_H
#define FLEET_YAML_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "fleet/fleet.h"

#define YAML_MAX_BYTES ((size_t)16 << 20)
#define YAML_MAX_DEPTH 32

enum node_kind {
    NODE_SCALAR,
    NODE_LIST, /* its elements follow, then NODE_END */
    NODE_MAP,  /* its keys and values follow in turn, then NODE_END */
    NODE_END,
    NODE_REFUSED,  /* stands for one value; the complaint has been made */
    NODE_FINISHED, /* nothing follows: the end of the file, or of what can be understood of it */
};

struct position {
    size_t line, column; /* from 0, in characters */
};

struct node {
    enum node_kind kind;
    const char *text; /* of a scalar; valid until the next call; NUL-terminated, no NUL within */
    size_t length;
    bool plain; /* written without quotes */
    bool flow;  /* a list or map in brackets */
    struct place place;
    struct position start, end; /* in the text; `end` is just behind it */
};

struct reader;

/* `text` and `file` (used in places) are borrowed until reader_free. Never NULL: what is wrong shows in reader_next. */
struct reader *reader_new(const char *file, const char *text, size_t length, struct complaints *complaints);
void reader_free(struct reader *reader);

void reader_next(struct reader *reader, struct node *node);
void reader_skip(struct reader *reader, const struct node *node); /* past the rest of the value that began with node */
bool reader_broke(const struct reader *reader); /* it ended early: what is missing may be there all the same */
bool node_is_null(const struct node *node);     /* nothing, "~" or "null", without quotes */

#endif
