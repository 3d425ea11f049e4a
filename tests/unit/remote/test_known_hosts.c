/* known_hosts: who is trusted, under which name, in which file; and that a revoked key never is. */
#include "tests/unit/remote/reach.h"

#include "base/buf.h"

#include <sys/stat.h>
#include <unistd.h>

#define ED "AAAAC3NzaC1lZDI1NTE5AAAAIIm2N9Gvzkd4M6i2Gv1oSmnAVyP0BTtNPVJnoq8bfHn5"
#define ED2 "AAAAC3NzaC1lZDI1NTE5AAAAILMc2Z7OZhw0L1D7gzIWJ1fHZxM/q62izHqvuOH9EpWs"
#define EC                                                                                                             \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNpYp3Yj0A6FwqfOQYvOtqvB6nUQm7t1eZ8i0nA0x2j3lJtTjD3yWk6y3mQk" \
    "2x4z"                                                                                                             \
    "M7dP8hQ0qfYw1e5Qm0p2s7A="

struct files {
    char *directory, *ours, *user, *system;
    struct known_hosts_files paths;
};

static void write_file(const char *path, const char *text)
{
    assert_int_equal(paths_write_atomic(path, text, strlen(text), 0600, NULL), ERR_OK);
}

static void files_open(struct files *files, const char *user_text)
{
    files->directory = test_dir_new();
    files->ours = paths_join(files->directory, "ours");
    files->user = paths_join(files->directory, "user");
    files->system = paths_join(files->directory, "system");
    files->paths = (struct known_hosts_files){.ours = files->ours, .user = files->user, .system = files->system};
    if (user_text)
        write_file(files->user, user_text);
}

static void files_close(struct files *files)
{
    test_dir_free(files->directory);
    free(files->ours);
    free(files->user);
    free(files->system);
}

static struct host_key key_of(const char *base64)
{
    struct host_key key;
    assert_int_equal(host_key_describe(&key, base64, NULL), ERR_OK);
    return key;
}

static enum host_key_verdict judge(const struct files *files, const char *address, uint16_t port, struct host_key *key)
{
    *key = key_of(ED);
    assert_int_equal(known_hosts_check(&files->paths, "mosh01", address, port, key, NULL), ERR_OK);
    return key->verdict;
}

/* What a file of ssh makes of the key ED of host 192.0.2.11. */
static enum host_key_verdict verdict_of(const char *user_text)
{
    struct files files;
    struct host_key key;
    files_open(&files, user_text);
    enum host_key_verdict verdict = judge(&files, "192.0.2.11", 22, &key);
    files_close(&files);
    return verdict;
}

