/* Runs in the main thread of a process of its own. Before anything is written the mark is looked at: a site that is not
 * `incoming` here any more is not written into, whatever the ticket says. */
#include "host/transfer/receive.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/site/record.h"
#include "host/ticket.h"
#include "host/transfer/btrfs.h"
#include "host/transfer/image.h"
#include "host/transfer/incoming.h"
#include "host/transfer/rsync.h"

static bool goes_on(void *context)
{
    return ticket_stands(context);
}

/* --- rsync ----------------------------------------------------------------------------------------------------------
 */

/* The command line comes as the first frame, from our own relay there. */
static enum err read_command(
    const char *word, int in_fd, int out_fd, char command[RSYNC_COMMAND_SIZE], struct err_info *info)
{
    struct frames frames;
    json_t *header;
    struct buf line = BUF(RSYNC_COMMAND_SIZE - 1);
    frames_begin(&frames, in_fd, out_fd, goes_on, (void *)(uintptr_t)word);
    enum err result = frames_await_json(&frames, FRAME_HEADER, &header, info);
    frames_end(&frames);
    const json_t *args = json_object_get(header, "args");
    for (size_t i = 0; result == ERR_OK && i < json_array_size(args); i++) {
        const char *text = json_string_value(json_array_get(args, i));
        buf_printf(&line, "%s%s", i ? " " : "", text ? text : "");
    }
    if (result == ERR_OK && (line.overflowed || !str_copy(command, RSYNC_COMMAND_SIZE, buf_text(&line))))
        result = err_set(info, ERR_DENIED, "the sender's command line is too long");
    buf_free(&line);
    json_decref(header);
    return result;
}

static enum err receive_rsync(
    const char *word, const struct transfer *transfer, int in_fd, int out_fd, struct err_info *info)
{
    char command[RSYNC_COMMAND_SIZE];
    struct transfer_watch watch = {.goes_on = goes_on, .context = (void *)(uintptr_t)word};
    enum err result = read_command(word, in_fd, out_fd, command, info);
    return result == ERR_OK ? rsync_receive(transfer, command, in_fd, out_fd, &watch, info) : result;
}

/* --- frames ---------------------------------------------------------------------------------------------------------
 */

static enum err receive_frames(
    const char *word, const struct transfer *transfer, int in_fd, int out_fd, struct err_info *info)
{
    struct frames frames;
    json_t *header, *nothing = json_object();
    frames_begin(&frames, in_fd, out_fd, goes_on, (void *)(uintptr_t)word);
    enum err result = frames_await_json(&frames, FRAME_HEADER, &header, info);
    if (result == ERR_OK)
        result = transfer->method == TRANSFER_BTRFS ? btrfs_receive(transfer, &frames, header, info)
                                                    : image_receive(transfer, &frames, header, info);
    if (result == ERR_OK)
        result = frames_put_json(&frames, FRAME_RESULT, nothing, info);
    else
        frames_put_failure(&frames, info);
    json_decref(nothing);
    json_decref(header);
    frames_end(&frames);
    return result;
}

enum err receive_run(const char *word, const json_t *ticket, int in_fd, int out_fd, struct err_info *info)
{
    struct transfer transfer;
    enum err result = transfer_from_json(ticket, &transfer, info);
    if (result == ERR_OK)
        result = incoming_check(transfer.site, info);
    if (result != ERR_OK)
        return result;
    return transfer.method == TRANSFER_RSYNC ? receive_rsync(word, &transfer, in_fd, out_fd, info)
                                             : receive_frames(word, &transfer, in_fd, out_fd, info);
}
