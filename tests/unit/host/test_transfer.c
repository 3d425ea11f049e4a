/* Carrying volumes: what may be asked for, what a receiving rsync may be told, where nothing may be written, and that
 * what is sent arrives, through real rsync and the confinement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "host/definition/made.h"
#include "host/path.h"
#include "host/ticket.h"
#include "host/transfer/grant.h"
#include "host/transfer/image.h"
#include "host/transfer/incoming.h"
#include "host/transfer/place.h"
#include "host/transfer/pump.h"
#include "host/transfer/rsync.h"
#include "host/transfer/transfer.h"
#include "tests/unit/host/tree.h"

#define ID "8e3e1369c922a37f8e79e1a74c702303c7da697fd7a55c35247bc7861fc234d9"
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1Musx8avj0IauCLEKlzbj/FmFD38kn0dx/gM6k/NWg"
#define KEYS "/var/lib/dogwatch/home/.ssh/authorized_keys"
#define OPERATOR                                                                                                       \
    "restrict,command=\"/usr/bin/sudo -n /lib/dogwatch-host --role operator\" ssh-ed25519 AAAAop dogwatch-operator\n"

static struct tree tree;
static struct err_info info;

static int make_tree(void **state)
{
    (void)state;
    tree_make(&tree);
    host_root_set(tree.root);
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    tree_remove(&tree);
    return 0;
}

static enum err read_args(const char *text, struct transfer *transfer)
{
    json_t *args;
    assert_int_equal(json_parse(text, strlen(text), &args, NULL), ERR_OK);
    info = (struct err_info){0};
    enum err result = transfer_read_args(args, transfer, &info);
    json_decref(args);
    return result;
}

/* --- what is asked for ----------------------------------------------------------------------------------------------
 */

static void test_a_transfer_survives_its_ticket(void **state)
{
    (void)state;
    struct transfer transfer, again;
    assert_int_equal(read_args("{\"site\":\"a.org\",\"job\":\"7\",\"what\":\"volume\",\"runtime\":\"docker\","
                               "\"volume\":\"a.org:/var/www\",\"path\":\"/srv/a\",\"driver\":\"btrfs\"}",
                         &transfer),
        ERR_OK);
    transfer.pass = 3;
    transfer.last = true;
    transfer.limit_bytes_s = 5000;
    json_t *facts = transfer_to_json(&transfer);
    assert_int_equal(transfer_from_json(facts, &again, &info), ERR_OK);
    json_decref(facts);
    assert_int_equal(again.method, TRANSFER_BTRFS);
    assert_int_equal(again.runtime, RUNTIME_DOCKER);
    assert_string_equal(again.volume, "a.org:/var/www");
    assert_string_equal(again.path, "/srv/a");
    assert_true(again.last && again.pass == 3 && again.limit_bytes_s == 5000);
}

static void test_names_and_paths_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"volume\":\"../x\"", "\"volume\":\"-v\"",
        "\"volume\":\"b.org:/var/www\",\"path\":\"/srv/a\"", "\"volume\":\"a.org:/var/www\"",
        "\"volume\":\"a.org:/w\",\"path\":\"/srv/../etc\"", "\"volume\":\"a.org:/w\",\"path\":\"/srv//a\"",
        "\"volume\":\"a.org:/w\",\"path\":\"srv/a\"", "\"volume\":\"a.org:/w\",\"path\":\"/srv/a/\"",
        "\"volume\":\"a.org:/w\",\"path\":\"/srv/./a\"", "\"volume\":\"a\",\"driver\":\"mount\""};
    struct transfer transfer;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text =
            xasprintf("{\"site\":\"a.org\",\"job\":\"7\",\"what\":\"volume\",\"runtime\":\"podman\",%s}", bad[i]);
        assert_int_equal(read_args(text, &transfer), ERR_INVALID);
        free(text);
    }
    assert_int_equal(
        read_args(
            "{\"site\":\"a.org\",\"job\":\"7\",\"what\":\"image\",\"runtime\":\"podman\",\"image_id\":\"latest\"}",
            &transfer),
        ERR_INVALID);
}

static void test_only_a_site_marked_incoming_is_written_into(void **state)
{
    (void)state;
    assert_int_equal(incoming_check("a.org", &info), ERR_DENIED);
    tree_write(&tree, "/var/lib/dogwatch/sites/a.org.mark", "{\"mark\":\"kept\"}");
    assert_int_equal(incoming_check("a.org", &info), ERR_DENIED);
    assert_non_null(strstr(info.message, "kept"));
    tree_write(&tree, "/var/lib/dogwatch/sites/a.org.mark", "{\"mark\":\"incoming\"}");
    assert_int_equal(incoming_check("a.org", &info), ERR_OK);
}

