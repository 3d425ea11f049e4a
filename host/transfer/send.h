/* The source's end of a transfer: the verbs transfer.send and transfer.result, and the stream they answer where the
 * bytes go through the console. */
#ifndef HOST_TRANSFER_SEND_H
#define HOST_TRANSFER_SEND_H

#include "host/stream.h"

stream_runner send_run_stream;

#endif
