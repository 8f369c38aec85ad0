/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must differ between the clones of one template, as the first thing that a container does:
 * "random HEX", "boot UUID", "machine ID", "ports N N N", "tcp N" and "time NS" of CLOCK_REALTIME,
 * a line each.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FROM 40000 /* the same in all: only the kernel's key is another */
#define TO 9

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        getsockname(s, (struct sockaddr *)&a, &len) < 0)
        return -1;
    return ntohs(a.sin_port); /* kept open: the next one is another */
}

static int read_line(const char *path, char *line, int len)
{
    FILE *f = fopen(path, "re");
    int r = f && fgets(line, len, f) ? 0 : -1;

    if (f)
        fclose(f);
    line[strcspn(line, "\n")] = '\0';
    return r;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The sequence number of the SYN that goes to a port nobody listens on. */
static int first_sequence(uint32_t *ret)
{
    struct sockaddr_in from = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(FROM)};
    struct sockaddr_in to = from;
    int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    union {
        char bytes[256];
        struct iphdr ip;
    } packet;

    to.sin_port = htons(TO);
    if (raw < 0 || s < 0 || bind(s, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        connect(s, (struct sockaddr *)&to, sizeof(to)) == 0)
        return -1;
    for (;;) {
        struct tcphdr tcp;
        ssize_t n = recv(raw, packet.bytes, sizeof(packet), MSG_DONTWAIT);
        size_t head = packet.ip.ihl * 4u;

        if (n < 0 || (size_t)n < head + sizeof(tcp))
            return -1;
        memcpy(&tcp, packet.bytes + head, sizeof(tcp));
        if (tcp.syn && !tcp.ack && tcp.source == htons(FROM)) {
            *ret = ntohl(tcp.seq);
            return 0;
        }
    }
}

/*
 * The kernel adds the time in units of 64 ns to what it makes of the addresses with its key. What
 * is left without it is the key's, but for the moment that it took: its first 6 bits, of 4.3 s
 * each.
 */
static int tcp_key(void)
{
    uint32_t sequence;
    uint64_t now = now_ns();

    return first_sequence(&sequence) < 0 ? -1 : (int)((uint32_t)(sequence - (now >> 6)) >> 26);
}

int main(void)
{
    uint8_t random[16];
    char boot[64] = "", machine[64] = "";
    uint64_t now;

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return 1;
    now = now_ns();
    if (read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) < 0)
        return 1;
    (void)read_line("/etc/machine-id", machine, sizeof(machine));
    printf("random ");
    for (size_t i = 0; i < sizeof(random); i++)
        printf("%02x", random[i]);
    printf("\nboot %s\nmachine %s\nports %d %d %d\ntcp %d\n", boot, machine, free_port(),
           free_port(), free_port(), tcp_key());
    printf("time %llu\n", (unsigned long long)now);
    return 0;
}
