/* What a container is made of: read from two engines into the same words, vetted as if an attacker had written it, and
 * turned into command lines. The fixtures are real answers of podman 4.3.1 and docker 20.10 about a container made with
 * nearly every option there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "host/definition/bind.h"
#include "host/definition/command.h"
#include "host/definition/define.h"
#include "host/definition/vet.h"
#include "host/definition/volume_kind.h"
#include "host/path.h"
#include "tests/unit/host/tree.h"

#define FIXTURES "tests/unit/host/fixtures/"
#define PODMAN FIXTURES "podman-4.3.1-definition.json"
#define RUNNING FIXTURES "podman-4.3.1-running.json"
#define DOCKER FIXTURES "docker-20.10-definition.json"
#define SITE "rich.example"

static struct err_info info;

static json_t *parsed(const char *text)
{
    json_t *value;
    assert_int_equal(json_parse(text, strlen(text), &value, NULL), ERR_OK);
    return value;
}

static json_t *fixture(const char *path)
{
    struct buf text = BUF(1u << 20);
    json_t *value;
    assert_int_equal(buf_read_file(&text, path, NULL), ERR_OK);
    assert_int_equal(json_parse(buf_text(&text), text.length, &value, NULL), ERR_OK);
    buf_free(&text);
    return value;
}

static json_t *define(enum runtime_kind kind, const json_t *both)
{
    json_t *entry =
        define_container(kind, json_object_get(both, "container"), json_object_get(both, "image"), SITE, "web");
    assert_non_null(entry);
    return entry;
}

static json_t *define_fixture(enum runtime_kind kind, const char *path)
{
    json_t *both = fixture(path), *entry = define(kind, both);
    json_decref(both);
    return entry;
}

static void assert_member(const json_t *object, const char *key, const char *expected)
{
    json_t *wanted = expected ? json_loads(expected, JSON_DECODE_ANY, NULL) : NULL;
    char *is = json_dumps(json_object_get(object, key), JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT);
    if (expected ? !json_equal(wanted, json_object_get(object, key)) : json_object_get(object, key) != NULL)
        fail_msg("%s is %s, not %s", key, is ? is : "absent", expected ? expected : "absent");
    free(is);
    json_decref(wanted);
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

static void test_podmans_words_become_a_definition(void **state)
{
    (void)state;
    json_t *entry = define_fixture(RUNTIME_PODMAN, PODMAN);
    assert_member(entry, "entrypoint", "[\"/bin/sh\"]");
    assert_member(entry, "cmd", "[\"-c\",\"echo \\\"a  b\\\"; sleep 100\",\"third arg\"]");
    assert_member(entry, "env",
        "{\"PEM\":\"line one\\nline \\\"two\\\" $HOME `id`\",\"SECRET\":\"s3cr=t\\\"x$y\",\"EMPTY\":\"\","
        "\"HOME\":\"/nowhere\",\"my.dotted-name\":\"1\"}");
    assert_member(entry, "user", "\"5:5\"");
    assert_member(entry, "workdir", "\"/tmp\"");
    assert_member(entry, "hostname", NULL); /* it is called after its ID */
    assert_member(entry, "stop_signal", "\"SIGINT\"");
    assert_member(entry, "stop_timeout_s", "33");
    assert_member(entry, "restart", "{\"policy\":\"on-failure\",\"retries\":4}");
    assert_member(entry, "memory_swap_bytes", "-1");
    assert_member(entry, "sysctls", "{\"net.core.somaxconn\":\"512\"}");
    assert_member(entry, "ambient_caps", "[\"NET_ADMIN\"]");
    assert_member(entry, "networks", "[{\"name\":\"backend\",\"aliases\":[\"zed\"]},{\"name\":\"inner\"}]");
    assert_member(entry, "ports",
        "[{\"ip\":\"127.0.0.1\",\"host\":9001,\"container\":90,\"proto\":\"udp\"},"
        "{\"host\":9002,\"container\":91,\"proto\":\"tcp\"}]");
    assert_member(entry, "log", "{\"driver\":\"file\",\"max_size_bytes\":5000000}");
    assert_member(entry, "unsupported", NULL);
    json_decref(entry);
}

static void test_what_podman_adds_to_every_container_is_not_taken_for_the_sites(void **state)
{
    (void)state;
    json_t *entry = define_fixture(RUNTIME_PODMAN, RUNNING);
    assert_member(
        entry, "env", "{\"SITE\":\"example.org\",\"PORT\":\"8080\"}"); /* not HOME, TERM, container, HOSTNAME */
    assert_member(entry, "entrypoint", NULL);
    assert_member(entry, "cmd", NULL);
    assert_member(entry, "stop_signal", NULL);
    assert_member(entry, "networks", NULL);
    assert_member(entry, "unsupported", NULL);
    json_decref(entry);
}

/* A variable that the image has, too, is podman's own in no case; a home is kept where nobody knows who asked for it.
 */
