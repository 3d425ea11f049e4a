/* Evidence on its way in and afterwards: a host that was broken into sends what it likes, disks and people change
 * files; each of it is found, and none of it reaches further than the evidence's own directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/evidence_private.h"
#include "base/clock.h"
#include "base/mem.h"
#include "remote/keys.h"
#include "remote/known_hosts.h"

#define NAME "a.org-engine.7-mosh01"
#define LARGE 300000

static char state_dir[64];
static char *key_path, *other_path; /* private keys of the host and of somebody else */
static struct host_key host_key, other_key;
static struct err_info info;

/* --- a host's evidence -------------------------------------------------------------------------------------------- */

struct file {
    const char *name, *text;
    size_t length;
};
static char large[LARGE];
static struct file files[] = {
    {"begin.json", "{}", 2}, {"memory/podman-web/7.mem", large, LARGE}, {"processes/podman-web/7/environ", "A=1", 3}};
#define FILES (sizeof files / sizeof *files)

static void make_key(const char *directory, char **path, struct host_key *key)
{
    char *line, *where = xasprintf("%s/%s", state_dir, directory);
    assert_int_equal(keys_ensure(where, "operator", path, &line, &info), ERR_OK);
    assert_int_equal(host_key_describe(key, strchr(line, ' ') + 1, &info), ERR_OK);
    free(line);
    free(where);
}

static int make_state(void **state)
{
    (void)state;
    char *operator_key, *ours;
    str_copy(state_dir, sizeof state_dir, "/tmp/dogwatch-evidence-XXXXXX");
    assert_non_null(mkdtemp(state_dir));
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 7 % 251);
    make_key("host", &key_path, &host_key);
    make_key("other", &other_path, &other_key);
    assert_int_equal(keys_ensure(state_dir, "operator", &operator_key, NULL, &info), ERR_OK);
    ours = xasprintf("%s/known_hosts", state_dir);
    assert_int_equal(known_hosts_set(ours, "mosh01", &host_key, &info), ERR_OK);
    free(operator_key);
    free(ours);
    return 0;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)kind, (void)where;
    return remove(path);
}

static int remove_state(void **state)
{
    (void)state;
    nftw(state_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(key_path);
    free(other_path);
    return 0;
}

/* What may be wrong with what a host sends. */
struct mischief {
    const char *first_name;  /* in the manifest, instead of begin.json */
    const char *site;        /* in the manifest */
    const char *signed_with; /* another private key */
    const char *member_name; /* of the last file's member */
    unsigned member_type;    /* of the last file's member */
    const char *hard_link;   /* of the last file's member */
    const char *content;     /* of the last file */
    bool extra_member, no_last, manifest_changed, unsorted;
    size_t skip;
};

static void make_manifest(const struct mischief *mischief, struct buf *text)
{
    json_t *manifest = json_object(), *list = json_array();
    json_put_i64(manifest, "format", 1);
    json_put_text(manifest, "site", mischief->site ? mischief->site : "a.org");
    json_put_text(manifest, "job", "engine.7");
    json_put_i64(manifest, "epoch_us", INT64_C(1767225600000000));
    for (size_t i = 0; i < FILES; i++) {
        char sum[DIGEST_TEXT_SIZE];
        json_t *entry = json_object();
        digest_of(files[i].text, files[i].length, sum);
        json_put_text(entry, "name", i == 0 && mischief->first_name ? mischief->first_name : files[i].name);
        json_put_i64(entry, "bytes", (int64_t)files[i].length);
        json_put_text(entry, "sha256", sum);
        if (mischief->unsorted)
            json_array_insert_new(list, 0, entry);
        else
            json_array_append_new(list, entry);
    }
    json_object_set_new(manifest, "files", list);
    assert_int_equal(json_write(text, manifest), ERR_OK);
    json_decref(manifest);
}

static void add_member(
    struct archive *archive, const char *name, unsigned type, const char *hard_link, const char *data, size_t length)
{
    struct archive_entry *entry = archive_entry_new();
    char *path = name[0] == '/' || name[0] == '.' ? xstrdup(name) : xasprintf("./%s", name);
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0600);
    if (type == AE_IFREG && !hard_link)
        archive_entry_set_size(entry, (la_int64_t)length);
    if (type == AE_IFLNK)
        archive_entry_set_symlink(entry, "/etc/passwd");
    if (hard_link)
        archive_entry_set_hardlink(entry, hard_link);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    if (type == AE_IFREG && !hard_link)
        assert_int_equal(archive_write_data(archive, data, length), length);
    archive_entry_free(entry);
    free(path);
}

