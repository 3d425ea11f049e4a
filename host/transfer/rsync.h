/* Volumes that are plain directories, by rsync: its client on the source, its server on the target, both confined
 * (confine.h). */
#ifndef HOST_TRANSFER_RSYNC_H
#define HOST_TRANSFER_RSYNC_H

#include "host/transfer/piped.h"
#include "host/transfer/transfer.h"

#define RSYNC_COMMAND_SIZE 512

/* One pass, over in_fd and out_fd (to and from rsync_receive there). `way`: what carries them there, whose words count
 * where it fails (NULL: the console's channel). *count is filled as far as it went. ERR_UNREACHABLE where the way does
 * not lead there, ERR_FULL where the target is full. */
enum err rsync_send(const struct transfer *transfer, int in_fd, int out_fd, struct piped *way,
    const struct transfer_watch *watch, struct transfer_count *count, struct err_info *info);

/* Be the receiving end on in_fd and out_fd. `command` is what the sender asks for: "rsync --server …" with words
 * between blanks. What is no plain receiving is ERR_DENIED; its path is not looked at, transfer->path is written. */
enum err rsync_receive(const struct transfer *transfer, const char *command, int in_fd, int out_fd,
    const struct transfer_watch *watch, struct err_info *info);

/* --- for tests ------------------------------------------------------------------------------------------------------
 */

/* The words of `command` as they may be run (pointers into `copy`), up to and without the path; NULL-terminated. */
#define RSYNC_MOST_WORDS 24
enum err rsync_vet(
    const char *command, char copy[RSYNC_COMMAND_SIZE], const char *words[RSYNC_MOST_WORDS], struct err_info *info);
/* One line of its output. */
void rsync_read_line(const char *line, struct transfer_count *count);

#endif
