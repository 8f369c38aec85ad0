/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "base/cleanup.h"

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
    case S_IFCHR:
        return STORAGE_DEVICE;
    default:
        return STORAGE_FILE;
    }
}

int storage_inspect(const char *path, struct storage_source *ret, struct err *err)
{
    cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
    struct statfs fs;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "error mounting \"%s\": stat %s: %m", path,
                             path);
    *ret = (struct storage_source){
        .kind = kind_of(st.st_mode),
        .on_tmpfs = fs.f_type == TMPFS_MAGIC,
        .fs_size = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
        .fs_id = st.st_dev,
        .mode = st.st_mode & 07777,
    };
    return 0;
}
