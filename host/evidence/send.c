/* evidence.open, and the stream it stands for: one tar made by tar(1), of exactly the files the manifest names. Which
 * of them the other side has already it says as a number: they come in the manifest's order. The verb runs in a thread
 * of its own, the stream in the main thread of its own process. */
#include "host/evidence/send.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/evidence/output.h"
#include "host/run.h"
#include "host/site/lease.h"
#include "host/ticket.h"
#include "host/verbs.h"

#define KIND "evidence"
#define TICKET_S 3600
#define MANIFEST_CEILING ((size_t)32 << 20)
#define LIST_CEILING ((size_t)64 << 20)
#define SILENCE_US (120 * USEC_PER_SEC)
#define LOOK_EVERY_US USEC_PER_SEC
#define READER_LIMIT_MS 120000 /* how long the other side may take nothing */

static const char *const tar_programs[] = {"/usr/bin/tar", "/bin/tar", NULL};

static enum err load_manifest(const struct vault *vault, json_t **manifest, struct err_info *info)
{
    char *path = xasprintf("%s/" VAULT_MANIFEST, vault->path);
    struct buf text = BUF(MANIFEST_CEILING);
    *manifest = NULL;
    enum err result = buf_read_file(&text, path, info);
    if (result == ERR_OK)
        result = json_parse(buf_text(&text), text.length, manifest, info);
    buf_free(&text);
    free(path);
    return result;
}

static enum err open_sealed(const char *site, const char *job, struct vault *vault, struct err_info *info)
{
    enum err result = vault_open(site, job, false, vault, info);
    if (result == ERR_OK && !vault_is_sealed(vault))
        result = err_set(info, ERR_DENIED, "the evidence of %s by job %s is not sealed yet", site, job);
    return result;
}

/* --- the verb -------------------------------------------------------------------------------------------------------
 */

/* How much is still to be sent. */
static void put_size(json_t *ok, const json_t *manifest, size_t skip)
{
    const json_t *files = json_object_get(manifest, "files");
    int64_t bytes = 0, one = 0;
    for (size_t i = skip; i < json_array_size(files); i++)
        if (json_get_i64(json_array_get(files, i), "bytes", &one))
            bytes += one;
    json_put_i64(ok, "bytes", bytes);
    json_put_i64(ok, "files", (int64_t)(json_array_size(files) - skip));
}

enum err verb_evidence_open(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char job[LEASE_JOB_SIZE], word[TICKET_WORD_SIZE];
    int64_t skip = 0;
    struct vault vault = {.fd = -1};
    json_t *manifest = NULL, *facts = NULL;
    const char *site = json_get_text(args, "site");
    enum err result = evidence_job(args, job, info);
    if (result == ERR_OK)
        result = open_sealed(site, job, &vault, info);
    if (result == ERR_OK)
        result = load_manifest(&vault, &manifest, info);
    if (result == ERR_OK && json_get_i64(args, "skip", &skip) &&
        (skip < 0 || (size_t)skip > json_array_size(json_object_get(manifest, "files"))))
        result = err_set(info, ERR_INVALID, "args.skip is more than the manifest has files");
    if (result == ERR_OK) {
        facts = json_pack("{s:I}", "skip", (json_int_t)skip);
        result = ticket_new(KIND, site, job, TICKET_S, facts, word, info);
    }
    if (result == ERR_OK) {
        *ok = json_object();
        json_put_text(*ok, "stream", word);
        put_size(*ok, manifest, (size_t)skip);
    }
    json_decref(facts);
    json_decref(manifest);
    vault_close(&vault);
    return result;
}

/* --- the stream -----------------------------------------------------------------------------------------------------
 */

struct sending {
    const char *word;
    int out_fd;
    int64_t looked_us;
    bool lost; /* the other side is gone, or the ticket is */
};

static bool still_wanted(struct sending *sending)
{
    int64_t now = clock_mono_us();
    if (now - sending->looked_us >= LOOK_EVERY_US) {
        sending->looked_us = now;
        sending->lost = sending->lost || !ticket_stands(sending->word);
    }
    return !sending->lost;
}

