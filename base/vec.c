/* The untyped half of base/vec.h: growing by doubling, and releasing. No state; the owner's thread. */
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Room for one more element, which is zeroed. */
void *vec_grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        items = xreallocarray(items, *capacity, item_size);
    }
    memset((char *)items + count * item_size, 0, item_size);
    return items;
}

/* *items is really some `T *`: read and written as bytes, which keeps to the aliasing rules. */
void vec_release(void **items, size_t *count, size_t *capacity)
{
    void *memory;
    memcpy(&memory, items, sizeof memory);
    free(memory);
    memset(items, 0, sizeof memory);
    *count = 0;
    *capacity = 0;
}
