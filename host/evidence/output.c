/* Files are written straight to their place: a stage that is asked again begins anew, and the manifest is made at the
 * end of all. One thread per request. */
#include "host/evidence/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "base/filetree.h"
#include "host/run.h"

#define TELL_EVERY_US (300 * USEC_PER_MSEC)
#define LOOK_FOR_ROOM_BYTES (4 << 20)
#define MOST_FILES_TOLD 1000
#define MOST_LEFT_OUT 200
#define COPY_BYTES 65536
#define SILENCE_US (600 * USEC_PER_SEC)
#define ERRORS_CEILING 16384u
#define TEXT_CEILING ((size_t)8 << 20)

/* --- the request ----------------------------------------------------------------------------------------------------
 */

bool evidence_tick(struct evidence *evidence)
{
    int64_t now = clock_mono_us();
    if (now - evidence->told_us >= TELL_EVERY_US) {
        json_t *progress = json_object();
        json_put_i64(progress, "bytes", evidence->bytes);
        json_put_text(progress, "file", evidence->file);
        session_progress(evidence->session, evidence->request_id, progress);
        evidence->told_us = now;
    }
    return !session_is_ending(evidence->session);
}

enum err evidence_given_up(struct err_info *info)
{
    return err_set(info, ERR_CANCELLED, "collecting was given up: the connection ended; ask again");
}

void evidence_leave_out(struct evidence *evidence, const char *what, const char *format, ...)
{
    char why[400], clean[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    sanitize(clean, sizeof clean, why, strlen(why));
    if (evidence->left_out_count++ >= MOST_LEFT_OUT)
        return;
    json_t *entry = json_object();
    json_put_text(entry, "what", what);
    json_put_text(entry, "why", clean);
    json_array_append_new(evidence->left_out, entry);
}

const char *evidence_label(const json_t *container, char out[EVIDENCE_LABEL_SIZE])
{
    const char *runtime = json_get_text(container, "runtime"), *name = json_get_text(container, "name");
    str_format(out, EVIDENCE_LABEL_SIZE, "%s-%s", runtime ? runtime : "unknown",
        name && name_is_valid_container(name) ? name : "unnamed");
    return out;
}

bool evidence_program(const char *const candidates[], char out[HOST_PATH_SIZE])
{
    for (size_t i = 0; candidates[i]; i++)
        if (access(host_path(out, HOST_PATH_SIZE, candidates[i]), X_OK) == 0)
            return true;
    return false;
}

/* --- one file -------------------------------------------------------------------------------------------------------
 */

enum err output_begin(
    struct output *output, struct evidence *evidence, int64_t limit, struct err_info *info, const char *format, ...)
{
    va_list args;
    *output = (struct output){.of = evidence, .fd = -1, .limit = limit, .room_from = -1};
    va_start(args, format);
    int length = vsnprintf(output->name, sizeof output->name, format, args);
    va_end(args);
    if (length <= 0 || (size_t)length >= sizeof output->name)
        return err_set(info, ERR_INVALID, "the name of a file of evidence is too long");
    str_copy(evidence->file, sizeof evidence->file, output->name);
    output->fd = filetree_make_file(evidence->vault.fd, output->name);
    return output->fd >= 0 ? ERR_OK
                           : err_errno(info, err_from_errno(errno), errno, "cannot write %s/%s", evidence->vault.path,
                                 output->name);
}

/* Looked at before the first byte and then every 4 MiB. */
static bool has_room(struct output *output, size_t length)
{
    if (output->limit == OUTPUT_NO_LIMIT)
        return true;
    if (output->room_from >= 0 && output->bytes - output->room_from < LOOK_FOR_ROOM_BYTES)
        return true;
    output->room_from = output->bytes;
    return vault_room_bytes(&output->of->vault) >= (int64_t)length + LOOK_FOR_ROOM_BYTES;
}

static bool write_all(struct output *output, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t wrote = write(output->fd, data, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            output->state = errno == ENOSPC || errno == EDQUOT ? OUTPUT_NO_ROOM : OUTPUT_FAILED;
            output->why = errno;
            return false;
        }
        data += wrote;
        length -= (size_t)wrote;
        output->bytes += wrote;
        output->of->bytes += wrote;
    }
    return true;
}

bool output_write(void *context, const void *data, size_t length)
{
    struct output *output = context;
    if (output->state != OUTPUT_GOOD)
        return false;
    if (!evidence_tick(output->of)) {
        output->state = OUTPUT_CANCELLED;
        return false;
    }
    if (length == 0)
        return true;
    bool cut = (int64_t)length > output->limit - output->bytes;
    if (cut)
        length = (size_t)(output->limit - output->bytes);
    if (!has_room(output, length)) {
        output->state = OUTPUT_NO_ROOM;
        return false;
    }
    if (!write_all(output, data, length))
        return false;
    if (cut)
        output->state = OUTPUT_AT_LIMIT;
    return !cut;
}

static void note_file(struct output *output)
{
    struct evidence *evidence = output->of;
    if (evidence->file_count++ >= MOST_FILES_TOLD)
        return;
    json_t *entry = json_object();
    json_put_text(entry, "name", output->name);
    json_put_i64(entry, "bytes", output->bytes);
    json_array_append_new(evidence->files, entry);
}

