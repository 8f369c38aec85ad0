/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must differ between the clones of one template, as the first thing that a container does:
 * "random HEX", "boot UUID", "ports N N N" and "time NS" of CLOCK_REALTIME, a line each.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

int main(void)
{
    uint8_t random[16];
    char boot[64] = "";
    struct timespec t;
    FILE *f;

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return 1;
    clock_gettime(CLOCK_REALTIME, &t);
    f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!f || !fgets(boot, sizeof(boot), f))
        return 1;
    fclose(f);
    boot[strcspn(boot, "\n")] = '\0';
    printf("random ");
    for (size_t i = 0; i < sizeof(random); i++)
        printf("%02x", random[i]);
    printf("\nboot %s\nports %d %d %d\n", boot, free_port(), free_port(), free_port());
    printf("time %lld%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    return 0;
}
