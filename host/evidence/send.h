/* Sealed evidence leaves the host: the stream of evidence.open (host/stream.h). */
#ifndef HOST_EVIDENCE_SEND_H
#define HOST_EVIDENCE_SEND_H

#include "host/stream.h"

/* One tar: the manifest, its signature, then the files in the manifest's order, without the first `skip` of them. */
stream_runner evidence_run_stream;

#endif
