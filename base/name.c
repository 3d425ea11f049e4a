/* Which names are taken from outside, and which name was probably meant. Invalid names are refused, never repaired.
 * No state; any thread. */
#include "base/name.h"

#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define NEAREST_MAX_BYTES 128
#define PART_MIN_BYTES 3 /* fewer letters are in too many names */

static bool is_made_of(const char *name, size_t max_bytes, const char *first, const char *rest)
{
    if (!name || name[0] == '\0' || !strchr(first, name[0]))
        return false;
    size_t length = strspn(name, rest);
    return name[length] == '\0' && length <= max_bytes;
}

bool name_is_valid(const char *name)
{
    return is_made_of(name, NAME_MAX_BYTES, LOWER DIGITS, LOWER DIGITS "._-") && !strstr(name, "..");
}

bool name_is_valid_container(const char *name)
{
    return is_made_of(name, CONTAINER_NAME_SIZE - 1, LOWER UPPER DIGITS, LOWER UPPER DIGITS "._-");
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each cost one. Three rows are
 * enough. Both texts are at most NEAREST_MAX_BYTES long. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NEAREST_MAX_BYTES + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = least_of(best, least_of(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least_of(best, two_above[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

/* Somebody typed only a part of it. */
static const char *shortest_with(const char *part, const char *const *candidates, size_t count)
{
    const char *shortest = NULL;
    for (size_t i = 0; i < count && strlen(part) >= PART_MIN_BYTES; i++)
        if (candidates[i] && strstr(candidates[i], part) && (!shortest || strlen(candidates[i]) < strlen(shortest)))
            shortest = candidates[i];
    return shortest;
}

const char *name_nearest(const char *name, const char *const *candidates, size_t count)
{
    size_t length = name ? strlen(name) : 0;
    if (length == 0 || length > NEAREST_MAX_BYTES)
        return NULL;
    /* About a third of the letters may be wrong; more than that is another word. */
    size_t limit = length < 3 ? 1 : length < 8 ? 2 : 3;
    const char *nearest = NULL;
    for (size_t i = 0; i < count && limit > 0; i++) {
        size_t candidate_length = candidates[i] ? strlen(candidates[i]) : 0;
        size_t difference = length > candidate_length ? length - candidate_length : candidate_length - length;
        if (candidate_length == 0 || candidate_length > NEAREST_MAX_BYTES || difference > limit)
            continue;
        size_t distance = edit_distance(name, length, candidates[i], candidate_length);
        if (distance > limit || (nearest && distance == limit) || distance >= length)
            continue;
        nearest = candidates[i];
        limit = distance;
    }
    return nearest ? nearest : shortest_with(name, candidates, count);
}
