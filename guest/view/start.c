/* SPDX-License-Identifier: Apache-2.0 */
#include "start.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEAP (256u << 10)
#define STRIDE 3 /* pages: neither in a row nor so far apart that nothing is read ahead */

/* Text is read where it is used, data is copied when it is written, relocated tables become
 * read-only. */
static void use_pages(volatile char *map, size_t size, size_t page)
{
    for (size_t at = size / 2; at < size; at += page)
        (void)map[at];
    for (size_t at = 0; at < size / 2; at += STRIDE * page)
        map[at] = at % (2 * STRIDE * page) ? map[at] : 1;
    (void)mprotect((void *)map, size / 4, PROT_READ);
}

static void map_file(const char *path)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *map;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED)
            use_pages(map, (size_t)st.st_size, page); /* its end unmaps it */
    }
    close(fd);
}

static void grow_heap(void)
{
    char *end = (char *)syscall(SYS_brk, 0);

    if ((char *)syscall(SYS_brk, end + HEAP) == end + HEAP)
        for (size_t at = 0; at < HEAP; at += 4096)
            ((volatile char *)end)[at] = 1;
}

/* What a C library asks for before main(). */
static void set_up_library(void)
{
    static struct {
        void *next, *offset, *pending;
    } robust = {&robust, NULL, NULL};
    char buf[256];
    struct timespec now;

#ifdef SYS_rseq
    static uint32_t rseq[8] __attribute__((aligned(32))) = {0, UINT32_MAX};

    (void)syscall(SYS_rseq, rseq, sizeof(rseq), 0, 0x53053053);
#endif
    (void)syscall(SYS_set_robust_list, &robust, sizeof(robust));
    (void)!readlink("/proc/self/exe", buf, sizeof(buf));
    (void)!getrandom(buf, 8, GRND_NONBLOCK);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
}

void start_like_a_program(const char *file)
{
    pid_t child;

    set_up_library();
    grow_heap();
    map_file(file);
    child = fork();
    if (child == 0)
        _exit(0);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
}
