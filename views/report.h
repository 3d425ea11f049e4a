/* Batch reports: `dogwatch --report NAME`, the scripting surface. Columns are those of views/columns.h; formats, field
 * names and exit statuses are documented in docs/reports.md and stable. Reads the store, never the hosts or the engine.
 */
#ifndef VIEWS_REPORT_H
#define VIEWS_REPORT_H

#include <stdio.h>

#include "base/err.h"
#include "views/columns.h"

enum report_format { REPORT_TEXT, REPORT_CSV, REPORT_JSON };

struct report_request {
    enum row_kind kind;
    enum report_format format;
    int64_t since_us;        /* jobs and timeline: nothing older; 0: everything */
    const char *site, *host; /* only rows of these; NULL: all */
    int width;               /* of text: no line is longer; 0: as wide as it takes */
    bool colour;             /* of text: ANSI colours for headings and states */
};

/* Write the report. *critical: a row shows something critical, or the engine is silent. ERR_NOT_FOUND where the site or
 * host named is not known (the nearest is named), ERR_INVALID where rows of that kind have none. */
enum err report_write(struct store_reader *reader, const struct report_request *request, int64_t now_us, FILE *out,
    bool *critical, struct err_info *info);

/* Exit status: 0 fine, 1 something critical, 2 the report could not be made. */
int report_main(int argc, char **argv);

#endif
