/* A direct pass runs in the verb's own thread and ends with its session; one through the console in the process of its
 * stream. Both hold a ticket, so that transfer.close ends them. Methods are rows of a const table. */
#include "host/transfer/send.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/inventory.h"
#include "host/path.h"
#include "host/stream.h"
#include "host/ticket.h"
#include "host/transfer/btrfs.h"
#include "host/transfer/image.h"
#include "host/transfer/piped.h"
#include "host/transfer/place.h"
#include "host/transfer/rsync.h"
#include "host/transfer/transfer.h"
#include "host/transfer/way.h"
#include "host/verbs.h"

#define TICKET_TTL_S (24 * 3600) /* to be opened, not to be through */
#define SHOW_US (300 * USEC_PER_MSEC)
#define NOTE_US USEC_PER_SEC
#define SSH_END_US (5 * USEC_PER_SEC)

/* --- watching -------------------------------------------------------------------------------------------------------
 */

struct sender {
    const struct transfer *transfer;
    const char *word;
    struct session *session; /* NULL: a stream's process */
    int64_t request_id;
    int64_t began_us, shown_us;
};

static bool goes_on(void *context)
{
    const struct sender *sender = context;
    return ticket_stands(sender->word) && !(sender->session && session_is_ending(sender->session));
}

static json_t *count_to_json(const struct transfer *transfer, const struct transfer_count *count)
{
    json_t *value = json_object();
    json_put_i64(value, "bytes", count->bytes);
    if (count->total_bytes > 0)
        json_put_i64(value, "total_bytes", count->total_bytes);
    if (transfer->method == TRANSFER_RSYNC)
        json_put_i64(value, "files", count->files);
    return value;
}

/* To the asker, or (for transfer.result) into the ticket. */
static void show_progress(void *context, const struct transfer_count *count)
{
    struct sender *sender = context;
    int64_t now_us = clock_mono_us();
    if (now_us - sender->shown_us < (sender->session ? SHOW_US : NOTE_US))
        return;
    sender->shown_us = now_us;
    json_t *value = count_to_json(sender->transfer, count);
    json_put_i64(value, "pass", sender->transfer->pass);
    if (sender->session) {
        session_progress(sender->session, sender->request_id, value);
        return;
    }
    json_t *result = json_object();
    json_object_set_new(result, "progress", value);
    ticket_put_result(sender->word, result, NULL);
    json_decref(result);
}

static json_t *outcome(const struct sender *sender, const struct transfer_count *count, bool direct)
{
    json_t *value = count_to_json(sender->transfer, count);
    json_put_i64(value, "took_ms", (clock_mono_us() - sender->began_us) / USEC_PER_MSEC);
    json_put_bool(value, "direct", direct);
    return value;
}

/* --- methods --------------------------------------------------------------------------------------------------------
 */

typedef enum err send_frames(const struct transfer *transfer, struct frames *frames, const struct transfer_watch *watch,
    struct transfer_count *count, struct err_info *info);

/* NULL: rsync speaks for itself. */
static send_frames *const by_frames[] = {
    [TRANSFER_RSYNC] = NULL, [TRANSFER_BTRFS] = btrfs_send, [TRANSFER_IMAGE] = image_send};

static enum err send_by_frames(const struct transfer *transfer, int in_fd, int out_fd,
    const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info)
{
    struct frames frames;
    frames_begin(&frames, in_fd, out_fd, watch->goes_on, watch->context);
    enum err result = by_frames[transfer->method](transfer, &frames, watch, count, info);
    if (result != ERR_OK && result != ERR_CLOSED)
        frames_put_failure(&frames, info);
    frames_end(&frames);
    return result;
}

/* --- directly -------------------------------------------------------------------------------------------------------
 */

