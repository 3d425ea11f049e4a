/* Streams between two hosts through this program: whole, both ways, within a limit, and with an end that says which
 * side failed and why. Both hosts are SSH servers of the test's own. */
#include "tests/unit/remote/reach.h"

#include <unistd.h>

#include "base/buf.h"
#include "remote/relay.h"

#define READY "dogwatch-stream 1\n"
#define MUCH (3u << 20)

/* What a host does with `stream WORD`. */
struct host {
    const char *greeting;
    size_t sends;          /* so many bytes */
    bool reads;            /* to the end of its input; else it takes nothing */
    const char *complains; /* on standard error, at its end */
    int status;
    bool hangs; /* until its input ends, silently */
    size_t got;
    unsigned sum; /* of the bytes it got */
    char command[128];
};

static unsigned add(unsigned sum, const unsigned char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + data[i];
    return sum;
}

static void write_all(int fd, const void *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = write(fd, (const char *)data + done, length - done);
        if (put <= 0)
            return;
        done += (size_t)put;
    }
}

static int be_host(void *owner, const char *command, int in_fd, int out_fd, int error_fd)
{
    struct host *host = owner;
    unsigned char block[8192];
    ssize_t got;
    str_copy(host->command, sizeof host->command, command);
    write_all(out_fd, host->greeting, strlen(host->greeting));
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (unsigned char)(i * 7);
    for (size_t sent = 0; sent < host->sends; sent += sizeof block)
        write_all(out_fd, block, sizeof block);
    if (!host->reads && !host->hangs) {
        if (host->complains)
            write_all(error_fd, host->complains, strlen(host->complains));
        return host->status;
    }
    while ((got = read(in_fd, block, sizeof block)) > 0) {
        host->got += (size_t)got;
        host->sum = add(host->sum, block, (size_t)got);
    }
    if (host->complains)
        write_all(error_fd, host->complains, strlen(host->complains));
    return host->status;
}

struct pair {
    struct reach reach[2];
    struct host host[2];
    struct connection *connection[2];
    struct relay_end end[2];
    struct err_info info;
};

static void pair_open(struct pair *pair, struct host source, struct host target)
{
    *pair = (struct pair){.host = {source, target}};
    for (size_t i = 0; i < 2; i++) {
        if (!pair->host[i].greeting)
            pair->host[i].greeting = READY;
        reach_start(&pair->reach[i], &(struct ssh_server_options){.command = be_host, .owner = &pair->host[i]});
        pair->reach[i].target.name = i ? "mosh02" : "mosh01";
        pair->reach[i].target.pinned_fingerprint = ssh_server_fingerprint(pair->reach[i].server);
        assert_ok(remote_dial(&pair->reach[i].target, SOON, REMOTE_NO_CANCEL, &pair->connection[i], &pair->info),
            &pair->info);
        pair->end[i] = (struct relay_end){.connection = pair->connection[i], .word = i ? "0123" : "4567"};
    }
}

static void pair_close(struct pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        connection_free(pair->connection[i]);
        reach_stop(&pair->reach[i]);
    }
}

static enum err relay(struct pair *pair, const struct relay_options *options, int64_t *bytes)
{
    pair->info = (struct err_info){0};
    return relay_between(&pair->end[0], &pair->end[1], options, bytes, &pair->info);
}

static void what_the_source_sends_arrives_whole(void **state)
{
    (void)state;
    struct pair pair;
    int64_t bytes = 0;
    pair_open(&pair, (struct host){.sends = MUCH}, (struct host){.reads = true});
    assert_ok(relay(&pair, &(struct relay_options){0}, &bytes), &pair.info);
    assert_int_equal(bytes, MUCH);
    pair_close(&pair); /* the servers' threads are through: what they wrote down may be read */
    assert_int_equal(pair.host[1].got, MUCH);
    assert_string_equal(pair.host[0].command, "stream 4567");
    assert_string_equal(pair.host[1].command, "stream 0123");
    unsigned char block[8192];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (unsigned char)(i * 7);
    unsigned sum = 0;
    for (size_t sent = 0; sent < MUCH; sent += sizeof block)
        sum = add(sum, block, sizeof block);
    assert_int_equal(pair.host[1].sum, sum);
}

static void what_the_target_answers_reaches_the_source(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, (struct host){.reads = true}, (struct host){.sends = MUCH});
    assert_ok(relay(&pair, &(struct relay_options){0}, NULL), &pair.info);
    pair_close(&pair);
    assert_int_equal(pair.host[0].got, MUCH);
}

static void a_target_that_gives_up_early_is_named_with_its_words(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, (struct host){.sends = MUCH}, (struct host){.complains = "no \033room\nmore", .status = 3});
    assert_int_equal(relay(&pair, &(struct relay_options){0}, NULL), ERR_FAILED);
    assert_says(&pair.info, "mosh02");
    assert_says(&pair.info, "room");
    assert_null(strchr(pair.info.message, '\033'));
    pair_close(&pair);
}

