/* The target's end of a transfer: what a ticket of transfer.open allows, and nothing else. */
#ifndef HOST_TRANSFER_RECEIVE_H
#define HOST_TRANSFER_RECEIVE_H

#include "host/stream.h"

/* What the one-shot key's client asked for (SSH_ORIGINAL_COMMAND): rsync's server command line, or anything for what
 * comes in frames. Before receive_run; not called for a stream through the console. */
void receive_take_command(const char *command);

stream_runner receive_run;

#endif