/* --- rsync's words --------------------------------------------------------------------------------------------------
 */

static void test_our_own_rsync_command_is_taken_without_its_path(void **state)
{
    (void)state;
    char copy[RSYNC_COMMAND_SIZE];
    const char *words[RSYNC_MOST_WORDS];
    assert_int_equal(rsync_vet("rsync --server -lHogDtpAXrSe.LsfxCIvu --timeout=120 --bwlimit=1000 --delete --stats "
                               "--partial --numeric-ids . /etc/",
                         copy, words, &info),
        ERR_OK);
    size_t count = 0;
    for (; words[count]; count++)
        assert_null(strstr(words[count], "/etc"));
    assert_int_equal(count, 9);
    assert_string_equal(words[1], "--server");
}

static void test_any_other_command_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "rsync", "sh -c id", "rsync --server --sender -lHogDtpAXrSe.LsfxCIvu . /etc/",
        "rsync --server -lHogDtpAXrSe.LsfxCIvu --sender . /etc/", "rsync --server . /",
        "rsync --server -lHogDtpAXrSe.LsfxCIvu --log-file=/etc/x . /",
        "rsync --server -lHogDtpAXrSe.LsfxCIvu --daemon . /",
        "rsync --server -lHogDtpAXrSe.LsfxCIvu --timeout=1;id . /", "rsync --server -lHogDtpAXrSe.LsfxCIvu --delete",
        "rsync --server -lHogDtpAXrSe.LsfxCIvu --backup-dir=/etc . /", "rsync --server -lKogDtpr . /",
        "rsync --server -lHe/bin/sh . /", "rsync --server -lHogDtpAXrSe.LsfxCIvu --temp-dir=/tmp . /"};
    char copy[RSYNC_COMMAND_SIZE];
    const char *words[RSYNC_MOST_WORDS];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rsync_vet(bad[i], copy, words, &info), ERR_DENIED);
}

static void test_what_rsync_prints_is_counted(void **state)
{
    (void)state;
    struct transfer_count count = {0};
    rsync_read_line("      1,234", &count);
    assert_int_equal(count.bytes, 0);
    rsync_read_line("      500000  25%   12.34MB/s    0:00:03 (xfr#17, to-chk=3/40)", &count);
    assert_int_equal(count.bytes, 500000);
    assert_int_equal(count.total_bytes, 2000000);
    assert_int_equal(count.files, 17);
    rsync_read_line("Number of regular files transferred: 40", &count);
    rsync_read_line("Total file size: 2,000,001 bytes", &count);
    rsync_read_line("Total file size: 2000001 bytes", &count);
    rsync_read_line("Total bytes sent: 1900000", &count);
    assert_true(count.files == 40 && count.total_bytes == 2000001 && count.bytes == 1900000);
}

/* --- tickets --------------------------------------------------------------------------------------------------------
 */

static void test_a_ticket_is_good_until_it_runs_out_or_is_closed(void **state)
{
    (void)state;
    char word[TICKET_WORD_SIZE], old[TICKET_WORD_SIZE];
    json_t *ticket;
    assert_int_equal(ticket_new("transfer-in", "a.org", "7", 60, NULL, word, &info), ERR_OK);
    assert_int_equal(ticket_new("transfer-in", "a.org", "7", 0, NULL, old, &info), ERR_OK);
    assert_int_equal(ticket_load(word, &ticket, &info), ERR_OK);
    assert_string_equal(json_get_text(ticket, "site"), "a.org");
    json_decref(ticket);
    assert_int_equal(ticket_load(old, &ticket, &info), ERR_DENIED);
    assert_int_equal(ticket_load("../../../etc/passwd", &ticket, &info), ERR_DENIED);
    assert_int_equal(ticket_load("00000000000000000000000000000000", &ticket, &info), ERR_DENIED);
    ticket_remove_all("b.org", "7");
    assert_true(ticket_stands(word));
    assert_false(ticket_stands(old));
    ticket_remove_all("a.org", "8");
    assert_true(ticket_stands(word));
    ticket_remove_all("a.org", "7");
    assert_int_equal(ticket_load(word, &ticket, &info), ERR_DENIED);
}

