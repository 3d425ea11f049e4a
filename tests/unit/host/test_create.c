/* Making a site's containers of a definition, and removing a copy: what is refused, what is taken back, what stays.
 * With an engine made of a shell script and files, which writes down what it was asked to change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "base/clock.h"
#include "host/containers/runtime.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/site/record.h"
#include "host/verbs.h"
#include "tests/unit/host/asking.h"
#include "tests/unit/host/fake_engine.h"

#define WEB FAKE_ID("aa")
#define APP FAKE_ID("bb")
#define OLD FAKE_ID("cc")
#define OTHER FAKE_ID("dd")
#define IMAGE FAKE_ID("ee")
#define HERE FAKE_ID("ff")

/* things/KIND/NAME: one line of JSON. templates/NAME: what becomes things/container/NAME. fail/NAME: why not. */
static const char engine[] =
    "#!/bin/sh\n"
    "root=${0%/usr/bin/*}; cd $root/things; echo \"$*\" >>$root/calls\n"
    "for last; do :; done\n"
    "find_thing() { for f in $1/* $1/*/; do [ -f \"$f\" ] && { [ \"${f##*/}\" = \"$2\" ] || grep -q "
    "'\"Id\":\"'\"$2\"'\"' "
    "\"$f\"; } && echo \"$f\" && return; done; }\n"
    "inspect() { kind=$1; shift; echo '['; comma=; for name; do f=$(find_thing $kind \"$name\")\n"
    "  [ \"$f\" ] && { printf '%s' \"$comma\"; cat \"$f\"; comma=,; }; done; echo ']'; }\n"
    "remove() { f=$(find_thing $1 \"$2\"); [ \"$f\" ] && rm \"$f\"; }\n"
    "case \"$1 $2\" in\n"
    "ps*) for f in container/*; do [ -f $f ] && echo \"$(cut -d'\"' -f4 $f)|$(cksum <$f)|${f##*/}\"; done; exit 0 ;;\n"
    "version*) echo 4.3.1 ;;\n"
    "'container inspect'|'image inspect'|'volume inspect'|'network inspect') kind=$1; shift 3; inspect $kind \"$@\" "
    ";;\n"
    "'volume ls'|'network ls') ls $1 ;;\n"
    "'volume create'|'network create') echo "
    "\"{\\\"Name\\\":\\\"$last\\\",\\\"name\\\":\\\"$last\\\",\\\"Mountpoint\\\":"
    "\\\"/volumes/$last\\\",\\\"Labels\\\":{\\\"dogwatch.site\\\":\\\"a.org\\\"}}\" >$1/$last ;;\n"
    "'volume rm'|'network rm') rm $1/$last ;;\n"
    "'rename --') sed \"s/\\\"Name\\\":\\\"$3\\\"/\\\"Name\\\":\\\"$4\\\"/\" container/$3 >container/$4; rm "
    "container/$3 ;;\n"
    "'rm --') remove container $last ;;\n"
    "create*) for w; do case $w in --name=*) name=${w#--name=} ;; --env-file=*) cp ${w#*=} $root/env-seen ;; esac; "
    "done\n"
    "  echo \"$*\" >>$root/create-words; printf %s \"$KEY\" >$root/key-seen\n"
    "  [ -e $root/fail/$name ] && { cat $root/fail/$name >&2; exit 125; }\n"
    "  cp $root/templates/$name container/$name ;;\n"
    "esac\n";

#define ARGS "\"site\":\"a.org\",\"job\":\"7\""
#define LABELS "\"Labels\":{\"dogwatch.site\":\"a.org\",\"dogwatch.job\":\"7\"}"
#define MOUNTS                                                                                                         \
    "\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"a-data\",\"Source\":\"/volumes/a-data\",\"Destination\":\"/data\","   \
    "\"RW\":true}]"
#define CONTAINER(name)                                                                                                \
    "{\"name\":\"" name "\",\"image\":\"coop/web\",\"image_id\":\"" IMAGE                                              \
    "\",\"env\":{\"SECRET\":\"xyzzy\",\"KEY\":\"one\\ntwo plugh\"},"                                                   \
    "\"labels\":{\"dogwatch.site\":\"a.org\"},\"mounts\":[{\"kind\":\"volume\",\"name\":\"a-data\",\"destination\":"   \
    "\"/"                                                                                                              \
    "data\"}]}"
