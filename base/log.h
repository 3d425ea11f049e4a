/* The program's own log: one line per event, "time level message", to standard error, a file, or syslog. Text is
 * sanitised. Any thread. The only other global besides the terminal. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

void log_to_stderr(enum log_level least);
enum err log_to_file(const char *path, enum log_level least, struct err_info *info);
void log_to_syslog(const char *ident, enum log_level least);

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
