/* A list of generations of the fleet files, each with the number of those who hold it. All but the newest end with
 * their last holder. One mutex, never held while something is freed. */
#include "engine/fleet_box.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct generation {
    struct generation *older;
    struct fleet *fleet;
    size_t holders;
};

struct fleet_box {
    pthread_mutex_t mutex;
    struct generation *newest;
};

static struct generation *generation_new(struct fleet *fleet)
{
    struct generation *generation = xcalloc(1, sizeof *generation);
    generation->fleet = fleet;
    return generation;
}

static void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    fleet_free(generation->fleet);
    free(generation);
}

/* Take one generation that nobody needs out of the list; the caller holds the mutex. */
static struct generation *take_unused(struct fleet_box *box)
{
    for (struct generation **link = &box->newest->older; *link; link = &(*link)->older) {
        struct generation *unused = *link;
        if (unused->holders)
            continue;
        *link = unused->older;
        return unused;
    }
    return NULL;
}

struct fleet_box *fleet_box_new(struct fleet *fleet)
{
    struct fleet_box *box = xcalloc(1, sizeof *box);
    pthread_mutex_init(&box->mutex, NULL);
    box->newest = generation_new(fleet);
    return box;
}

void fleet_box_free(struct fleet_box *box)
{
    if (!box)
        return;
    while (box->newest) {
        struct generation *generation = box->newest;
        box->newest = generation->older;
        generation_free(generation);
    }
    pthread_mutex_destroy(&box->mutex);
    free(box);
}

void fleet_box_replace(struct fleet_box *box, struct fleet *fleet)
{
    struct generation *generation = generation_new(fleet);
    pthread_mutex_lock(&box->mutex);
    generation->older = box->newest;
    box->newest = generation;
    struct generation *unused = take_unused(box);
    pthread_mutex_unlock(&box->mutex);
    generation_free(unused);
}

const struct fleet *fleet_box_hold(struct fleet_box *box)
{
    pthread_mutex_lock(&box->mutex);
    box->newest->holders++;
    const struct fleet *fleet = box->newest->fleet;
    pthread_mutex_unlock(&box->mutex);
    return fleet;
}

void fleet_box_release(struct fleet_box *box, const struct fleet *fleet)
{
    pthread_mutex_lock(&box->mutex);
    struct generation *generation = box->newest;
    while (generation && generation->fleet != fleet)
        generation = generation->older;
    if (generation)
        generation->holders--;
    struct generation *unused = take_unused(box);
    pthread_mutex_unlock(&box->mutex);
    generation_free(unused);
}