#define DEFINITION                                                                                                     \
    "\"definition\":{\"format\":1,\"site\":\"a.org\",\"containers\":[" CONTAINER("web") "," CONTAINER("app") "]}"
#define CREATE "{" ARGS "," DEFINITION ",\"runtime\":\"podman\"}"

static void put(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(const char *path, const char *format, ...)
{
    va_list args;
    struct buf text = BUF(65536);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    tree_write(&tree, path, buf_text(&text));
    buf_free(&text);
}

/* A description as podman gives it, of a container as the definition wants it. */
static void put_container(const char *path, const char *id, const char *name, const char *state, const char *labels)
{
    put(path,
        "{\"Id\":\"%s\",\"Name\":\"%s\",\"Image\":\"" IMAGE
        "\",\"ImageName\":\"coop/web\",\"State\":{\"Status\":\"%s\"},"
        "\"Config\":{\"Env\":[\"SECRET=xyzzy\",\"KEY=one\\ntwo plugh\"],%s},\"HostConfig\":{\"PidsLimit\":0}," MOUNTS
        "}\n",
        id, name, state, labels);
}

static bool exists(const char *path)
{
    char full[TREE_PATH_SIZE];
    return access(tree_path(&tree, full, path), F_OK) == 0;
}

/* What was changed since the last time, one call a line: "create web, rm web". */
static void assert_changes(const char *expected)
{
    char path[TREE_PATH_SIZE], *rest;
    struct buf calls = BUF(1u << 20), changes = BUF(8192);
    buf_read_file(&calls, tree_path(&tree, path, "/calls"), NULL);
    unlink(path);
    rest = calls.data;
    for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;) {
        const char *name = strstr(line, "--name="), *last = strrchr(line, ' ');
        if (str_starts(line, "create"))
            buf_printf(&changes, "%screate %.*s", changes.length ? ", " : "", name ? (int)strcspn(name + 7, " ") : 0,
                name ? name + 7 : "");
        else if (strstr(line, " rm --") || strstr(line, " create ") || str_starts(line, "rename") ||
                 str_starts(line, "rm "))
            buf_printf(&changes, "%s%.*s %s", changes.length ? ", " : "", (int)strcspn(line, "-") - 1, line,
                last ? last + 1 : "");
    }
    assert_string_equal(buf_text(&changes), expected);
    buf_free(&calls);
    buf_free(&changes);
}

static void set_mark_after(const char *word, const char *before)
{
    json_t *record = json_object();
    json_put_text(record, "site", "a.org");
    json_put_text(record, "mark", word);
    json_put_text(record, "job", "7");
    json_put_i64(record, "since_us", 1);
    if (before)
        json_object_set_new(record, "before", json_pack("{s:s}", "mark", before));
    assert_int_equal(record_write("a.org", "mark", record, NULL), ERR_OK);
    json_decref(record);
}

static void set_mark(const char *word)
{
    set_mark_after(word, NULL);
}

static int make_host(void **state)
{
    (void)state;
    static const char *const directories[] = {"/things/container", "/things/image", "/things/volume", "/things/network",
        "/fail", "/templates", "/var/lib/containers/storage/libpod", "/run"};
    asking_begin();
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        tree_dir(&tree, directories[i]);
    tree_script(&tree, "/usr/bin/podman", engine);
    put("/things/image/coop-web", "{\"Id\":\"" IMAGE "\",\"Config\":{}}\n");
    put_container("/templates/web", WEB, "web", "created", LABELS);
    put_container("/templates/app", APP, "app", "created", LABELS);
    assert_int_equal(ask(verb_lease_take, "{" ARGS ",\"ttl_s\":60}"), ERR_OK);
    set_mark("incoming");
    return 0;
}

