/* The prefix before the host's paths. Set once by main, before there are threads; read by all of them. */
#include "host/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *host_root = "";

void host_root_set(const char *root)
{
    host_root = root && strcmp(root, "/") != 0 ? root : "";
}

const char *host_path(char *out, size_t out_size, const char *path)
{
    if (!str_format(out, out_size, "%s%s", host_root, path))
        out[0] = '\0';
    return out;
}

const char *host_path_format(char *out, size_t out_size, const char *format, ...)
{
    char path[HOST_PATH_SIZE];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof path)
        path[0] = '\0';
    if (path[0] == '\0') {
        out[0] = '\0';
        return out;
    }
    return host_path(out, out_size, path);
}