static void add_files(struct archive *archive, const struct mischief *mischief)
{
    for (size_t i = mischief->skip; i < FILES; i++) {
        bool last = i == FILES - 1;
        const char *name = i == 0 && mischief->first_name ? mischief->first_name : files[i].name;
        const char *text = last && mischief->content ? mischief->content : files[i].text;
        if (last && mischief->no_last)
            break;
        add_member(archive, last && mischief->member_name ? mischief->member_name : name,
            last && mischief->member_type ? mischief->member_type : AE_IFREG, last ? mischief->hard_link : NULL, text,
            text == files[i].text ? files[i].length : strlen(text));
    }
}

/* The tar a host sends; the caller frees *bytes. */
static void make_tar(const struct mischief *mischief, char **bytes, size_t *length)
{
    struct buf manifest = BUF(MANIFEST_CEILING), signature = BUF(SIGNATURE_CEILING);
    size_t room = 1u << 20;
    make_manifest(mischief, &manifest);
    assert_int_equal(signature_make(&manifest, mischief->signed_with ? mischief->signed_with : key_path,
                         EVIDENCE_NAMESPACE, &signature, &info),
        ERR_OK);
    if (mischief->manifest_changed)
        *strstr(manifest.data, "engine.7") = 'E';
    *bytes = xmalloc(room);
    struct archive *archive = archive_write_new();
    archive_write_set_format_pax_restricted(archive);
    assert_int_equal(archive_write_open_memory(archive, *bytes, room, length), ARCHIVE_OK);
    add_member(archive, EVIDENCE_MANIFEST, AE_IFREG, NULL, manifest.data, manifest.length);
    add_member(archive, EVIDENCE_SIGNATURE, AE_IFREG, NULL, signature.data, signature.length);
    add_files(archive, mischief);
    if (mischief->extra_member)
        add_member(archive, "zzz", AE_IFREG, NULL, "more", 4);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    buf_free(&manifest);
    buf_free(&signature);
}

/* --- fetching ----------------------------------------------------------------------------------------------------- */

struct wire {
    const char *bytes;
    size_t length, at, breaks_at; /* breaks_at 0: never */
};

static ssize_t read_wire(void *source, void *data, size_t size, struct err_info *why)
{
    struct wire *wire = source;
    size_t left = wire->length - wire->at;
    if (wire->breaks_at && wire->at >= wire->breaks_at) {
        err_set(why, ERR_CLOSED, "the wire broke");
        return -1;
    }
    size_t some = left < size ? left : size;
    some = some > 1000 ? 1000 : some;
    memcpy(data, wire->bytes + wire->at, some);
    wire->at += some;
    return (ssize_t)some;
}

static struct evidence_request request_of(void)
{
    return (struct evidence_request){
        .state_dir = state_dir, .host = "mosh01", .site = "a.org", .job = "engine.7", .key = &host_key};
}

static enum err fetch_broken(const struct mischief *mischief, size_t breaks_at)
{
    char *bytes;
    size_t length;
    struct evidence_outcome outcome;
    struct evidence_request request = request_of();
    make_tar(mischief, &bytes, &length);
    struct wire wire = {.bytes = bytes, .length = length, .breaks_at = breaks_at};
    info = (struct err_info){0};
    enum err err = evidence_take_in(&request, mischief->skip, read_wire, &wire, &outcome, &info);
    free(bytes);
    return err;
}

static enum err fetch(const struct mischief *mischief)
{
    return fetch_broken(mischief, 0);
}

static char *path_of(const char *name)
{
    return xasprintf("%s/evidence/" NAME "/%s", state_dir, name);
}

static bool exists(const char *path)
{
    struct stat seen;
    char *full = xasprintf("%s/%s", state_dir, path);
    bool is = lstat(full, &seen) == 0;
    free(full);
    return is;
}

/* --- verifying ---------------------------------------------------------------------------------------------------- */

static struct evidence_report report;

static bool verify(void)
{
    char *directory = evidence_directory(state_dir, NAME);
    evidence_report_free(&report);
    assert_int_equal(evidence_verify(state_dir, directory, &report, &info), ERR_OK);
    free(directory);
    return report.good;
}

static void fetch_good(void)
{
    if (fetch(&(struct mischief){0}) != ERR_OK)
        fail_msg("%s", info.message);
    if (!verify())
        fail_msg("not good: %s", report.words);
}

