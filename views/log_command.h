/* `dogwatch log`: search and follow the log lines the engine keeps. Reads STATE/logs only. */
#ifndef VIEWS_LOG_COMMAND_H
#define VIEWS_LOG_COMMAND_H

#include <stdio.h>

#include "store/logs.h"

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* One entry as a line of text ("2026-01-02 03:04:05 host container text", sanitised) or as a JSON object. */
void log_entry_print(const struct log_entry *entry, enum log_format format, bool colour, FILE *out);

/* Print the newest filter->limit lines (0: all) that match and had arrived when the place was taken (NULL: by now),
 * oldest first. What came later is for log_follow() from that place: so nothing is printed twice and nothing is left
 * out. */
enum err log_print_found(struct log_reader *reader, const struct log_filter *filter, const struct log_place *place,
    enum log_format format, bool colour, FILE *out, struct err_info *info);

/* Exit status: 0 fine (also where nothing was found), 2 the logs could not be read. */
int log_main(int argc, char **argv);

#endif
