/* Growable arrays, typed by their declaration:
 *
 *     VEC(struct host_def) hosts = {0};
 *     struct host_def *added = vec_add(&hosts);     // zeroed
 *     vec_each(&hosts, struct host_def, host) { … }
 *     vec_free(&hosts);                             // the elements' own memory is the caller's
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>

#define VEC(type)                                                                                                      \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        size_t count;                                                                                                  \
        size_t capacity;                                                                                               \
    }

/* Append one zeroed element and give its address (valid until the next append). */
#define vec_add(vec)                                                                                                   \
    ((vec)->items = vec_grow((vec)->items, (vec)->count, &(vec)->capacity, sizeof *(vec)->items),                      \
        &(vec)->items[(vec)->count++])
#define vec_push(vec, value) (*vec_add(vec) = (value))
#define vec_each(vec, type, name) for (type *name = (vec)->items; name && name != (vec)->items + (vec)->count; name++)
#define vec_clear(vec) ((void)((vec)->count = 0))
#define vec_free(vec) vec_release((void **)&(vec)->items, &(vec)->count, &(vec)->capacity)

void *vec_grow(void *items, size_t count, size_t *capacity, size_t item_size);
void vec_release(void **items, size_t *count, size_t *capacity);

#endif
