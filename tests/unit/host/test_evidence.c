/* What is collected of a contained site, that hostile contents do no harm to the host, that nothing is passed over in
 * silence, and that what was sealed stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/digest.h"
#include "host/evidence/freeze.h"
#include "host/evidence/vault.h"
#include "host/evidence/send.h"
#include "host/path.h"
#include "host/run.h"
#include "host/ticket.h"
#include "host/verbs.h"
#include "tests/unit/host/asking.h"
#include "tests/unit/host/fake_engine.h"

#define WEB FAKE_ID("aa")
#define OLD FAKE_ID("bb")
#define SITE "\"Config\":{\"Labels\":{\"dogwatch.site\":\"a.org\"}}"
#define ARGS "{\"site\":\"a.org\",\"job\":\"engine.7\",\"ttl_s\":60,\"holder\":\"ann\""
#define PLACE "/var/lib/dogwatch/evidence/a.org-engine.7"
#define LIMIT_US (20 * USEC_PER_SEC)
#define SECRET "what is only in memory 4711"

static pid_t child;

/* --- a host with a site ---------------------------------------------------------------------------------------------
 */

static enum err collect(const char *what)
{
    char *args = xasprintf(ARGS ",\"what\":\"%s\"}", what);
    enum err result = ask(verb_evidence_collect, args);
    free(args);
    return result;
}

static char *at(const char *path)
{
    char full[TREE_PATH_SIZE];
    return xstrdup(tree_path(&tree, full, path));
}

static void link_to(const char *target, const char *path)
{
    char parent[TREE_PATH_SIZE];
    char *full = at(path);
    str_copy(parent, sizeof parent, path);
    *strrchr(parent, '/') = '\0';
    tree_dir(&tree, parent);
    assert_int_equal(symlink(target, full), 0);
    free(full);
}

static void run(const char *const argv[])
{
    int status;
    struct buf out = BUF(1000), errors = BUF(1000);
    assert_int_equal(run_program(argv, LIMIT_US, &out, &errors, &status, &info), ERR_OK);
    if (status)
        fail_msg("%s: %s%s", argv[0], buf_text(&out), buf_text(&errors));
    buf_free(&out);
    buf_free(&errors);
}

static void make_key(const char *path)
{
    char *full = at(path);
    const char *const argv[] = {"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", full, NULL};
    tree_dir(&tree, "/etc/ssh");
    run(argv);
    free(full);
}

/* A container that runs as process 100, and one that has ended. */
static int make_site(void **state)
{
    (void)state;
    asking_begin();
    vault_pretend_room((int64_t)1 << 40);
    fake_engine_make(&tree, "podman");
    fake_engine_add(&tree, "podman", WEB, "web", "running|0|100",
        SITE ",\"GraphDriver\":{\"Data\":{\"UpperDir\":\"/upper\"}},\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"data\","
             "\"Source\":\"/volumes/data\",\"Destination\":\"/data\",\"RW\":true}]");
    fake_engine_add(&tree, "podman", OLD, "old", "exited|0|0", SITE);
    link_to("/usr/bin/tar", "/usr/bin/tar");
    link_to("/usr/bin/cat", "/usr/bin/cat");
    link_to("/usr/bin/ssh-keygen", "/usr/bin/ssh-keygen");
    tree_write(&tree, "/proc/100/cgroup", "0::/machine.slice/libpod-" WEB ".scope/container\n");
    tree_write(
        &tree, "/proc/100/status", "Name:\tsh\nState:\tS (sleeping)\nPPid:\t1\nUid:\t0\t0\t0\t0\nNSpid:\t100\t1\n");
    tree_write(&tree, "/proc/100/stat", "100 (s h) ) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0\n");
    tree_write(&tree, "/proc/100/maps", "");
    tree_write(&tree, "/proc/101/cgroup", "0::/user.slice\n");
    tree_write(&tree, "/proc/101/environ", "NOT=OURS");
    tree_write(&tree, "/volumes/data/page", "hello");
    tree_write(&tree, "/upper/etc/evil", "changed");
    assert_int_equal(ask(verb_lease_take, ARGS "}"), ERR_OK);
    return 0;
}

static int remove_site(void **state)
{
    (void)state;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    child = 0;
    vault_pretend_room(-1);
    return asking_end(state);
}

/* --- looking at what was collected ----------------------------------------------------------------------------------
 */

