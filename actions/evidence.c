/* Fetching evidence from its host, and what is here of it. Any thread; one writer per directory. */
#include "actions/evidence_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filetree.h"
#include "base/mem.h"
#include "remote/inflow.h"

#define ASK_LIMIT_US (60 * USEC_PER_SEC)
#define SILENCE_US (60 * USEC_PER_SEC)
#define PARTIAL ".partial"

/* --- fetching ----------------------------------------------------------------------------------------------------- */

static ssize_t read_inflow(void *source, void *data, size_t size, struct err_info *info)
{
    return inflow_read(source, data, size, SILENCE_US, info);
}

/* It is here already, whole: fetching again would change nothing. */
static bool is_here(const struct evidence_request *request, struct evidence_outcome *outcome)
{
    struct evidence_report report;
    *outcome = (struct evidence_outcome){0};
    if (!evidence_name(request->site, request->job, request->host, outcome->name))
        return false;
    char *directory = evidence_directory(request->state_dir, outcome->name);
    outcome->was_here = evidence_verify(request->state_dir, directory, &report, NULL) == ERR_OK && report.good &&
                        strcmp(report.host, request->host) == 0; /* not only by its name */
    outcome->bytes = report.bytes;
    outcome->files = report.files;
    evidence_report_free(&report);
    free(directory);
    return outcome->was_here;
}

/* A directory of that name which is not as it should be is not replaced: it may be evidence itself. */
static enum err check_place(const struct evidence_request *request, const char *name, struct err_info *info)
{
    char *directory = evidence_directory(request->state_dir, name);
    bool exists = access(directory, F_OK) == 0;
    enum err err = exists ? err_set(info, ERR_EXISTS,
                                "%s is here already and does not verify: `dogwatch evidence "
                                "verify %s`; move it away to fetch it again",
                                directory, name)
                          : ERR_OK;
    free(directory);
    return err;
}

static enum err open_stream(const struct evidence_request *request, struct connection *connection,
    struct helper *helper, size_t skip, struct inflow **inflow, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    json_put_text(args, "site", request->site);
    json_put_text(args, "job", request->lease_job ? request->lease_job : request->job);
    json_put_text(args, "of_job", request->job);
    json_put_i64(args, "skip", (int64_t)skip);
    *inflow = NULL;
    enum err err = helper_request(helper, "evidence.open", args, ASK_LIMIT_US, NULL, NULL, &answer, info);
    const char *word = json_get_text(answer, "stream");
    if (!err)
        err = inflow_open(connection, word ? word : "", ASK_LIMIT_US, inflow, info);
    json_decref(answer);
    return err;
}

enum err evidence_pull(const struct evidence_request *request, struct connection *connection, struct helper *helper,
    struct evidence_outcome *outcome, struct err_info *info)
{
    struct inflow *inflow = NULL;
    if (is_here(request, outcome))
        return ERR_OK;
    enum err err = check_place(request, outcome->name, info);
    size_t skip = err ? 0 : evidence_have(request);
    if (!err)
        err = open_stream(request, connection, helper, skip, &inflow, info);
    if (!err)
        err = evidence_take_in(request, skip, read_inflow, inflow, outcome, info);
    inflow_free(inflow);
    return err;
}

/* --- what is here ------------------------------------------------------------------------------------------------- */

/* Members of a JSON file of the directory, without belief; NULL where it cannot be read. */
static json_t *load(int fd, const char *name)
{
    struct buf text = BUF(MANIFEST_CEILING);
    json_t *value = NULL;
    if (evidence_read_file(fd, name, &text, NULL) != ERR_OK ||
        json_parse(buf_text(&text), text.length, &value, NULL) != ERR_OK)
        value = NULL;
    buf_free(&text);
    return value;
}

static void describe(int fd, struct evidence_entry *entry)
{
    json_t *manifest = load(fd, EVIDENCE_MANIFEST), *receipt = load(fd, EVIDENCE_RECEIPT);
    json_copy_text(manifest, "site", entry->site, sizeof entry->site);
    json_copy_text(manifest, "job", entry->job, sizeof entry->job);
    json_get_i64(manifest, "epoch_us", &entry->sealed_us);
    json_get_i64(manifest, "bytes", &entry->bytes);
    entry->files = (int64_t)json_array_size(json_object_get(manifest, "files"));
    json_copy_text(receipt, "host", entry->host, sizeof entry->host);
    json_get_i64(receipt, "received_us", &entry->received_us);
    json_decref(manifest);
    json_decref(receipt);
}

