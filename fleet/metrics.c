/* The tables of figures (fleet/metrics.h) as data: what the store makes columns of, reports keys of and screens
 * headings of. Constant; any thread. */
#include "fleet/metrics.h"

#include <string.h>

#define METRIC_ROW(id, name, unit_of, kept, heading)                                                                   \
    [id] = {.key = #name, .unit = (unit_of), .in_rrd = (kept), .title = (heading)},
#define KEY_LIMIT 19 /* of an RRD data source name, rrdcreate(1) */
#define METRIC_KEY_FITS(id, name, unit_of, kept, heading)                                                              \
    _Static_assert(sizeof #name - 1 <= KEY_LIMIT, #name " is too long for RRD");

HOST_METRICS(METRIC_KEY_FITS)
SITE_METRICS(METRIC_KEY_FITS)
CONTAINER_METRICS(METRIC_KEY_FITS)
VOLUME_METRICS(METRIC_KEY_FITS)
ENGINE_METRICS(METRIC_KEY_FITS)

static const struct metric host_metrics[HOST_METRIC_COUNT] = {HOST_METRICS(METRIC_ROW)};
static const struct metric site_metrics[SITE_METRIC_COUNT] = {SITE_METRICS(METRIC_ROW)};
static const struct metric container_metrics[CONTAINER_METRIC_COUNT] = {CONTAINER_METRICS(METRIC_ROW)};
static const struct metric volume_metrics[VOLUME_METRIC_COUNT] = {VOLUME_METRICS(METRIC_ROW)};
static const struct metric engine_metrics[ENGINE_METRIC_COUNT] = {ENGINE_METRICS(METRIC_ROW)};

static const struct metric_table tables[KIND_COUNT] = {
    [KIND_HOST] = {"host", "hosts", host_metrics, HOST_METRIC_COUNT},
    [KIND_SITE] = {"site", "sites", site_metrics, SITE_METRIC_COUNT},
    [KIND_CONTAINER] = {"container", "containers", container_metrics, CONTAINER_METRIC_COUNT},
    [KIND_VOLUME] = {"volume", "volumes", volume_metrics, VOLUME_METRIC_COUNT},
    [KIND_ENGINE] = {"engine", "engines", engine_metrics, ENGINE_METRIC_COUNT},
};

const struct metric_table *metric_table(enum object_kind kind)
{
    return &tables[kind];
}

int metric_find(enum object_kind kind, const char *key)
{
    const struct metric_table *table = metric_table(kind);
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->metrics[i].key, key) == 0)
            return (int)i;
    return -1;
}