static char *kept(const char *name)
{
    char *path = xasprintf("%s" PLACE "/%s", tree.root, name);
    struct buf text = BUF((size_t)64 << 20);
    if (buf_read_file(&text, path, NULL) != ERR_OK)
        fail_msg("%s was not kept", name);
    free(path);
    buf_puts(&text, "");
    return buf_take(&text);
}

static bool is_kept(const char *name)
{
    char *path = xasprintf("%s" PLACE "/%s", tree.root, name);
    bool is = access(path, F_OK) == 0;
    free(path);
    return is;
}

static void assert_kept(const char *name, const char *expected)
{
    char *text = kept(name);
    if (!strstr(text, expected))
        fail_msg("%s has no \"%s\": %s", name, expected, text);
    free(text);
}

/* Why something was left out; NULL where it was not. */
static const char *left_out(const char *what)
{
    json_t *entry;
    size_t i;
    json_array_foreach (json_object_get(answer, "left_out"), i, entry)
        if (strcmp(json_get_text(entry, "what"), what) == 0)
            return json_get_text(entry, "why");
    return NULL;
}

static void assert_left_out(const char *what, const char *why)
{
    const char *said = left_out(what);
    if (!said || !strstr(said, why))
        fail_msg("%s was not left out because of \"%s\" but \"%s\"", what, why, said ? said : "not at all");
}

/* The names in an archive, as tar lists them. */
static char *members(const char *name)
{
    int status;
    char *path = xasprintf("%s" PLACE "/%s", tree.root, name);
    struct buf out = BUF(1u << 20);
    const char *const argv[] = {"/usr/bin/tar", "-tvf", path, NULL};
    assert_int_equal(run_program(argv, LIMIT_US, &out, NULL, &status, &info), ERR_OK);
    assert_int_equal(status, 0);
    free(path);
    return buf_take(&out);
}

/* --- tests: who may --------------------------------------------------------------------------------------------------
 */

static void test_without_the_lease_nothing_is_collected(void **state)
{
    (void)state;
    assert_int_equal(ask(verb_evidence_collect, "{\"site\":\"a.org\",\"job\":\"8\",\"what\":\"processes\"}"), ERR_BUSY);
    assert_int_equal(ask(verb_evidence_remove, "{\"site\":\"a.org\",\"job\":\"8\"}"), ERR_BUSY);
    assert_int_equal(ask(verb_evidence_open, "{\"site\":\"a.org\",\"job\":\"8\"}"), ERR_BUSY);
    assert_false(is_kept("begin.json"));
}

static void test_what_is_no_stage_is_refused_with_the_list_of_stages(void **state)
{
    (void)state;
    assert_int_equal(collect("../../etc"), ERR_INVALID);
    assert_non_null(strstr(info.message, "sockets, processes, freeze, memory"));
}

/* --- tests: processes and sockets ------------------------------------------------------------------------------------
 */