/* ssh's own words count where it did not get there. */
static enum err blame_ssh(struct piped *ssh, enum err result, struct err_info *info)
{
    char said[300];
    if (!piped_ended(ssh, SSH_END_US) || ssh->status != 255)
        return result;
    piped_said(ssh, said, sizeof said);
    if (strstr(buf_text(&ssh->errors), "Host key verification failed"))
        return err_set(info, ERR_HOST_KEY, "the target shows another host key to this host than the console knows");
    return err_set(info, ERR_UNREACHABLE, "the target cannot be reached from here: %s", said);
}

/* ssh between pipes; what goes through it is the same as through the console. The other end is told which ticket is
 * meant: a key that opens two of them must not fill the wrong one. */
static enum err send_by_ssh(const struct transfer *transfer, const struct way_words *words, const char *token,
    const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info)
{
    struct piped ssh;
    const char *argv[WAY_MOST_WORDS + 3] = {NULL};
    for (size_t i = 0; i < words->count; i++)
        argv[i] = words->items[i];
    argv[words->count] = STREAM_TRANSFER;
    argv[words->count + 1] = token;
    enum err result =
        piped_start(&ssh, argv, &(struct piped_wish){.in = true, .out = true, .third = -1, .fourth = -1}, info);
    if (result == ERR_OK)
        result = by_frames[transfer->method] ? send_by_frames(transfer, ssh.out_fd, ssh.in_fd, watch, count, info)
                                             : rsync_send(transfer, ssh.out_fd, ssh.in_fd, &ssh, watch, count, info);
    piped_close_in(&ssh);
    if (result == ERR_CLOSED)
        result = blame_ssh(&ssh, result, info);
    if (result == ERR_OK)
        piped_ended(&ssh, SSH_END_US);
    piped_free(&ssh);
    return result;
}

static enum err send_directly(const struct transfer *transfer, const json_t *args, const struct transfer_watch *watch,
    struct transfer_count *count, struct err_info *info)
{
    struct way_to to;
    struct way_words words = {0};
    const json_t *host_keys;
    const char *token = json_get_text(args, "token");
    if (!ticket_word_is_valid(token))
        return err_set(info, ERR_INVALID, "args.token is what transfer.open answered on the target");
    enum err result = way_read(args, &to, &host_keys, info);
    if (result == ERR_OK)
        result = way_ssh(transfer->site, &to, host_keys, &words, info);
    if (result == ERR_OK)
        result = send_by_ssh(transfer, &words, token, watch, count, info);
    way_free(&words);
    return result;
}

/* --- through the console --------------------------------------------------------------------------------------------
 */

enum err send_run_stream(const char *word, const json_t *ticket, int in_fd, int out_fd, struct err_info *info)
{
    struct transfer transfer;
    struct transfer_count count = {0};
    struct sender sender = {.transfer = &transfer, .word = word, .began_us = clock_mono_us()};
    struct transfer_watch watch = {.goes_on = goes_on, .progress = show_progress, .context = &sender};
    enum err result = transfer_from_json(ticket, &transfer, info);
    if (result == ERR_OK)
        result = by_frames[transfer.method] ? send_by_frames(&transfer, in_fd, out_fd, &watch, &count, info)
                                            : rsync_send(&transfer, in_fd, out_fd, NULL, &watch, &count, info);
    json_t *end = json_object(), *error = json_object();
    if (result == ERR_OK) {
        json_object_set_new(end, "ok", outcome(&sender, &count, false));
    } else {
        json_put_text(error, "code", err_word(result));
        json_put_text(error, "message", info->message);
        json_object_set(end, "error", error);
    }
    ticket_put_result(word, end, NULL);
    json_decref(error);
    json_decref(end);
    return result;
}

/* --- verbs ----------------------------------------------------------------------------------------------------------
 */

