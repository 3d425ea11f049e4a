/* Two directions, a block each; where one side ends, the other is told so. Ends with what comes from the peer, as ssh
 * does: rsync waits for its shell's end with its own side still open. Runs in a process of its own. */
#include "host/transfer/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "host/transfer/frames.h"

#define FROM_PEER 3
#define TO_PEER 4
#define BLOCK_BYTES 65536

struct way {
    int from, to;
    char block[BLOCK_BYTES];
    size_t at, length; /* of what waits in the block */
    bool ended;
};

static bool is_soon(ssize_t rc)
{
    return rc < 0 && (errno == EAGAIN || errno == EINTR);
}

static void end_way(struct way *way)
{
    way->ended = true;
    close(way->to);
    close(way->from);
}

static void move(struct way *way, short readable, short writable)
{
    if (way->ended)
        return;
    if (way->length == 0 && readable) {
        ssize_t got = read(way->from, way->block, sizeof way->block);
        if (got > 0)
            way->at = 0, way->length = (size_t)got;
        else if (!is_soon(got))
            end_way(way);
    } else if (way->length > 0 && writable) {
        ssize_t put = write(way->to, way->block + way->at, way->length);
        if (put > 0)
            way->at += (size_t)put, way->length -= (size_t)put;
        else if (!is_soon(put))
            end_way(way);
    }
}

static void carry(struct way ways[2])
{
    for (size_t i = 0; i < 2; i++) {
        fcntl(ways[i].from, F_SETFL, O_NONBLOCK);
        fcntl(ways[i].to, F_SETFL, O_NONBLOCK);
    }
    while (!ways[1].ended) {
        struct pollfd wait[2];
        for (size_t i = 0; i < 2; i++) {
            const struct way *way = &ways[i];
            wait[i] = (struct pollfd){.fd = way->ended    ? -1
                                            : way->length ? way->to
                                                          : way->from,
                .events = way->length ? POLLOUT : POLLIN};
        }
        poll(wait, 2, -1);
        for (size_t i = 0; i < 2; i++)
            move(&ways[i], wait[i].revents, wait[i].revents);
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
    static struct way ways[2] = {{.from = STDIN_FILENO, .to = TO_PEER}, {.from = FROM_PEER, .to = STDOUT_FILENO}};
    signal(SIGPIPE, SIG_IGN);
    if (send_command(argc, argv) != ERR_OK)
        return EXIT_FAILURE;
    carry(ways);
    return EXIT_SUCCESS;
}
