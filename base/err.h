/* Errors: a code for the program, a message for the person.
 *
 * Functions that can fail return `enum err` and fill `struct err_info`. The message names the thing that failed, what
 * is wrong with it, and what to do next; it never ends in a full stop or a newline. A NULL `info` is allowed
 * everywhere.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_INVALID,     /* bad input: the person's or the peer's */
    ERR_NOT_FOUND,   /* the named thing does not exist */
    ERR_EXISTS,      /* the named thing exists already */
    ERR_DENIED,      /* not allowed: permissions, policy, read-only */
    ERR_AUTH,        /* authentication failed: do not retry soon */
    ERR_HOST_KEY,    /* the host's key is unknown, changed or revoked */
    ERR_REFUSED,     /* connection refused */
    ERR_UNREACHABLE, /* no route, no such name */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_CLOSED,      /* the peer closed the connection */
    ERR_MISSING,     /* the helper is not installed on the host */
    ERR_VERSION,     /* the peer or file speaks another version */
    ERR_GARBAGE,     /* the peer does not keep to the protocol */
    ERR_BUSY,        /* somebody else holds it: lock, lease */
    ERR_FULL,        /* no room: disk, queue, ceiling of a buffer */
    ERR_CORRUPT,     /* stored data are damaged */
    ERR_IO,          /* any other failure of the operating system */
    ERR_CANCELLED,   /* a person or a shutdown ended it */
    ERR_FAILED,      /* the thing ran and failed (a job, a gate, a program) */
    ERR_COUNT
};

struct err_info {
    enum err code;
    char message[1024];
};

/* Fill `info` (may be NULL) and return `code`, so that callers can write `return err_set(info, ERR_IO, "…", …);`. */
enum err err_set(struct err_info *info, enum err code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with strerror(errno_value) appended as ": No such file or directory". */
enum err err_errno(struct err_info *info, enum err code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "prefix: " before the message, keeping the code; returns info's code, or `code` where info is NULL. */
enum err err_prefix(struct err_info *info, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The code that fits an errno value; ERR_IO where none fits better. */
enum err err_from_errno(int errno_value);

/* A stable lower-case word for the code, as used in JSON and in the "reason" of a host: "timeout", "host-key", … */
const char *err_word(enum err code);

#endif
