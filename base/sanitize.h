/* The one sanitiser: everything that comes from a host (names, log lines, outputs, error texts) passes here before it
 * is drawn or printed. Removed: C0 and C1 control characters, DEL, escape sequences (their bytes become visible garbage
 * at worst), bidirectional overrides and isolates (U+202A–202E, U+2066–2069, U+200E/F, U+061C), line and paragraph
 * separators, zero-width characters other than combining marks, U+FEFF, tag characters (U+E0000–E007F), surrogates and
 * invalid UTF-8. Each removed or invalid piece becomes U+FFFD, except TAB, which becomes one space. */
#ifndef BASE_SANITIZE_H
#define BASE_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes at most out_size-1 bytes plus NUL, cut at a character boundary; returns the length written. */
size_t sanitize(char *out, size_t out_size, const char *text, size_t length);
char *sanitize_dup(const char *text, size_t length, size_t ceiling); /* caller frees */
bool sanitize_is_clean(const char *text, size_t length);

/* Decode one UTF-8 character; returns its length in bytes, or 0 where the bytes are not valid UTF-8 (RFC 3629). */
size_t utf8_decode(const char *text, size_t length, uint32_t *code_point);

/* `length` without a last character of which some bytes are missing: where to end a text that was cut at a byte. */
size_t utf8_whole_length(const char *text, size_t length);

#endif
