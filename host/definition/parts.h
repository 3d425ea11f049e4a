/* The parts a definition is made of, each from the same source. For host/definition/define*.c alone. */
#ifndef HOST_DEFINITION_PARTS_H
#define HOST_DEFINITION_PARTS_H

#include "host/definition/define.h"

struct source {
    enum runtime_kind kind;
    const char *id, *name, *site, *role; /* role: NULL where there is none */
    const json_t *description;
    const json_t *config, *host; /* its Config, HostConfig */
    const json_t *image;         /* Config of its image; NULL: unknown */
    const json_t *command;       /* podman: the words it was created with, an array; NULL: unknown */
    json_t *entry;               /* the definition being made */
};

void define_process(struct source *source);     /* what runs in it: command, environment, user, health, labels */
void define_limits(struct source *source);      /* what it may use: memory, CPU, rights */
void define_attachments(struct source *source); /* what it is attached to: ports, mounts, networks, log */
void define_unsupported(struct source *source); /* what of it stays behind */

/* Add a sentence to the "unsupported" of `entry`. */
void define_refuse(json_t *entry, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The values of an option among the words a container was created with, one at a time from *at (0 first): "--x v" and
 * "--x=v". NULL at the end. */
const char *define_option(const struct source *source, const char *option, size_t *at);

/* Set `key` unless the value (taken over) is empty. */
void define_put_array(json_t *entry, const char *key, json_t *array);
void define_put_object(json_t *entry, const char *key, json_t *object);
/* A copy of an array's texts; sorted where their order means nothing. */
json_t *define_texts(const json_t *array, bool sorted);
/* The same array in the order of `rank`, of an object's text; taken over. */
json_t *define_sorted(json_t *array, const char *(*text_of)(const json_t *item));

#endif
