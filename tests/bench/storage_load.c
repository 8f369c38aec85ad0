/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file system is asked for its figures, by tests/bench/storage.sh, in a container and in
 * bare QEMU alike: storage_load DIR [DIVISOR] prints "load NAME MICROSECONDS CPU-MICROSECONDS".
 * Static.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define CHUNK (1 << 20)
#define CHUNKS 16 /* of the file that is read and written */

static int files = 1000, blocks = 1000;

static uint64_t now_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool each_file(bool (*op)(const char *name))
{
    char name[32];

    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof(name), "load.%d", i);
        if (!op(name))
            return false;
    }
    return true;
}

static bool create_one(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    return fd >= 0 && write(fd, name, 5) == 5 && close(fd) == 0;
}

static bool stat_one(const char *name)
{
    struct stat st;

    return stat(name, &st) == 0;
}

static bool unlink_one(const char *name)
{
    return unlink(name) == 0;
}

static bool create_files(void *buf)
{
    (void)buf;
    return each_file(create_one);
}

static bool stat_files(void *buf)
{
    (void)buf;
    return each_file(stat_one);
}

static bool unlink_files(void *buf)
{
    (void)buf;
    return each_file(unlink_one);
}

static bool write_all(void *buf)
{
    int fd = open("load", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0;

    for (int i = 0; ok && i < CHUNKS; i++)
        ok = write(fd, buf, CHUNK) == CHUNK;
    ok = ok && fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
    return close(fd) == 0 && ok;
}

static bool read_all(void *buf)
{
    int fd = open("load", O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0;

    for (int i = 0; ok && i < CHUNKS; i++)
        ok = read(fd, buf, CHUNK) == CHUNK;
    return close(fd) == 0 && ok;
}

/* Past the guest's cache; the order is the same each time. */
static bool random_blocks(void *buf, ssize_t (*io)(int fd, void *buf, size_t n, off_t at))
{
    int fd = open("load", O_RDWR | O_DIRECT | O_CLOEXEC);
    uint32_t x = 1;
    bool ok = fd >= 0;

    for (int i = 0; ok && i < blocks; i++) {
        x = x * 1664525 + 1013904223;
        ok = io(fd, buf, BLOCK, (off_t)((x >> 8) % (CHUNKS * CHUNK / BLOCK)) * BLOCK) == BLOCK;
    }
    ok = ok && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

static ssize_t write_block(int fd, void *buf, size_t n, off_t at)
{
    return pwrite(fd, buf, n, at);
}

static bool random_reads(void *buf)
{
    return random_blocks(buf, pread);
}

static bool random_writes(void *buf)
{
    return random_blocks(buf, write_block);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*run)(void *buf);
    } parts[] = {
        {"create", create_files},       {"stat", stat_files}, {"unlink", unlink_files},
        {"write", write_all},           {"read", read_all},   {"random-read", random_reads},
        {"random-write", random_writes}};
    long divisor = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    void *buf = NULL;

    if (argc < 2 || divisor < 1 || chdir(argv[1]) < 0 || posix_memalign(&buf, BLOCK, CHUNK) != 0)
        return 2;
    memset(buf, 'x', CHUNK);
    files /= (int)divisor;
    blocks /= (int)divisor;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint64_t start = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);

        if (!parts[i].run(buf)) {
            printf("load %s failed: %m\n", parts[i].name);
            return 1;
        }
        printf("load %s %" PRIu64 " %" PRIu64 "\n", parts[i].name, now_us(CLOCK_MONOTONIC) - start,
               now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        fflush(stdout);
    }
    unlink("load");
    return 0;
}
