/* Time. Wall times are microseconds since the epoch (UTC), monotonic times microseconds since boot (CLOCK_MONOTONIC);
 * names end in _us or _mono_us. 0 means "never" or "unknown". Tests may freeze the wall clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define USEC_PER_SEC INT64_C(1000000)
#define USEC_PER_MSEC INT64_C(1000)

int64_t clock_wall_us(void);
int64_t clock_mono_us(void);
int64_t clock_boot_us(void);           /* CLOCK_BOOTTIME: goes on while the machine sleeps */
void clock_freeze_wall(int64_t at_us); /* tests only; 0 thaws */

/* A CLOCK_MONOTONIC deadline for pthread_cond_clockwait and the like. */
struct timespec clock_timespec(int64_t mono_us);

#define CLOCK_RFC3339_SIZE sizeof "2026-01-02T03:04:05.123456Z"
/* RFC 3339 in UTC; `decimals` 0, 3 or 6. "" for 0. Returns out. */
const char *clock_rfc3339(int64_t at_us, int decimals, char out[CLOCK_RFC3339_SIZE]);
/* Any offset; finer digits than microseconds are dropped. The zero time of container engines (0001-01-01…) reads as 0.
 */
bool clock_parse_rfc3339(const char *text, int64_t *at_us);

/* "10s", "5m", "24h", "7d", "500ms", "90" (seconds) → microseconds; false on anything else, on 0 and on overflow. */
bool clock_parse_duration(const char *text, int64_t *duration_us);

/* A moment: RFC 3339, "2026-01-02", "2026-01-02 03:04[:05]" (local time), or a duration meaning that long ago. */
bool clock_parse_moment(const char *text, int64_t now_us, int64_t *at_us);

#endif
