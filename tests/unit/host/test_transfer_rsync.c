/* A directory from end to end, as it goes through the console or ssh: rsync, our relay, the receiving end with its
 * ticket, and the confinement. The test program plays the helper's part for what rsync and the receiver start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "host/path.h"
#include "host/run.h"
#include "host/stream.h"
#include "host/ticket.h"
#include "host/transfer/frames.h"
#include "host/transfer/receive.h"
#include "host/transfer/rsync.h"
#include "tests/unit/host/tree.h"

static struct tree tree;
static struct err_info info;
static char source[TREE_PATH_SIZE], target[TREE_PATH_SIZE], word[TICKET_WORD_SIZE];
static bool closed;

/* Asked by the address sanitiser in every process of this program. The relay runs where there is no /proc, and there it
 * cannot look for leaks and would fail. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return access("/proc/self/maps", F_OK) == 0 ? "" : "detect_leaks=0";
}

static bool can_run(void)
{
    if (geteuid() == 0 && access("/usr/bin/rsync", X_OK) == 0)
        return true;
    print_message("skipped: needs root and rsync\n");
    return false;
}

static int make_volume(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE], linked[TREE_PATH_SIZE];
    tree_make(&tree);
    host_root_set(tree.root);
    closed = false;
    tree_path(&tree, source, "/from");
    tree_path(&tree, target, "/to");
    tree_dir(&tree, "/to");
    tree_write(&tree, "/from/index.html", "hello");
    tree_write(&tree, "/from/sub/with space", "more");
    tree_path(&tree, linked, "/from/linked");
    assert_int_equal(link(tree_path(&tree, path, "/from/index.html"), linked), 0);
    assert_int_equal(chown(path, 1234, 2345), 0);
    tree_write(&tree, "/var/lib/dogwatch/sites/a.org.mark", "{\"mark\":\"incoming\"}");
    return 0;
}

static int remove_volume(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static struct transfer transfer_of(const char *path)
{
    struct transfer transfer = {.site = "a.org", .job = "7", .runtime = RUNTIME_PODMAN, .volume = "data", .pass = 1};
    str_copy(transfer.path, sizeof transfer.path, path);
    return transfer;
}

/* The receiving end in a process of its own; its exit status is the error code. */
static pid_t receive(const int ends[2])
{
    int fd = ends[1];
    struct transfer transfer = transfer_of(target);
    json_t *facts = transfer_to_json(&transfer), *ticket;
    assert_int_equal(ticket_new("transfer-in", "a.org", "7", 60, facts, word, &info), ERR_OK);
    assert_int_equal(ticket_load(word, &ticket, &info), ERR_OK);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]); /* or its peer's end is not heard */
        enum err result = receive_run(word, ticket, fd, fd, &info);
        run_end_all();
        _exit((int)result);
    }
    json_decref(ticket);
    json_decref(facts);
    return pid;
}

static bool goes_on(void *context)
{
    (void)context;
    return !closed;
}

static enum err end_of(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (enum err)WEXITSTATUS(status);
}

