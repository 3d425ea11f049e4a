/* podman gives a volume that it has made, when a container first uses it, the owner and mode of what the image has in
 * its place, also where the volume's content came from another host. That is got over with here, by a container that is
 * set up but never started, and what the volume's directory was before is put back. One thread at a time. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/definition/gather.h"
#include "host/definition/make.h"
#include "host/path.h"

#define SETTLE_LIMIT_US (60 * USEC_PER_SEC)
#define MOST_VOLUMES 64

struct unsettled {
    char path[HOST_PATH_SIZE];
    struct stat before;
};

struct settling {
    size_t count;
    VEC(char *) words;
    struct unsettled volumes[MOST_VOLUMES];
};

static void add_volume(struct settling *settling, const char *name)
{
    bool needs = false;
    json_t *description = gather_one(RUNTIME_PODMAN, "volume", name);
    struct unsettled *volume = &settling->volumes[settling->count];
    const char *path = json_get_text(description, "Mountpoint");
    if (json_get_bool(description, "NeedsChown", &needs) && needs && path &&
        stat(host_path(volume->path, sizeof volume->path, path), &volume->before) == 0) {
        vec_push(&settling->words, xasprintf("--volume=%s:/volumes/%zu:nocopy", name, settling->count));
        settling->count++;
    }
    json_decref(description);
}

static void find_volumes(const struct making *making, struct settling *settling)
{
    const json_t *containers = json_object_get(making->definition, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *mounts = json_object_get(json_array_get(containers, i), "mounts");
        for (size_t j = 0; j < json_array_size(mounts) && settling->count < MOST_VOLUMES; j++) {
            const char *name = json_get_text(json_array_get(mounts, j), "name");
            if (name)
                add_volume(settling, name);
        }
    }
}

static enum err run(const char *const *words, struct err_info *info)
{
    return runtime_command(RUNTIME_PODMAN, words, SETTLE_LIMIT_US, NULL, info);
}

/* `init` sets it up to the point where its first process would start. */
static enum err use_once(struct settling *settling, const char *name, struct err_info *info)
{
    const char *const init[] = {"init", "--", name, NULL}, *const remove[] = {"rm", "--force", "--", name, NULL};
    enum err result = run((const char *const *)settling->words.items, info);
    if (result == ERR_OK) {
        run(init, NULL); /* what counts is whether the volumes are settled */
        result = run(remove, info);
    }
    return result;
}

static void put_back(const struct unsettled *volume)
{
    struct stat now;
    const struct timespec times[] = {volume->before.st_atim, volume->before.st_mtim};
    if (stat(volume->path, &now) != 0)
        return;
    if (now.st_uid != volume->before.st_uid || now.st_gid != volume->before.st_gid)
        (void)!chown(volume->path, volume->before.st_uid, volume->before.st_gid);
    if (now.st_mode != volume->before.st_mode)
        chmod(volume->path, volume->before.st_mode & 07777);
    utimensat(AT_FDCWD, volume->path, times, 0);
}

enum err make_volumes_settled(struct making *making, const char *image, struct err_info *info)
{
    struct settling *settling = xcalloc(1, sizeof *settling);
    char *name = xasprintf("dogwatch-settle-%d", (int)getpid());
    const char *const before[] = {"create", "--pull=never", "--network=none", "--read-only", "--no-healthcheck",
        "--log-driver=none", "--entrypoint=/dogwatch"};
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        vec_push(&settling->words, xstrdup(before[i]));
    vec_push(&settling->words, xasprintf("--name=%s", name));
    find_volumes(making, settling);
    vec_push(&settling->words, xstrdup("--"));
    vec_push(&settling->words, xstrdup(image));
    vec_push(&settling->words, NULL);
    if (settling->count)
        result = use_once(settling, name, info);
    for (size_t i = 0; i < settling->count; i++)
        put_back(&settling->volumes[i]);
    for (size_t i = 0; i < settling->words.count; i++)
        free(settling->words.items[i]);
    vec_free(&settling->words);
    free(settling);
    free(name);
    return result == ERR_OK ? ERR_OK : err_prefix(info, result, "the volumes could not be made ready");
}
