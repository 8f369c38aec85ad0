/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server of the pod's namespace on the host, seen from here: Docker's is on the loopback
 * there, at an address that means another machine's loopback here. Questions that come to it are
 * sent to the host as they are, but for their number, which two clients may have drawn alike: it is
 * ours on the way. A question that is never answered costs nothing but its place.
 */
#include "agent/network/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define PORT 53
#define PLACES 256 /* a power of two; a place that is needed again is taken from the oldest */
#define AT_ONCE 32 /* then others have their turn */

struct question {
    bool open;
    uint16_t number, clients_number;
    struct sockaddr_in client;
};

struct questions {
    uint32_t address;
    uint16_t next;
    struct question v[PLACES];
};

static uint16_t number_of(const uint8_t *message)
{
    return (uint16_t)(message[0] << 8 | message[1]);
}

static void set_number(uint8_t *message, uint16_t number)
{
    message[0] = (uint8_t)(number >> 8);
    message[1] = (uint8_t)number;
}

static void pass(struct agent *a, const struct sockaddr_in *client, uint8_t *message, size_t n)
{
    uint16_t number = a->questions->next++;

    a->questions->v[number % PLACES] = (struct question){true, number, number_of(message), *client};
    set_number(message, number);
    channel_send(a, FRAME_NAMES, 0, 0, message, n);
}

static void on_question(struct agent *a, struct source *s, uint32_t events)
{
    uint8_t message[NAMES_MAX];

    (void)events;
    for (int i = 0; i < AT_ONCE; i++) {
        struct sockaddr_in client;
        socklen_t len = sizeof(client);
        ssize_t n = recvfrom(s->fd, message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC,
                             (struct sockaddr *)&client, &len);

        if (n < 0)
            return;
        if (n >= NAMES_MIN && n <= NAMES_MAX && !channel_congested(a))
            pass(a, &client, message, (size_t)n);
    }
}

void resolver_answer(struct agent *a, const uint8_t *answer, size_t n)
{
    uint8_t message[NAMES_MAX];
    struct question *q;

    if (!a->questions || n < NAMES_MIN || n > NAMES_MAX)
        return;
    q = &a->questions->v[number_of(answer) % PLACES];
    if (!q->open || q->number != number_of(answer))
        return;
    memcpy(message, answer, n);
    set_number(message, q->clients_number);
    (void)sendto(a->resolver.fd, message, n, MSG_DONTWAIT | MSG_NOSIGNAL,
                 (const struct sockaddr *)&q->client, sizeof(q->client));
    q->open = false;
}

int resolver_begin(struct agent *a, uint32_t address, struct err *err)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(address)};
    cleanup_fd int fd = -1;
    int r;

    if (a->questions && a->questions->address == address)
        return 0;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        return err_set(err, errno, "listen for questions to the name server: %m");
    if (!a->questions && !(a->questions = calloc(1, sizeof(*a->questions))))
        return err_set(err, ENOMEM, "name server: %m");
    a->questions->address = address;
    loop_close(a, &a->resolver);
    if ((r = loop_watch(a, &a->resolver, fd, EPOLLIN, on_question, err)) == 0)
        (void)steal_fd(&fd);
    return r;
}
