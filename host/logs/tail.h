/* The last lines of one log, in pieces put together. */
#ifndef HOST_LOGS_TAIL_H
#define HOST_LOGS_TAIL_H

#include "base/err.h"
#include "base/json.h"
#include "host/logs/sources.h"

#define TAIL_MOST_LINES 1000

/* A new array of at most `count` lines, oldest first, fewer where they would not fit into a message. Any thread. */
enum err tail_lines(const struct source_facts *facts, size_t count, json_t **lines, struct err_info *info);

#endif