/* "NAME", or ".NAME.partial"; false for anything else. */
static bool take_name(const char *file, struct evidence_entry *entry)
{
    size_t length = strlen(file);
    *entry = (struct evidence_entry){0};
    if (file[0] == '.' && str_ends(file, PARTIAL)) {
        entry->is_partial = true;
        str_format(entry->name, sizeof entry->name, "%.*s", (int)(length - 1 - strlen(PARTIAL)), file + 1);
    } else if (!str_copy(entry->name, sizeof entry->name, file)) {
        return false;
    }
    return evidence_name_is_valid(entry->name);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct evidence_entry *)a)->name, ((const struct evidence_entry *)b)->name);
}

enum err evidence_list(const char *state_dir, struct evidence_entries *entries, struct err_info *info)
{
    char *path = xasprintf("%s/evidence", state_dir);
    DIR *directory = opendir(path);
    int why = errno;
    *entries = (struct evidence_entries){0};
    for (const struct dirent *file; directory && (file = readdir(directory)) != NULL;) {
        struct evidence_entry entry;
        int fd = take_name(file->d_name, &entry)
                     ? openat(dirfd(directory), file->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                     : -1;
        if (fd < 0)
            continue;
        describe(fd, &entry);
        close(fd);
        vec_push(entries, entry);
    }
    enum err err =
        directory || why == ENOENT ? ERR_OK : err_errno(info, err_from_errno(why), why, "cannot list %s", path);
    if (directory)
        closedir(directory);
    if (entries->count)
        qsort(entries->items, entries->count, sizeof *entries->items, compare_entries);
    free(path);
    return err;
}

static enum err no_such(const char *name, struct err_info *info)
{
    return err_set(info, ERR_NOT_FOUND,
        "there is no evidence called \"%.80s\"; `dogwatch evidence list` names what there is", name);
}

enum err evidence_show(const char *state_dir, const char *name, json_t **out, struct err_info *info)
{
    *out = NULL;
    char *path = evidence_directory(state_dir, name);
    int fd = evidence_name_is_valid(name) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(path);
    if (fd < 0)
        return no_such(name, info);
    json_t *manifest = load(fd, EVIDENCE_MANIFEST), *receipt = load(fd, EVIDENCE_RECEIPT);
    close(fd);
    if (!manifest) {
        json_decref(receipt);
        return err_set(info, ERR_CORRUPT, "%s has no manifest that can be read", name);
    }
    *out = json_object();
    json_object_set_new(*out, "manifest", manifest);
    if (receipt)
        json_object_set_new(*out, "receipt", receipt);
    return ERR_OK;
}

/* --- taking it away ----------------------------------------------------------------------------------------------- */

/* Before it is done: a line that says what was removed without the thing being gone does less harm than the contrary.
 */
static enum err note_removal(int root, int fd, const char *name, const char *who, struct err_info *info)
{
    char now[CLOCK_RFC3339_SIZE], sum[DIGEST_TEXT_SIZE] = "none";
    struct buf text = BUF(MANIFEST_CEILING), line = BUF(1024);
    if (evidence_read_file(fd, EVIDENCE_MANIFEST, &text, NULL) == ERR_OK)
        digest_of(buf_text(&text), text.length, sum);
    buf_printf(
        &line, "%s %s removed by %s, manifest sha256 %s\n", clock_rfc3339(clock_wall_us(), 0, now), name, who, sum);
    int log = openat(root, "removed.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = log >= 0 && write(log, line.data, line.length) == (ssize_t)line.length && fsync(log) == 0;
    int why = errno;
    if (log >= 0)
        close(log);
    buf_free(&text);
    buf_free(&line);
    return good ? ERR_OK : err_errno(info, ERR_IO, why, "cannot write down that %s is removed", name);
}

enum err evidence_remove(const char *state_dir, const char *name, const char *who, struct err_info *info)
{
    char partial[EVIDENCE_NAME_SIZE + 16];
    int root;
    if (!evidence_name_is_valid(name))
        return no_such(name, info);
    enum err err = evidence_open_root(state_dir, &root, info);
    if (err)
        return err;
    str_format(partial, sizeof partial, ".%s" PARTIAL, name);
    const char *names[] = {name, partial};
    bool any = false;
    for (size_t i = 0; i < 2 && !err; i++) {
        int fd = openat(root, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        any = true;
        err = note_removal(root, fd, names[i], who, info);
        close(fd);
        if (!err)
            err = filetree_remove(root, names[i], info);
    }
    close(root);
    return err || any ? err : no_such(name, info);
}
