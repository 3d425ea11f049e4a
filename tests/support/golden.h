/* Golden files: what a screen looked like when somebody last looked at it and found it right. UPDATE_GOLDEN=1 in the
 * environment writes them anew; review the difference before committing. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>

/* Whether `text` is what the file holds; where not, both are printed to standard error. Paths are from the repository's
 * root. */
bool golden_matches(const char *path, const char *text);

#endif
