/* The helper's "log" (docs/protocol.md) as a log_batch. */
#ifndef COLLECTORS_PARSE_LOG_H
#define COLLECTORS_PARSE_LOG_H

#include "collectors/parse.h"

/* *batch is the caller's (log_batch_free), NULL unless ERR_OK. `now_us`, the engine's clock, dates lines whose own time
 * is missing or lies in the future. ERR_GARBAGE. */
enum err parse_log(
    const json_t *json, const char *host, int64_t now_us, struct log_batch **batch, struct err_info *info);

#endif