static void test_a_ticket_serves_one_stream_at_a_time(void **state)
{
    (void)state;
    char word[TICKET_WORD_SIZE];
    int first, second;
    assert_int_equal(ticket_new("transfer-in", "a.org", "7", 60, NULL, word, &info), ERR_OK);
    assert_int_equal(ticket_lock(word, 0, &first, &info), ERR_OK);
    assert_int_equal(ticket_lock(word, 0, &second, &info), ERR_BUSY);
    close(first);
    assert_int_equal(ticket_lock(word, 0, &second, &info), ERR_OK);
    close(second);
}

/* --- one-shot keys --------------------------------------------------------------------------------------------------
 */

static char *keys_now(void)
{
    char path[TREE_PATH_SIZE];
    struct buf text = BUF(65536);
    assert_int_equal(buf_read_file(&text, tree_path(&tree, path, KEYS), &info), ERR_OK);
    return buf_take(&text);
}

static enum err grant(const char *job, const char *word, const char *from, const char *key, int64_t ttl_s)
{
    char user[GRANT_USER_SIZE];
    enum err result = grant_add(
        &(struct grant){.job = job, .word = word, .from = from, .public_key = key, .ttl_s = ttl_s}, user, &info);
    if (result == ERR_OK)
        assert_string_equal(user, "dogwatch");
    return result;
}

static void test_a_grant_is_one_line_and_goes_without_a_trace(void **state)
{
    (void)state;
    static const char others[] = "# kept\n" OPERATOR "ssh-rsa BBBB someone\n";
    char path[TREE_PATH_SIZE];
    struct stat facts;
    tree_write(&tree, KEYS, others);
    assert_int_equal(grant("7", "00ff", "192.0.2.1", KEY " a comment", 60), ERR_OK);
    char *text = keys_now();
    assert_true(str_starts(text, others));
    const char *line = text + strlen(others);
    assert_true(str_starts(line, "restrict,from=\"192.0.2.1\",expiry-time=\"2"));
    assert_non_null(
        strstr(line, "Z\",command=\"/usr/bin/sudo -n /lib/dogwatch-host --receive 00ff\" " KEY " dogwatch-grant:7\n"));
    free(text);
    assert_int_equal(grant("8", "00aa", "2001:db8::1", KEY, 60), ERR_OK);
    assert_int_equal(grant_remove("7", NULL, &info), ERR_OK);
    text = keys_now();
    assert_null(strstr(text, "00ff"));
    assert_non_null(strstr(text, "00aa"));
    free(text);
    assert_int_equal(grant_remove("8", "00aa", &info), ERR_OK);
    text = keys_now();
    assert_string_equal(text, others);
    free(text);
    assert_int_equal(stat(tree_path(&tree, path, KEYS), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0644);
}

/* An image, then a volume: sshd takes the first line that has the key. */
static void test_the_newest_grant_of_a_job_is_the_only_one(void **state)
{
    (void)state;
    tree_write(&tree, KEYS, OPERATOR);
    assert_int_equal(grant("7", "00ff", "192.0.2.1", KEY, 60), ERR_OK);
    assert_int_equal(grant("7", "00aa", "192.0.2.1", KEY, 60), ERR_OK);
    char *text = keys_now();
    assert_null(strstr(text, "00ff"));
    assert_non_null(strstr(text, "00aa"));
    free(text);
}

static void test_a_grant_that_ran_out_goes_with_the_next_change(void **state)
{
    (void)state;
    tree_write(&tree, KEYS,
        OPERATOR "restrict,expiry-time=\"20200101000000Z\",command=\"x --receive 11\" k dogwatch-grant:1\n"
                 "restrict,command=\"x --receive 22\" k dogwatch-grant:2\n");
    assert_int_equal(grant("7", "00ff", "192.0.2.1", KEY, 60), ERR_OK);
    char *text = keys_now();
    assert_null(strstr(text, "--receive 11"));
    assert_null(strstr(text, "--receive 22")); /* without an end it is none of ours */
    assert_non_null(strstr(text, "--receive 00ff"));
    free(text);
}

static void test_a_key_or_address_that_could_say_more_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *key;
    } bad[] = {{"192.0.2.1\",command=\"id", KEY}, {"*", KEY}, {"192.0.2.0/24", KEY}, {NULL, KEY}, {"192.0.2.1", NULL},
        {"192.0.2.1", "ssh-rsa AAAA"}, {"192.0.2.1", "command=\"id\" " KEY}, {"192.0.2.1", KEY "\nssh-rsa X"},
        {"192.0.2.1", "ssh-ed25519 short"}};
    tree_write(&tree, KEYS, OPERATOR);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(grant("7", "00ff", bad[i].from, bad[i].key, 60), ERR_INVALID);
    char *text = keys_now();
    assert_string_equal(text, OPERATOR);
    free(text);
}

