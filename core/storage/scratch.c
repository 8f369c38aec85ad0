/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/proc.h"
#include "storage/disk.h"
#include "base/tool.h"

#define PREFIX "scratch-" /* then pid, start time of who makes it, and something random */

/* Whoever made it is no more: its VM has the file open, or does not want it any longer. */
static bool is_stale(const char *name)
{
    char *end;
    struct proc_id id;

    if (!str_starts_with(name, PREFIX))
        return false;
    id.pid = (pid_t)strtol(name + strlen(PREFIX), &end, 10);
    id.start_time = *end == '-' ? strtoull(end + 1, NULL, 10) : 0;
    return id.pid > 0 && !proc_alive(&id);
}

void storage_scratch_sweep(const char *dir)
{
    cleanup_dir DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (is_stale(e->d_name))
            (void)unlinkat(dirfd(d), e->d_name, 0);
}

/*
 * ext4 without a journal and checksums: nothing of it outlives the VM. It is not made to grow,
 * which would take 4 MiB of tables. Made by mke2fs, which writes to a file and mounts nothing.
 */
static int run_mke2fs(int fd, struct err *err)
{
    static const char *const names[] = {"mke2fs", NULL};
    static const char *const argv[] = {"mke2fs",
                                       "-q",
                                       "-F",
                                       "-t",
                                       "ext4",
                                       "-O",
                                       "^has_journal,^metadata_csum,^resize_inode,uninit_bg",
                                       "-m",
                                       "0",
                                       "-E",
                                       "nodiscard,lazy_itable_init=1,root_owner=0:0",
                                       TOOL_FILE,
                                       NULL};
    const struct tool t = {names, argv, fd, NULL, "e2fsprogs", 0};

    return tool_run(&t, err);
}

static int copy_data(int from, int to)
{
    off_t at = 0, end;
    ssize_t n;

    while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
        if ((end = lseek(from, at, SEEK_HOLE)) < 0 || lseek(to, at, SEEK_SET) < 0)
            return -errno;
        while (at < end)
            if ((n = sendfile(to, from, &at, (size_t)(end - at))) <= 0)
                return n < 0 ? -errno : -EIO;
    }
    return errno == ENXIO ? 0 : -errno; /* no more data */
}

/* In memory first: mke2fs syncs its file four times, for which a start would wait. */
static int make_fs(int fd, uint64_t size, struct err *err)
{
    cleanup_fd int memory = memfd_create("scratch", MFD_CLOEXEC);
    int r;

    if (memory < 0 || ftruncate(memory, (off_t)size) < 0)
        r = err_set(err, errno, "memory for %llu bytes: %m", (unsigned long long)size);
    else if ((r = run_mke2fs(memory, err)) == 0 && (r = copy_data(memory, fd)) < 0)
        r = err_set(err, -r, "copy it to its file: %m");
    if (r == 0)
        return 0;
    err_in_phase(err, PHASE_STORAGE);
    return err_wrap(err, "file system of a scratch disk");
}

int storage_scratch_make(const char *dir, uint64_t size, char **ret_path, struct err *err)
{
    cleanup_free char *path = NULL;
    cleanup_fd int fd = -1;
    struct proc_id self;
    int r;

    if ((r = path_mkdirs(dir, 0700, err)) < 0 || (r = proc_id_of(getpid(), &self, err)) < 0)
        return err_in_phase(err, PHASE_STORAGE);
    storage_scratch_sweep(dir);
    path = xasprintf("%s/" PREFIX "%d-%llu-XXXXXX", dir, (int)self.pid,
                     (unsigned long long)self.start_time);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "make a scratch disk in '%s': %m", dir);
    if (ftruncate(fd, (off_t)size) < 0)
        r = err_set_phase(err, PHASE_STORAGE, errno,
                          "make a scratch disk of %llu bytes in '%s': %m", (unsigned long long)size,
                          dir);
    if (r == 0)
        r = make_fs(fd, size, err);
    if (r < 0) {
        (void)unlink(path);
        return r;
    }
    *ret_path = steal_ptr(&path);
    return 0;
}

int storage_clone_file(const char *path, bool readonly, int *ret_fd, struct err *err)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
                                          (readonly ? (uint64_t)MOUNT_ATTR_RDONLY : 0)};
    cleanup_fd int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, flags);

    if (fd < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "open '%s': open_tree: %m", path);
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "restrict the mount of '%s': %m", path);
    *ret_fd = steal_fd(&fd);
    return 0;
}