/* A run_sink: to the other side, which may be slower than tar. */
static bool send_piece(void *context, const void *data, size_t length)
{
    struct sending *sending = context;
    const char *at = data;
    while (length > 0 && still_wanted(sending)) {
        ssize_t wrote = write(sending->out_fd, at, length);
        if (wrote > 0) {
            at += wrote;
            length -= (size_t)wrote;
        } else if (wrote < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = sending->out_fd, .events = POLLOUT};
            sending->lost = poll(&wait, 1, READER_LIMIT_MS) == 0;
        } else if (wrote < 0 && errno != EINTR) {
            sending->lost = true;
        }
    }
    return still_wanted(sending);
}

/* NUL-separated, for tar: names are ours and begin with "./", so that none is taken for an option. */
static enum err write_list(
    const json_t *manifest, size_t skip, char path[HOST_PATH_SIZE], const char *word, struct err_info *info)
{
    struct buf list = BUF(LIST_CEILING);
    const json_t *files = json_object_get(manifest, "files");
    buf_append(&list, "./" VAULT_MANIFEST, sizeof "./" VAULT_MANIFEST);
    buf_append(&list, "./" VAULT_SIGNATURE, sizeof "./" VAULT_SIGNATURE);
    for (size_t i = skip; i < json_array_size(files); i++) {
        const char *name = json_get_text(json_array_get(files, i), "name");
        if (name) {
            buf_puts(&list, "./");
            buf_append(&list, name, strlen(name) + 1);
        }
    }
    host_path_format(path, HOST_PATH_SIZE, "/run/dogwatch/streams/%s.list", word);
    enum err result = list.overflowed ? err_set(info, ERR_FULL, "too many files to be sent at once")
                                      : paths_write_atomic(path, buf_text(&list), list.length, 0600, info);
    buf_free(&list);
    return result;
}

static enum err run_tar(const struct vault *vault, const char *list, struct sending *sending, struct err_info *info)
{
    char tar[HOST_PATH_SIZE], from[HOST_PATH_SIZE + 16];
    struct buf errors = BUF(4096);
    int status = -1;
    if (!evidence_program(tar_programs, tar))
        return err_set(info, ERR_MISSING, "tar is not installed on this host");
    str_format(from, sizeof from, "--files-from=%s", list);
    const char *const argv[] = {tar, "--create", "--file=-", "--format=posix", "--numeric-owner", "--no-recursion",
        "--directory", vault->path, "--null", from, NULL};
    enum err result = run_program_into(argv, SILENCE_US, send_piece, sending, &errors, &status, info);
    if (result == ERR_CANCELLED)
        result = err_set(info, ERR_CLOSED, "the other side took no more");
    if (result == ERR_OK && status != 0)
        result = err_set(info, ERR_FAILED, "tar failed (%d): %.300s", status, buf_text(&errors));
    buf_free(&errors);
    return result;
}

enum err evidence_run_stream(const char *word, const json_t *ticket, int in_fd, int out_fd, struct err_info *info)
{
    (void)in_fd;
    char list[HOST_PATH_SIZE] = "";
    int64_t skip = 0;
    struct vault vault = {.fd = -1};
    struct sending sending = {.word = word, .out_fd = out_fd, .looked_us = clock_mono_us()};
    json_t *manifest = NULL;
    const char *site = json_get_text(ticket, "site"), *job = json_get_text(ticket, "job");
    json_get_i64(ticket, "skip", &skip);
    enum err result = site && job ? open_sealed(site, job, &vault, info) : err_set(info, ERR_CORRUPT, "a bad ticket");
    if (result == ERR_OK)
        result = load_manifest(&vault, &manifest, info);
    if (result == ERR_OK)
        result = write_list(manifest, (size_t)skip, list, word, info);
    if (result == ERR_OK)
        result = run_tar(&vault, list, &sending, info);
    if (list[0])
        unlink(list);
    json_decref(manifest);
    vault_close(&vault);
    return result;
}
