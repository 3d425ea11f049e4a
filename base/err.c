/* Error messages: formatting, errno, and the stable word of each code.
 *
 * A message is formatted beside its destination first, so the old message may be an argument of the new one. A message
 * that is too long is cut at a character. No state; any thread. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sanitize.h"

static const char *const words[ERR_COUNT] = {
    [ERR_OK] = "ok",
    [ERR_INVALID] = "invalid",
    [ERR_NOT_FOUND] = "not-found",
    [ERR_EXISTS] = "exists",
    [ERR_DENIED] = "denied",
    [ERR_AUTH] = "authentication",
    [ERR_HOST_KEY] = "host-key",
    [ERR_REFUSED] = "refused",
    [ERR_UNREACHABLE] = "unreachable",
    [ERR_TIMEOUT] = "timeout",
    [ERR_CLOSED] = "closed",
    [ERR_MISSING] = "helper-missing",
    [ERR_VERSION] = "version",
    [ERR_GARBAGE] = "garbage",
    [ERR_BUSY] = "busy",
    [ERR_FULL] = "full",
    [ERR_CORRUPT] = "corrupt",
    [ERR_IO] = "io",
    [ERR_CANCELLED] = "cancelled",
    [ERR_FAILED] = "failed",
};

static const struct {
    int errno_value;
    enum err code;
} errnos[] = {
    {ENOENT, ERR_NOT_FOUND},
    {ENOTDIR, ERR_NOT_FOUND},
    {ESRCH, ERR_NOT_FOUND},
    {EEXIST, ERR_EXISTS},
    {EACCES, ERR_DENIED},
    {EPERM, ERR_DENIED},
    {EROFS, ERR_DENIED},
    {ECONNREFUSED, ERR_REFUSED},
    {EHOSTUNREACH, ERR_UNREACHABLE},
    {ENETUNREACH, ERR_UNREACHABLE},
    {EHOSTDOWN, ERR_UNREACHABLE},
    {ENETDOWN, ERR_UNREACHABLE},
    {ETIMEDOUT, ERR_TIMEOUT},
    {ECONNRESET, ERR_CLOSED},
    {EPIPE, ERR_CLOSED},
    {ECONNABORTED, ERR_CLOSED},
    {EBUSY, ERR_BUSY},
    {EWOULDBLOCK, ERR_BUSY},
    {ENOSPC, ERR_FULL},
    {EDQUOT, ERR_FULL},
    {EFBIG, ERR_FULL},
    {ECANCELED, ERR_CANCELLED},
    {ENAMETOOLONG, ERR_INVALID},
    {ELOOP, ERR_INVALID},
};

static void format_message(char *out, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void format_message(char *out, const char *format, va_list args)
{
    size_t size = sizeof(((struct err_info *)0)->message);
    int length = vsnprintf(out, size, format, args);
    if (length < 0)
        out[0] = '\0';
    else if ((size_t)length >= size)
        out[utf8_whole_length(out, size - 1)] = '\0';
}

enum err err_set(struct err_info *info, enum err code, const char *format, ...)
{
    if (!info)
        return code;
    char message[sizeof info->message];
    va_list args;
    va_start(args, format);
    format_message(message, format, args);
    va_end(args);
    info->code = code;
    memcpy(info->message, message, sizeof message);
    return code;
}

enum err err_errno(struct err_info *info, enum err code, int errno_value, const char *format, ...)
{
    if (!info)
        return code;
    char message[sizeof info->message];
    char reason[128];
    va_list args;
    va_start(args, format);
    format_message(message, format, args);
    va_end(args);
    return err_set(info, code, "%s: %s", message, strerror_r(errno_value, reason, sizeof reason));
}

enum err err_prefix(struct err_info *info, enum err code, const char *format, ...)
{
    if (!info)
        return code;
    char prefix[sizeof info->message];
    va_list args;
    va_start(args, format);
    format_message(prefix, format, args);
    va_end(args);
    return err_set(info, info->code, "%s: %s", prefix, info->message);
}

enum err err_from_errno(int errno_value)
{
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++)
        if (errnos[i].errno_value == errno_value)
            return errnos[i].code;
    return ERR_IO;
}

const char *err_word(enum err code)
{
    return (unsigned)code < ERR_COUNT ? words[code] : "unknown";
}