static void test_what_podman_might_have_added_is_kept_where_in_doubt(void **state)
{
    (void)state;
    json_t *both = fixture(RUNNING), *config = json_object_get(json_object_get(both, "container"), "Config");
    json_object_set_new(config, "Env",
        parsed("[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"HOME=/var/www\"]"));
    json_t *entry = define(RUNTIME_PODMAN, both);
    assert_member(entry, "env", "{\"PATH\":\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"}");
    json_decref(entry);
    json_object_del(config, "CreateCommand"); /* made by way of podman's socket */
    json_object_set_new(config, "Env", parsed("[\"TERM=xterm\",\"HOME=/var/www\"]"));
    entry = define(RUNTIME_PODMAN, both);
    assert_member(entry, "env", "{\"HOME\":\"/var/www\"}");
    json_decref(entry);
    json_decref(both);
}

static void test_what_keeps_docker_from_starting_it_is_no_part_of_it(void **state)
{
    (void)state;
    json_t *both = fixture(DOCKER), *plain = define(RUNTIME_DOCKER, both),
           *container = json_object_get(both, "container");
    json_t *networks = json_object_get(json_object_get(container, "NetworkSettings"), "Networks");
    json_object_set_new(networks, "dogwatch-refuses-the-start-of." SITE, json_object());
    json_t *bolted = define(RUNTIME_DOCKER, both);
    assert_true(json_equal(plain, bolted));
    json_decref(bolted);
    json_object_set_new(networks, "dogwatch-refuses-the-start-of.", json_object()); /* somebody's own network */
    bolted = define(RUNTIME_DOCKER, both);
    assert_false(json_equal(plain, bolted));
    json_decref(bolted);
    json_decref(plain);
    json_decref(both);
}

/* The same command line was given to both engines: what differs is what the engines do differently by themselves. */
static void test_both_engines_give_the_same_definition(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "ulimits", "caps", "tmpfs", "log", "mounts", "pids_limit", "shm_bytes", "ambient_caps"};
    json_t *podman = define_fixture(RUNTIME_PODMAN, PODMAN), *docker = define_fixture(RUNTIME_DOCKER, DOCKER);
    json_object_del(json_array_get(json_object_get(docker, "networks"), 1), "aliases"); /* one more was given there */
    json_t *different = define_differences(podman, docker);
    for (size_t i = 0; i < json_array_size(different); i++) {
        const char *member = json_string_value(json_array_get(different, i));
        bool known = false;
        for (size_t j = 0; j < sizeof expected / sizeof *expected; j++)
            known = known || strcmp(expected[j], member) == 0;
        if (!known)
            fail_msg("%s differs", member);
    }
    json_decref(different);
    json_decref(podman);
    json_decref(docker);
}

static void test_a_difference_is_named(void **state)
{
    (void)state;
    json_t *one = define_fixture(RUNTIME_PODMAN, PODMAN), *other = json_deep_copy(one);
    json_object_set_new(other, "user", json_string("0"));
    json_object_del(other, "dns");
    json_object_set_new(other, "tty", json_true());
    json_object_set_new(other, "image", json_string("elsewhere")); /* may differ */
    json_t *different = define_differences(one, other);
    assert_int_equal(json_array_size(different), 3);
    assert_true(define_is_vital("user"));
    assert_false(define_is_vital("log"));
    json_decref(different);
    json_decref(one);
    json_decref(other);
}