static void write_over(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void assert_one_finding(enum evidence_fault fault, const char *name)
{
    assert_false(verify());
    assert_int_equal(report.findings.count, 1);
    assert_int_equal(report.findings.items[0].fault, fault);
    assert_string_equal(report.findings.items[0].name, name);
}

static void assert_bad(const char *words)
{
    if (verify())
        fail_msg("it verifies, although %s", words);
    if (!strstr(report.words, words))
        fail_msg("\"%s\" is not \"%s\"", report.words, words);
}

/* --- tests: all is well ------------------------------------------------------------------------------------------- */

static void test_what_came_whole_verifies_and_says_who_signed(void **state)
{
    (void)state;
    fetch_good();
    assert_string_equal(report.host, "mosh01");
    assert_string_equal(report.fingerprint, host_key.fingerprint);
    assert_int_equal(report.pinned, HOST_KEY_TRUSTED);
    assert_int_equal(report.files, FILES);
    assert_true(report.received_us > 0);
    assert_false(exists("evidence/." NAME ".partial"));
}

static void test_it_still_verifies_when_the_host_has_another_key_or_is_gone(void **state)
{
    (void)state;
    char *ours = xasprintf("%s/known_hosts", state_dir);
    fetch_good();
    assert_int_equal(known_hosts_set(ours, "mosh01", &other_key, &info), ERR_OK);
    assert_true(verify());
    assert_int_equal(report.pinned, HOST_KEY_CHANGED);
    assert_int_equal(unlink(ours), 0);
    assert_true(verify());
    assert_int_equal(report.pinned, HOST_KEY_UNKNOWN);
    free(ours);
}

static void test_a_copy_elsewhere_verifies_as_well(void **state)
{
    (void)state;
    char *from = evidence_directory(state_dir, NAME), *to = xasprintf("%s/copy", state_dir);
    fetch_good();
    assert_int_equal(rename(from, to), 0);
    evidence_report_free(&report);
    assert_int_equal(evidence_verify(state_dir, to, &report, &info), ERR_OK);
    assert_true(report.good);
    assert_int_equal(evidence_verify(state_dir, from, &(struct evidence_report){0}, &info), ERR_NOT_FOUND);
    free(from);
    free(to);
}

/* --- tests: changed afterwards ------------------------------------------------------------------------------------ */

static void test_one_changed_byte_is_found(void **state)
{
    (void)state;
    char *path = path_of("memory/podman-web/7.mem");
    fetch_good();
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, LARGE / 2), 1);
    close(fd);
    free(path);
    assert_one_finding(EVIDENCE_CHANGED, "memory/podman-web/7.mem");
}

static void test_a_removed_file_is_found(void **state)
{
    (void)state;
    char *path = path_of("processes/podman-web/7/environ");
    fetch_good();
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_one_finding(EVIDENCE_MISSING, "processes/podman-web/7/environ");
}

static void test_an_added_file_is_found(void **state)
{
    (void)state;
    fetch_good();
    write_over("processes/planted", "x");
    assert_one_finding(EVIDENCE_ADDED, "processes/planted");
}

static void test_a_file_replaced_by_a_link_to_the_same_is_found(void **state)
{
    (void)state;
    char *path = path_of("begin.json"), *elsewhere = xasprintf("%s/begin.json", state_dir);
    fetch_good();
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_false(verify());
    assert_int_equal(report.findings.count, 2); /* missing, and something else is there */
    free(path);
    free(elsewhere);
}

static void test_a_manifest_that_fits_the_changed_files_does_not_verify(void **state)
{
    (void)state;
    struct buf text = BUF(MANIFEST_CEILING);
    char *path = path_of(EVIDENCE_MANIFEST), sum[DIGEST_TEXT_SIZE];
    fetch_good();
    write_over("begin.json", "[]");
    assert_int_equal(buf_read_file(&text, path, &info), ERR_OK);
    char before[DIGEST_TEXT_SIZE];
    digest_of("{}", 2, before);
    digest_of("[]", 2, sum);
    memcpy(strstr(text.data, before), sum, strlen(sum));
    write_over(EVIDENCE_MANIFEST, text.data);
    assert_bad("the manifest was changed after it was signed");
    assert_int_equal(report.findings.count, 0);
    buf_free(&text);
    free(path);
}

