/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root file systems on disks. A read-only one (an image that many VMs share) is the lower layer of
 * an overlay; what the container writes goes to a tmpfs of the size that the host gives, or to a
 * scratch disk.
 */
#include "agent/container/container.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

/* Of one container: what is written, and the finished root. Its id may be longer than a name. */
#define LAYER_DIR AGENT_RUN "/layers"

static void place(const struct container *c, const char *what, char path[96])
{
    snprintf(path, 96, LAYER_DIR "/%u%s%s", c->id, *what ? "/" : "", what);
}

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return err_set(err, errno, "make '%s': %m", path);
    return 0;
}

/* Where upper and work directory are: on the scratch disk, or on a tmpfs made for it. */
static int upper_place(struct agent *a, struct container *c, char path[96], struct err *err)
{
    const struct plan_root *root = &c->plan.root;
    char data[48] = "mode=0755";
    int r;

    if (root->upper) {
        /* A new file is all zeros: no need to spend our time on zeroing its tables. */
        if ((r = disk_use(a, root->upper, "ext4", "noinit_itable", err)) < 0)
            return err_wrap(err, "writable layer");
        c->upper_used = true;
        snprintf(path, 96, AGENT_RUN "/disk/%s", root->upper);
        return 0;
    }
    place(c, "write", path);
    if (root->upper_size)
        snprintf(data, sizeof(data), "mode=0755,size=%llu", (unsigned long long)root->upper_size);
    if ((r = make_dir(path, err)) < 0)
        return r;
    if (mount("write", path, "tmpfs", 0, data) < 0)
        return err_set(err, errno, "tmpfs for the writable layer with '%s': %m", data);
    return 0;
}

/* The upper directory is what stat("/") shows. */
static int like_lower(int lower, const char *upper, struct err *err)
{
    struct stat st;

    if (fstat(lower, &st) < 0 || chown(upper, st.st_uid, st.st_gid) < 0 ||
        chmod(upper, st.st_mode & 07777) < 0)
        return err_set(err, errno, "owner and mode of the writable layer: %m");
    return 0;
}

static int overlay(struct agent *a, struct container *c, const char *dir, struct err *err)
{
    const struct plan_root *root = &c->plan.root;
    cleanup_fd int lower = disk_dir(root->disk, root->subdir, err);
    char write[96], upper[112], work[112], options[512];
    int r;

    if (lower < 0)
        return lower;
    if ((r = upper_place(a, c, write, err)) < 0)
        return r;
    snprintf(upper, sizeof(upper), "%s/upper", write);
    snprintf(work, sizeof(work), "%s/work", write);
    if ((r = make_dir(upper, err)) < 0 || (r = make_dir(work, err)) < 0 ||
        (r = like_lower(lower, upper, err)) < 0 ||
        (r = a->at.machine ? modules_load("late", "overlay", err) : 0) < 0)
        return r;
    snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d,upperdir=%s,workdir=%s", lower,
             upper, work);
    if (mount("overlay", dir, "overlay", 0, options) < 0)
        return err_set(err, errno, "overlay over disk '%s': %m", root->disk);
    return 0;
}

int layers_prepare(struct agent *a, struct container *c, struct err *err)
{
    const struct plan_root *root = &c->plan.root;
    char dir[96];
    int r;

    if (!root->disk)
        return 0;
    if ((r = disk_use(a, root->disk, root->type, root->data, err)) < 0)
        return err_wrap(err, "root file system");
    c->root_used = true;
    if (!(root->flags & PLAN_R_OVERLAY))
        return 0;
    (void)mkdir(LAYER_DIR, 0711);
    place(c, "", dir);
    if ((r = make_dir(dir, err)) < 0)
        return r;
    place(c, "root", dir);
    if ((r = make_dir(dir, err)) < 0 || (r = overlay(a, c, dir, err)) < 0)
        return err_wrap(err, "root file system");
    return 0;
}

static void take_off(const char *dir)
{
    if (umount2(dir, 0) < 0 && errno == EBUSY)
        (void)umount2(dir, MNT_DETACH);
    (void)rmdir(dir);
}

void layers_release(struct agent *a, struct container *c)
{
    const struct plan_root *root = &c->plan.root;
    char dir[96];

    if (!c->root_used)
        return;
    if (root->flags & PLAN_R_OVERLAY) {
        place(c, "root", dir);
        take_off(dir);
        place(c, "write", dir);
        take_off(dir);
        place(c, "", dir);
        (void)rmdir(dir);
    }
    if (c->upper_used)
        disk_drop(a, root->upper);
    disk_drop(a, root->disk);
    c->root_used = c->upper_used = false;
}

/* In the child: the directory that becomes "/". */
int layers_root(const struct container *c, struct err *err)
{
    const struct plan_root *root = &c->plan.root;
    char dir[96];
    int fd;

    if (!(root->flags & PLAN_R_OVERLAY))
        return disk_dir(root->disk, root->subdir, err);
    place(c, "root", dir);
    fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(err, errno, "open '%s': %m", dir) : fd;
}
