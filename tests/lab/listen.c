/* Hears what comes out of a container: counts what arrives on a port, by UDP and by TCP, and notes when the last of it
 * came.
 *
 *     listen PORT        until SIGTERM, then prints {"datagrams":N,"last_datagram_us":T,"bytes":N,"last_bytes_us":T}
 *
 * Times are of the wall clock, 0 where nothing came. One thread. */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define CONNECTIONS 16

enum { SOURCE_SIGNAL, SOURCE_UDP, SOURCE_TCP, SOURCE_FIRST };

struct heard {
    long long datagrams, bytes;
    int64_t last_datagram_us, last_bytes_us;
};

static int open_port(int type, int64_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        (type == SOCK_STREAM && listen(fd, CONNECTIONS) < 0))
        return -1;
    return fd;
}

static void accept_one(struct pollfd *sources)
{
    int fd = accept4(sources[SOURCE_TCP].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int i = SOURCE_FIRST; i < SOURCE_FIRST + CONNECTIONS && fd >= 0; i++) {
        if (sources[i].fd >= 0)
            continue;
        sources[i].fd = fd;
        return;
    }
    if (fd >= 0)
        close(fd);
}

static void hear_connection(struct pollfd *source, struct heard *heard)
{
    char bytes[4096];
    ssize_t got = recv(source->fd, bytes, sizeof bytes, 0);
    if (got > 0) {
        heard->bytes += got;
        heard->last_bytes_us = clock_wall_us();
        return;
    }
    close(source->fd);
    source->fd = -1;
}

static void hear(struct pollfd *sources, struct heard *heard)
{
    char bytes[4096];
    while (recv(sources[SOURCE_UDP].fd, bytes, sizeof bytes, 0) >= 0) {
        heard->datagrams++;
        heard->last_datagram_us = clock_wall_us();
    }
    if (sources[SOURCE_TCP].revents)
        accept_one(sources);
    for (int i = SOURCE_FIRST; i < SOURCE_FIRST + CONNECTIONS; i++)
        if (sources[i].fd >= 0 && sources[i].revents)
            hear_connection(&sources[i], heard);
}

int main(int argc, char **argv)
{
    struct pollfd sources[SOURCE_FIRST + CONNECTIONS];
    struct heard heard = {0};
    int64_t port = 0;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    if (argc != 2 || !str_to_i64(argv[1], 1, 65535, &port)) {
        fputs("usage: listen PORT\n", stderr);
        return 2;
    }
    for (int i = 0; i < SOURCE_FIRST + CONNECTIONS; i++)
        sources[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    sources[SOURCE_SIGNAL].fd = signalfd(-1, &ends, SFD_CLOEXEC);
    sources[SOURCE_UDP].fd = open_port(SOCK_DGRAM, port);
    sources[SOURCE_TCP].fd = open_port(SOCK_STREAM, port);
    if (sources[SOURCE_UDP].fd < 0 || sources[SOURCE_TCP].fd < 0) {
        perror("listen");
        return 1;
    }
    while (!(poll(sources, SOURCE_FIRST + CONNECTIONS, -1) > 0 && sources[SOURCE_SIGNAL].revents))
        hear(sources, &heard);
    printf("{\"datagrams\":%lld,\"last_datagram_us\":%lld,\"bytes\":%lld,\"last_bytes_us\":%lld}\n", heard.datagrams,
        (long long)heard.last_datagram_us, heard.bytes, (long long)heard.last_bytes_us);
    return 0;
}