static void sign_manifest_with(const char *private_key)
{
    struct buf text = BUF(MANIFEST_CEILING), signature = BUF(SIGNATURE_CEILING);
    char *path = path_of(EVIDENCE_MANIFEST);
    assert_int_equal(buf_read_file(&text, path, &info), ERR_OK);
    assert_int_equal(signature_make(&text, private_key, EVIDENCE_NAMESPACE, &signature, &info), ERR_OK);
    write_over(EVIDENCE_SIGNATURE, signature.data);
    buf_free(&text);
    buf_free(&signature);
    free(path);
}

static void test_another_keys_signature_does_not_verify(void **state)
{
    (void)state;
    fetch_good();
    sign_manifest_with(other_path);
    assert_bad("another key than mosh01 had when it was received");
    assert_true(report.signature_good);
    assert_false(report.key_is_pinned);
    assert_string_equal(report.fingerprint, other_key.fingerprint);
}

static void test_a_swapped_or_damaged_signature_does_not_verify(void **state)
{
    (void)state;
    struct buf wrong = BUF(100), signature = BUF(SIGNATURE_CEILING);
    char *path = path_of(EVIDENCE_SIGNATURE);
    fetch_good();
    buf_puts(&wrong, "another text");
    assert_int_equal(signature_make(&wrong, key_path, EVIDENCE_NAMESPACE, &signature, &info), ERR_OK);
    write_over(EVIDENCE_SIGNATURE, signature.data); /* the right key, of something else */
    assert_bad("the manifest was changed after it was signed, or the signature is another's");
    write_over(EVIDENCE_SIGNATURE, "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n");
    assert_bad("the signature is damaged");
    assert_int_equal(unlink(path), 0);
    assert_bad("there is no signature");
    buf_free(&wrong);
    buf_free(&signature);
    free(path);
}

static void test_a_receipt_that_is_changed_or_gone_does_not_verify(void **state)
{
    (void)state;
    struct buf text = BUF(65536);
    char *path = path_of(EVIDENCE_RECEIPT);
    fetch_good();
    assert_int_equal(buf_read_file(&text, path, &info), ERR_OK);
    memcpy(strstr(text.data, "mosh01"), "mosh02", 6);
    write_over(EVIDENCE_RECEIPT, text.data);
    assert_bad("the receipt was changed");
    assert_int_equal(unlink(path), 0);
    assert_bad("there is no receipt");
    buf_free(&text);
    free(path);
}

/* A host's signature can never stand for the operator's, nor the other way round. */
static void test_a_signature_counts_for_its_own_purpose_alone(void **state)
{
    (void)state;
    struct buf text = BUF(100), signature = BUF(SIGNATURE_CEILING);
    bool good = true;
    buf_puts(&text, "text");
    assert_int_equal(signature_make(&text, key_path, EVIDENCE_RECEIPT_NAMESPACE, &signature, &info), ERR_OK);
    assert_int_equal(signature_verify(&text, &signature, &host_key, EVIDENCE_NAMESPACE, &good, &info), ERR_OK);
    assert_false(good);
    assert_int_equal(signature_verify(&text, &signature, &host_key, EVIDENCE_RECEIPT_NAMESPACE, &good, &info), ERR_OK);
    assert_true(good);
    buf_free(&text);
    buf_free(&signature);
}

/* --- tests: what a hostile host sends ----------------------------------------------------------------------------- */

static void assert_refused(const struct mischief *mischief, enum err expected, const char *words)
{
    enum err err = fetch(mischief);
    if (err != expected || !strstr(info.message, words))
        fail_msg("%s: %s, and not %s: %s", err_word(err), info.message, err_word(expected), words);
    assert_false(exists("evidence/" NAME));
}

static void test_only_the_pinned_key_opens_the_door(void **state)
{
    (void)state;
    assert_refused(&(struct mischief){.signed_with = other_path}, ERR_HOST_KEY, other_key.fingerprint);
    assert_refused(&(struct mischief){.manifest_changed = true}, ERR_CORRUPT, "not what the key of mosh01 signed");
    assert_false(exists("evidence/." NAME ".partial/begin.json"));
}

static void test_members_that_lead_elsewhere_are_not_taken(void **state)
{
    (void)state;
    static const char *const names[] = {"/etc/passwd", "../escaped", "./processes/../../escaped", "zzz", NULL};
    for (size_t i = 0; names[i]; i++)
        assert_refused(&(struct mischief){.member_name = names[i]}, ERR_CORRUPT, "was to come");
    assert_false(exists("evidence/escaped"));
    assert_false(exists("escaped"));
}

