/* SPDX-License-Identifier: Apache-2.0 */
#include "posix_rows.h"

#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>

#define SHARED "shared" /* the file that both sides know */
#define PAGE 4096

/* The other side does WORD; what it answers is in a static buffer. */
static const char *ask(const char *word)
{
    static char answer[64];

    printf("ask %s\n", word);
    fflush(stdout);
    if (!fgets(answer, sizeof(answer), stdin))
        return "";
    answer[strcspn(answer, "\n")] = '\0';
    return answer;
}

static int shared_file(void)
{
    int fd = rows_make(SHARED);

    if (fd >= 0 && (ftruncate(fd, PAGE) < 0 || pwrite(fd, "old", 3, 0) != 3))
        return -1;
    return fd;
}

static int answered(const char *word, const char *want)
{
    return strcmp(ask(word), want) == 0 ? 0 : ROW_NO;
}

static int read_sees_host(void)
{
    char got[4] = "";
    int fd;

    TRY(fd = shared_file());
    TRY(pread(fd, got, 3, 0));
    if (answered("write", "done") != 0)
        return -EPROTO;
    TRY(pread(fd, got, 3, 0));
    return strcmp(got, "new") == 0 ? 0 : ROW_NO;
}

static int mapping_sees_host(void)
{
    volatile char *p;
    int fd;

    TRY(fd = shared_file());
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    if (p[0] != 'o' || answered("write", "done") != 0)
        return -EPROTO;
    return p[0] == 'n' ? 0 : ROW_NO;
}

static int host_sees_write(void)
{
    int fd;

    TRY(fd = shared_file());
    TRY(pwrite(fd, "our", 3, 0));
    return answered("read", "our");
}

static int host_sees_lock(void)
{
    int fd;

    TRY(fd = shared_file());
    TRY(flock(fd, LOCK_EX));
    return answered("lock", "refused");
}

static int inotify_of_host(void)
{
    int fd, in;

    TRY(fd = shared_file());
    TRY(in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    TRY(inotify_add_watch(in, ".", IN_MODIFY));
    if (answered("write", "done") != 0)
        return -EPROTO;
    return rows_told(in);
}

static int inotify_on_host(void)
{
    int fd;

    TRY(fd = shared_file());
    if (answered("watch", "ready") != 0)
        return -EPROTO;
    TRY(pwrite(fd, "our", 3, 0));
    return answered("told", "works");
}

const struct row rows_peer[] = {
    {"host's write: read() sees it", read_sees_host, true},
    {"host's write: a mapping sees it", mapping_sees_host, true},
    {"guest's write: the host sees it", host_sees_write, true},
    {"guest's lock: the host sees it", host_sees_lock, true},
    {"inotify: the host's changes, in the guest", inotify_of_host, true},
    {"inotify: the guest's changes, on the host", inotify_on_host, true},
    {NULL, NULL, false},
};