static enum err send_pass(const char *path, bool last, struct transfer_count *count, enum err *received)
{
    int ends[2];
    struct transfer transfer = transfer_of(path);
    struct transfer_watch watch = {.goes_on = goes_on};
    transfer.last = last;
    *count = (struct transfer_count){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = receive(ends);
    close(ends[1]);
    enum err result = rsync_send(&transfer, ends[0], ends[0], NULL, &watch, count, &info);
    close(ends[0]);
    *received = end_of(pid);
    return result;
}

static void assert_file(const char *name, const char *text)
{
    char path[TREE_PATH_SIZE];
    struct buf got = BUF(4096);
    assert_int_equal(buf_read_file(&got, tree_path(&tree, path, name), NULL), ERR_OK);
    assert_string_equal(buf_text(&got), text);
    buf_free(&got);
}

static void test_a_directory_arrives_as_it_was(void **state)
{
    (void)state;
    struct transfer_count count;
    enum err received;
    struct stat first, second;
    char path[TREE_PATH_SIZE];
    if (!can_run())
        skip();
    tree_write(&tree, "/to/stale", "left over");
    assert_int_equal(send_pass(source, true, &count, &received), ERR_OK);
    assert_int_equal(received, ERR_OK);
    assert_file("/to/index.html", "hello");
    assert_file("/to/sub/with space", "more");
    assert_int_not_equal(access(tree_path(&tree, path, "/to/stale"), F_OK), 0);
    assert_int_equal(stat(tree_path(&tree, path, "/to/index.html"), &first), 0);
    assert_int_equal(stat(tree_path(&tree, path, "/to/linked"), &second), 0);
    assert_true(first.st_ino == second.st_ino && first.st_uid == 1234 && first.st_gid == 2345);
    assert_int_equal(count.files, 2);
    assert_int_equal(count.total_bytes, 14); /* each name counts */
    assert_int_equal(send_pass(source, true, &count, &received), ERR_OK);
    assert_int_equal(count.files, 0);
}

/* Where the volume was is a link now: what it leads to is not the site's. */
static void test_a_volume_that_became_a_link_is_not_sent(void **state)
{
    (void)state;
    struct transfer_count count;
    enum err received;
    char path[TREE_PATH_SIZE];
    if (!can_run())
        skip();
    tree_write(&tree, "/secret/key", "the host's own");
    assert_int_equal(symlink(tree_path(&tree, target, "/secret"), tree_path(&tree, path, "/volume")), 0);
    tree_path(&tree, target, "/to");
    assert_int_equal(send_pass(path, true, &count, &received), ERR_FAILED);
    assert_non_null(strstr(info.message, "symbolic link"));
    assert_int_not_equal(access(tree_path(&tree, path, "/to/key"), F_OK), 0);
}

/* What is mounted in a volume is a part of it on both ends, as it is for the site. */
static void test_what_is_mounted_inside_goes_along(void **state)
{
    (void)state;
    struct transfer_count count;
    enum err received;
    char from_disk[TREE_PATH_SIZE], to_disk[TREE_PATH_SIZE];
    if (!can_run() || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip();
    tree_dir(&tree, "/from/disk");
    tree_dir(&tree, "/to/disk");
    assert_int_equal(mount("tmpfs", tree_path(&tree, from_disk, "/from/disk"), "tmpfs", 0, "size=1m"), 0);
    assert_int_equal(mount("tmpfs", tree_path(&tree, to_disk, "/to/disk"), "tmpfs", 0, "size=1m"), 0);
    tree_write(&tree, "/from/disk/upload", "of a member");
    enum err result = send_pass(source, true, &count, &received);
    char path[TREE_PATH_SIZE];
    bool is_there = access(tree_path(&tree, path, "/to/disk/upload"), F_OK) == 0;
    umount2(from_disk, MNT_DETACH);
    umount2(to_disk, MNT_DETACH);
    assert_int_equal(result, ERR_OK);
    assert_int_equal(received, ERR_OK);
    assert_true(is_there);
}

static void test_a_site_that_is_not_incoming_any_more_is_not_written(void **state)
{
    (void)state;
    struct transfer_count count;
    enum err received;
    char path[TREE_PATH_SIZE];
    if (!can_run())
        skip();
    tree_write(&tree, "/var/lib/dogwatch/sites/a.org.mark", "{\"mark\":\"none\"}");
    assert_int_not_equal(send_pass(source, true, &count, &received), ERR_OK);
    assert_int_equal(received, ERR_DENIED);
    assert_int_not_equal(access(tree_path(&tree, path, "/to/index.html"), F_OK), 0);
}

static void test_a_sender_with_other_wishes_is_refused(void **state)
{
    (void)state;
    int ends[2];
    struct frames frames;
    json_t *header;
    static const char wish[] = "{\"args\":[\"rsync\",\"--server\",\"--sender\",\"-lHogDtpr\",\".\",\"/etc/\"]}";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = receive(ends);
    close(ends[1]);
    assert_int_equal(json_parse(wish, strlen(wish), &header, &info), ERR_OK);
    frames_begin(&frames, ends[0], ends[0], NULL, NULL);
    assert_int_equal(frames_put_json(&frames, FRAME_HEADER, header, &info), ERR_OK);
    assert_int_equal(end_of(pid), ERR_DENIED);
    frames_end(&frames);
    json_decref(header);
    close(ends[0]);
}

static void test_a_closed_transfer_ends_at_the_receiver(void **state)
{
    (void)state;
    int ends[2];
    if (!can_run())
        skip();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = receive(ends);
    close(ends[1]);
    char path[TREE_PATH_SIZE], file[80];
    str_format(file, sizeof file, "/run/dogwatch/streams/%s.json", word);
    assert_int_equal(unlink(tree_path(&tree, path, file)), 0);
    assert_int_equal(end_of(pid), ERR_CANCELLED);
    close(ends[0]);
}

/* What the confined program prints. */
static char *confined(const char *how, const char *directory, const char *script, int *status)
{
    char own[512] = "";
    struct buf out = BUF(65536);
    assert_true(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    const char *const argv[] = {own, how, directory, "/bin/sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, 20 * USEC_PER_SEC, &out, NULL, status, &info), ERR_OK);
    return buf_take(&out);
}

static void test_there_is_nothing_outside_of_the_one_directory(void **state)
{
    (void)state;
    int status;
    if (!can_run())
        skip();
    char *said = confined("--confine", target,
        "cd /; for d in *; do case $d in usr|bin|sbin|lib*|dev|data) ;; *) echo outside: $d;; esac; done; "
        "echo in >/data/in && echo wrote; for f in /usr/bad /bin/bad /bad /dev/bad /data/../bad; do "
        "(echo x >$f) 2>/dev/null && echo bad: $f; done; ls -A /dev",
        &status);
    assert_string_equal(said, "wrote\nnull\n");
    free(said);
    assert_file("/to/in", "in\n");
}

/* A file that a site's own user swaps for a link while it is sent leads nowhere; nothing of the source is changed, and
 * a device among it is not opened. */
static void test_a_sender_sees_nothing_but_its_volume_and_changes_nothing(void **state)
{
    (void)state;
    int status;
    char path[TREE_PATH_SIZE];
    if (!can_run())
        skip();
    assert_int_equal(mknod(tree_path(&tree, path, "/from/device"), S_IFCHR | 0666, makedev(1, 5)), 0);
    assert_int_equal(symlink("/etc", tree_path(&tree, path, "/from/link")), 0);
    char *said = confined("--confine-to-read", source,
        "cd /; for d in *; do case $d in usr|bin|sbin|lib*|dev|data|dogwatch-host) ;; *) echo outside: $d;; esac; "
        "done; "
        "cat /data/index.html; echo; ls /data/link/ 2>/dev/null; (echo x >/data/new) 2>/dev/null && echo wrote; "
        "head -c 1 /data/device 2>/dev/null && echo opened; ls -A /dev; test -x /dogwatch-host && echo relay",
        &status);
    assert_string_equal(said, "hello\nnull\nrelay\n");
    free(said);
}

static void test_a_directory_behind_a_link_is_not_entered(void **state)
{
    (void)state;
    int status;
    char path[TREE_PATH_SIZE];
    if (!can_run())
        skip();
    assert_int_equal(symlink(target, tree_path(&tree, path, "/link")), 0);
    char *said = confined("--confine", path, "echo ran", &status);
    assert_string_equal(said, "");
    assert_int_not_equal(status, 0);
    free(said);
}

#define test(name) cmocka_unit_test_setup_teardown(name, make_volume, remove_volume)

int main(int argc, char **argv)
{
    if (stream_is_own(argc, argv))
        return stream_own_main(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        test(test_a_directory_arrives_as_it_was),
        test(test_a_volume_that_became_a_link_is_not_sent),
        test(test_what_is_mounted_inside_goes_along),
        test(test_a_site_that_is_not_incoming_any_more_is_not_written),
        test(test_a_sender_with_other_wishes_is_refused),
        test(test_a_closed_transfer_ends_at_the_receiver),
        test(test_there_is_nothing_outside_of_the_one_directory),
        test(test_a_sender_sees_nothing_but_its_volume_and_changes_nothing),
        test(test_a_directory_behind_a_link_is_not_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