static void test_processes_are_kept_as_bytes_and_shown_clean(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/100/cmdline", "\033[31mrm -rf\n\xff");
    tree_write(&tree, "/proc/100/environ", "A=\x01");
    link_to("/tmp/\x1b]0;gotcha\n (deleted)", "/proc/100/exe");
    link_to("socket:[1234]", "/proc/100/fd/3");
    assert_int_equal(collect("processes"), ERR_OK);
    char *raw = kept("processes/podman-web/100/cmdline");
    assert_string_equal(raw, "\033[31mrm -rf\n\xff");
    free(raw);
    char *table = kept("processes/podman-web.json");
    assert_null(strchr(table, '\033'));
    assert_non_null(strstr(table, "\"start_ticks\":987654"));
    assert_non_null(strstr(table, "\"pids_inside\":\"100 1\""));
    free(table);
    assert_kept("processes/podman-web/100/links", "exe -> /tmp/\\x1b]0;gotcha\\x0a (deleted)\n");
    assert_kept("processes/podman-web/100/links", "fd/3 -> socket:[1234]\n");
    assert_false(is_kept("processes/podman-web/101/environ"));
}

static void test_a_program_deleted_from_disk_is_kept_from_memory(void **state)
{
    (void)state;
    /* The link's text is what the kernel shows; what opening it gives is the file that lies there. */
    tree_write(&tree, "/tmp/dropper (deleted)",
        "\x7f"
        "ELF payload");
    char *target = at("/tmp/dropper (deleted)");
    link_to(target, "/proc/100/exe");
    free(target);
    assert_int_equal(collect("processes"), ERR_OK);
    assert_kept("processes/podman-web/100/exe", "ELF payload");
}

/* A pipe nobody writes to stands for a page that its process never delivers. */
static void test_memory_that_makes_its_reader_wait_is_given_up(void **state)
{
    (void)state;
    char *pipe_path = at("/proc/100/environ");
    tree_write(&tree, "/proc/100/cmdline", "sh");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(collect("processes"), ERR_OK);
    assert_left_out("processes/podman-web/100/environ", "said nothing");
    assert_kept("processes/podman-web/100/cmdline", "sh");
    assert_kept("processes/podman-web.json", "\"command\":\"sh\"");
    free(pipe_path);
}

static void test_sockets_say_what_is_missing(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/100/net/tcp", "  sl  local_address\n");
    assert_int_equal(collect("sockets"), ERR_OK);
    assert_kept("sockets/podman-web/net-tcp", "local_address");
    assert_left_out("sockets/podman-web/ss.txt", "not installed");
    assert_left_out("podman-old", "does not run");
    assert_kept("stages/sockets.json", "not installed");
}

static void test_a_stage_asked_again_begins_anew(void **state)
{
    (void)state;
    tree_write(&tree, "/proc/100/environ", "FIRST=1");
    assert_int_equal(collect("processes"), ERR_OK);
    char *environ_path = at("/proc/100/environ");
    unlink(environ_path);
    free(environ_path);
    tree_write(&tree, "/proc/100/cmdline", "second");
    assert_int_equal(collect("processes"), ERR_OK);
    assert_false(is_kept("processes/podman-web/100/environ"));
    assert_kept("processes/podman-web/100/cmdline", "second");
}

/* --- tests: memory ---------------------------------------------------------------------------------------------------
 */

/* A process with a secret on one page of 1 GiB that was only reserved. */
static void make_process_with_secret(void)
{
    int told[2];
    char byte = 0, text[64], maps[64];
    assert_int_equal(pipe(told), 0);
    child = fork();
    if (child == 0) {
        char *space =
            mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space != MAP_FAILED) {
            str_copy(space + ((size_t)512 << 20), 64, SECRET);
            ssize_t ignored = write(told[1], "x", 1);
            (void)ignored;
        }
        for (;;)
            pause();
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(told[0]);
    close(told[1]);
    char *old = at("/proc/100/maps");
    unlink(old);
    free(old);
    static const char *const files[] = {"maps", "mem", "pagemap"};
    for (size_t i = 0; i < 3; i++) {
        str_format(text, sizeof text, "/proc/%d/%s", (int)child, files[i]);
        str_format(maps, sizeof maps, "/proc/100/%s", files[i]);
        link_to(text, maps);
    }
}

static bool holds_secret(const char *name, int64_t *bytes)
{
    char *path = xasprintf("%s" PLACE "/%s", tree.root, name);
    struct buf memory = BUF((size_t)512 << 20);
    assert_int_equal(buf_read_file(&memory, path, NULL), ERR_OK);
    bool holds = memmem(memory.data, memory.length, SECRET, sizeof SECRET) != NULL;
    *bytes = (int64_t)memory.length;
    buf_free(&memory);
    free(path);
    return holds;
}

static void test_memory_is_what_was_written_not_what_was_reserved(void **state)
{
    (void)state;
    int64_t bytes;
    make_process_with_secret();
    assert_int_equal(collect("memory"), ERR_OK);
    assert_true(holds_secret("memory/podman-web/100.mem", &bytes));
    assert_true(bytes < (int64_t)512 << 20);
    assert_kept("memory/podman-web/100.index", " [stack]\n");
    assert_left_out("podman-web", "not frozen");
}

static void test_memory_that_finds_no_room_is_named(void **state)
{
    (void)state;
    make_process_with_secret();
    vault_pretend_room(0);
    assert_int_equal(collect("memory"), ERR_OK);
    assert_left_out("memory/podman-web/100.mem", "no room");
    assert_false(is_kept("memory/podman-web/100.mem"));
}

/* --- tests: freezing -------------------------------------------------------------------------------------------------
 */

static void test_only_what_we_froze_runs_again(void **state)
{
    (void)state;
    json_t *thawed = json_array();
    fake_engine_write(&tree, "podman", OLD, "paused|0|300"); /* by somebody else, before */
    assert_int_equal(collect("freeze"), ERR_OK);
    char *calls = fake_engine_calls(&tree, "podman");
    assert_non_null(strstr(calls, "pause -- " WEB));
    assert_null(strstr(calls, "pause -- " OLD));
    free(calls);
    fake_engine_write(&tree, "podman", WEB, "paused|0|100");
    assert_int_equal(collect("freeze"), ERR_OK); /* again: the list stays */
    assert_int_equal(freeze_thaw("a.org", thawed, &info), ERR_OK);
    calls = fake_engine_calls(&tree, "podman");
    assert_non_null(strstr(calls, "unpause -- " WEB));
    assert_null(strstr(calls, "unpause -- " OLD));
    free(calls);
    assert_int_equal(json_array_size(thawed), 1);
    assert_int_equal(freeze_thaw("a.org", thawed, &info), ERR_OK);
    assert_int_equal(json_array_size(thawed), 1);
    json_decref(thawed);
}

/* --- tests: files ----------------------------------------------------------------------------------------------------
 */

static void test_volumes_are_archived_without_following_or_opening_anything(void **state)
{
    (void)state;
    tree_write(&tree, "/outside", "secret of the host");
    char *pipe_path = at("/volumes/data/pipe"), *outside = at("/outside");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    link_to(outside, "/volumes/data/link");
    assert_int_equal(collect("volumes"), ERR_OK);
    char *list = members("volumes/01-data.tar"), *raw = kept("volumes/01-data.tar");
    assert_non_null(strstr(list, "./page"));
    assert_non_null(strstr(list, "./pipe"));
    assert_non_null(strstr(list, "./link -> "));
    assert_kept("volumes/index.json", "\"file\":\"volumes/01-data.tar\"");
    assert_int_equal(json_array_size(json_object_get(answer, "left_out")), 0);
    free(list);
    free(raw);
    free(pipe_path);
    free(outside);
}

static void test_a_volume_that_is_a_link_is_left_out(void **state)
{
    (void)state;
    char *volume = at("/volumes/data");
    tree_write(&tree, "/elsewhere/passwords", "x");
    char *page = at("/volumes/data/page"), *elsewhere = at("/elsewhere");
    assert_int_equal(unlink(page), 0);
    assert_int_equal(rmdir(volume), 0);
    assert_int_equal(symlink(elsewhere, volume), 0);
    assert_int_equal(collect("volumes"), ERR_OK);
    assert_left_out("volumes/01-data.tar", "neither a directory nor a file");
    free(volume);
    free(page);
    free(elsewhere);
}

static void test_a_volume_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    vault_pretend_room(1000);
    assert_int_equal(collect("volumes"), ERR_OK);
    assert_left_out("volumes/01-data.tar", "no room: it needs");
    assert_false(is_kept("volumes/01-data.tar"));
    assert_true(is_kept("volumes/index.json"));
}