static void a_key_is_described_as_ssh_keygen_does(void **state)
{
    (void)state;
    struct host_key key = key_of(ED2);
    assert_string_equal(key.type, "ssh-ed25519");
    assert_string_equal(key.fingerprint, "SHA256:VbcMCkxv2tiEMtPzYW04ucvLkYm3ehyz6xjVCdgiw0M");
    static const char *const bad[] = {
        "", "AAAA", "not base64!!", "AAAAC3NzaC1lZDI1NTE5AAA", "/////////////////////w==", "AAAABxtbMm1bMW0AAAAA"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(host_key_describe(&key, bad[i], NULL), ERR_INVALID);
}

static void lines_of_ssh_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum host_key_verdict verdict;
    } table[] = {
        {"", HOST_KEY_UNKNOWN},
        {"192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"192.0.2.11 ssh-ed25519 " ED, HOST_KEY_TRUSTED},
        {"\t192.0.2.11\tssh-ed25519\t" ED "\tcomment here\r\n", HOST_KEY_TRUSTED},
        {"# 192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
        {"192.0.2.12 ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
        {"192.0.2.11 ssh-ed25519 " ED2 "\n", HOST_KEY_CHANGED},
        {"192.0.2.11 ssh-ed25519 " ED2 "\n192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"192.0.2.11 ecdsa-sha2-nistp256 " EC "\n", HOST_KEY_CHANGED},
        {"web,192.0.2.11,db ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"192.0.2.* ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"192.0.2.1? ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"192.0.2.*,!192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
        {"!192.0.2.11,* ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
        {"[192.0.2.11]:22 ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
        {"192.0.2.11 ssh-ed25519\n", HOST_KEY_UNKNOWN},
        {"192.0.2.11\n\n\n@revoked\n", HOST_KEY_UNKNOWN},
        {"@revoked * ssh-ed25519 " ED "\n", HOST_KEY_REVOKED},
        {"192.0.2.11 ssh-ed25519 " ED "\n@revoked 192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_REVOKED},
        {"@revoked 192.0.2.11 ssh-ed25519 " ED "\n192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_REVOKED},
        {"@revoked 192.0.2.99 ssh-ed25519 " ED "\n192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"@revoked * ssh-ed25519 " ED2 "\n192.0.2.11 ssh-ed25519 " ED "\n", HOST_KEY_TRUSTED},
        {"@cert-authority * ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
        {"@future * ssh-ed25519 " ED "\n", HOST_KEY_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        enum host_key_verdict verdict = verdict_of(table[i].text);
        if (verdict != table[i].verdict)
            print_error("line: %s", table[i].text);
        assert_int_equal(verdict, table[i].verdict);
    }
}

/* Made with: ssh-keygen -H -f FILE */
static void hashed_names_are_found(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("|1|rrbkrNj8JCHtSoOs5FAwpLlqDWU=|Bb1d9XZ2erlMx9wQ8NCVKQPngcE= ssh-ed25519 " ED "\n"),
        HOST_KEY_TRUSTED);
    assert_int_equal(verdict_of("|1|rrbkrNj8JCHtSoOs5FAwpLlqDWU=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= ssh-ed25519 " ED "\n"),
        HOST_KEY_UNKNOWN);
    assert_int_equal(verdict_of("|1|x|y ssh-ed25519 " ED "\n|1| ssh-ed25519 " ED "\n"), HOST_KEY_UNKNOWN);
}

static void another_port_is_another_name(void **state)
{
    (void)state;
    struct files files;
    struct host_key key;
    files_open(&files,
        "[192.0.2.11]:2222 ssh-ed25519 " ED "\n[::1]:2222 ssh-ed25519 " ED "\nMixed.Example ssh-ed25519 " ED "\n");
    assert_int_equal(judge(&files, "192.0.2.11", 2222, &key), HOST_KEY_TRUSTED);
    assert_int_equal(judge(&files, "192.0.2.11", 22, &key), HOST_KEY_UNKNOWN);
    assert_int_equal(judge(&files, "::1", 2222, &key), HOST_KEY_TRUSTED);
    assert_int_equal(judge(&files, "mixed.example", 22, &key), HOST_KEY_TRUSTED);
    files_close(&files);
}

static void our_file_goes_by_the_fleet_s_name_and_any_file_may_vouch(void **state)
{
    (void)state;
    struct files files;
    struct host_key key;
    files_open(&files, NULL);
    write_file(files.ours, "mosh01 ssh-ed25519 " ED2 "\n");
    assert_int_equal(judge(&files, "192.0.2.11", 22, &key), HOST_KEY_CHANGED);
    assert_string_equal(key.was, "SHA256:VbcMCkxv2tiEMtPzYW04ucvLkYm3ehyz6xjVCdgiw0M");
    assert_non_null(strstr(key.where, "ours:1"));
    write_file(files.system, "# all\n192.0.2.11 ssh-ed25519 " ED "\n");
    assert_int_equal(judge(&files, "192.0.2.11", 22, &key), HOST_KEY_TRUSTED);
    assert_non_null(strstr(key.where, "system:2"));
    write_file(files.user, "mosh01 ssh-ed25519 " ED "\n@cert-authority *.2.11 ssh-ed25519 " ED2 "\n");
    unlink(files.system);
    assert_int_equal(judge(&files, "192.0.2.11", 22, &key), HOST_KEY_CHANGED);
    assert_true(key.has_authority);
    files_close(&files);
}

static void a_file_that_cannot_be_read_is_an_error_not_an_unknown_host(void **state)
{
    (void)state;
    struct files files;
    struct host_key key = key_of(ED);
    files_open(&files, NULL);
    assert_int_equal(mkdir(files.user, 0700), 0);
    assert_int_not_equal(known_hosts_check(&files.paths, "mosh01", "192.0.2.11", 22, &key, NULL), ERR_OK);
    assert_int_not_equal(key.verdict, HOST_KEY_TRUSTED);
    files_close(&files);
}

static void the_known_types_are_asked_for_first(void **state)
{
    (void)state;
    struct files files;
    char types[256];
    files_open(&files,
        "192.0.2.11 ssh-rsa AAAA\n192.0.2.11 ecdsa-sha2-nistp256 " EC "\n@revoked 192.0.2.11 ssh-ed25519 " ED "\n");
    known_hosts_types(&files.paths, "mosh01", "192.0.2.11", 22, types, sizeof types);
    assert_string_equal(types, "ecdsa-sha2-nistp256,ssh-rsa");
    known_hosts_types(&files.paths, "mosh01", "192.0.2.12", 22, types, sizeof types);
    assert_string_equal(types, "");
    files_close(&files);
}

static char *read_text(const char *path)
{
    struct buf text = BUF(65536);
    assert_int_equal(buf_read_file(&text, path, NULL), ERR_OK);
    return buf_take(&text);
}

static void setting_and_removing_touch_one_host_only(void **state)
{
    (void)state;
    struct files files;
    files_open(&files, NULL);
    struct host_key key = key_of(ED);
    assert_int_equal(known_hosts_remove(files.ours, "mosh01", NULL), ERR_OK); /* no file yet */
    assert_int_not_equal(access(files.ours, F_OK), 0);
    write_file(files.ours,
        "# kept\nmosh011 ssh-ed25519 " ED2 "\nmosh01 ssh-ed25519 " ED2 "\n@revoked mosh01 ssh-ed25519 " ED2);
    assert_int_equal(known_hosts_set(files.ours, "mosh01", &key, NULL), ERR_OK);
    char *text = read_text(files.ours);
    assert_string_equal(
        text, "# kept\nmosh011 ssh-ed25519 " ED2 "\n@revoked mosh01 ssh-ed25519 " ED2 "\nmosh01 ssh-ed25519 " ED "\n");
    free(text);
    assert_int_equal(known_hosts_remove(files.ours, "mosh01", NULL), ERR_OK);
    text = read_text(files.ours);
    assert_string_equal(text, "# kept\nmosh011 ssh-ed25519 " ED2 "\n@revoked mosh01 ssh-ed25519 " ED2 "\n");
    free(text);
    struct stat status;
    assert_int_equal(stat(files.ours, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(known_hosts_set(files.ours, "two words", &key, NULL), ERR_INVALID);
    files_close(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_described_as_ssh_keygen_does),
        cmocka_unit_test(lines_of_ssh_are_understood),
        cmocka_unit_test(hashed_names_are_found),
        cmocka_unit_test(another_port_is_another_name),
        cmocka_unit_test(our_file_goes_by_the_fleet_s_name_and_any_file_may_vouch),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error_not_an_unknown_host),
        cmocka_unit_test(the_known_types_are_asked_for_first),
        cmocka_unit_test(setting_and_removing_touch_one_host_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
