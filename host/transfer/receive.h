/* The target's end of a transfer: what a ticket of transfer.open allows, and nothing else. */
#ifndef HOST_TRANSFER_RECEIVE_H
#define HOST_TRANSFER_RECEIVE_H

#include "host/stream.h"

stream_runner receive_run;

#endif
