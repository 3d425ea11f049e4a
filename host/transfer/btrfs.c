/* By the btrfs program, run without a shell. What arrives is received in a directory of its own and looked at before it
 * takes the volume's place by one rename. */
#include "host/transfer/btrfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "host/run.h"
#include "host/transfer/piped.h"
#include "host/transfer/place.h"
#include "host/transfer/pump.h"

#define SUBVOLUME_INODE 256 /* btrfs(5): the root of every subvolume */
#define WORK_LIMIT_US (120 * USEC_PER_SEC)
#define ERRORS_CEILING 8192u
#define STEP_US (300 * USEC_PER_MSEC)
#define INCOMING "incoming"

static const char *find_btrfs(void)
{
    static const char *const programs[] = {
        "/usr/bin/btrfs", "/bin/btrfs", "/usr/sbin/btrfs", "/sbin/btrfs", "/usr/local/bin/btrfs", NULL};
    return run_find(programs);
}

bool btrfs_is_here(const char *path)
{
    struct statfs facts;
    return statfs(path, &facts) == 0 && facts.f_type == BTRFS_SUPER_MAGIC;
}

bool btrfs_is_subvolume(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_ino == SUBVOLUME_INODE && btrfs_is_here(path);
}

/* `btrfs subvolume WORDS…`. */
static enum err subvolume(const char *what, const char *const words[], struct err_info *info)
{
    const char *argv[10] = {find_btrfs(), "subvolume", what};
    struct buf errors = BUF(ERRORS_CEILING);
    char said[300];
    int status = 0;
    if (!argv[0])
        return err_set(info, ERR_MISSING, "the program btrfs is not installed on this host");
    for (size_t i = 0; words[i] && i < 6; i++)
        argv[3 + i] = words[i];
    enum err result = run_program(argv, WORK_LIMIT_US, NULL, &errors, &status, info);
    sanitize(said, sizeof said, buf_text(&errors), strcspn(buf_text(&errors), "\n"));
    buf_free(&errors);
    if (result == ERR_OK && status != 0)
        result = err_set(info, ERR_FAILED, "btrfs subvolume %s failed (%d): %s", what, status, said);
    return result;
}

static enum err snapshot(const char *from, const char *to, bool read_only, struct err_info *info)
{
    return read_only ? subvolume("snapshot", (const char *const[]){"-r", "--", from, to, NULL}, info)
                     : subvolume("snapshot", (const char *const[]){"--", from, to, NULL}, info);
}

static enum err delete_subvolume(const char *path, struct err_info *info)
{
    return btrfs_is_subvolume(path) ? subvolume("delete", (const char *const[]){"--", path, NULL}, info) : ERR_OK;
}

static bool remove_entry(const char *path)
{
    return delete_subvolume(path, NULL) == ERR_OK && (rmdir(path) == 0 || errno == ENOENT);
}

/* Entries that are subvolumes or directories whose entries are. */
static bool remove_entries(const char *directory, unsigned depth)
{
    bool all = true;
    DIR *entries = opendir(directory);
    for (const struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        char path[HOST_PATH_SIZE];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!str_format(path, sizeof path, "%s/%s", directory, entry->d_name))
            continue;
        if (depth > 0 && entry->d_type == DT_DIR && !btrfs_is_subvolume(path))
            remove_entries(path, depth - 1);
        all = remove_entry(path) && all;
    }
    if (entries)
        closedir(entries);
    return all;
}

bool btrfs_remove_workshop(const char *directory)
{
    bool all = remove_entries(directory, 1);
    if (!all || (rmdir(directory) != 0 && errno != ENOENT))
        log_warning("snapshots are left in %s", directory);
    return all;
}

static bool name_pass(const char *workshop, const char *inside, int64_t pass, char out[HOST_PATH_SIZE])
{
    return str_format(out, HOST_PATH_SIZE, "%s%s/pass-%lld", workshop, inside, (long long)pass);
}

/* --- sending --------------------------------------------------------------------------------------------------------
 */

/* A read-only snapshot of now; one of the same pass that is there already is made anew. */
static enum err make_snapshot(
    const struct transfer *transfer, char now[HOST_PATH_SIZE], char before[HOST_PATH_SIZE], struct err_info *info)
{
    char workshop[HOST_PATH_SIZE], older[HOST_PATH_SIZE];
    if (!btrfs_is_subvolume(transfer->path))
        return err_set(info, ERR_INVALID, "%s is no btrfs subvolume", transfer->path);
    enum err result = place_workshop(transfer, workshop, info);
    if (result != ERR_OK)
        return result;
    name_pass(workshop, "", transfer->pass, now);
    name_pass(workshop, "", transfer->pass - 1, before);
    name_pass(workshop, "", transfer->pass - 2, older);
    delete_subvolume(older, NULL);
    result = delete_subvolume(now, info);
    return result == ERR_OK ? snapshot(transfer->path, now, true, info) : result;
}

/* The receiver says whether it has the snapshot of the pass before. */
static enum err agree(const struct transfer *transfer, struct frames *frames, bool *incremental, struct err_info *info)
{
    json_t *header = json_object(), *answer;
    json_put_i64(header, "pass", transfer->pass);
    json_put_bool(header, "last", transfer->last);
    enum err result = frames_put_json(frames, FRAME_HEADER, header, info);
    json_decref(header);
    if (result == ERR_OK)
        result = frames_await_json(frames, FRAME_ANSWER, &answer, info);
    if (result != ERR_OK)
        return result;
    bool has = false;
    json_get_bool(answer, "has_previous", &has);
    json_decref(answer);
    *incremental = *incremental && has;
    return ERR_OK;
}