/* podman joins an entrypoint with blanks, and shows one word as two. */
static void test_an_entrypoint_is_taken_apart_as_it_was_given(void **state)
{
    (void)state;
    static const struct {
        const char *path, *args, *entrypoint, *cmd, *expected_entrypoint, *expected_cmd;
    } cases[] = {
        {"/a b", "[\"c\",\"d\"]", "\"/a b c\"", "[\"d\"]", "[\"/a b\"]", "[\"c\",\"d\"]"},
        {"/run", "[\"/run\"]", "\"/run\"", "[]", "[\"/run\"]", NULL},
        {"/run", "[\"/run\"]", "\"/run\"", "[\"/run\"]", "[\"/run\"]", "[\"/run\"]"},
        {"/run", "[\"/run\"]", "\"\"", "[\"/run\"]", NULL, "[\"/run\"]"},
        {"/bin/coop-web", "[\"/bin/coop-web\"]", "\"\"", "[\"/bin/coop-web\"]", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *both = fixture(RUNNING), *container = json_object_get(both, "container");
        json_object_set_new(container, "Path", json_string(cases[i].path));
        json_object_set_new(container, "Args", parsed(cases[i].args));
        json_t *config = json_object_get(container, "Config");
        json_object_set_new(config, "Entrypoint", json_loads(cases[i].entrypoint, JSON_DECODE_ANY, NULL));
        json_object_set_new(config, "Cmd", parsed(cases[i].cmd));
        json_t *entry = define(RUNTIME_PODMAN, both);
        assert_member(entry, "entrypoint", cases[i].expected_entrypoint);
        assert_member(entry, "cmd", cases[i].expected_cmd);
        json_decref(entry);
        json_decref(both);
    }
}

/* Each alone, set in HostConfig (or Config, or at the top) of a container that can be moved. */
static void test_what_cannot_be_carried_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *where, *member, *value, *says;
    } cases[] = {
        {"HostConfig", "Privileged", "true", "privileged"},
        {"HostConfig", "AutoRemove", "true", "--rm"},
        {"HostConfig", "Devices", "[{\"PathOnHost\":\"/dev/fuse\"}]", "devices"},
        {"HostConfig", "DeviceRequests", "[{\"Driver\":\"nvidia\"}]", "GPU"},
        {"HostConfig", "PidMode", "\"host\"", "pid"},
        {"HostConfig", "IpcMode", "\"container:x\"", "ipc"},
        {"HostConfig", "NetworkMode", "\"host\"", "host's own network"},
        {"HostConfig", "NetworkMode", "\"container:abc\"", "not its own"},
        {"HostConfig", "UsernsMode", "\"keep-id\"", "users"},
        {"HostConfig", "UTSMode", "\"host\"", "uts"},
        {"HostConfig", "VolumesFrom", "[\"other\"]", "--volumes-from"},
        {"HostConfig", "SecurityOpt", "[\"seccomp=unconfined\"]", "seccomp=unconfined"},
        {"HostConfig", "SecurityOpt", "[\"apparmor=unconfined\"]", "apparmor"},
        {"HostConfig", "Runtime", "\"kata\"", "kata"},
        {"HostConfig", "MaskedPaths", "[]", "/proc"},
        {"HostConfig", "LogConfig", "{\"Type\":\"fluentd\"}", "fluentd"},
        {"HostConfig", "OomScoreAdj", "-500", "memory"},
        {"HostConfig", "PortBindings", "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}]}", "new each time"},
        {"HostConfig", "PortBindings", "{\"80/tcp\":[{\"HostIp\":\"192.0.2.7\",\"HostPort\":\"80\"}]}", "192.0.2.7"},
        {"Config", "Secrets", "[{\"Name\":\"password\"}]", "secrets"},
        {"Config", "SystemdMode", "true", "systemd"},
        {"Config", "HealthcheckOnFailureAction", "\"kill\"", "health check"},
        {"Config", "Labels", "{\"PODMAN_SYSTEMD_UNIT\":\"web.service\"}", "web.service"},
        {"", "Pod", "\"123\"", "pod"},
        {"", "Rootfs", "\"/srv/root\"", "directory instead of an image"},
        {"", "BoundingCaps", "[\"CAP_SYS_ADMIN\"]", "SYS_ADMIN"},
        {"", "Mounts", "[{\"Type\":\"bind\",\"Source\":\"/run/docker.sock\",\"Destination\":\"/s\",\"RW\":true}]",
            "/run/docker.sock"},
        {"", "Mounts", "[{\"Type\":\"bind\",\"Source\":\"/srv/a\",\"Destination\":\"/s\",\"Propagation\":\"rshared\"}]",
            "shared"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *both = fixture(RUNNING), *container = json_object_get(both, "container");
        json_t *target = *cases[i].where ? json_object_get(container, cases[i].where) : container;
        json_object_set_new(target, cases[i].member, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        json_t *entry = define(RUNTIME_PODMAN, both);
        char *said = json_dumps(json_object_get(entry, "unsupported"), JSON_ENCODE_ANY);
        if (!said || !strstr(said, cases[i].says))
            fail_msg("%s %s: %s", cases[i].member, cases[i].value, said ? said : "nothing is said");
        free(said);
        json_decref(entry);
        json_decref(both);
    }
}

static void test_volumes_and_networks_say_whose_they_are(void **state)
{
    (void)state;
    json_t *plain = parsed("{\"Name\":\"data\",\"Driver\":\"local\",\"Labels\":{\"a\":\"b\",\"dogwatch.job\":\"3\"}}");
    json_t *nfs = parsed("{\"Name\":\"data\",\"Driver\":\"local\",\"Options\":{\"type\":\"nfs\",\"device\":\":/x\"}}");
    json_t *macvlan = parsed("{\"Name\":\"lan\",\"Driver\":\"macvlan\"}");
    json_t *volume = define_volume(plain, SITE), *other = define_volume(nfs, SITE);
    json_t *network = define_network(RUNTIME_DOCKER, macvlan, SITE);
    assert_member(volume, "labels", "{\"a\":\"b\",\"dogwatch.site\":\"rich.example\"}");
    assert_member(volume, "unsupported", NULL);
    assert_non_null(json_object_get(other, "unsupported"));
    assert_non_null(json_object_get(network, "unsupported"));
    json_decref(plain), json_decref(nfs), json_decref(macvlan);
    json_decref(volume), json_decref(other), json_decref(network);
}

/* --- vetting --------------------------------------------------------------------------------------------------------
 */

static json_t *whole(json_t *container)
{
    return json_pack("{s:i, s:s, s:[o], s:[], s:[]}", "format", DEFINITION_FORMAT, "site", SITE, "containers",
        container, "volumes", "networks");
}

static void test_what_is_read_is_accepted(void **state)
{
    (void)state;
    static const struct {
        enum runtime_kind kind;
        const char *path;
    } cases[] = {{RUNTIME_PODMAN, PODMAN}, {RUNTIME_PODMAN, RUNNING}, {RUNTIME_DOCKER, DOCKER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *definition = whole(define_fixture(cases[i].kind, cases[i].path));
        if (vet_definition(definition, SITE, &info) != ERR_OK)
            fail_msg("%s", info.message);
        json_decref(definition);
    }
}

static void test_hostile_members_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value;
    } cases[] = {
        {"privileged", "true"},
        {"devices", "[\"/dev/sda\"]"},
        {"network", "\"host\""},
        {"pid", "\"host\""},
        {"name", "\"--privileged\""},
        {"name", "\"../x\""},
        {"image", "\"--volume=/:/host\""},
        {"image", "\"a b\""},
        {"image_id", "\"latest\""},
        {"user", "\"-v\""},
        {"hostname", "\"a b\""},
        {"workdir", "\"relative\""},
        {"entrypoint", "[\"/bin/sh\",\"-c\"]"},
        {"entrypoint", "[\"\"]"},
        {"cmd", "[1]"},
        {"cmd", "\"sh\""},
        {"env", "{\"A B\":\"1\"}"},
        {"env", "{\"#A\":\"1\"}"},
        {"env", "{\"A\\nLD_PRELOAD\":\"1\"}"},
        {"env", "{\"A\":1}"},
        {"labels", "{\"dogwatch.site\":\"other.org\"}"},
        {"labels", "{\"dogwatch.job\":\"3\"}"},
        {"labels", "{\"a=b\":\"c\"}"},
        {"caps", "[\"SYS_ADMIN\"]"},
        {"caps", "[\"ALL\"]"},
        {"ambient_caps", "[\"SYS_MODULE\"]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/etc\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/srv/../etc\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/home/anna/.ssh\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/home/anna\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/srv/a:/b\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/etc/localtime\",\"destination\":\"/etc/localtime\"}]"},
        {"mounts", "[{\"kind\":\"bind\",\"source\":\"/var/run/docker.sock\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"volume\",\"name\":\"/etc\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"volume\",\"name\":\"a\",\"source\":\"/srv/a\",\"destination\":\"/x\"}]"},
        {"mounts", "[{\"kind\":\"volume\",\"name\":\"a\",\"destination\":\"/x:rw,suid\"}]"},
        {"mounts", "[{\"kind\":\"volume\",\"name\":\"a\",\"destination\":\"/x\",\"options\":[\"dev\"]}]"},
        {"tmpfs", "[{\"destination\":\"/x\",\"size\":\"1m,suid\"}]"},
        {"sysctls", "{\"kernel.core_pattern\":\"|/x\"}"},
        {"sysctls", "{\"net.ipv4.ip_forward\":\"1,kernel.x=1\"}"},
        {"ulimits", "[{\"name\":\"nofile=1 --privileged\",\"soft\":1,\"hard\":1}]"},
        {"groups", "[\"0 --x\"]"},
        {"extra_hosts", "[\"a:not-an-address\"]"},
        {"dns", "[\"x\"]"},
        {"ports", "[{\"host\":0,\"container\":80,\"proto\":\"tcp\"}]"},
        {"ports", "[{\"host\":80,\"container\":80,\"proto\":\"tcp\",\"ip\":\"--x\"}]"},
        {"networks", "[{\"name\":\"a,b\"}]"},
        {"networks", "[{\"name\":\"a\",\"aliases\":[\"x,ip=10.0.0.1\"]}]"},
        {"log", "{\"driver\":\"syslog\"}"},
        {"log", "{\"driver\":\"file\",\"tag\":\"a,path=/etc/passwd\"}"},
        {"restart", "{\"policy\":\"always --privileged\"}"},
        {"memory_bytes", "\"1g\""},
        {"memory_bytes", "-1"},
        {"oom_score_adj", "-1000"},
        {"cpuset", "\"0 1\""},
        {"stop_signal", "\"-9\""},
        {"health", "{\"test\":[]}"},
        {"health", "{\"test\":[\"CMD\"],\"on_failure\":\"kill\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *container = define_fixture(RUNTIME_PODMAN, RUNNING);
        json_object_set_new(container, cases[i].member, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        json_t *definition = whole(container);
        if (vet_definition(definition, SITE, &info) == ERR_OK)
            fail_msg("%s = %s was accepted", cases[i].member, cases[i].value);
        json_decref(definition);
    }
}

static void test_a_definition_of_another_site_is_refused(void **state)
{
    (void)state;
    json_t *definition = whole(define_fixture(RUNTIME_PODMAN, RUNNING));
    assert_int_equal(vet_definition(definition, "other.org", &info), ERR_DENIED);
    json_object_set_new(definition, "format", json_integer(2));
    assert_int_equal(vet_definition(definition, SITE, &info), ERR_VERSION);
    json_decref(definition);
}

static void test_a_name_stands_once(void **state)
{
    (void)state;
    json_t *container = define_fixture(RUNTIME_PODMAN, RUNNING), *definition = whole(container);
    json_array_append(json_object_get(definition, "containers"), container);
    assert_int_equal(vet_definition(definition, SITE, &info), ERR_INVALID);
    assert_non_null(strstr(info.message, "two of the container"));
    json_decref(definition);
}

/* --- command lines --------------------------------------------------------------------------------------------------
 */

static void command_of(struct command *command, enum runtime_kind kind, json_t *container)
{
    const struct command_for how = {
        .kind = kind, .image = "coop/web:1", .job = "7", .env_file = "/run/dogwatch/environment-a.HOSTNAME-12"};
    if (command_make(command, container, &how, &info) != ERR_OK)
        fail_msg("%s", info.message);
}

static size_t find_word(const struct command *command, const char *word)
{
    for (size_t i = 0; i + 1 < command->words.count; i++)
        if (strcmp(command->words.items[i], word) == 0)
            return i + 1;
    return 0;
}

/* No value of a variable stands among the words: neither whole nor behind its name. */
static void assert_no_value_in_words(const struct command *command, const json_t *container)
{
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(container, "env"), name, value) {
        const char *text = json_string_value(value);
        char *pair = xasprintf("%s=", name);
        for (size_t i = 0; i + 1 < command->words.count; i++)
            if (strstr(command->words.items[i], pair) || (strlen(text) > 3 && strstr(command->words.items[i], text)))
                fail_msg("the value of %s stands in %s", name, command->words.items[i]);
        free(pair);
    }
}

static void test_secrets_are_not_in_the_command_line(void **state)
{
    (void)state;
    static const enum runtime_kind kinds[] = {RUNTIME_PODMAN, RUNTIME_DOCKER};
    for (size_t k = 0; k < 2; k++) {
        struct command command;
        json_t *container = define_fixture(RUNTIME_DOCKER, DOCKER), *env = json_object_get(container, "env");
        json_object_set_new(env, "SSH_PRIVATE_KEY", json_string("-----BEGIN-----\nxyzzy\n"));
        json_object_set_new(env, "DOS", json_string("one\rtwo"));
        json_object_set_new(env, "TERM", json_string("vt220"));
        json_object_set_new(env, "DOCKER_HOST", json_string("tcp://203.0.113.1"));
        command_of(&command, kinds[k], container);
        assert_no_value_in_words(&command, container);
        assert_non_null(strstr(buf_text(&command.env), "SECRET=s3cr=t\"x$y\n"));
        assert_non_null(strstr(buf_text(&command.env), "EMPTY=\n"));
        assert_non_null(strstr(buf_text(&command.env), "DOCKER_HOST=tcp://203.0.113.1\n"));
        assert_null(strstr(buf_text(&command.env), "PEM"));
        assert_true(find_word(&command, "--env=PEM") && find_word(&command, "--env=SSH_PRIVATE_KEY"));
        assert_int_equal(command.own.count, 4);
        for (size_t i = 0; i < 3; i++)
            assert_true(strpbrk(command.own.items[i], "\r\n"));
        assert_null(command.own.items[3]);
        command_free(&command);
        json_decref(container);
    }
}

/* Of several lines, under a name that the engine's command would take for its own: it is told, and never handed on. */
static void test_a_variable_the_engine_would_obey_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "LD_PRELOAD", "DOCKER_HOST", "CONTAINERS_CONF", "https_proxy", "PATH", "TMPDIR"};
    const struct command_for how = {.kind = RUNTIME_DOCKER, .image = "i", .job = "7", .env_file = "/e"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct command command;
        json_t *both = fixture(RUNNING), *config = json_object_get(json_object_get(both, "container"), "Config");
        json_object_set_new(config, "Env", json_pack("[s+]", names[i], "=one\ntwo"));
        json_t *entry = define(RUNTIME_DOCKER, both);
        const char *told = json_string_value(json_array_get(json_object_get(entry, "unsupported"), 0));
        assert_non_null(strstr(told ? told : "", names[i]));
        assert_int_equal(command_make(&command, entry, &how, &info), ERR_INVALID);
        assert_non_null(strstr(info.message, names[i]));
        command_free(&command);
        json_decref(entry);
        json_decref(both);
    }
}