static void must_create(const char *args)
{
    if (ask(verb_site_create, args) != ERR_OK)
        fail_msg("%s", info.message);
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

static void test_containers_are_made_with_what_they_need(void **state)
{
    (void)state;
    struct buf env = BUF(4096);
    char path[TREE_PATH_SIZE];
    must_create(CREATE);
    assert_changes("volume create a-data, create web, create app");
    const json_t *first = json_array_get(json_object_get(answer, "containers"), 0);
    assert_int_equal(json_array_size(json_object_get(answer, "containers")), 2);
    assert_string_equal(json_get_text(first, "id"), WEB);
    assert_string_equal(json_get_text(first, "runtime"), "podman");
    assert_int_equal(buf_read_file(&env, tree_path(&tree, path, "/env-seen"), NULL), ERR_OK);
    assert_string_equal(buf_text(&env), "SECRET=xyzzy\n");
    assert_int_equal(rmdir(tree_path(&tree, path, "/run/dogwatch")), 0); /* nothing of it stays */
    buf_free(&env);
}

/* Whoever lists the processes of the host while a container is made sees none of its secrets. */
static void test_no_word_of_a_command_is_a_secret(void **state)
{
    (void)state;
    struct buf words = BUF(65536), key = BUF(4096);
    char path[TREE_PATH_SIZE];
    must_create(CREATE);
    assert_int_equal(buf_read_file(&words, tree_path(&tree, path, "/create-words"), NULL), ERR_OK);
    assert_int_equal(buf_read_file(&key, tree_path(&tree, path, "/key-seen"), NULL), ERR_OK);
    assert_non_null(strstr(buf_text(&words), "--env=KEY "));
    assert_null(strstr(buf_text(&words), "xyzzy"));
    assert_null(strstr(buf_text(&words), "plugh"));
    assert_string_equal(buf_text(&key), "one\ntwo plugh");
    buf_free(&words);
    buf_free(&key);
}

static void test_asked_again_it_answers_what_is_there(void **state)
{
    (void)state;
    must_create(CREATE);
    assert_changes("volume create a-data, create web, create app");
    must_create(CREATE);
    assert_changes("");
    assert_int_equal(json_array_size(json_object_get(answer, "containers")), 2);
}

static void test_what_was_made_goes_again_where_something_fails(void **state)
{
    (void)state;
    put("/fail/app", "Error: no space left\n");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_FAILED);
    assert_non_null(strstr(info.message, "app was not made"));
    assert_non_null(strstr(info.message, "no space left"));
    assert_changes("volume create a-data, create web, create app, rm web, volume rm a-data");
}

static void test_a_container_that_came_out_otherwise_is_not_taken(void **state)
{
    (void)state;
    put("/templates/app", "{\"Id\":\"" APP "\",\"Name\":\"app\",\"Config\":{" LABELS ",\"User\":\"0\"}," MOUNTS "}");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_FAILED);
    assert_non_null(strstr(info.message, "differs"));
    assert_changes("volume create a-data, create web, create app, rm app, rm web, volume rm a-data");
}

static void test_a_kept_copy_makes_room_only_when_all_is_made(void **state)
{
    (void)state;
    put("/things/volume/a-data",
        "{\"Name\":\"a-data\",\"Mountpoint\":\"/volumes/a-data\"}"); /* its containers' alone */
    put_container("/things/container/web", OLD, "web", "exited", "\"Labels\":{\"dogwatch.site\":\"a.org\"}");
    put_container("/things/container/cron", OTHER, "cron", "exited", "\"Labels\":{\"dogwatch.site\":\"a.org\"}");
    set_mark_after("incoming", "kept");
    put("/fail/app", "Error: no\n");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_FAILED);
    assert_changes("rename web.dogwatch-aside, create web, create app, rm web, rename web");
    assert_true(exists("/things/container/web") && !exists("/things/container/web.dogwatch-aside"));
    tree_dir(&tree, "/x");
    char path[TREE_PATH_SIZE];
    assert_int_equal(unlink(tree_path(&tree, path, "/fail/app")), 0);
    must_create(CREATE);
    assert_changes("rename web.dogwatch-aside, create web, create app, rm web.dogwatch-aside, rm cron");
}

