/* What is known of a container engine that did not answer: a host that has just been started lists what its other
 * engine has, and nothing of the one that is still starting. That is not gone but unknown. Runs in the engine's model
 * thread. */
#include <string.h>

#include "base/mem.h"
#include "engine/present_private.h"

/* In "docker, podman". */
static bool is_silent(const struct host_report *report, const char *runtime)
{
    size_t length = strlen(runtime);
    for (const char *at = report->silent; length && (at = strstr(at, runtime)); at += length)
        if ((at == report->silent || at[-1] == ' ') && (at[length] == '\0' || at[length] == ','))
            return true;
    return false;
}

static bool lists_container(const struct host_report *report, const struct container_state *container)
{
    for (size_t i = 0; i < report->container_count; i++)
        if (strcmp(report->containers[i].key, container->key) == 0)
            return true;
    return false;
}

static bool lists_volume(const struct host_report *report, const struct volume_state *volume)
{
    for (size_t i = 0; i < report->volume_count; i++)
        if (strcmp(report->volumes[i].key, volume->key) == 0)
            return true;
    return false;
}

static enum site_mark marked_as(const struct host_report *report, const char *site)
{
    for (size_t i = 0; i < report->mark_count; i++)
        if (strcmp(report->marks[i].site, site) == 0)
            return report->marks[i].mark;
    return MARK_NONE;
}

struct host_report present_with_silent(const struct present_host *host, const struct host_report *report)
{
    struct host_report whole = *report;
    VEC(struct container_state) containers = {0};
    VEC(struct volume_state) volumes = {0};
    for (size_t i = 0; i < report->container_count; i++)
        vec_push(&containers, report->containers[i]);
    for (size_t i = 0; i < report->volume_count; i++)
        vec_push(&volumes, report->volumes[i]);
    vec_each (&host->containers, const struct container_state, container) {
        if (!is_silent(report, container->runtime) || lists_container(report, container))
            continue;
        struct container_state *kept = vec_add(&containers);
        *kept = *container;
        kept->state = RUN_UNKNOWN;
        kept->health = HEALTH_NONE;
        kept->mark = marked_as(report, kept->site);
        metrics_clear(kept->metrics, CONTAINER_METRIC_COUNT);
    }
    vec_each (&host->volumes, const struct volume_state, volume)
        if (is_silent(report, volume->runtime) && !lists_volume(report, volume))
            vec_push(&volumes, *volume);
    whole.containers = containers.items;
    whole.container_count = containers.count;
    whole.volumes = volumes.items;
    whole.volume_count = volumes.count;
    return whole;
}