static void a_source_that_fails_is_named_with_its_words(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(
        &pair, (struct host){.sends = 8192, .complains = "disk on fire", .status = 1}, (struct host){.reads = true});
    assert_int_equal(relay(&pair, &(struct relay_options){0}, NULL), ERR_FAILED);
    assert_says(&pair.info, "mosh01");
    assert_says(&pair.info, "disk on fire");
    pair_close(&pair);
}

static void a_refused_stream_says_why(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, (struct host){.reads = true},
        (struct host){.greeting = "dogwatch-stream refused: it was closed\n", .status = 1});
    assert_int_equal(relay(&pair, &(struct relay_options){0}, NULL), ERR_DENIED);
    assert_says(&pair.info, "mosh02: the stream is refused: it was closed");
    pair_close(&pair);
}

static void a_helper_that_knows_no_streams_is_told_from_one_that_refuses(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, (struct host){.greeting = "{\"error\":{\"code\":\"garbage\"}}\n"}, (struct host){.reads = true});
    assert_int_equal(relay(&pair, &(struct relay_options){0}, NULL), ERR_DENIED);
    assert_says(&pair.info, "mosh01");
    assert_says(&pair.info, "host add");
    pair_close(&pair);
}

static void silence_on_both_sides_ends_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, (struct host){.hangs = true}, (struct host){.hangs = true});
    assert_int_equal(relay(&pair, &(struct relay_options){.silence_us = AT_ONCE}, NULL), ERR_TIMEOUT);
    assert_says(&pair.info, "mosh01 and mosh02");
    pair_close(&pair);
}

struct told {
    int64_t bytes;
    unsigned times;
};

static enum err stop_after_some(void *owner, int64_t bytes, struct err_info *info)
{
    struct told *told = owner;
    told->bytes = bytes;
    return ++told->times < 2 ? ERR_OK : err_set(info, ERR_CANCELLED, "somebody wants it back");
}

static void progress_is_told_and_may_end_it_and_a_limit_is_kept(void **state)
{
    (void)state;
    struct pair pair;
    struct told told = {0};
    pair_open(&pair, (struct host){.sends = MUCH}, (struct host){.reads = true});
    struct relay_options options = {.limit_bytes_s = 100000, .progress = stop_after_some, .owner = &told};
    int64_t bytes = 0;
    assert_int_equal(relay(&pair, &options, &bytes), ERR_CANCELLED);
    assert_says(&pair.info, "somebody wants it back");
    assert_int_equal(told.times, 2);
    assert_true(bytes < (int64_t)MUCH / 2); /* without the limit all of it had gone by the second word */
    pair_close(&pair);
}

static void a_connection_lost_in_the_middle_is_named(void **state)
{
    (void)state;
    struct pair pair;
    struct told told = {0};
    pair_open(&pair, (struct host){.hangs = true}, (struct host){.hangs = true});
    ssh_server_cut(pair.reach[1].server);
    struct relay_options options = {.progress = NULL, .owner = &told};
    enum err err = relay(&pair, &options, NULL);
    assert_true(err == ERR_CLOSED || err == ERR_TIMEOUT);
    assert_says(&pair.info, "mosh02");
    pair_close(&pair);
}

struct taken {
    size_t bytes, most;
};

static bool take(void *context, const void *data, size_t length)
{
    struct taken *taken = context;
    (void)data;
    taken->bytes += length;
    return !taken->most || taken->bytes < taken->most;
}

static void a_sink_gets_all_of_one_end_or_says_enough(void **state)
{
    (void)state;
    struct pair pair;
    struct taken taken = {0};
    int64_t bytes = 0;
    pair_open(&pair, (struct host){.sends = MUCH}, (struct host){0});
    assert_ok(relay_pull(&pair.end[0], &(struct relay_options){0}, take, &taken, &bytes, &pair.info), &pair.info);
    assert_int_equal(taken.bytes, MUCH);
    assert_int_equal(bytes, MUCH);
    taken = (struct taken){.most = 1000};
    assert_int_equal(
        relay_pull(&pair.end[0], &(struct relay_options){0}, take, &taken, NULL, &pair.info), ERR_CANCELLED);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_source_sends_arrives_whole),
        cmocka_unit_test(what_the_target_answers_reaches_the_source),
        cmocka_unit_test(a_target_that_gives_up_early_is_named_with_its_words),
        cmocka_unit_test(a_source_that_fails_is_named_with_its_words),
        cmocka_unit_test(a_refused_stream_says_why),
        cmocka_unit_test(a_helper_that_knows_no_streams_is_told_from_one_that_refuses),
        cmocka_unit_test(silence_on_both_sides_ends_it),
        cmocka_unit_test(progress_is_told_and_may_end_it_and_a_limit_is_kept),
        cmocka_unit_test(a_connection_lost_in_the_middle_is_named),
        cmocka_unit_test(a_sink_gets_all_of_one_end_or_says_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
