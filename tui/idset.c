/* Open addressing with linear probing; removal shifts the following entries back, so no tombstones build up. */
#include "tui/idset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct idset {
    char **slots;    /* NULL: free */
    size_t capacity; /* a power of two, at least twice the count */
    size_t count;
};

static uint64_t hash_of(const char *id)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

struct idset *idset_new(void)
{
    return xcalloc(1, sizeof(struct idset));
}

void idset_clear(struct idset *set)
{
    for (size_t i = 0; i < set->capacity; i++)
        free(set->slots[i]);
    free(set->slots);
    *set = (struct idset){0};
}

void idset_free(struct idset *set)
{
    if (!set)
        return;
    idset_clear(set);
    free(set);
}

size_t idset_count(const struct idset *set)
{
    return set->count;
}

/* The slot holding the ID, or the free one where it would go. */
static size_t probe(const struct idset *set, const char *id)
{
    size_t at = (size_t)hash_of(id) & (set->capacity - 1);
    while (set->slots[at] && strcmp(set->slots[at], id) != 0)
        at = (at + 1) & (set->capacity - 1);
    return at;
}

bool idset_has(const struct idset *set, const char *id)
{
    return set->count > 0 && set->slots[probe(set, id)];
}

static void grow(struct idset *set)
{
    struct idset larger = {.capacity = set->capacity ? set->capacity * 2 : 16, .count = set->count};
    larger.slots = xcalloc(larger.capacity, sizeof *larger.slots);
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i])
            larger.slots[probe(&larger, set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = larger;
}

void idset_add(struct idset *set, const char *id)
{
    if (set->count * 2 >= set->capacity)
        grow(set);
    size_t at = probe(set, id);
    if (set->slots[at])
        return;
    set->slots[at] = xstrdup(id);
    set->count++;
}

void idset_remove(struct idset *set, const char *id)
{
    if (!idset_has(set, id))
        return;
    size_t mask = set->capacity - 1, hole = probe(set, id);
    free(set->slots[hole]);
    set->slots[hole] = NULL;
    set->count--;
    for (size_t at = (hole + 1) & mask; set->slots[at]; at = (at + 1) & mask) {
        char *moved = set->slots[at];
        set->slots[at] = NULL;
        set->slots[probe(set, moved)] = moved;
    }
}

void idset_each(const struct idset *set, void (*each)(void *context, const char *id), void *context)
{
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i])
            each(context, set->slots[i]);
}
