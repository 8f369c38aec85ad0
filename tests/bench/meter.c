/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter -o FILE CMD...: runs CMD, appends "WALL_US CPU_US" to FILE (CPU of CMD and of what it has
 * waited for) and returns its status.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t cpu_us(const struct rusage *u)
{
    return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    struct rusage usage;
    uint64_t begin;
    int status;
    pid_t pid;
    FILE *f;

    if (argc < 4 || strcmp(argv[1], "-o") != 0) {
        fprintf(stderr, "usage: meter -o FILE CMD...\n");
        return 125;
    }
    begin = now_us();
    /* vfork: the copy of page tables is no part of what is measured */
    pid = vfork();
    if (pid == 0) {
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
        fprintf(stderr, "meter: %s\n", strerror(errno));
        return 125;
    }
    begin = now_us() - begin;
    f = fopen(argv[2], "ae");
    if (!f || fprintf(f, "%" PRIu64 " %" PRIu64 "\n", begin, cpu_us(&usage)) < 0 || fclose(f)) {
        fprintf(stderr, "meter: %s: %s\n", argv[2], strerror(errno));
        return 125;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