static void close_output(struct output *output)
{
    if (output->fd >= 0 && close(output->fd) != 0 && output->state == OUTPUT_GOOD) {
        output->state = OUTPUT_FAILED;
        output->why = errno;
    }
    output->fd = -1;
}

enum err output_end(struct output *output, struct err_info *info)
{
    close_output(output);
    if (output->state == OUTPUT_CANCELLED || output->state == OUTPUT_FAILED) {
        vault_remove(&output->of->vault, output->name, NULL);
        if (output->state == OUTPUT_CANCELLED)
            return evidence_given_up(info);
        return err_errno(info, ERR_IO, output->why, "cannot write %s/%s", output->of->vault.path, output->name);
    }
    if (output->state == OUTPUT_NO_ROOM)
        evidence_leave_out(output->of, output->name,
            "cut after %lld bytes: a tenth of the disk (at least 1 GiB) stays free for the host",
            (long long)output->bytes);
    if (output->state == OUTPUT_AT_LIMIT)
        evidence_leave_out(
            output->of, output->name, "cut after %lld bytes, the most that is taken of one", (long long)output->bytes);
    note_file(output);
    return ERR_OK;
}

void output_drop(struct output *output)
{
    if (output->fd < 0)
        return;
    close_output(output);
    output->of->bytes -= output->bytes;
    vault_remove(&output->of->vault, output->name, NULL);
}

/* --- whole files ----------------------------------------------------------------------------------------------------
 */

enum err output_text(
    struct evidence *evidence, const char *name, const void *data, size_t length, struct err_info *info)
{
    struct output output;
    enum err result = output_begin(&output, evidence, OUTPUT_NO_LIMIT, info, "%s", name);
    if (result != ERR_OK)
        return result;
    output_write(&output, data, length);
    return output_end(&output, info);
}

enum err output_json(struct evidence *evidence, const char *name, const json_t *value, struct err_info *info)
{
    struct buf text = BUF(TEXT_CEILING);
    enum err result = json_write(&text, value);
    if (result == ERR_OK)
        result = buf_putc(&text, '\n');
    if (result != ERR_OK)
        err_set(info, result, "%s would have more than %zu bytes", name, text.ceiling);
    else
        result = output_text(evidence, name, buf_text(&text), text.length, info);
    buf_free(&text);
    return result;
}

enum err output_copy(struct evidence *evidence, int fd, int64_t limit, const char *name, struct err_info *info)
{
    struct output output;
    enum err result = output_begin(&output, evidence, limit, info, "%s", name);
    if (result != ERR_OK)
        return result;
    char *piece = xmalloc(COPY_BYTES);
    ssize_t got;
    do
        got = read(fd, piece, COPY_BYTES);
    while ((got < 0 && errno == EINTR) || (got > 0 && output_write(&output, piece, (size_t)got)));
    int why = errno;
    free(piece);
    if (got < 0)
        evidence_leave_out(evidence, name, "cannot be read%s: %s", output.bytes ? " to its end" : "", strerror(why));
    if (got < 0 && output.bytes == 0) {
        output_drop(&output);
        return ERR_OK;
    }
    return output_end(&output, info);
}

/* The last line of what was said. */
static const char *last_said(struct buf *errors)
{
    while (errors->length && strchr("\r\n ", errors->data[errors->length - 1]))
        errors->data[--errors->length] = '\0';
    const char *text = buf_text(errors), *line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

enum err output_program(struct evidence *evidence, const struct output_run *run, struct err_info *info)
{
    struct output output;
    struct err_info why = {0};
    struct buf errors = BUF(ERRORS_CEILING);
    int status = -1;
    enum err result = output_begin(&output, evidence, run->limit, info, "%s", run->name);
    if (result != ERR_OK)
        return result;
    enum err ran = run_program_into(run->argv, run->silence_us ? run->silence_us : SILENCE_US, output_write, &output,
        run->with_errors ? NULL : &errors, &status, &why);
    bool stopped = output.state != OUTPUT_GOOD; /* by ourselves: output_end says why */
    bool failed = !stopped && (ran != ERR_OK || status > run->accept);
    if (failed)
        evidence_leave_out(evidence, run->name, "%s",
            ran != ERR_OK ? why.message : (errors.length ? last_said(&errors) : "the program failed"));
    else if (!stopped && status > 0)
        evidence_leave_out(evidence, run->name, "parts of it changed meanwhile: %s", last_said(&errors));
    bool keep = !stopped || output.state != OUTPUT_NO_ROOM || run->keep;
    if ((failed && !(run->keep && output.bytes)) || !keep) {
        if (!keep)
            evidence_leave_out(evidence, run->name, "no room: a tenth of the disk (at least 1 GiB) stays free");
        output_drop(&output);
    } else {
        result = output_end(&output, info);
    }
    buf_free(&errors);
    return result;
}

void output_escape(struct buf *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '\\')
            buf_putc(out, (char)byte);
        else
            buf_printf(out, "\\x%02x", byte);
    }
}