/* What podman adds to every container was asked for where it stands in a file of ours: the file's name says so. */
static void test_what_stands_in_our_file_was_asked_for(void **state)
{
    (void)state;
    struct command command;
    json_t *asked = parsed("{\"name\":\"web\",\"env\":{\"HOME\":\"/nowhere\",\"TERM\":\"xterm\",\"A\":\"1\"}}");
    command_of(&command, RUNTIME_PODMAN, asked);
    json_t *both = fixture(RUNNING), *config = json_object_get(json_object_get(both, "container"), "Config");
    json_object_set_new(config, "CreateCommand", json_array());
    for (size_t i = 0; i + 1 < command.words.count; i++)
        json_array_append_new(json_object_get(config, "CreateCommand"), json_string(command.words.items[i]));
    json_object_set_new(
        config, "Env", parsed("[\"HOME=/nowhere\",\"TERM=xterm\",\"A=1\",\"container=podman\",\"HOSTNAME=abc\"]"));
    json_t *entry = define(RUNTIME_PODMAN, both);
    assert_member(entry, "env", "{\"HOME\":\"/nowhere\",\"TERM\":\"xterm\",\"A\":\"1\"}");
    command_free(&command);
    json_decref(entry);
    json_decref(both);
    json_decref(asked);
}

/* A value is behind "=", or behind "--": none can be taken for an option. */
static void test_no_word_of_a_definition_stands_where_an_option_does(void **state)
{
    (void)state;
    static const enum runtime_kind kinds[] = {RUNTIME_PODMAN, RUNTIME_DOCKER};
    for (size_t k = 0; k < 2; k++) {
        struct command command;
        json_t *container = define_fixture(RUNTIME_DOCKER, DOCKER);
        json_object_set_new(container, "cmd", parsed("[\"--privileged\",\"-v\",\"/:/host\"]"));
        command_of(&command, kinds[k], container);
        size_t end = find_word(&command, "--");
        assert_true(end > 2);
        assert_string_equal(command.words.items[0], "create");
        for (size_t i = 1; i + 1 < end; i++)
            assert_true(str_starts(command.words.items[i], "--"));
        assert_string_equal(command.words.items[end], "coop/web:1");
        assert_string_equal(command.words.items[end + 1], "--privileged");
        assert_true(find_word(&command, "--label=dogwatch.job=7"));
        assert_true(find_word(&command, "--pull=never"));
        command_free(&command);
        json_decref(container);
    }
}

