/* What lives as long as the process in the helper does so in its tests: kept where a leak checker finds it. */
#ifndef TESTS_UNIT_HOST_LASTING_H
#define TESTS_UNIT_HOST_LASTING_H

#include <stdlib.h>

#define LASTING_MOST 512

static void *lasting[LASTING_MOST];
static size_t lasting_count;

static inline void *last(void *object)
{
    if (lasting_count == LASTING_MOST)
        abort();
    lasting[lasting_count++] = object;
    return object;
}

#endif