static void test_members_that_are_no_plain_files_are_not_taken(void **state)
{
    (void)state;
    static const unsigned types[] = {AE_IFLNK, AE_IFIFO, AE_IFCHR, AE_IFBLK, AE_IFDIR};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        assert_refused(&(struct mischief){.member_type = types[i]}, ERR_CORRUPT, "processes/podman-web/7/environ");
    assert_refused(&(struct mischief){.hard_link = "/etc/passwd"}, ERR_CORRUPT, "no plain file");
}

static void test_members_that_differ_from_the_manifest_are_not_taken(void **state)
{
    (void)state;
    assert_refused(&(struct mischief){.content = "A=2"}, ERR_CORRUPT, "is not what the manifest says");
    assert_refused(&(struct mischief){.content = "A=1 and more"}, ERR_CORRUPT, "another size");
    assert_refused(&(struct mischief){.extra_member = true}, ERR_CORRUPT, "more than the manifest names");
    assert_refused(&(struct mischief){.no_last = true}, ERR_CLOSED, "ends before processes/podman-web/7/environ");
}

static void test_a_signed_manifest_is_not_believed_either(void **state)
{
    (void)state;
    static const char *const names[] = {
        "../escaped", "/etc/cron.d/x", "a/../../x", "received.json", "manifest.json", "a\nb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_refused(&(struct mischief){.first_name = names[i]}, ERR_CORRUPT, "can be no file of evidence");
    assert_refused(&(struct mischief){.unsorted = true}, ERR_CORRUPT, "not in order");
    assert_refused(&(struct mischief){.first_name = files[1].name}, ERR_CORRUPT, "not in order");
    assert_refused(&(struct mischief){.site = "b.org"}, ERR_CORRUPT, "another site or job");
}

static void test_what_is_no_archive_is_refused(void **state)
{
    (void)state;
    struct evidence_outcome outcome;
    struct evidence_request request = request_of();
    static const char *const texts[] = {"", "#!/bin/sh\necho hello\n", "PK\x03\x04 and so on"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wire wire = {.bytes = texts[i], .length = strlen(texts[i])};
        assert_int_not_equal(evidence_take_in(&request, 0, read_wire, &wire, &outcome, &info), ERR_OK);
        assert_false(exists("evidence/" NAME));
    }
}

/* --- tests: broken off -------------------------------------------------------------------------------------------- */

static void test_what_was_broken_off_goes_on_with_what_is_missing(void **state)
{
    (void)state;
    struct evidence_request request = request_of();
    assert_int_equal(evidence_have(&request), 0);
    assert_int_equal(fetch_broken(&(struct mischief){0}, LARGE / 2), ERR_CLOSED);
    assert_non_null(strstr(info.message, "the wire broke"));
    assert_int_equal(evidence_have(&request), 1); /* begin.json is whole, the memory is not */
    assert_false(exists("evidence/" NAME));
    if (fetch(&(struct mischief){.skip = 1}) != ERR_OK)
        fail_msg("%s", info.message);
    assert_true(verify());
}

static void test_a_tar_cut_anywhere_never_passes_for_whole(void **state)
{
    (void)state;
    char *bytes;
    size_t length;
    struct evidence_outcome outcome;
    struct evidence_request request = request_of();
    make_tar(&(struct mischief){0}, &bytes, &length);
    size_t contents = length - 10240; /* libarchive pads to 10 KiB: what is cut off of that is nothing */
    for (size_t cut = 700; cut < contents; cut += 9973) {
        struct wire wire = {.bytes = bytes, .length = cut};
        if (evidence_take_in(&request, 0, read_wire, &wire, &outcome, &info) == ERR_OK)
            fail_msg("%zu of %zu bytes were enough", cut, length);
        assert_false(exists("evidence/" NAME));
    }
    free(bytes);
}

static void test_another_evidence_than_fetching_began_with_is_not_mixed_in(void **state)
{
    (void)state;
    struct evidence_request request = request_of();
    assert_int_equal(fetch_broken(&(struct mischief){0}, LARGE / 2), ERR_CLOSED);
    assert_int_equal(fetch(&(struct mischief){.first_name = "another.json", .skip = 1}), ERR_CORRUPT);
    assert_non_null(strstr(info.message, "fetch it again"));
    assert_int_equal(evidence_have(&request), 0);
    assert_int_equal(fetch(&(struct mischief){0}), ERR_OK);
}

/* --- tests: what is here ------------------------------------------------------------------------------------------ */

static void test_two_hosts_of_one_job_have_a_place_each(void **state)
{
    (void)state;
    char *bytes;
    size_t length;
    struct evidence_outcome outcome;
    struct evidence_entries entries;
    struct evidence_request request = request_of();
    fetch_good();
    request.host = "mosh02";
    make_tar(&(struct mischief){0}, &bytes, &length);
    struct wire wire = {.bytes = bytes, .length = length};
    assert_int_equal(evidence_take_in(&request, 0, read_wire, &wire, &outcome, &info), ERR_OK);
    assert_string_equal(outcome.name, "a.org-engine.7-mosh02");
    assert_int_equal(evidence_list(state_dir, &entries, &info), ERR_OK);
    assert_int_equal(entries.count, 2);
    assert_string_equal(entries.items[0].host, "mosh01");
    assert_string_equal(entries.items[1].host, "mosh02");
    vec_free(&entries);
    free(bytes);
}

static void test_the_list_says_what_is_whole_and_what_is_not(void **state)
{
    (void)state;
    struct evidence_entries entries;
    assert_int_equal(evidence_list(state_dir, &entries, &info), ERR_OK);
    assert_int_equal(entries.count, 0);
    assert_int_equal(fetch_broken(&(struct mischief){0}, LARGE / 2), ERR_CLOSED);
    assert_int_equal(evidence_list(state_dir, &entries, &info), ERR_OK);
    assert_int_equal(entries.count, 1);
    assert_true(entries.items[0].is_partial);
    vec_free(&entries);
    fetch_good();
    assert_int_equal(evidence_list(state_dir, &entries, &info), ERR_OK);
    assert_int_equal(entries.count, 1);
    assert_string_equal(entries.items[0].name, NAME);
    assert_string_equal(entries.items[0].host, "mosh01");
    assert_int_equal(entries.items[0].files, FILES);
    assert_false(entries.items[0].is_partial);
    vec_free(&entries);
}

static void test_removing_leaves_a_word_of_who_did_it_and_touches_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"..", "../keys", ".hidden", "", "a/b", NULL};
    struct buf log = BUF(4096);
    char *path = xasprintf("%s/evidence/removed.log", state_dir);
    fetch_good();
    for (size_t i = 0; bad[i]; i++)
        assert_int_equal(evidence_remove(state_dir, bad[i], "ann", &info), ERR_NOT_FOUND);
    assert_true(exists("evidence/" NAME));
    assert_int_equal(evidence_remove(state_dir, NAME, "ann", &info), ERR_OK);
    assert_false(exists("evidence/" NAME));
    assert_true(exists("keys/operator"));
    assert_int_equal(evidence_remove(state_dir, NAME, "ann", &info), ERR_NOT_FOUND);
    assert_int_equal(buf_read_file(&log, path, &info), ERR_OK);
    assert_non_null(strstr(buf_text(&log), NAME " removed by ann, manifest sha256 "));
    buf_free(&log);
    free(path);
}

