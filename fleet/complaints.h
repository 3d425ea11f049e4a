/* Gathering what is wrong in the fleet files: bounded, sanitised, in the order of the files. Within fleet/ only; the
 * outside reads struct complaints (fleet/fleet.h). */
#ifndef FLEET_COMPLAINTS_H
#define FLEET_COMPLAINTS_H

#include "fleet/fleet.h"

#define COMPLAINTS_KEPT 1000 /* the rest is only counted */

/* place->line 0: the file as a whole. What comes from a file must have passed quoted() or be a valid name. */
void complain(struct complaints *complaints, const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define QUOTED_SIZE 96
/* Text from a file for a message: in double quotes, sanitised, cut where it is long. Returns out. */
const char *quoted(const char *text, size_t length, char out[QUOTED_SIZE]);
const char *named(const char *name, char out[QUOTED_SIZE]); /* the name itself; quoted where it is no valid one */

void complaints_sort(struct complaints *complaints); /* by file, line, column */
/* The first complaint as a message: "FILE:LINE:COLUMN: message (and 3 more)". */
enum err complaints_first(const struct complaints *complaints, struct err_info *info);

#endif