/* Whoever manages keys elsewhere, and links to them, finds the link again. */
static void test_keys_that_are_a_link_stay_one(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE], elsewhere[TREE_PATH_SIZE];
    struct stat seen;
    tree_write(&tree, "/etc/keys/dogwatch", OPERATOR);
    tree_write(&tree, KEYS, "");
    assert_int_equal(unlink(tree_path(&tree, path, KEYS)), 0);
    assert_int_equal(symlink(tree_path(&tree, elsewhere, "/etc/keys/dogwatch"), path), 0);
    assert_int_equal(chmod(elsewhere, 0640), 0);
    assert_int_equal(grant("7", "00ff", "192.0.2.1", KEY, 60), ERR_OK);
    assert_int_equal(lstat(path, &seen), 0);
    assert_true(S_ISLNK(seen.st_mode));
    assert_int_equal(stat(path, &seen), 0);
    assert_int_equal(seen.st_mode & 0777, 0640);
    char *text = keys_now();
    assert_non_null(strstr(text, "dogwatch-grant:7"));
    free(text);
}

static void test_a_host_nobody_enrolled_grants_nothing(void **state)
{
    (void)state;
    tree_write(&tree, KEYS, "ssh-rsa BBBB someone\n");
    assert_int_equal(grant("7", "00ff", "192.0.2.1", KEY, 60), ERR_MISSING);
    assert_int_equal(grant_remove("7", NULL, &info), ERR_OK);
}

/* --- places ---------------------------------------------------------------------------------------------------------
 */

static enum err make_bind(const char *path)
{
    struct transfer transfer = {.runtime = RUNTIME_PODMAN, .site = "a.org", .job = "7", .volume = "a.org:/var/www"};
    str_copy(transfer.path, sizeof transfer.path, path);
    return place_make_target(&transfer, &info);
}

static void test_a_bind_mount_goes_only_where_sites_may_be(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE];
    static const char *const bad[] = {"/etc/cron.d", "/srv", "/root/.ssh", "/var/lib/dogwatch", "/usr/lib", "/srvx/a",
        "/home/anna", "/home/anna/.ssh"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(make_bind(bad[i]), ERR_DENIED);
    assert_int_equal(make_bind("/srv/a.org/www"), ERR_OK);
    assert_int_equal(access(tree_path(&tree, path, "/srv/a.org/www"), F_OK), 0);
    json_t *made = made_list("a.org", "7", "directories"); /* what its job may take away again */
    assert_int_equal(json_array_size(made), 1);
    json_decref(made);
}

static void test_a_link_on_the_way_is_not_followed(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE], outside[TREE_PATH_SIZE];
    tree_dir(&tree, "/srv");
    tree_dir(&tree, "/outside");
    assert_int_equal(symlink(tree_path(&tree, outside, "/outside"), tree_path(&tree, path, "/srv/a.org")), 0);
    assert_int_equal(make_bind("/srv/a.org/www"), ERR_DENIED);
    assert_int_not_equal(access(tree_path(&tree, path, "/outside/www"), F_OK), 0);
    assert_int_equal(place_open(tree_path(&tree, path, "/srv/a.org"), &info), -1);
}

static void test_a_directory_nobody_can_account_for_is_not_overwritten(void **state)
{
    (void)state;
    tree_write(&tree, "/srv/a.org/www/index.html", "precious");
    assert_int_equal(make_bind("/srv/a.org/www"), ERR_EXISTS);
    char path[TREE_PATH_SIZE];
    unlink(tree_path(&tree, path, "/srv/a.org/www/index.html"));
    assert_int_equal(make_bind("/srv/a.org/www"), ERR_OK);
    tree_write(&tree, "/srv/a.org/www/index.html", "half a pass");
    assert_int_equal(make_bind("/srv/a.org/www"), ERR_OK); /* the job knows what it began */
}

