/* Golden files: what a screen looked like when somebody last looked at it and found it right. UPDATE_GOLDEN=1 in the
 * environment writes them anew; review the difference before committing. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

/* Fail the running cmocka test, showing both texts, unless `text` is what the file holds. Paths are from the
 * repository's root. */
void golden_check(const char *path, const char *text);

#endif