/* Without a mark that says it was kept, nobody knows that it is not needed. */
static void test_a_copy_that_was_in_use_is_not_replaced(void **state)
{
    (void)state;
    put("/things/volume/a-data", "{\"Name\":\"a-data\",\"Mountpoint\":\"/volumes/a-data\"}");
    put_container("/things/container/web", OLD, "web", "exited", "\"Labels\":{\"dogwatch.site\":\"a.org\"}");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_EXISTS);
    assert_non_null(strstr(info.message, "podman rm web"));
    assert_changes("");
    put_container("/things/container/web", OLD, "web", "created",
        "\"Labels\":{\"dogwatch.site\":\"a.org\",\"dogwatch.job\":\"5\"}"); /* another job began, and never went on */
    must_create(CREATE);
    assert_changes("rename web.dogwatch-aside, create web, create app, rm web.dogwatch-aside");
}

static void test_other_containers_of_the_site_do_not_stay_beside_the_new_ones(void **state)
{
    (void)state;
    put_container("/things/container/cron", OTHER, "cron", "exited", "\"Labels\":{\"dogwatch.site\":\"a.org\"}");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_EXISTS);
    assert_true(exists("/things/container/cron") && !exists("/things/container/web"));
}

static void test_a_copy_that_runs_is_not_replaced(void **state)
{
    (void)state;
    put("/things/volume/a-data", "{\"Name\":\"a-data\",\"Mountpoint\":\"/volumes/a-data\"}");
    put_container("/things/container/web", OLD, "web", "running", "\"Labels\":{\"dogwatch.site\":\"a.org\"}");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_BUSY);
    assert_changes("");
}

static void test_a_container_of_another_site_is_not_replaced(void **state)
{
    (void)state;
    put("/things/container/app",
        "{\"Id\":\"" OTHER "\",\"Name\":\"app\",\"Config\":{\"Labels\":{\"dogwatch.site\":\"b.org\"}}}");
    assert_int_equal(ask(verb_site_create, CREATE), ERR_EXISTS);
    assert_non_null(strstr(info.message, "a container app is here already"));
    assert_changes("volume create a-data, create web, rm web, volume rm a-data");
}

static void test_a_volume_of_another_site_is_not_handed_over(void **state)
{
    (void)state;
    static const struct {
        const char *volume, *user;
        enum err result;
    } cases[] = {
        {"{\"Name\":\"a-data\",\"Mountpoint\":\"/v\",\"Labels\":{\"dogwatch.site\":\"b.org\"}}", NULL, ERR_DENIED},
        {"{\"Name\":\"a-data\",\"Mountpoint\":\"/v\",\"Labels\":{\"dogwatch.site\":\"a.org\"}}", "b.org", ERR_DENIED},
        {"{\"Name\":\"a-data\",\"Mountpoint\":\"/v\"}", NULL, ERR_EXISTS},
        {"{\"Name\":\"a-data\",\"Mountpoint\":\"/v\",\"Labels\":{\"dogwatch.site\":\"a.org\"}}", NULL, ERR_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[TREE_PATH_SIZE];
        put("/things/volume/a-data", "%s", cases[i].volume);
        unlink(tree_path(&tree, path, "/things/container/other"));
        if (cases[i].user)
            put("/things/container/other",
                "{\"Id\":\"" OTHER "\",\"Name\":\"other\",\"Config\":{\"Labels\":{\"dogwatch.site\":\"%s\"}}," MOUNTS
                "}",
                cases[i].user);
        assert_int_equal(ask(verb_site_create, CREATE), cases[i].result);
    }
}

static void test_a_directory_that_another_site_writes_is_not_handed_over(void **state)
{
    (void)state;
    static const struct {
        const char *theirs, *rw;
        enum err result;
    } cases[] = {{"/srv/a", "true", ERR_DENIED}, {"/srv/a/below", "false", ERR_DENIED}, {"/srv", "true", ERR_DENIED},
        {"/srv", "false", ERR_FAILED}, {"/srv/ab", "true", ERR_FAILED}};
    put("/fail/web", "Error: as far as this\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("/things/container/other",
            "{\"Id\":\"" OTHER
            "\",\"Name\":\"other\",\"Config\":{\"Labels\":{\"dogwatch.site\":\"b.org\"}},\"Mounts\":["
            "{\"Type\":\"bind\",\"Source\":\"%s\",\"Destination\":\"/x\",\"RW\":%s}]}",
            cases[i].theirs, cases[i].rw);
        assert_int_equal(
            ask(verb_site_create,
                "{" ARGS ",\"definition\":{\"format\":1,\"site\":\"a.org\",\"containers\":[{\"name\":\"web\","
                "\"image_id\":\"" IMAGE "\",\"mounts\":[{\"kind\":\"bind\",\"source\":\"/srv/a\","
                "\"destination\":\"/a\"}]}]}}"),
            cases[i].result);
        assert_false(exists("/srv/a"));
    }
}