static void test_each_engine_gets_its_own_words(void **state)
{
    (void)state;
    struct command podman, docker;
    json_t *container = define_fixture(RUNTIME_DOCKER, DOCKER);
    command_of(&podman, RUNTIME_PODMAN, container);
    command_of(&docker, RUNTIME_DOCKER, container);
    assert_true(find_word(&podman, "--entrypoint=[\"/bin/sh\"]"));
    assert_true(find_word(&docker, "--entrypoint=/bin/sh"));
    assert_true(find_word(&podman, "--network=backend:alias=zed"));
    assert_true(find_word(&docker, "--network=backend") && find_word(&docker, "--network-alias=zed"));
    assert_true(find_word(&podman, "--network=inner:alias=yo"));
    assert_false(find_word(&docker, "--network=inner")); /* docker takes one; the rest are connected */
    assert_true(find_word(&podman, "--pids-limit=-1"));
    assert_true(find_word(&podman, "--log-driver=k8s-file"));
    assert_true(find_word(&docker, "--log-driver=json-file"));
    assert_true(find_word(&podman, "--volume=rich-data:/data:ro,nocopy"));
    assert_true(find_word(&docker, "--publish=127.0.0.1:9001:90/udp"));
    assert_true(find_word(&docker, "--restart=on-failure:4"));
    command_free(&podman);
    command_free(&docker);
    json_decref(container);
}

