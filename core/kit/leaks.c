/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be left: descriptors, processes, mounts, interfaces, files, words on stdout. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "kit/internal.h"

static int count_entries(const char *path)
{
    cleanup_dir DIR *d = opendir(path);
    int n = 0;

    while (d && readdir(d))
        n++;
    return n;
}

static int count_children(void)
{
    cleanup_file FILE *f = fopen("/proc/thread-self/children", "re");
    int pid, n = 0;

    while (f && fscanf(f, "%d", &pid) == 1)
        n++;
    return n;
}

static int count_mounts(void)
{
    cleanup_file FILE *f = fopen("/proc/self/mountinfo", "re");
    int c, n = 0;

    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    return n;
}

static int count_links(void)
{
    struct if_nameindex *list = if_nameindex();
    int n = 0;

    for (struct if_nameindex *i = list; i && i->if_index; i++)
        n++;
    if (list)
        if_freenameindex(list);
    return n;
}

void kit_mark(struct kit_mark *ret)
{
    *ret = (struct kit_mark){count_entries("/proc/self/fd"), count_children(), count_mounts(),
                             count_links()};
}

/* Fewer mounts are others' doing: removing a mount point unmounts it in every namespace. */
static bool no_more(const struct kit_mark *now, const struct kit_mark *before)
{
    return now->fds == before->fds && now->children == before->children &&
           now->mounts <= before->mounts && now->links == before->links;
}

void kit_check_mark(struct kit *k, const struct kit_mark *before, const char *after)
{
    struct kit_mark now;
    char what[112];
    const char *area = k->area;

    k->area = "leaks";
    kit_mark(&now);
    snprintf(what, sizeof(what), "nothing is left of: %s", after);
    kit_that(k, no_more(&now, before), what,
             "before and now: descriptors %d, %d; child processes %d, %d; mounts %d, %d; "
             "interfaces %d, %d",
             before->fds, now.fds, before->children, now.children, before->mounts, now.mounts,
             before->links, now.links);
    k->area = area;
}

void kit_check_cloexec(struct kit *k)
{
    cleanup_dir DIR *d = opendir("/proc/self/fd");
    const struct dirent *e;
    char path[64], target[256] = "";
    int bad = 0;

    while (d && (e = readdir(d))) {
        int fd = (int)strtol(e->d_name, NULL, 10), flags = fcntl(fd, F_GETFD);
        ssize_t n;

        if (fd <= STDERR_FILENO || flags < 0 || flags & FD_CLOEXEC)
            continue;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        bad = fd;
    }
    kit_that(k, !bad, "every descriptor is CLOEXEC", "descriptor %d (%s) is not", bad, target);
}

/* Files named after a VM, where programs leave such things. */
void kit_check_files(struct kit *k, const struct kit_vm *vm)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/dev/shm",
                                         "/run", "/var/run", "/run/anyvisor.vm"};
    const char *area = k->area;

    k->area = "leaks";
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        cleanup_dir DIR *d = opendir(places[i]);
        const struct dirent *e;

        while (d && (e = readdir(d)))
            if (strstr(e->d_name, vm->id) || strstr(e->d_name, vm->uuid))
                kit_that(k, false, "no file of a VM is left", "'%s/%s' is", places[i], e->d_name);
    }
    k->area = area;
}

void kit_check_silence(struct kit *k)
{
    char text[256] = "";
    ssize_t n = pread(k->said, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    kit_that(k, n <= 0, "nothing was written to descriptors 1 and 2", "'%s'", text);
}