/* An image goes only for a site that uses it. */
static enum err check_image(const struct transfer *transfer, struct err_info *info)
{
    json_t *inventory;
    bool used = false;
    enum err result = inventory_refresh(&inventory, info);
    if (result != ERR_OK)
        return result;
    const json_t *containers = json_object_get(inventory, "containers");
    for (size_t i = 0; i < json_array_size(containers) && !used; i++) {
        const json_t *container = json_array_get(containers, i);
        const char *site = json_get_text(container, "site"), *id = json_get_text(container, "image_id");
        used = site && id && strcmp(site, transfer->site) == 0 && strcmp(id, transfer->image_id) == 0;
    }
    json_decref(inventory);
    return used ? ERR_OK
                : err_set(info, ERR_DENIED, "no container of %s on this host is made of the image %.12s",
                      transfer->site, transfer->image_id);
}

static enum err prepare(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    enum err result = transfer_read_args(args, transfer, info);
    if (result == ERR_OK)
        result = transfer_read_pass(args, transfer, info);
    if (result == ERR_OK)
        result = lease_check(transfer->site, transfer->job, info);
    if (result == ERR_OK)
        result = transfer->method == TRANSFER_IMAGE ? check_image(transfer, info) : place_find_source(transfer, info);
    return result;
}

static enum err offer_stream(const struct transfer *transfer, json_t **ok, struct err_info *info)
{
    char word[TICKET_WORD_SIZE];
    json_t *facts = transfer_to_json(transfer);
    enum err result = ticket_new("transfer-out", transfer->site, transfer->job, TICKET_TTL_S, facts, word, info);
    json_decref(facts);
    if (result != ERR_OK)
        return result;
    *ok = json_object();
    json_put_text(*ok, "stream", word);
    return ERR_OK;
}

enum err verb_transfer_send(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    struct transfer transfer;
    struct transfer_count count = {0};
    char word[TICKET_WORD_SIZE];
    int lock = -1;
    int64_t began_us = clock_mono_us();
    enum err result = prepare(args, &transfer, info);
    if (result != ERR_OK || !json_is_object(json_object_get(args, "to")))
        return result == ERR_OK ? offer_stream(&transfer, ok, info) : result;
    result = ticket_new("transfer-direct", transfer.site, transfer.job, TICKET_TTL_S, NULL, word, info);
    if (result == ERR_OK)
        result = ticket_lock(word, 0, &lock, info);
    struct sender sender = {
        .transfer = &transfer, .word = word, .session = session, .request_id = request_id, .began_us = began_us};
    struct transfer_watch watch = {.goes_on = goes_on, .progress = show_progress, .context = &sender};
    if (result == ERR_OK)
        result = send_directly(&transfer, args, &watch, &count, info);
    if (lock >= 0)
        close(lock);
    ticket_remove(word);
    if (result == ERR_OK)
        *ok = outcome(&sender, &count, true);
    return result;
}

static enum err code_of(const char *word)
{
    for (enum err code = ERR_OK + 1; word && code < ERR_COUNT; code++)
        if (strcmp(err_word(code), word) == 0)
            return code;
    return ERR_FAILED;
}

enum err verb_transfer_result(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char job[LEASE_JOB_SIZE];
    const char *word = json_get_text(args, "stream");
    enum err result = lease_job(args, job, info);
    if (result == ERR_OK)
        result = lease_check(json_get_text(args, "site"), job, info);
    if (result != ERR_OK)
        return result;
    if (!ticket_word_is_valid(word) || !ticket_stands(word))
        return err_set(info, ERR_NOT_FOUND, "this stream is not known here, or was closed");
    json_t *value = ticket_result(word), *good = json_object_get(value, "ok"), *bad = json_object_get(value, "error");
    if (good) {
        *ok = json_incref(good);
        result = ERR_OK;
    } else if (bad) {
        const char *message = json_get_text(bad, "message");
        result = err_set(info, code_of(json_get_text(bad, "code")), "%s", message ? message : "it failed");
    } else {
        result = err_set(info, ERR_BUSY, "this stream has not come to its end");
    }
    json_decref(value);
    return result;
}
