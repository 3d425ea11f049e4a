/* What is known of one host, put together from the hello, the inventories and the samples of its helper: made into a
 * host_report with each sample. Knows no network. One thread at a time. */
#ifndef COLLECTORS_PICTURE_H
#define COLLECTORS_PICTURE_H

#include "base/json.h"
#include "collectors/sink.h"
#include "fleet/fleet.h"

struct picture;

struct picture *picture_new(const struct host_def *host, int64_t interval_us); /* copies what it needs */
void picture_free(struct picture *picture);                                    /* NULL allowed */

/* A new helper process answered: what containers there are is open again. `hello` is borrowed. */
void picture_begin(struct picture *picture, const json_t *hello);

/* Take an "inventory" or a "sample". ERR_GARBAGE. *report is the caller's (host_report_free), NULL unless ERR_OK.
 * `clock_offset_ms`: host minus engine, NaN where unknown. */
enum err picture_take_inventory(struct picture *picture, const json_t *json, struct err_info *info);
enum err picture_take_sample(struct picture *picture, const json_t *json, double clock_offset_ms,
    struct host_report **report, struct err_info *info);

#endif
