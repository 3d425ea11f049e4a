/* Counters to rates. A rate needs two samples of one boot, of one helper process in order, and of one start of a
 * container, not too far apart; else it is NaN for this interval: never negative, never a spike. Time is the host's own
 * (mono_us). One thread at a time. */
#ifndef COLLECTORS_RATES_H
#define COLLECTORS_RATES_H

#include "collectors/parse_sample.h"

struct rates;

struct rates *rates_new(int64_t interval_us); /* between samples, as asked for */
void rates_free(struct rates *rates);

/* A new helper process speaks: its `seq` begins anew. What is known of the counters stays, they are the kernel's. */
void rates_begin_stream(struct rates *rates);

/* Complete the metrics in the sample (the host's and its containers') with rates since the samples before it. The
 * containers' started_us must have been set where they are known. */
void rates_apply(struct rates *rates, struct sample *sample);

#endif