static void test_the_changed_layer_is_archived_from_the_disk(void **state)
{
    (void)state;
    assert_int_equal(collect("filesystem"), ERR_OK);
    char *list = members("filesystem/podman-web.changes.tar");
    assert_non_null(strstr(list, "./etc/evil"));
    free(list);
}

/* On /dev/shm, which is a tmpfs; the container's root is a directory of it. */
static void test_temporary_file_systems_are_kept_and_links_in_them_lead_nowhere(void **state)
{
    (void)state;
    struct statfs seen;
    char root[] = "/dev/shm/dogwatch-evidence-XXXXXX";
    if (statfs("/dev/shm", &seen) != 0 || seen.f_type != TMPFS_MAGIC)
        skip();
    assert_non_null(mkdtemp(root));
    char *inner = xasprintf("%s/tmp", root), *file = xasprintf("%s/tmp/dropper", root),
         *away = xasprintf("%s/away", root);
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(symlink("/etc", away), 0);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "evil", 4), 4);
    close(fd);
    link_to(root, "/proc/100/root");
    tree_write(&tree, "/proc/100/mountinfo",
        "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / /tmp rw,nosuid shared:1 - tmpfs tmpfs rw\n"
        "3 1 0:3 / /away rw - tmpfs tmpfs rw\n4 1 0:4 / /sys/firmware ro - tmpfs tmpfs ro\n"
        "5 1 0:5 /run/hosts /tmp/x rw - tmpfs tmpfs rw\n");
    assert_int_equal(collect("filesystem"), ERR_OK);
    char *list = members("filesystem/podman-web.tmpfs-01.tar");
    assert_non_null(strstr(list, "./dropper"));
    assert_left_out("filesystem/podman-web.tmpfs-02.tar", "/away inside cannot be opened");
    assert_false(is_kept("filesystem/podman-web.tmpfs-02.tar"));
    assert_kept("filesystem/podman-web.tmpfs.json", "{\"mount_point\":\"/tmp\"");
    assert_false(is_kept("filesystem/podman-web.tmpfs-03.tar"));
    unlink(file);
    unlink(away);
    rmdir(inner);
    rmdir(root);
    char *owned[] = {list, inner, file, away};
    for (size_t i = 0; i < 4; i++)
        free(owned[i]);
}

