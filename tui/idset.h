/* A set of object IDs (copied strings): the marks of a table. One thread. */
#ifndef TUI_IDSET_H
#define TUI_IDSET_H

#include <stdbool.h>
#include <stddef.h>

struct idset;

struct idset *idset_new(void);
void idset_free(struct idset *set);
void idset_clear(struct idset *set);
size_t idset_count(const struct idset *set);
bool idset_has(const struct idset *set, const char *id);
void idset_add(struct idset *set, const char *id);
void idset_remove(struct idset *set, const char *id);
void idset_each(const struct idset *set, void (*each)(void *context, const char *id), void *context); /* any order */

#endif
