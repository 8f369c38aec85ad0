/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
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

/* Whether the mount that an open descriptor is on has peers. */
static int find_peers(int fd, bool *ret, struct err *err)
{
    cleanup_free char *file = xasprintf("/proc/self/fdinfo/%d", fd);
    cleanup_free char *info = NULL, *mounts = NULL;
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
    *ret = line_is_shared(mounts, id);
    return 0;
}

int storage_inspect(const char *path, struct storage_source *ret, struct err *err)
{
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    struct statfs fs;
    struct stat st;
    bool shared;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "error mounting \"%s\": stat %s: %m", path,
                             path);
    if ((r = find_peers(fd, &shared, err)) < 0)
        return r;
    *ret = (struct storage_source){
        .kind = kind_of(st.st_mode),
        .on_tmpfs = fs.f_type == TMPFS_MAGIC,
        .fs_size = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
        .fs_id = st.st_dev,
        .mode = st.st_mode & 07777,
        .shared = shared,
    };
    return 0;
}