static void test_the_log_is_the_engines_own_file(void **state)
{
    (void)state;
    fake_engine_add(&tree, "podman", WEB, "web", "running|0|100",
        SITE ",\"HostConfig\":{\"LogConfig\":{\"Type\":\"k8s-file\",\"Path\":\"/logs/ctr.log\"}}");
    tree_write(&tree, "/logs/ctr.log", "2026 stdout F GET /shell.php\n");
    assert_int_equal(collect("containers"), ERR_OK);
    assert_kept("containers/podman-web/inspect.json", WEB);
    char *calls = fake_engine_calls(&tree, "podman");
    assert_non_null(strstr(calls, "diff -- " WEB));
    free(calls);
    assert_kept("containers/podman-web/log", "GET /shell.php");
}

/* --- tests: the seal -------------------------------------------------------------------------------------------------
 */

static void collect_and_seal(void)
{
    make_key("/etc/ssh/ssh_host_ed25519_key");
    tree_write(&tree, "/proc/100/environ", "A=1");
    assert_int_equal(collect("processes"), ERR_OK);
    assert_int_equal(collect("volumes"), ERR_OK);
    if (collect("seal") != ERR_OK)
        fail_msg("%s", info.message);
}

static bool is_signed_by(const char *public_key_path)
{
    int status;
    char *key_path = at(public_key_path), *signers = at("/signers");
    char *manifest = xasprintf("%s" PLACE "/manifest.json", tree.root);
    struct buf key = BUF(4096), errors = BUF(4096);
    assert_int_equal(buf_read_file(&key, key_path, NULL), ERR_OK);
    char *line = xasprintf("host %s", buf_text(&key));
    tree_write(&tree, "/signers", line);
    char *script = xasprintf(
        "exec ssh-keygen -Y verify -f %s -I host -n dogwatch-evidence -s %s.sig <%s", signers, manifest, manifest);
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, LIMIT_US, NULL, &errors, &status, &info), ERR_OK);
    char *owned[] = {key_path, signers, manifest, line, script};
    for (size_t i = 0; i < 5; i++)
        free(owned[i]);
    buf_free(&key);
    buf_free(&errors);
    return status == 0;
}

static void test_the_manifest_names_every_file_with_its_sum(void **state)
{
    (void)state;
    json_t *manifest, *entry;
    size_t i;
    collect_and_seal();
    char *text = kept("manifest.json");
    assert_int_equal(json_parse(text, strlen(text), &manifest, &info), ERR_OK);
    bool has_environ = false;
    json_array_foreach (json_object_get(manifest, "files"), i, entry) {
        int64_t bytes = -1, said = -2;
        char digest[DIGEST_TEXT_SIZE];
        char *path = xasprintf("%s" PLACE "/%s", tree.root, json_get_text(entry, "name"));
        int fd = open(path, O_RDONLY);
        assert_int_equal(digest_file(fd, NULL, NULL, digest, &bytes, &info), ERR_OK);
        assert_string_equal(json_get_text(entry, "sha256"), digest);
        assert_true(json_get_i64(entry, "bytes", &said));
        assert_int_equal(said, bytes);
        /* "A=1" */
        if (str_ends(path, "/environ")) {
            has_environ = true;
            assert_string_equal(digest, "f1d316d330440dea46d96ad43f6562ff9411c1b84700794dcd584f18146a18f6");
        }
        close(fd);
        free(path);
    }
    assert_true(has_environ);
    assert_int_equal(json_array_size(json_object_get(manifest, "stages")), 2);
    json_decref(manifest);
    free(text);
}