/* What podman is asked for by name it gives to any user at once: docker's defaults are not asked for. */
static void test_a_user_does_not_gain_rights_by_moving_to_podman(void **state)
{
    (void)state;
    struct command user, root;
    json_t *container = define_fixture(RUNTIME_DOCKER, DOCKER);
    command_of(&user, RUNTIME_PODMAN, container);
    assert_false(find_word(&user, "--cap-add=NET_RAW"));
    assert_true(find_word(&user, "--cap-drop=CHOWN"));
    json_object_del(container, "user");
    command_of(&root, RUNTIME_PODMAN, container);
    assert_true(find_word(&root, "--cap-add=NET_RAW"));
    command_free(&user);
    command_free(&root);
    json_decref(container);
}

static void test_what_an_engine_cannot_do_is_an_error(void **state)
{
    (void)state;
    const struct command_for docker = {.kind = RUNTIME_DOCKER, .image = "i", .job = "7", .env_file = "/e"};
    struct command command;
    json_t *container = define_fixture(RUNTIME_PODMAN, PODMAN); /* its user has capabilities */
    assert_int_equal(command_make(&command, container, &docker, &info), ERR_INVALID);
    command_free(&command);
    json_decref(container);
}

static void test_a_check_without_a_shell_stays_one_where_it_can(void **state)
{
    (void)state;
    struct command podman, docker;
    json_t *container = define_fixture(RUNTIME_PODMAN, RUNNING);
    json_object_set_new(container, "health", parsed("{\"test\":[\"CMD\",\"/bin/a b\",\"it's\"]}"));
    command_of(&podman, RUNTIME_PODMAN, container);
    command_of(&docker, RUNTIME_DOCKER, container);
    assert_true(find_word(&podman, "--health-cmd=[\"/bin/a b\",\"it's\"]"));
    assert_true(find_word(&docker, "--health-cmd=exec '/bin/a b' 'it'\\''s'"));
    command_free(&podman);
    command_free(&docker);
    json_decref(container);
}

/* --- directories ----------------------------------------------------------------------------------------------------
 */

static void test_only_some_directories_may_be_brought_along(void **state)
{
    (void)state;
    static const char *const allowed[] = {
        "/srv/a", "/var/www/a/b", "/home/anna/site", "/opt/x", "/srv/a b", "/var/lib/dogwatch/volumes/x"};
    static const char *const refused[] = {"", "/", "/srv", "/srv/", "/srv/a/", "/srvx/a", "/srv//a", "/srv/./a",
        "/srv/../etc", "/srv/.hidden", "/home/anna", "/home/anna/.ssh", "/home/anna/x/.git", "srv/a", "/etc/passwd",
        "/srv/a,b", "/srv/a:b", "/srv/a\nb", "/srv/ a", "/var/lib/dogwatch/sites"};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (!bind_is_allowed(allowed[i]))
            fail_msg("%s is refused", allowed[i]);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (bind_is_allowed(refused[i]))
            fail_msg("%s is allowed", refused[i]);
}