static void test_the_image_must_be_here(void **state)
{
    (void)state;
    char path[TREE_PATH_SIZE];
    unlink(tree_path(&tree, path, "/things/image/coop-web"));
    assert_int_equal(ask(verb_site_create, CREATE), ERR_NOT_FOUND);
    assert_non_null(strstr(info.message, "copy it here first"));
    put("/things/image/other", "{\"Id\":\"" HERE "\",\"Config\":{}}\n");
    must_create("{" ARGS "," DEFINITION ",\"images\":{\"" IMAGE "\":\"" HERE "\"}}");
}

static void test_nothing_is_made_without_the_lease_and_the_mark(void **state)
{
    (void)state;
    static const char *const marks[] = {"kept", "stopped", "leaving", "quarantined"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        set_mark(marks[i]);
        assert_int_equal(ask(verb_site_create, CREATE), ERR_DENIED);
    }
    assert_int_equal(record_remove("a.org", "mark", NULL), ERR_OK);
    assert_int_equal(ask(verb_site_create, CREATE), ERR_DENIED);
    set_mark("incoming");
    assert_int_equal(ask(verb_lease_release, "{" ARGS "}"), ERR_OK);
    assert_int_equal(ask(verb_site_create, CREATE), ERR_BUSY);
    assert_changes("");
}

static void test_what_is_not_carried_stops_it_unless_said_otherwise(void **state)
{
    (void)state;
#define LACKING                                                                                                        \
    "\"definition\":{\"format\":1,\"site\":\"a.org\",\"unsupported\":[\"web: it is "                                   \
    "privileged\"],\"containers\":[" CONTAINER("web") "]}"
    assert_int_equal(ask(verb_site_create, "{" ARGS "," LACKING "}"), ERR_INVALID);
    assert_non_null(strstr(info.message, "privileged"));
    must_create("{" ARGS "," LACKING ",\"anyway\":true}");
}

/* --- removing -------------------------------------------------------------------------------------------------------
 */