static void test_the_manifest_is_signed_with_the_hosts_own_key(void **state)
{
    (void)state;
    collect_and_seal();
    assert_true(is_signed_by("/etc/ssh/ssh_host_ed25519_key.pub"));
    make_key("/etc/ssh/another");
    assert_false(is_signed_by("/etc/ssh/another.pub"));
}

static void test_without_the_asked_kind_of_key_nothing_is_sealed(void **state)
{
    (void)state;
    make_key("/etc/ssh/ssh_host_ed25519_key");
    assert_int_equal(collect("processes"), ERR_OK);
    assert_int_equal(ask(verb_evidence_collect, ARGS ",\"what\":\"seal\",\"key_type\":\"ssh-rsa\"}"), ERR_NOT_FOUND);
    assert_false(is_kept("manifest.json.sig"));
    assert_int_equal(ask(verb_evidence_collect, ARGS ",\"what\":\"seal\",\"key_type\":\"ssh-ed25519\"}"), ERR_OK);
}

/* Half a signature, on a full disk say, is none: it is made again. */
static void test_what_failed_to_be_signed_is_not_sealed(void **state)
{
    (void)state;
    char *keygen = at("/usr/bin/ssh-keygen");
    make_key("/etc/ssh/ssh_host_ed25519_key");
    assert_int_equal(collect("processes"), ERR_OK);
    assert_int_equal(unlink(keygen), 0);
    tree_script(&tree, "/usr/bin/ssh-keygen",
        "#!/bin/sh\nfor last; do :; done\n[ ! -f \"$last\" ] || echo half >\"$last.sig\"\necho half\n"
        "echo no space >&2\nexit 1\n");
    assert_int_equal(collect("seal"), ERR_FAILED);
    assert_non_null(strstr(info.message, "no space"));
    assert_false(is_kept("manifest.json.sig"));
    assert_int_equal(unlink(keygen), 0);
    link_to("/usr/bin/ssh-keygen", "/usr/bin/ssh-keygen");
    assert_int_equal(collect("seal"), ERR_OK);
    assert_true(is_signed_by("/etc/ssh/ssh_host_ed25519_key.pub"));
    free(keygen);
}

static void test_after_the_seal_nothing_changes(void **state)
{
    (void)state;
    collect_and_seal();
    char *sum = xstrdup(json_get_text(answer, "manifest_sha256"));
    assert_int_equal(collect("processes"), ERR_DENIED);
    assert_int_equal(collect("freeze"), ERR_DENIED);
    assert_int_equal(collect("seal"), ERR_OK);
    assert_string_equal(json_get_text(answer, "manifest_sha256"), sum);
    free(sum);
}

static void test_what_somebody_else_put_there_is_not_sealed(void **state)
{
    (void)state;
    make_key("/etc/ssh/ssh_host_ed25519_key");
    assert_int_equal(collect("processes"), ERR_OK);
    link_to("/etc/passwd", PLACE "/processes/link");
    assert_int_equal(collect("seal"), ERR_CORRUPT);
    assert_false(is_kept("manifest.json.sig"));
}

static void test_nothing_is_removed_before_it_is_sealed(void **state)
{
    (void)state;
    make_key("/etc/ssh/ssh_host_ed25519_key");
    assert_int_equal(collect("processes"), ERR_OK);
    assert_int_equal(ask(verb_evidence_remove, ARGS "}"), ERR_DENIED);
    assert_true(is_kept("begin.json"));
    assert_int_equal(collect("seal"), ERR_OK);
    assert_int_equal(ask(verb_evidence_remove, ARGS "}"), ERR_OK);
    assert_false(is_kept("begin.json"));
    assert_int_equal(ask(verb_evidence_remove, ARGS "}"), ERR_OK);
}

/* --- tests: leaving --------------------------------------------------------------------------------------------------
 */

