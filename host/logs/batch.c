/* A token bucket that is filled by the time the lines bear, not by the time they are read: what was written slowly and
 * is read at once after a reconnect passes whole, a flood is cut at any time. The peer's own pace is kept by the
 * session, which blocks: logs wait in their files. No state of its own; the owner's thread. */
#include "host/logs/batch.h"

#include "base/clock.h"

void batch_init(struct batch *batch, int64_t rate_lines_s)
{
    *batch = (struct batch){.rate_lines_s = (double)rate_lines_s, .tokens = (double)rate_lines_s * BATCH_BURST_S};
}

void batch_free(struct batch *batch)
{
    json_decref(batch->lines);
    batch->lines = NULL;
}

/* Lines that do not bear a newer time than those before (a clock was set back, or somebody dates lines as it suits him)
 * are counted by the time at which they are read. */
static bool take_token(struct batch *batch, int64_t at_us, int64_t now_us)
{
    double most = batch->rate_lines_s * BATCH_BURST_S;
    bool is_newer = at_us > batch->filled_us;
    int64_t passed_us = is_newer ? at_us - batch->filled_us : now_us - batch->read_us;
    if (passed_us > 0 && batch->filled_us)
        batch->tokens += (double)passed_us / (double)USEC_PER_SEC * batch->rate_lines_s;
    if (batch->tokens > most)
        batch->tokens = most;
    if (is_newer)
        batch->filled_us = at_us;
    batch->read_us = now_us;
    if (batch->tokens < 1)
        return false;
    batch->tokens -= 1;
    return true;
}

bool batch_add(struct batch *batch, struct record *record, int64_t now_us)
{
    size_t bytes;
    if (record->t_us <= 0 || record->t_us > now_us)
        record->t_us = now_us; /* no time, or one that would fill the bucket in advance */
    if (!take_token(batch, record->t_us, now_us)) {
        batch->dropped++;
        return false;
    }
    if (!batch->lines)
        batch->lines = json_array();
    json_array_append_new(batch->lines, record_json(record, &bytes));
    batch->bytes += bytes;
    return json_array_size(batch->lines) >= BATCH_MOST_LINES || batch->bytes >= BATCH_MOST_BYTES;
}

bool batch_is_empty(const struct batch *batch)
{
    return !batch->lines && batch->dropped == 0;
}

json_t *batch_take(struct batch *batch, const struct log_identity *identity, const char *cursor)
{
    json_t *message = json_object();
    json_put_text(message, "source", identity->source);
    json_put_text(message, "container", *identity->container ? identity->container : NULL);
    json_put_text(message, "site", *identity->site ? identity->site : NULL);
    json_put_text(message, "unit", identity->unit);
    json_put_text(message, "cursor", cursor);
    json_put_i64(message, "dropped", batch->dropped);
    json_object_set_new(message, "lines", batch->lines ? batch->lines : json_array());
    batch->lines = NULL;
    batch->bytes = 0;
    batch->dropped = 0;
    return message;
}
