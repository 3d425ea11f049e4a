/* The program's log. One line is one write(2), so lines of several threads and processes never mix; its text is
 * sanitised, so that nothing in it can forge a line or move a cursor. Any thread; the target is set at start. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

#define TEXT_SIZE 2048 /* a longer message is cut; small, because threads have small stacks */

static const struct {
    const char *word;
    int priority; /* syslog's */
} levels[] = {
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
    [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},
};

/* Until somebody chooses: warnings on standard error. */
static struct {
    pthread_mutex_t mutex;
    enum log_level least;
    int fd; /* -1: syslog */
} target = {PTHREAD_MUTEX_INITIALIZER, LOG_LEVEL_WARNING, STDERR_FILENO};

static void set_target(int fd, enum log_level least)
{
    pthread_mutex_lock(&target.mutex);
    int old = target.fd;
    target.fd = fd;
    target.least = least;
    if (old > STDERR_FILENO)
        close(old);
    pthread_mutex_unlock(&target.mutex);
}

void log_to_stderr(enum log_level least)
{
    set_target(STDERR_FILENO, least);
}

enum err log_to_file(const char *path, enum log_level least, struct err_info *info)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        int why = errno;
        return err_errno(info, err_from_errno(why), why, "cannot open the log %s", path);
    }
    set_target(fd, least);
    return ERR_OK;
}

void log_to_syslog(const char *ident, enum log_level least)
{
    openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
    set_target(-1, least);
}

/* The caller holds the mutex. A log that cannot be written must not stop what it tells about. */
static void write_line(enum log_level level, const char *text)
{
    if (target.fd < 0) {
        syslog(levels[level].priority, "%s", text);
        return;
    }
    char time[CLOCK_RFC3339_SIZE], line[TEXT_SIZE + 64];
    str_format(line, sizeof line, "%s %-7s %s\n", clock_rfc3339(clock_wall_us(), 3, time), levels[level].word, text);
    ssize_t ignored = write(target.fd, line, strlen(line));
    (void)ignored;
}

static void log_message(enum log_level level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void log_message(enum log_level level, const char *format, va_list args)
{
    int saved_errno = errno;
    pthread_mutex_lock(&target.mutex);
    if (level >= target.least) {
        char raw[TEXT_SIZE], text[TEXT_SIZE];
        if (vsnprintf(raw, sizeof raw, format, args) < 0)
            raw[0] = '\0';
        sanitize(text, sizeof text, raw, utf8_whole_length(raw, strlen(raw)));
        write_line(level, text);
    }
    pthread_mutex_unlock(&target.mutex);
    errno = saved_errno;
}

void log_debug(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_message(LOG_LEVEL_DEBUG, format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_message(LOG_LEVEL_INFO, format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_message(LOG_LEVEL_WARNING, format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_message(LOG_LEVEL_ERROR, format, args);
    va_end(args);
}