static int end_test(void **state)
{
    evidence_report_free(&report);
    return remove_state(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_state, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_came_whole_verifies_and_says_who_signed),
        TEST(test_it_still_verifies_when_the_host_has_another_key_or_is_gone),
        TEST(test_a_copy_elsewhere_verifies_as_well),
        TEST(test_one_changed_byte_is_found),
        TEST(test_a_removed_file_is_found),
        TEST(test_an_added_file_is_found),
        TEST(test_a_file_replaced_by_a_link_to_the_same_is_found),
        TEST(test_a_manifest_that_fits_the_changed_files_does_not_verify),
        TEST(test_another_keys_signature_does_not_verify),
        TEST(test_a_swapped_or_damaged_signature_does_not_verify),
        TEST(test_a_receipt_that_is_changed_or_gone_does_not_verify),
        TEST(test_a_signature_counts_for_its_own_purpose_alone),
        TEST(test_only_the_pinned_key_opens_the_door),
        TEST(test_members_that_lead_elsewhere_are_not_taken),
        TEST(test_members_that_are_no_plain_files_are_not_taken),
        TEST(test_members_that_differ_from_the_manifest_are_not_taken),
        TEST(test_a_signed_manifest_is_not_believed_either),
        TEST(test_what_is_no_archive_is_refused),
        TEST(test_what_was_broken_off_goes_on_with_what_is_missing),
        TEST(test_a_tar_cut_anywhere_never_passes_for_whole),
        TEST(test_another_evidence_than_fetching_began_with_is_not_mixed_in),
        TEST(test_two_hosts_of_one_job_have_a_place_each),
        TEST(test_the_list_says_what_is_whole_and_what_is_not),
        TEST(test_removing_leaves_a_word_of_who_did_it_and_touches_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