static void test_no_symbolic_link_is_followed(void **state)
{
    (void)state;
    struct tree tree;
    char made[HOST_PATH_SIZE], path[TREE_PATH_SIZE];
    struct stat seen;
    tree_make(&tree);
    host_root_set(tree.root);
    tree_dir(&tree, "/srv/real");
    tree_write(&tree, "/etc/shadow", "x");
    assert_int_equal(symlink("../etc", tree_path(&tree, path, "/srv/link")), 0);
    assert_int_equal(bind_check("/srv/real", &info), ERR_OK);
    assert_int_equal(bind_check("/srv/none", &info), ERR_NOT_FOUND);
    assert_int_equal(bind_check("/srv/link", &info), ERR_DENIED);
    assert_int_equal(bind_check("/srv/link/shadow", &info), ERR_DENIED);
    assert_int_equal(bind_make("/srv/link/new", made, sizeof made, &info), ERR_DENIED);
    assert_int_equal(bind_make("/srv/new/deep/er", made, sizeof made, &info), ERR_OK);
    assert_string_equal(made, "/srv/new");
    assert_int_equal(stat(tree_path(&tree, path, "/srv/new/deep/er"), &seen), 0);
    assert_int_equal(seen.st_mode & 07777, 0755);
    tree_write(&tree, "/srv/new/deep/er/file", "x");
    assert_int_equal(bind_remove("/srv/new/deep", &info), ERR_OK);
    assert_int_not_equal(access(tree_path(&tree, path, "/srv/new/deep"), F_OK), 0);
    assert_int_equal(bind_remove("/srv/new/deep", &info), ERR_OK);
    assert_int_equal(bind_remove("/srv/link", &info), ERR_DENIED);
    assert_int_equal(access(tree_path(&tree, path, "/etc/shadow"), F_OK), 0);
    host_root_set(NULL);
    tree_remove(&tree);
}

static void test_storage_that_is_mounted_is_known_as_such(void **state)
{
    (void)state;
    struct tree tree;
    tree_make(&tree);
    host_root_set(tree.root);
    tree_dir(&tree, "/srv/nas");
    tree_dir(&tree, "/volumes/data/_data");
    tree_write(&tree, "/etc/fstab", "# x\n/dev/sdb1 /srv/disk\\040two ext4 defaults 0 0\n");
    tree_write(&tree, "/proc/self/mountinfo",
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:50 / /srv/nas rw shared:1 - nfs4 nas:/x rw\n"
        "22 20 0:51 / /volumes/data rw - fuse.sshfs x rw\n23 20 8:17 / /srv/disk\\040two rw - ext4 /dev/sdb1 rw\n"
        "24 20 8:18 / /srv/local rw - ext4 /dev/sdc1 rw\n");
    assert_string_equal(volume_driver("/srv/nas", false, NULL), "mount");
    assert_string_equal(volume_driver("/srv/nas/below", false, NULL), "dir");
    assert_string_equal(volume_driver("/volumes/data/_data", true, NULL), "mount");
    assert_string_equal(volume_driver("/volumes/data/_data", false, NULL), "dir");
    assert_string_equal(volume_driver("/srv/disk two", false, NULL), "mount");
    assert_string_equal(volume_driver("/srv/local", false, NULL), "dir");
    host_root_set(NULL);
    tree_remove(&tree);
}

/* Snapshots of a subvolume are kept beside it, so nobody else may put anything there. */
static void test_what_others_can_put_things_beside_is_no_subvolume_to_send(void **state)
{
    (void)state;
    struct tree tree;
    char path[TREE_PATH_SIZE];
    json_t *beside = parsed("[{\"mounts\":[{\"source\":\"/srv/a\"}]},{\"mounts\":[{\"source\":\"/srv/ab\"}]}]");
    json_t *above = parsed("[{\"mounts\":[{\"source\":\"/opt\"},{\"source\":\"/srv\"}]}]");
    json_t *reader = parsed("[{\"mounts\":[{\"source\":\"/srv\",\"rw\":false}]}]");
    tree_make(&tree);
    host_root_set(tree.root);
    tree_dir(&tree, "/srv/a");
    tree_dir(&tree, "/home/anna/site");
    assert_int_equal(chmod(tree_path(&tree, path, "/home/anna"), 0775), 0);
    if (geteuid() == 0) {
        assert_true(volume_is_apart("/srv/a", NULL));
        assert_true(volume_is_apart("/srv/a", beside)); /* the volume itself, and a neighbour */
        assert_true(volume_is_apart("/srv/a", reader));
    }
    assert_false(volume_is_apart("/srv/a", above));
    assert_false(volume_is_apart("/home/anna/site", NULL));
    assert_false(volume_is_apart("/home/anna/site/deep", NULL));
    host_root_set(NULL);
    tree_remove(&tree);
    json_decref(beside);
    json_decref(above);
    json_decref(reader);
}

/* --- anything at all ------------------------------------------------------------------------------------------------
 */

