/* Access to JSON (jansson) with bounds and types checked. Getters leave *out untouched and return false where the
 * member is absent, null or of another type. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Parse one text (object or array). ERR_GARBAGE with position on failure, and for duplicate keys or more than 64 levels
 * of nesting. The size is bounded by the caller's buffer. On success the caller owns *out (json_decref). */
enum err json_parse(const char *text, size_t length, json_t **out, struct err_info *info);

/* Append compact JSON (UTF-8, one line, no trailing newline), whole or not at all: ERR_FULL at the buffer's ceiling. */
enum err json_write(struct buf *buf, const json_t *value);

const char *json_get_text(const json_t *object, const char *key); /* NULL where absent; borrowed */
/* Also false where the text does not fit: a cut name is another name. */
bool json_copy_text(const json_t *object, const char *key, char *out, size_t out_size);
bool json_get_i64(const json_t *object, const char *key, int64_t *out);
bool json_get_bool(const json_t *object, const char *key, bool *out);
double json_get_number(const json_t *object, const char *key); /* NaN where absent: unknown is never zero */

/* Setters that keep "unknown" out of the text: a NaN or NULL member is simply not written. */
void json_put_number(json_t *object, const char *key, double value);
void json_put_i64(json_t *object, const char *key, int64_t value);
void json_put_text(json_t *object, const char *key, const char *text); /* invalid UTF-8 is sanitised first */
void json_put_bool(json_t *object, const char *key, bool value);

#endif
