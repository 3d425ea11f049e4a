/* How figures read to a person: short, aligned, never more precise than true. NaN prints as "–" everywhere (unknown).
 */
#ifndef BASE_FORMAT_H
#define BASE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 32

/* "500K", "10M", "10M/s", "1048576": binary multiples, whole numbers from 1 on. False, *bytes untouched, on anything
 * else. */
bool format_parse_bytes(const char *text, int64_t *bytes);

/* All return out. */
const char *format_bytes(double bytes, char out[FORMAT_SIZE]);  /* "1.5G", binary multiples, at most 5 columns */
const char *format_rate(double bytes_s, char out[FORMAT_SIZE]); /* "12.0K/s" */
const char *format_pct(double pct, char out[FORMAT_SIZE]);      /* "0.4", "42" – no % sign: it is in the heading */
const char *format_count(double count, char out[FORMAT_SIZE]);  /* "1234", "1.2M" */
const char *format_age(int64_t age_us, char out[FORMAT_SIZE]);  /* "8s", "4m", "3h", "12d"; "–" below 0 */
const char *format_duration(int64_t duration_us, char out[FORMAT_SIZE]); /* "850ms", "2.4s", "1m05s" */

#endif
