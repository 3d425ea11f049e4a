/* What comes from the peer is always read, far ahead of what rsync takes (up to 8 MiB): else a peer that ends while
 * rsync is busy sending is not noticed, for rsync then reads nothing and ssh, whose output is stuck, does not end.
 * After the peer's end rsync has five seconds to take what is left: it waits for its shell's end with its own side
 * still open. Runs in a process of its own. */
#include "host/transfer/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "host/transfer/frames.h"

#define FROM_PEER 3
#define TO_PEER 4
#define BLOCK_BYTES 65536u
#define AHEAD_BYTES (8u << 20)
#define LAST_US (5 * USEC_PER_SEC)

struct way {
    int from, to;
    struct buf waiting; /* read and not written yet */
    size_t most;        /* of it */
    bool ended;         /* nothing more comes */
    bool stuck;         /* nobody takes anything any more */
};

static bool is_soon(ssize_t rc)
{
    return rc < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool may_read(const struct way *way)
{
    return !way->ended && !way->stuck && way->waiting.length + BLOCK_BYTES <= way->most;
}

static bool may_write(const struct way *way)
{
    return !way->stuck && way->waiting.length > 0;
}

static void move_in(struct way *way)
{
    char block[BLOCK_BYTES];
    ssize_t got = read(way->from, block, sizeof block);
    if (got > 0)
        buf_append(&way->waiting, block, (size_t)got);
    else if (!is_soon(got))
        way->ended = true;
}

static void move_out(struct way *way)
{
    size_t length = way->waiting.length < BLOCK_BYTES ? way->waiting.length : BLOCK_BYTES;
    ssize_t put = write(way->to, way->waiting.data, length);
    if (put > 0)
        buf_consume(&way->waiting, (size_t)put);
    else if (!is_soon(put))
        way->stuck = true;
}

/* Tell the next in line that nothing more comes. */
static void pass_end_on(struct way *way)
{
    if (way->to < 0 || !(way->stuck || (way->ended && way->waiting.length == 0)))
        return;
    close(way->to);
    way->to = -1;
}

static void carry_some(struct way ways[2], int timeout_ms)
{
    struct pollfd wait[4];
    for (size_t i = 0; i < 2; i++) {
        wait[2 * i] = (struct pollfd){.fd = may_read(&ways[i]) ? ways[i].from : -1, .events = POLLIN};
        wait[2 * i + 1] = (struct pollfd){.fd = may_write(&ways[i]) ? ways[i].to : -1, .events = POLLOUT};
    }
    poll(wait, 4, timeout_ms);
    for (size_t i = 0; i < 2; i++) {
        if (wait[2 * i].revents)
            move_in(&ways[i]);
        if (wait[2 * i + 1].revents)
            move_out(&ways[i]);
        pass_end_on(&ways[i]);
    }
}

static void carry(struct way *out, struct way *in, struct way ways[2])
{
    int64_t last_us = 0; /* when it is over in any case */
    for (size_t i = 0; i < 2; i++) {
        fcntl(ways[i].from, F_SETFL, O_NONBLOCK);
        fcntl(ways[i].to, F_SETFL, O_NONBLOCK);
    }
    while (!in->stuck && !(in->ended && in->waiting.length == 0)) {
        int64_t now_us = clock_mono_us();
        if ((in->ended || out->stuck) && last_us == 0)
            last_us = now_us + LAST_US;
        if (last_us && now_us >= last_us)
            return;
        carry_some(ways, last_us ? (int)((last_us - now_us) / USEC_PER_MSEC) + 1 : -1);
    }
}

static enum err send_command(int argc, char **argv)
{
    json_t *header = json_object(), *words = json_array();
    for (int i = 3; i < argc; i++) /* 2 is the host's name, which rsync makes of what it was told */
        json_array_append_new(words, json_string(argv[i]));
    json_object_set_new(header, "args", words);
    struct frames frames;
    frames_begin(&frames, FROM_PEER, TO_PEER, NULL, NULL);
    enum err result = frames_put_json(&frames, FRAME_HEADER, header, NULL);
    frames_end(&frames);
    json_decref(header);
    return result;
}

int relay_main(int argc, char **argv)
{
    struct way ways[2] = {
        {.from = STDIN_FILENO, .to = TO_PEER, .waiting = BUF(2 * BLOCK_BYTES), .most = 2 * BLOCK_BYTES},
        {.from = FROM_PEER, .to = STDOUT_FILENO, .waiting = BUF(AHEAD_BYTES), .most = AHEAD_BYTES}};
    signal(SIGPIPE, SIG_IGN);
    if (send_command(argc, argv) != ERR_OK)
        return EXIT_FAILURE;
    carry(&ways[0], &ways[1], ways);
    buf_free(&ways[0].waiting);
    buf_free(&ways[1].waiting);
    return EXIT_SUCCESS;
}
