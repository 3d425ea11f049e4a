/* Audit lines, sent to /dev/log as one datagram each (RFC 3164, as syslog(3) does, but bounded in time and below
 * --root).
 *
 * The facts about who is logged in are taken once, before the environment is cleared. Any thread. */
#include "host/audit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/path.h"

#define WHO_SIZE 320
#define TEXT_SIZE 1024
#define KEY_TAIL 16    /* so much of the public key tells keys apart */
#define AUTH_SIZE 2048 /* one key's line; RSA 8192 has 1.4 KB */
#define REFUSALS_A_MINUTE 30

struct audit {
    char who[WHO_SIZE];
    pthread_mutex_t mutex; /* guards what follows */
    int64_t minute_from_us;
    unsigned refusals, suppressed;
};

/* --- who ------------------------------------------------------------------------------------------------------------
 */

static void add_fact(char who[WHO_SIZE], const char *name, const char *value)
{
    char clean[128];
    if (!value || !*value)
        return;
    sanitize(clean, sizeof clean, value, strnlen(value, sizeof clean - 1));
    size_t length = strlen(who);
    str_format(who + length, WHO_SIZE - length, " %s=%s", name, clean);
}

/* The file sshd names has lines such as "publickey ssh-ed25519 AAAA…". Anything else is not repeated: the variable may
 * be forged to make a log of some other file. */
static void add_key(char who[WHO_SIZE], const char *path)
{
    char text[AUTH_SIZE] = "";
    struct stat facts;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) : -1;
    if (fd < 0)
        return;
    ssize_t got = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    char *rest = text;
    const char *method = strsep(&rest, " "), *type = strsep(&rest, " "), *key = strsep(&rest, " ");
    if (!method || strcmp(method, "publickey") != 0 || !type || !key || strlen(key) < 2 * KEY_TAIL)
        return;
    add_fact(who, "key-type", type);
    add_fact(who, "key-ends", key + strlen(key) - KEY_TAIL);
}

struct audit *audit_new(void)
{
    struct audit *audit = xcalloc(1, sizeof *audit);
    pthread_mutex_init(&audit->mutex, NULL);
    add_fact(audit->who, "from", getenv("SSH_CONNECTION"));
    add_fact(audit->who, "user", getenv("SUDO_USER"));
    add_key(audit->who, getenv("SSH_USER_AUTH"));
    return audit;
}

/* --- the line -------------------------------------------------------------------------------------------------------
 */

static void send_line(const char *line)
{
    char path[HOST_PATH_SIZE];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    host_path(path, sizeof path, "/dev/log");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 1}, sizeof(struct timeval));
    if (str_copy(address.sun_path, sizeof address.sun_path, path) &&
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        ssize_t ignored = send(fd, line, strlen(line), MSG_NOSIGNAL);
        (void)ignored;
    }
    close(fd);
}

static void record(struct audit *audit, const char *text)
{
    char clean[TEXT_SIZE], stamp[32] = "", line[TEXT_SIZE + WHO_SIZE + 128];
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local))
        strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &local);
    sanitize(clean, sizeof clean, text, utf8_whole_length(text, strlen(text)));
    str_format(line, sizeof line, "<%d>%s dogwatch-host[%d]: %s%s", LOG_AUTHPRIV | LOG_NOTICE, stamp, (int)getpid(),
        clean, audit->who);
    send_line(line);
}

void audit_record(struct audit *audit, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) >= 0)
        record(audit, text);
    va_end(args);
}

/* How many refusals went unsaid before this one, or -1 where this one is not to be said either. */
static int admit_refusal(struct audit *audit)
{
    int64_t now_us = clock_mono_us();
    int unsaid = -1;
    pthread_mutex_lock(&audit->mutex);
    if (audit->minute_from_us == 0 || now_us - audit->minute_from_us >= 60 * USEC_PER_SEC) {
        audit->minute_from_us = now_us;
        audit->refusals = 0;
    }
    if (audit->refusals < REFUSALS_A_MINUTE) {
        audit->refusals++;
        unsaid = (int)audit->suppressed;
        audit->suppressed = 0;
    } else {
        audit->suppressed++;
    }
    pthread_mutex_unlock(&audit->mutex);
    return unsaid;
}

void audit_refusal(struct audit *audit, const char *format, ...)
{
    int unsaid = admit_refusal(audit);
    if (unsaid < 0)
        return;
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0)
        return;
    if (unsaid > 0 && (size_t)length < sizeof text)
        str_format(text + length, sizeof text - (size_t)length, " (%d more refusals before were not logged)", unsaid);
    record(audit, text);
}