/* What the stream sends, as tar lists it; the caller's. */
static char *sent_members(const char *args)
{
    int status;
    char *archive = at("/sent.tar");
    assert_int_equal(ask(verb_evidence_open, args), ERR_OK);
    const char *word = json_get_text(answer, "stream");
    json_t *ticket;
    assert_int_equal(ticket_load(word, &ticket, &info), ERR_OK);
    int fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (evidence_run_stream(word, ticket, -1, fd, &info) != ERR_OK)
        fail_msg("%s", info.message);
    close(fd);
    json_decref(ticket);
    struct buf out = BUF(1u << 20);
    const char *const argv[] = {"/usr/bin/tar", "-tf", archive, NULL};
    assert_int_equal(run_program(argv, LIMIT_US, &out, NULL, &status, &info), ERR_OK);
    assert_int_equal(status, 0);
    free(archive);
    return buf_take(&out);
}

static void test_what_leaves_begins_with_the_manifest_and_goes_on_where_it_was(void **state)
{
    (void)state;
    int64_t files = 0;
    collect_and_seal();
    char *all = sent_members(ARGS "}");
    assert_true(str_starts(all, "./manifest.json\n./manifest.json.sig\n./begin.json\n"));
    assert_non_null(strstr(all, "./volumes/01-data.tar\n"));
    json_get_i64(answer, "files", &files);
    char *rest = sent_members(ARGS ",\"skip\":1}");
    assert_true(str_starts(rest, "./manifest.json\n./manifest.json.sig\n./processes/"));
    char *args = xasprintf(ARGS ",\"skip\":%lld}", (long long)files + 1);
    assert_int_equal(ask(verb_evidence_open, args), ERR_INVALID);
    free(args);
    free(all);
    free(rest);
}

static void test_the_list_says_what_is_kept_of_this_site_alone(void **state)
{
    (void)state;
    bool sealed = true;
    assert_int_equal(ask(verb_evidence_list, "{\"site\":\"a.org\"}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "evidence")), 0);
    assert_int_equal(collect("processes"), ERR_OK);
    assert_int_equal(ask(verb_evidence_list, "{\"site\":\"a\"}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "evidence")), 0);
    assert_int_equal(ask(verb_evidence_list, "{\"site\":\"a.org\"}"), ERR_OK);
    const json_t *entry = json_array_get(json_object_get(answer, "evidence"), 0);
    assert_string_equal(json_get_text(entry, "job"), "engine.7");
    assert_true(json_get_bool(entry, "sealed", &sealed) && !sealed);
}

static void test_what_is_not_sealed_does_not_leave(void **state)
{
    (void)state;
    assert_int_equal(collect("processes"), ERR_OK);
    assert_int_equal(ask(verb_evidence_open, ARGS "}"), ERR_DENIED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_site, remove_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_the_lease_nothing_is_collected),
        TEST(test_what_is_no_stage_is_refused_with_the_list_of_stages),
        TEST(test_processes_are_kept_as_bytes_and_shown_clean),
        TEST(test_a_program_deleted_from_disk_is_kept_from_memory),
        TEST(test_memory_that_makes_its_reader_wait_is_given_up),
        TEST(test_sockets_say_what_is_missing),
        TEST(test_a_stage_asked_again_begins_anew),
        TEST(test_memory_is_what_was_written_not_what_was_reserved),
        TEST(test_memory_that_finds_no_room_is_named),
        TEST(test_only_what_we_froze_runs_again),
        TEST(test_volumes_are_archived_without_following_or_opening_anything),
        TEST(test_a_volume_that_is_a_link_is_left_out),
        TEST(test_a_volume_that_does_not_fit_is_left_out_whole),
        TEST(test_the_changed_layer_is_archived_from_the_disk),
        TEST(test_temporary_file_systems_are_kept_and_links_in_them_lead_nowhere),
        TEST(test_the_log_is_the_engines_own_file),
        TEST(test_the_manifest_names_every_file_with_its_sum),
        TEST(test_the_manifest_is_signed_with_the_hosts_own_key),
        TEST(test_without_the_asked_kind_of_key_nothing_is_sealed),
        TEST(test_what_failed_to_be_signed_is_not_sealed),
        TEST(test_after_the_seal_nothing_changes),
        TEST(test_what_somebody_else_put_there_is_not_sealed),
        TEST(test_nothing_is_removed_before_it_is_sealed),
        TEST(test_what_leaves_begins_with_the_manifest_and_goes_on_where_it_was),
        TEST(test_the_list_says_what_is_kept_of_this_site_alone),
        TEST(test_what_is_not_sealed_does_not_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
