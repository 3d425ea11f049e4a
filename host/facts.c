/* What this host says of itself. The boot id cannot change while the helper runs: it is read once; any thread. */
#include "host/facts.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/path.h"

#define BOOT_ID_LENGTH 36 /* a UUID */
#define OS_RELEASE_CEILING 16384

static char boot_id[BOOT_ID_LENGTH + 1];

static void read_boot_id(void)
{
    char path[HOST_PATH_SIZE];
    struct buf buf = BUF(256);
    host_path(path, sizeof path, "/proc/sys/kernel/random/boot_id");
    if (buf_read_file(&buf, path, NULL) == ERR_OK && strspn(buf_text(&buf), "0123456789abcdef-") == BOOT_ID_LENGTH)
        memcpy(boot_id, buf_text(&buf), BOOT_ID_LENGTH);
    buf_free(&buf);
}

const char *host_boot_id(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_boot_id);
    return boot_id;
}

void host_put_times(json_t *object)
{
    json_put_i64(object, "epoch_us", clock_wall_us());
    json_put_i64(object, "mono_us", clock_boot_us());
}

/* PRETTY_NAME of os-release(5), without its quotes. */
static void put_os(json_t *object)
{
    char path[HOST_PATH_SIZE];
    struct buf buf = BUF(OS_RELEASE_CEILING);
    host_path(path, sizeof path, "/etc/os-release");
    if (buf_read_file(&buf, path, NULL) == ERR_OK) {
        char *rest = buf.data;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            if (!str_starts(line, "PRETTY_NAME="))
                continue;
            char *name = line + strlen("PRETTY_NAME=");
            name += strspn(name, "\"'");
            name[strcspn(name, "\"'")] = '\0';
            json_put_text(object, "os", name);
        }
    }
    buf_free(&buf);
}

void host_put_identity(json_t *object)
{
    char name[HOST_NAME_MAX + 1] = "";
    struct utsname kernel;
    if (gethostname(name, sizeof name - 1) == 0)
        json_put_text(object, "host", name);
    json_put_text(object, "boot_id", *host_boot_id() ? host_boot_id() : NULL);
    put_os(object);
    if (uname(&kernel) == 0)
        json_put_text(object, "kernel", kernel.release);
}
