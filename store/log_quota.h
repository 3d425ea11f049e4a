/* How much one host may put into one day's log file. A helper keeps to a rate by itself; one that was broken into does
 * not, and must fill neither the disk nor the queue of the others. Counted from the engine's start on. Thread-safe.
 * Internal to store/. */
#ifndef STORE_LOG_QUOTA_H
#define STORE_LOG_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_quota;

struct log_quota *log_quota_new(uint64_t bytes_a_day);
void log_quota_free(struct log_quota *quota); /* NULL allowed */
void log_quota_set(struct log_quota *quota, uint64_t bytes_a_day);

/* False where the host has had its share of this UTC day; the first time of a day that is logged. */
bool log_quota_take(struct log_quota *quota, const char *host, size_t bytes, int64_t now_us);

#endif