/* Somebody who can write beside the volume has put a link where snapshots are kept. */
static void test_a_workshop_that_somebody_else_made_is_left_alone(void **state)
{
    (void)state;
    struct transfer transfer = {.runtime = RUNTIME_PODMAN, .site = "a.org", .job = "7", .volume = "data"};
    char workshop[HOST_PATH_SIZE], path[TREE_PATH_SIZE], outside[TREE_PATH_SIZE], of_others[TREE_PATH_SIZE];
    tree_dir(&tree, "/srv/data");
    tree_dir(&tree, "/outside/of-others");
    tree_path(&tree, of_others, "/outside/of-others");
    str_copy(transfer.path, sizeof transfer.path, tree_path(&tree, path, "/srv/data"));
    assert_int_equal(symlink(tree_path(&tree, outside, "/outside"), tree_path(&tree, path, "/srv/.dogwatch-data")), 0);
    assert_int_equal(place_workshop(&transfer, workshop, &info), ERR_DENIED);
    assert_false(place_remove_workshop(path));
    assert_int_equal(access(of_others, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(place_workshop(&transfer, workshop, &info), ERR_OK);
    assert_int_equal(place_workshop(&transfer, workshop, &info), ERR_OK);
    assert_string_equal(workshop, path);
    assert_int_equal(chmod(path, 0770), 0);
    assert_int_equal(place_workshop(&transfer, workshop, &info), ERR_DENIED);
    assert_int_equal(chmod(path, 0700), 0);
    assert_true(place_remove_workshop(path));
    assert_true(place_remove_workshop(path)); /* gone already */
    assert_int_not_equal(access(path, F_OK), 0);
}

/* --- frames ---------------------------------------------------------------------------------------------------------
 */

static bool always(void *context)
{
    (void)context;
    return true;
}

/* The receiving end in a process of its own: pump_receive into `argv`; its exit status is the error code. */
static pid_t receive_into(int fd, const char *const *argv)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct frames frames;
    json_t *nothing = json_object();
    frames_begin(&frames, fd, fd, always, NULL);
    enum err result = pump_receive(&frames, argv, NULL, &info);
    if (result == ERR_OK)
        result = frames_put_json(&frames, FRAME_RESULT, nothing, &info);
    else
        frames_put_failure(&frames, &info);
    _exit((int)result);
}

static enum err pump(
    const char *const *from, const char *const *into, int64_t limit, struct transfer_count *count, int *status)
{
    int ends[2];
    struct frames frames;
    struct transfer_watch watch = {.goes_on = always};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = receive_into(ends[1], into);
    close(ends[1]);
    frames_begin(&frames, ends[0], ends[0], always, NULL);
    *count = (struct transfer_count){0};
    enum err result = pump_send(&frames, from, limit, &watch, count, &info);
    if (result != ERR_OK)
        frames_put_failure(&frames, &info);
    frames_end(&frames);
    close(ends[0]);
    waitpid(pid, status, 0);
    *status = WEXITSTATUS(*status);
    return result;
}

static void test_what_a_program_prints_another_reads_whole(void **state)
{
    (void)state;
    struct transfer_count count;
    int status;
    char out[TREE_PATH_SIZE], *command = xasprintf("cat >%s; sleep 0.1", tree_path(&tree, out, "/out"));
    const char *const from[] = {"/usr/bin/head", "-c", "3000000", "/dev/zero", NULL};
    const char *const into[] = {"/bin/sh", "-c", command, NULL};
    assert_int_equal(pump(from, into, 0, &count, &status), ERR_OK);
    assert_int_equal(status, ERR_OK);
    assert_int_equal(count.bytes, 3000000);
    struct stat facts;
    assert_int_equal(stat(out, &facts), 0);
    assert_int_equal(facts.st_size, 3000000);
    free(command);
}

static void test_a_sender_that_fails_in_the_middle_is_no_end(void **state)
{
    (void)state;
    struct transfer_count count;
    int status;
    const char *const from[] = {"/bin/sh", "-c", "head -c 100000 /dev/zero; echo disk on fire >&2; exit 3", NULL};
    const char *const into[] = {"/bin/cat", NULL};
    assert_int_equal(pump(from, into, 0, &count, &status), ERR_FAILED);
    assert_non_null(strstr(info.message, "disk on fire"));
    assert_int_equal(status, ERR_FAILED);
}

static void test_a_receiver_that_gives_up_says_why(void **state)
{
    (void)state;
    struct transfer_count count;
    int status;
    const char *const from[] = {"/usr/bin/head", "-c", "9000000", "/dev/zero", NULL};
    const char *const into[] = {"/bin/sh", "-c", "head -c 10 >/dev/null; echo no space left >&2; exit 1", NULL};
    assert_int_equal(pump(from, into, 0, &count, &status), ERR_FAILED);
    assert_non_null(strstr(info.message, "no space left"));
    assert_int_equal(status, ERR_FAILED);
}

/* --- images ---------------------------------------------------------------------------------------------------------
 */

static json_t *normalised(const char *config)
{
    json_t *description;
    char *text = xasprintf(
        "{\"Id\":\"sha256:" ID "\",\"Size\":5,\"RootFS\":{\"Layers\":[\"sha256:aa\"]},\"Config\":%s}", config);
    assert_int_equal(json_parse(text, strlen(text), &description, &info), ERR_OK);
    json_t *image = image_normalised(description);
    json_decref(description);
    free(text);
    assert_non_null(image);
    return image;
}

static void test_the_engines_descriptions_of_one_image_compare(void **state)
{
    (void)state;
    json_t *podman = normalised("{\"Cmd\":[\"/a\"],\"Env\":[\"PATH=/bin\"],\"Labels\":{\"x\":\"1\"}}");
    json_t *docker =
        normalised("{\"Hostname\":\"\",\"Cmd\":[\"/a\"],\"Env\":[\"PATH=/bin\"],\"Labels\":{\"x\":\"1\"},"
                   "\"Entrypoint\":null,\"WorkingDir\":\"/\",\"User\":\"\",\"Volumes\":{},\"Image\":\"sha256:b\"}");
    json_t *other = normalised("{\"Cmd\":[\"/b\"],\"Env\":[\"PATH=/bin\"],\"Labels\":{\"x\":\"1\"}}");
    assert_string_equal(json_get_text(podman, "image_id"), ID);
    assert_true(json_equal(podman, docker));
    assert_false(json_equal(podman, other));
    json_decref(podman);
    json_decref(docker);
    json_decref(other);
}

static void test_an_image_is_saved_so_that_its_id_stays_where_it_can(void **state)
{
    (void)state;
    json_t *oci = json_object(), *docker = json_object();
    json_put_text(oci, "ManifestType", "application/vnd.oci.image.manifest.v1+json");
    json_put_text(docker, "ManifestType", "application/vnd.docker.distribution.manifest.v2+json");
    assert_string_equal(image_save_words(RUNTIME_PODMAN, RUNTIME_PODMAN, oci)[3], "oci-archive");
    assert_string_equal(image_save_words(RUNTIME_PODMAN, RUNTIME_DOCKER, oci)[3], "docker-archive");
    assert_string_equal(image_save_words(RUNTIME_PODMAN, RUNTIME_PODMAN, docker)[3], "docker-archive");
    assert_string_equal(image_save_words(RUNTIME_DOCKER, RUNTIME_PODMAN, docker)[1], "--");
    json_decref(oci);
    json_decref(docker);
}

#define test(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        test(test_a_transfer_survives_its_ticket),
        test(test_names_and_paths_that_lead_elsewhere_are_refused),
        test(test_only_a_site_marked_incoming_is_written_into),
        test(test_our_own_rsync_command_is_taken_without_its_path),
        test(test_any_other_command_is_refused),
        test(test_what_rsync_prints_is_counted),
        test(test_a_ticket_is_good_until_it_runs_out_or_is_closed),
        test(test_a_ticket_serves_one_stream_at_a_time),
        test(test_a_grant_is_one_line_and_goes_without_a_trace),
        test(test_the_newest_grant_of_a_job_is_the_only_one),
        test(test_a_grant_that_ran_out_goes_with_the_next_change),
        test(test_a_key_or_address_that_could_say_more_is_refused),
        test(test_keys_that_are_a_link_stay_one),
        test(test_a_host_nobody_enrolled_grants_nothing),
        test(test_a_bind_mount_goes_only_where_sites_may_be),
        test(test_a_workshop_that_somebody_else_made_is_left_alone),
        test(test_a_link_on_the_way_is_not_followed),
        test(test_a_directory_nobody_can_account_for_is_not_overwritten),
        test(test_what_a_program_prints_another_reads_whole),
        test(test_a_sender_that_fails_in_the_middle_is_no_end),
        test(test_a_receiver_that_gives_up_says_why),
        test(test_the_engines_descriptions_of_one_image_compare),
        test(test_an_image_is_saved_so_that_its_id_stays_where_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