enum err btrfs_send(const struct transfer *transfer, struct frames *frames, const struct transfer_watch *watch,
    struct transfer_count *count, struct err_info *info)
{
    char now[HOST_PATH_SIZE], before[HOST_PATH_SIZE];
    enum err result = make_snapshot(transfer, now, before, info);
    bool incremental = result == ERR_OK && transfer->pass > 1 && btrfs_is_subvolume(before);
    if (result == ERR_OK)
        result = agree(transfer, frames, &incremental, info);
    if (result != ERR_OK)
        return result;
    const char *const whole[] = {find_btrfs(), "send", "-q", "--", now, NULL};
    const char *const changes[] = {find_btrfs(), "send", "-q", "-p", before, "--", now, NULL};
    return pump_send(frames, incremental ? changes : whole, transfer->limit_bytes_s, watch, count, info);
}

/* --- receiving ------------------------------------------------------------------------------------------------------
 */

/* Put the new one where the volume is, in one step; what was there goes. */
static enum err take_place(
    const struct transfer *transfer, const char *workshop, const char *received, struct err_info *info)
{
    char fresh[HOST_PATH_SIZE];
    str_format(fresh, sizeof fresh, "%s/fresh", workshop);
    enum err result = delete_subvolume(fresh, info);
    if (result == ERR_OK && rmdir(fresh) != 0 && errno != ENOENT)
        result = err_errno(info, ERR_IO, errno, "%s is in the way", fresh);
    if (result == ERR_OK)
        result = snapshot(received, fresh, false, info);
    if (result == ERR_OK && renameat2(AT_FDCWD, fresh, AT_FDCWD, transfer->path, RENAME_EXCHANGE) != 0)
        result = err_errno(info, ERR_IO, errno, "what was received cannot take the place of %s", transfer->path);
    if (result == ERR_OK && !remove_entry(fresh))
        log_warning("what was in %s before is left in %s", transfer->path, fresh);
    return result;
}

/* What may be replaced: an empty directory, or a subvolume (the kept copy of a site that comes back). */
static enum err check_place(const struct transfer *transfer, struct err_info *info)
{
    if (!btrfs_is_here(transfer->path))
        return err_set(info, ERR_INVALID, "%s is on no btrfs here: carry it as a directory", transfer->path);
    if (btrfs_is_subvolume(transfer->path))
        return ERR_OK;
    return paths_count_entries(transfer->path, 1) == 0
               ? ERR_OK
               : err_set(
                     info, ERR_EXISTS, "%s holds files and is no subvolume: carry it as a directory", transfer->path);
}

static enum err check_received(const char *received, struct err_info *info)
{
    return btrfs_is_subvolume(received)
               ? ERR_OK
               : err_set(info, ERR_GARBAGE, "what arrived is not the snapshot that was announced");
}

/* On the disk now, so that the last pass, for which visitors wait, does not pay for it. By a program, for it may take
 * long, and the sender is to hear that we live. */
static enum err sync_pass(const char *received, struct frames *frames, struct err_info *info)
{
    static const char *const programs[] = {"/usr/bin/sync", "/bin/sync", NULL};
    const char *const argv[] = {run_find(programs), "-f", "--", received, NULL};
    struct piped program;
    struct frame frame;
    if (!argv[0])
        return ERR_OK;
    enum err result = piped_start(&program, argv, &(struct piped_wish){.third = -1, .fourth = -1}, info);
    while (result == ERR_OK && !piped_ended(&program, STEP_US))
        result = frames_next(frames, 0, &frame, info);
    piped_free(&program);
    return result;
}

enum err btrfs_receive(
    const struct transfer *transfer, struct frames *frames, const json_t *header, struct err_info *info)
{
    char workshop[HOST_PATH_SIZE], into[HOST_PATH_SIZE], now[HOST_PATH_SIZE], before[HOST_PATH_SIZE];
    struct transfer pass = *transfer;
    enum err result = transfer_read_pass(header, &pass, info);
    if (result == ERR_OK)
        result = check_place(&pass, info);
    if (result == ERR_OK)
        result = place_workshop(&pass, workshop, info);
    if (result != ERR_OK)
        return result;
    str_format(into, sizeof into, "%s/" INCOMING, workshop);
    name_pass(workshop, "/" INCOMING, pass.pass, now);
    name_pass(workshop, "/" INCOMING, pass.pass - 1, before);
    if (mkdir(into, 0700) != 0 && errno != EEXIST)
        return err_errno(info, ERR_IO, errno, "cannot make %s", into);
    result = delete_subvolume(now, info);
    json_t *answer = json_object();
    json_put_bool(answer, "has_previous", btrfs_is_subvolume(before));
    if (result == ERR_OK)
        result = frames_put_json(frames, FRAME_ANSWER, answer, info);
    json_decref(answer);
    const char *const argv[] = {find_btrfs(), "receive", "-q", "-e", "--chroot", "--", into, NULL};
    if (result == ERR_OK)
        result = argv[0] ? pump_receive(frames, argv, NULL, info)
                         : err_set(info, ERR_MISSING, "the program btrfs is not installed on this host");
    if (result == ERR_OK)
        result = check_received(now, info);
    if (result != ERR_OK)
        return result;
    return pass.last ? take_place(&pass, workshop, now, info) : sync_pass(now, frames, info);
}
