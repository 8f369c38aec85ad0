/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/util.h"

#define PREFIX "anyvisor-fake-"

static int find_mount(char *dir, size_t len)
{
    FILE *f = setmntent("/proc/self/mounts", "re");
    struct mntent *m;
    int r = -ENOENT;

    while (f && r < 0 && (m = getmntent(f)))
        if (strcmp(m->mnt_type, "cgroup2") == 0 && strlen(m->mnt_dir) < len) {
            snprintf(dir, len, "%s", m->mnt_dir);
            r = 0;
        }
    if (f)
        endmntent(f);
    return r;
}

int fake_cgroup_path(pid_t pid, const char *uuid, char *path, size_t len)
{
    char mount[256], text[4096], file[64], *line, *ours;

    snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
    if (find_mount(mount, sizeof(mount)) < 0 || file_read_text(file, text, sizeof(text)) < 0)
        return -ENOENT;
    line = strstr(text, "0::/");
    if (!line)
        return -ENOENT;
    line += strlen("0::");
    line[strcspn(line, "\n")] = '\0';
    ours = strstr(line, "/" PREFIX); /* it has entered already */
    if (ours)
        *ours = '\0';
    line[strcmp(line, "/") == 0 ? 0 : strlen(line)] = '\0';
    if ((size_t)snprintf(path, len, "%s%s/" PREFIX "%s", mount, line, uuid) >= len)
        return -ENAMETOOLONG;
    return 0;
}

static int write_file(const char *dir, const char *name, const char *text)
{
    cleanup_close int fd = -1;
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int fake_cgroup_enter(const char *path)
{
    if (mkdir(path, 0755) < 0)
        return -errno;
    return write_file(path, "cgroup.procs", "0");
}

void fake_cgroup_leave(const char *path)
{
    char parent[1024];

    snprintf(parent, sizeof(parent), "%s", path);
    *strrchr(parent, '/') = '\0';
    write_file(parent, "cgroup.procs", "0"); /* else it cannot be removed: seen there */
}

/* 0 = no process is left in it or below. */
static int wait_empty(const char *path, int timeout_ms)
{
    cleanup_close int fd = -1;
    char file[1024], text[256];

    snprintf(file, sizeof(file), "%s/cgroup.events", path);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    while (fd >= 0) {
        struct pollfd p = {.fd = fd, .events = POLLPRI};
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n < 0)
            return -errno;
        text[n] = '\0';
        if (strstr(text, "populated 0"))
            return 0;
        if (poll(&p, 1, timeout_ms) == 0)
            return -ETIMEDOUT;
    }
    return -errno;
}

static int remove_dir(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)at;
    if (type == FTW_DP && rmdir(path) < 0)
        return -1;
    return 0;
}

int fake_cgroup_remove(const char *path, int timeout_ms)
{
    int r;

    if (access(path, F_OK) < 0)
        return errno == ENOENT ? 0 : -errno;
    write_file(path, "cgroup.kill", "1"); /* older than Linux 5.14: the namespace's end does it */
    r = wait_empty(path, timeout_ms);
    if (r < 0)
        return r;
    return nftw(path, remove_dir, 8, FTW_DEPTH | FTW_PHYS) < 0 ? -errno : 0;
}
