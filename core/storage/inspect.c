/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"

#define MOUNTINFO_MAX (16u << 20)

static enum storage_kind kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return STORAGE_DIR;
    case S_IFSOCK:
        return STORAGE_SOCKET;
    case S_IFIFO:
        return STORAGE_FIFO;
    case S_IFBLK:
        return STORAGE_BLOCK;
    case S_IFCHR:
        return STORAGE_DEVICE;
    default:
        return STORAGE_FILE;
    }
}

/* The line of mountinfo of one mount: it begins with "ID " and has "shared:N" among its fields. */
static bool line_is_shared(const char *mountinfo, const char *id)
{
    size_t n = strlen(id);

    for (const char *line = mountinfo; *line; line += strcspn(line, "\n") + 1) {
        const char *end = strstr(line, " - "), *word = strstr(line, " shared:");

        if (strncmp(line, id, n) == 0 && line[n] == ' ')
            return end && word && word < end;
        if (!strchr(line, '\n'))
            break;
    }
    return false;
}

static uint64_t mix(uint64_t hash, const void *data, size_t n)
{
    for (const uint8_t *p = data; n-- > 0; p++)
        hash = (hash ^ *p) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

/* Lines of the mounts below path, whose fifth word is where they are. */
static uint64_t mix_mounts_below(uint64_t hash, const char *mountinfo, const char *path)
{
    size_t n = strcmp(path, "/") == 0 ? 0 : strlen(path);

    for (const char *line = mountinfo; *line;) {
        size_t len = strcspn(line, "\n");
        const char *point = line;

        for (int i = 0; i < 4; i++)
            point += strcspn(point, " \n") + (point[strcspn(point, " \n")] == ' ');
        if (strncmp(point, path, n) == 0 && point[n] == '/')
            hash = mix(hash, line, len);
        line += len + (line[len] == '\n');
    }
    return hash;
}

/* Whether the mount that an open descriptor is on has peers, and which are below it. */
static int look_at_mounts(int fd, const struct stat *st, struct storage_source *ret,
                          struct err *err)
{
    cleanup_free char *file = xasprintf("/proc/self/fdinfo/%d", fd);
    cleanup_free char *link = xasprintf("/proc/self/fd/%d", fd);
    cleanup_free char *real = realpath(link, NULL);
    cleanup_free char *info = NULL, *mounts = NULL;
    uint64_t hash = UINT64_C(14695981039346656037);
    char *id;
    int r;

    if ((r = path_read(AT_FDCWD, file, 4096, &info, NULL, err)) < 0 ||
        (r = path_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mounts, NULL, err)) < 0)
        return r;
    id = strstr(info, "mnt_id:");
    if (!id)
        return err_set(err, EPROTO, "'%s' names no mount", file);
    id += strcspn(id, "0123456789");
    id[strspn(id, "0123456789")] = '\0';
    ret->shared = line_is_shared(mounts, id);
    hash = mix(hash, &st->st_dev, sizeof(st->st_dev));
    hash = mix(hash, &st->st_ino, sizeof(st->st_ino));
    ret->id = real ? mix_mounts_below(hash, mounts, real) : hash;
    return 0;
}

int storage_inspect(const char *path, struct storage_source *ret, struct err *err)
{
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    struct storage_source s = {0};
    struct statfs fs;
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "error mounting \"%s\": stat %s: %m", path,
                             path);
    if ((r = look_at_mounts(fd, &st, &s, err)) < 0)
        return r;
    s.kind = kind_of(st.st_mode);
    s.on_tmpfs = fs.f_type == TMPFS_MAGIC;
    s.fs_size = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
    s.fs_id = st.st_dev;
    s.mode = st.st_mode & 07777;
    *ret = s;
    return 0;
}