/* Put `with` in place of the nth value below `value`, counted in the order of writing; what is left of n, -1 when done.
 */
static int replace_nth(json_t *value, int n, json_t *with)
{
    const char *key;
    json_t *member;
    void *next;
    if (json_is_object(value))
        json_object_foreach_safe(value, next, key, member)
        {
            if (n == 0)
                return json_object_set(value, key, with), -1;
            if ((n = replace_nth(member, n - 1, with)) < 0)
                return -1;
        }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        if (n == 0)
            return json_array_set(value, i, with), -1;
        if ((n = replace_nth(json_array_get(value, i), n - 1, with)) < 0)
            return -1;
    }
    return n;
}

typedef void use_of(enum runtime_kind kind, json_t *value);

/* Every value in turn is of another type, empty, negative, or far too long. */
static void use_all_variants(const json_t *value, enum runtime_kind kind, use_of *use)
{
    static const char *const variants[] = {"null", "-1", "\"\"", "[]", "{}", "[null]", "[\"\",7]", "{\"\":[{}]}",
        "true", "\"--x=\\n%s,:/\"", "9223372036854775807", "[[\"CMD\"]]"};
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        json_t *with = json_loads(variants[v], JSON_DECODE_ANY, NULL);
        for (int n = 0, left = -1; left < 0; n++) {
            json_t *copy = json_deep_copy(value);
            left = replace_nth(copy, n, with);
            use(kind, copy);
            json_decref(copy);
        }
        json_decref(with);
    }
}

static void define_it(enum runtime_kind kind, json_t *both)
{
    json_t *entry =
        define_container(kind, json_object_get(both, "container"), json_object_get(both, "image"), SITE, NULL);
    json_decref(entry);
}

/* What is accepted can be turned into words for both engines. */
static void vet_it(enum runtime_kind kind, json_t *definition)
{
    if (vet_definition(definition, SITE, NULL) != ERR_OK)
        return;
    const struct command_for how = {.kind = kind, .image = "i", .job = "7", .env_file = "/e"};
    const json_t *containers = json_object_get(definition, "containers");
    for (size_t i = 0; i < json_array_size(containers); i++) {
        struct command command;
        command_make(&command, json_array_get(containers, i), &how, NULL);
        command_free(&command);
    }
}

static void test_nothing_an_engine_says_breaks_the_reader(void **state)
{
    (void)state;
    json_t *podman = fixture(PODMAN), *docker = fixture(DOCKER);
    use_all_variants(podman, RUNTIME_PODMAN, define_it);
    use_all_variants(docker, RUNTIME_DOCKER, define_it);
    json_decref(podman);
    json_decref(docker);
}

static void test_nothing_that_is_accepted_breaks_the_maker(void **state)
{
    (void)state;
    json_t *definition = whole(define_fixture(RUNTIME_PODMAN, PODMAN));
    use_all_variants(definition, RUNTIME_PODMAN, vet_it);
    use_all_variants(definition, RUNTIME_DOCKER, vet_it);
    json_decref(definition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_podmans_words_become_a_definition),
        cmocka_unit_test(test_what_podman_adds_to_every_container_is_not_taken_for_the_sites),
        cmocka_unit_test(test_what_podman_might_have_added_is_kept_where_in_doubt),
        cmocka_unit_test(test_what_keeps_docker_from_starting_it_is_no_part_of_it),
        cmocka_unit_test(test_both_engines_give_the_same_definition),
        cmocka_unit_test(test_a_difference_is_named),
        cmocka_unit_test(test_an_entrypoint_is_taken_apart_as_it_was_given),
        cmocka_unit_test(test_what_cannot_be_carried_is_said),
        cmocka_unit_test(test_volumes_and_networks_say_whose_they_are),
        cmocka_unit_test(test_what_is_read_is_accepted),
        cmocka_unit_test(test_hostile_members_are_refused),
        cmocka_unit_test(test_a_definition_of_another_site_is_refused),
        cmocka_unit_test(test_a_name_stands_once),
        cmocka_unit_test(test_secrets_are_not_in_the_command_line),
        cmocka_unit_test(test_a_variable_the_engine_would_obey_is_refused),
        cmocka_unit_test(test_what_stands_in_our_file_was_asked_for),
        cmocka_unit_test(test_no_word_of_a_definition_stands_where_an_option_does),
        cmocka_unit_test(test_each_engine_gets_its_own_words),
        cmocka_unit_test(test_a_user_does_not_gain_rights_by_moving_to_podman),
        cmocka_unit_test(test_what_an_engine_cannot_do_is_an_error),
        cmocka_unit_test(test_a_check_without_a_shell_stays_one_where_it_can),
        cmocka_unit_test(test_only_some_directories_may_be_brought_along),
        cmocka_unit_test(test_no_symbolic_link_is_followed),
        cmocka_unit_test(test_nothing_an_engine_says_breaks_the_reader),
        cmocka_unit_test(test_nothing_that_is_accepted_breaks_the_maker),
        cmocka_unit_test(test_storage_that_is_mounted_is_known_as_such),
        cmocka_unit_test(test_what_others_can_put_things_beside_is_no_subvolume_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