static void test_a_copy_is_removed_with_its_volumes(void **state)
{
    (void)state;
    must_create(CREATE);
    assert_changes("volume create a-data, create web, create app");
    assert_int_equal(ask(verb_site_remove, "{" ARGS "}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "containers")), 2);
    assert_true(exists("/things/volume/a-data"));
    assert_int_equal(ask(verb_site_remove, "{" ARGS ",\"volumes\":true}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "volumes")), 1);
    assert_false(exists("/things/volume/a-data"));
    assert_int_equal(ask(verb_site_remove, "{" ARGS ",\"volumes\":true}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(answer, "volumes")), 0);
}

static void test_a_volume_that_another_site_uses_stays(void **state)
{
    (void)state;
    must_create(CREATE);
    put("/things/container/other",
        "{\"Id\":\"" OTHER "\",\"Name\":\"other\",\"Config\":{\"Labels\":{\"dogwatch.site\":\"b.org\"}}," MOUNTS "}");
    assert_int_equal(ask(verb_site_remove, "{" ARGS ",\"volumes\":true}"), ERR_OK);
    assert_true(exists("/things/volume/a-data"));
    assert_true(exists("/things/container/other"));
    assert_int_equal(json_array_size(json_object_get(answer, "left")), 1);
}

static void test_only_a_copy_that_is_not_in_use_is_removed(void **state)
{
    (void)state;
    static const char *const marks[] = {"stopped", "leaving", "quarantined"};
    must_create(CREATE);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        set_mark(marks[i]);
        assert_int_equal(ask(verb_site_remove, "{" ARGS ",\"volumes\":true}"), ERR_DENIED);
    }
    assert_int_equal(record_remove("a.org", "mark", NULL), ERR_OK);
    assert_int_equal(ask(verb_site_remove, "{" ARGS ",\"volumes\":true}"), ERR_DENIED);
    set_mark("kept");
    put_container("/things/container/web", WEB, "web", "running", LABELS);
    assert_int_equal(ask(verb_site_remove, "{" ARGS ",\"volumes\":true}"), ERR_BUSY);
    assert_true(exists("/things/container/web") && exists("/things/container/app"));
    assert_true(exists("/things/volume/a-data"));
}

static void test_only_directories_that_were_made_for_the_site_are_removed(void **state)
{
    (void)state;
#define BINDS                                                                                                          \
    "{" ARGS                                                                                                           \
    ",\"definition\":{\"format\":1,\"site\":\"a.org\",\"containers\":[{\"name\":\"web\",\"image_id\":\"" IMAGE         \
    "\",\"labels\":{\"dogwatch.site\":\"a.org\"},\"mounts\":[{\"kind\":\"bind\",\"source\":\"/srv/new\","              \
    "\"destination\":\"/new\"},{\"kind\":\"bind\",\"source\":\"/srv/old\",\"destination\":\"/old\"}]}]}}"
    put("/templates/web",
        "{\"Id\":\"" WEB "\",\"Name\":\"web\",\"Image\":\"" IMAGE
        "\",\"State\":{\"Status\":\"created\"},\"Config\":{" LABELS
        "},\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/srv/new\",\"Destination\":\"/new\",\"RW\":true},"
        "{\"Type\":\"bind\",\"Source\":\"/srv/old\",\"Destination\":\"/old\",\"RW\":true}]}");
    put("/srv/old/file", "x");
    must_create(BINDS);
    put("/srv/new/file", "x");
    assert_int_equal(ask(verb_lease_release, "{" ARGS "}"), ERR_OK);
    assert_int_equal(
        ask(verb_lease_take, "{\"site\":\"a.org\",\"job\":\"9\",\"ttl_s\":60}"), ERR_OK); /* when it expires */
    put("/things/container/other",
        "{\"Id\":\"" OTHER "\",\"Name\":\"other\",\"Config\":{\"Labels\":{\"dogwatch.site\":\"b.org\"}},\"Mounts\":["
        "{\"Type\":\"bind\",\"Source\":\"/srv/new/below\",\"Destination\":\"/x\",\"RW\":true}]}");
    assert_int_equal(ask(verb_site_remove, "{\"site\":\"a.org\",\"job\":\"9\",\"volumes\":true}"), ERR_OK);
    assert_true(exists("/srv/new/file")); /* somebody else's, too */
    assert_int_equal(json_array_size(json_object_get(answer, "left")), 2);
    char path[TREE_PATH_SIZE];
    unlink(tree_path(&tree, path, "/things/container/other"));
    assert_int_equal(ask(verb_site_remove, "{\"site\":\"a.org\",\"job\":\"9\",\"volumes\":true}"), ERR_OK);
    assert_false(exists("/srv/new"));
    assert_true(exists("/srv/old/file"));
    assert_int_equal(json_array_size(json_object_get(answer, "directories")), 1);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static void test_what_was_made_reads_as_what_was_asked_for(void **state)
{
    (void)state;
    must_create(CREATE);
    assert_int_equal(ask(verb_site_definition, "{" ARGS "}"), ERR_OK);
    const json_t *definition = json_object_get(answer, "definition");
    assert_int_equal(json_array_size(json_object_get(definition, "containers")), 2);
    const json_t *volume = json_array_get(json_object_get(definition, "volumes"), 0);
    assert_string_equal(json_get_text(volume, "name"), "a-data");
    assert_int_equal(json_array_size(json_object_get(definition, "unsupported")), 0);
}

static void test_room_counts_ports_of_what_may_start(void **state)
{
    (void)state;
    put("/proc/net/tcp", "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 0\n"
                         "   1: 0100007F:D431 0100007F:0016 01 0\n");
    put("/proc/net/tcp6", "  sl  local_address\n   0: 00000000000000000000000000000000:1F90 "
                          "00000000000000000000000000000000:0000 0A 0\n");
    put("/proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  500 kB\n");
    put("/things/container/other",
        "{\"Id\":\"" OTHER "\",\"Name\":\"other\",\"State\":{\"Status\":\"exited\"},\"Config\":{\"Labels\":{"
        "\"dogwatch.site\":\"b.org\"}},\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"8085\"}]}}}");
    put("/things/container/web",
        "{\"Id\":\"" WEB "\",\"Name\":\"web\",\"State\":{\"Status\":\"exited\"},\"Config\":{\"Labels\":{"
        "\"dogwatch.site\":\"a.org\"}},\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"8086\"}]}}}");
    json_t *fresh;
    assert_int_equal(inventory_refresh(&fresh, &info), ERR_OK);
    json_decref(fresh);
    assert_int_equal(ask(verb_host_room, "{\"site\":\"a.org\"}"), ERR_OK);
    char *listening = json_dumps(json_object_get(answer, "listening"), JSON_COMPACT);
    assert_string_equal(listening, "[22,8080,8085]"); /* not 8086: what is marked does not start */
    free(listening);
    int64_t bytes = 0;
    assert_true(json_get_i64(answer, "memory_available_bytes", &bytes) && bytes == 512000);
    assert_string_equal(json_get_text(answer, "mark"), "incoming");
    assert_int_equal(json_array_size(json_object_get(answer, "containers")), 1);
}

static void test_describe_knows_who_handles_the_signal_of_its_end(void **state)
{
    (void)state;
    static const struct {
        const char *mask;
        bool handles;
    } cases[] = {{"0000000000004000", true}, {"0000000000000000", false}, {"fffffffffff1bfff", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool handles = !cases[i].handles;
        put("/things/container/web",
            "{\"Id\":\"" WEB "\",\"Name\":\"web\",\"Image\":\"" IMAGE
            "\",\"State\":{\"Status\":\"running\",\"Pid\":%zu},"
            "\"Config\":{\"Labels\":{\"dogwatch.site\":\"a.org\"}}}",
            77 + i);
        char *path = xasprintf("/proc/%zu/status", 77 + i);
        put(path, "Name:\tx\nSigIgn:\t0000000000004000\nSigCgt:\t%s\n", cases[i].mask);
        free(path);
        assert_int_equal(ask(verb_site_describe, "{\"site\":\"a.org\"}"), ERR_OK);
        const json_t *web = json_array_get(json_object_get(answer, "containers"), 0);
        assert_true(json_get_bool(web, "handles_term", &handles));
        assert_int_equal(handles, cases[i].handles);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_host, asking_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_containers_are_made_with_what_they_need),
        TEST(test_no_word_of_a_command_is_a_secret),
        TEST(test_asked_again_it_answers_what_is_there),
        TEST(test_what_was_made_goes_again_where_something_fails),
        TEST(test_a_container_that_came_out_otherwise_is_not_taken),
        TEST(test_a_kept_copy_makes_room_only_when_all_is_made),
        TEST(test_a_copy_that_was_in_use_is_not_replaced),
        TEST(test_other_containers_of_the_site_do_not_stay_beside_the_new_ones),
        TEST(test_a_copy_that_runs_is_not_replaced),
        TEST(test_a_container_of_another_site_is_not_replaced),
        TEST(test_a_volume_of_another_site_is_not_handed_over),
        TEST(test_a_directory_that_another_site_writes_is_not_handed_over),
        TEST(test_the_image_must_be_here),
        TEST(test_nothing_is_made_without_the_lease_and_the_mark),
        TEST(test_what_is_not_carried_stops_it_unless_said_otherwise),
        TEST(test_a_copy_is_removed_with_its_volumes),
        TEST(test_a_volume_that_another_site_uses_stays),
        TEST(test_only_a_copy_that_is_not_in_use_is_removed),
        TEST(test_only_directories_that_were_made_for_the_site_are_removed),
        TEST(test_what_was_made_reads_as_what_was_asked_for),
        TEST(test_room_counts_ports_of_what_may_start),
        TEST(test_describe_knows_who_handles_the_signal_of_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
