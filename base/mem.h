/* Memory: allocation that cannot fail. Out of memory ends the process with a message; buffers that are fed from outside
 * have ceilings instead (base/buf.h). Free everything with free(). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull)); /* NULL is copied as "" */
char *xstrndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Replace *slot (freed) with a copy of text; NULL text leaves *slot NULL. */
void xstr_set(char **slot, const char *text);

/* Copy with truncation at a UTF-8 boundary; `out` is always terminated. Returns false where text was cut. */
bool str_copy(char *out, size_t out_size, const char *text);

/* printf into a fixed buffer; returns false where the text was cut. */
bool str_format(char *out, size_t out_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Parse a whole string as a decimal number; false, *out untouched, on anything else (NULL, "+", blanks, trailing text,
 * out of range). A "-" is taken by str_to_i64 where min < 0 and by str_to_double, whose result is finite. */
bool str_to_i64(const char *text, int64_t min, int64_t max, int64_t *out);
bool str_to_u64(const char *text, uint64_t *out);
bool str_to_double(const char *text, double *out);

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);

#endif
