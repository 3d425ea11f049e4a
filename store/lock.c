/* One engine per state directory: an open file description lock (fcntl(2)), which another process can ask about without
 * taking it. The kernel holds the lock and lets go of it when the process ends, however it ends;
 * the process id in the file is for people. Any thread. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/paths.h"

#define LOCK_NAME "engine.lock"

static long read_pid(int fd)
{
    char text[32];
    int64_t pid = 0;
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    str_to_i64(text, 1, INT32_MAX, &pid);
    return (long)pid;
}

static enum err write_pid(int fd, const char *path, struct err_info *info)
{
    char text[32];
    str_format(text, sizeof text, "%ld\n", (long)getpid());
    ssize_t length = (ssize_t)strlen(text);
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length)
        return ERR_OK;
    int why = errno;
    return err_errno(info, err_from_errno(why), why, "cannot write %s", path);
}

static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static enum err take(int fd, const char *path, struct err_info *info)
{
    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return write_pid(fd, path, info);
    int why = errno;
    if (why != EAGAIN && why != EACCES)
        return err_errno(info, err_from_errno(why), why, "cannot lock %s", path);
    return err_set(
        info, ERR_BUSY, "another engine (process %ld) runs with this state directory: it holds %s", read_pid(fd), path);
}

enum err store_lock(const char *state_dir, int *fd, struct err_info *info)
{
    *fd = -1;
    enum err result = paths_make_dir(state_dir, info);
    if (result != ERR_OK)
        return result;
    char *path = paths_join(state_dir, LOCK_NAME);
    int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int why = errno;
    if (opened < 0)
        result = err_errno(info, err_from_errno(why), why, "cannot open %s", path);
    else
        result = take(opened, path, info);
    if (result == ERR_OK)
        *fd = opened;
    else if (opened >= 0)
        close(opened);
    free(path);
    return result;
}

long store_lock_holder(const char *state_dir)
{
    char *path = paths_join(state_dir, LOCK_NAME);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    long holder = 0;
    free(path);
    if (fd < 0)
        return 0;
    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        holder = read_pid(fd);
    close(fd);
    return holder;
}
