/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's private root: a small tmpfs with non-recursive binds of what plug-in and VMM need.
 * So no mount of the caller stays alive because we have a copy of it; an engine that unmounts a
 * container's overlay could not remove it otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"

/* One thing of the old root that the new one shows at the same path. */
struct bind {
    char *path;
    char *link; /* a symbolic link with this target */
    int fd;     /* else a detached mount */
    bool is_file;
};

struct binds {
    struct bind *v;
    size_t n;
};

/* Programs and libraries; of /etc only what finding them and storage servers takes, for the rest
 * are secrets. */
static const char *const system_dirs[] = {"/usr",
                                          "/bin",
                                          "/sbin",
                                          "/lib",
                                          "/lib32",
                                          "/lib64",
                                          "/libx32",
                                          "/opt",
                                          "/sys",
                                          "/etc/ld.so.cache",
                                          "/etc/alternatives"};
static const char *const resolver_files[] = {"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf",
                                             "/etc/services"};
static const char *const device_nodes[] = {"/dev/null",    "/dev/zero",      "/dev/full",
                                           "/dev/tty",     "/dev/urandom",   "/dev/random",
                                           "/dev/kvm",     "/dev/vhost-net", "/dev/vhost-vsock",
                                           "/dev/net/tun", "/dev/vsock"};

static void binds_done(struct binds *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free(b->v[i].path);
        free(b->v[i].link);
        close_fd(&b->v[i].fd);
    }
    free(b->v);
}

/* What may be written must not become a way to a device or to another program. */
static int restrict_mount(int fd, bool readonly)
{
    struct mount_attr attr = {.attr_set = readonly ? MOUNT_ATTR_RDONLY
                                                   : MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
                                                         MOUNT_ATTR_NOEXEC};

    return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

static void add_bind(struct binds *b, struct bind bind)
{
    b->v = xreallocarray(b->v, b->n + 1, sizeof(*b->v));
    b->v[b->n++] = bind;
}

static void add_link(struct binds *b, const char *path)
{
    char target[4096];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    struct bind bind = {.path = xstrdup(path), .fd = -1};

    if (n < 0)
        n = 0;
    target[n] = '\0';
    bind.link = xstrdup(target);
    add_bind(b, bind);
}

/*
 * What lies below a mount cannot be left out in the mount namespace of an unprivileged user, where
 * the kernel locks it in place: it says EINVAL then.
 */
static int clone_mount(const char *path)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, flags);

    if (fd < 0 && errno == EINVAL)
        fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, flags | AT_RECURSIVE);
    return fd;
}

/* What is not there is left out: whoever needs it gives the better message. */
static int add(struct binds *b, const char *path, bool readonly, bool keep_link, struct err *err)
{
    struct bind bind = {.fd = -1};
    struct stat st;

    if (!path || *path != '/' || (keep_link ? lstat(path, &st) : stat(path, &st)) < 0)
        return 0;
    if (S_ISLNK(st.st_mode)) {
        add_link(b, path);
        return 0;
    }
    bind.fd = clone_mount(path);
    if (bind.fd < 0)
        return err_set(err, errno, "clone the mount of '%s': %m", path);
    if ((readonly || S_ISDIR(st.st_mode)) && restrict_mount(bind.fd, readonly) < 0) {
        close(bind.fd);
        return err_set(err, errno, "restrict the mount of '%s': %m", path);
    }
    bind.path = xstrdup(path);
    bind.is_file = !S_ISDIR(st.st_mode);
    add_bind(b, bind);
    return 0;
}

static int add_parent(struct binds *b, const char *path, bool readonly, struct err *err)
{
    cleanup_free char *dir = xstrdup(path ? path : "");
    char *slash = strrchr(dir, '/');

    if (!slash || slash == dir) /* never the whole root */
        return 0;
    *slash = '\0';
    return add(b, dir, readonly, false, err);
}

/* Files that the configuration names: firmware, a VMM elsewhere, secrets. */
static int add_named(struct binds *b, const struct kvs *l, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < l->n && r == 0; i++)
        if (l->v[i].value[0] == '/' && l->v[i].value[1])
            r = add(b, l->v[i].value, true, false, err);
    return r;
}

/* What the descriptor wants: as it is, or, behind ":rw", to be written. A link stays one. */
static int add_paths(struct binds *b, const struct strv *paths, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < paths->n && r == 0; i++) {
        bool writable = str_ends_with(paths->v[i], ":rw");
        cleanup_free char *path = xstrndup(paths->v[i], strlen(paths->v[i]) - (writable ? 3 : 0));

        r = add(b, path, !writable, true, err);
    }
    return r;
}

static int collect(const struct ipc_sandbox *s, struct binds *b, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(system_dirs) && r == 0; i++)
        r = add(b, system_dirs[i], true, true, err);
    for (size_t i = 0; i < ARRAY_SIZE(resolver_files) && r == 0; i++)
        r = add(b, resolver_files[i], true, false, err);
    for (size_t i = 0; i < ARRAY_SIZE(device_nodes) && r == 0; i++)
        r = add(b, device_nodes[i], false, false, err);
    if (r < 0 || (r = add(b, "/proc", false, false, err)) < 0 ||
        (r = add_parent(b, s->library, true, err)) < 0 ||
        (r = add_parent(b, s->descriptor_file, true, err)) < 0 ||
        (r = add(b, s->guest_dir, true, false, err)) < 0 ||
        (r = add_parent(b, s->kernel, true, err)) < 0 ||
        (r = add_parent(b, s->initrd, true, err)) < 0 || (r = add_named(b, &s->config, err)) < 0 ||
        (r = add_named(b, &s->options, err)) < 0 || (r = add_paths(b, &s->paths, err)) < 0 ||
        (r = add(b, s->cache_dir, true, false, err)) < 0 ||
        /* No clone, whoever has taken its VMM over, changes what others are made from. */
        (r = add(b, s->template_dir, s->template_use != IPC_TEMPLATE_BUILD, false, err)) < 0 ||
        /* Not the root of all state: a VMM that was taken over must not find other sandboxes. */
        (r = add(b, s->state_dir, false, false, err)) < 0)
        return r;
    return add(b, s->run_dir, false, false, err);
}

static int make_parent(const char *target, struct err *err)
{
    cleanup_free char *dir = xstrdup(target);

    *strrchr(dir, '/') = '\0';
    return path_mkdirs(dir, 0755, err);
}

/* A directory or empty file to mount on; inside an earlier bind it is there already. */
static int make_target(const char *target, bool is_file, struct err *err)
{
    int fd;

    if (!is_file)
        return path_mkdirs(target, 0755, err);
    if (make_parent(target, err) < 0)
        return -err->code;
    fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && access(target, F_OK) < 0)
        return err_set(err, errno, "make '%s': %m", target);
    close_fd(&fd);
    return 0;
}

static int place(const char *base, struct bind *b, struct err *err)
{
    cleanup_free char *target = path_join(base, b->path);
    int r;

    if (b->link) {
        if ((r = make_parent(target, err)) < 0)
            return r;
        return symlink(b->link, target) < 0 && errno != EEXIST
                   ? err_set(err, errno, "make the link '%s': %m", b->path)
                   : 0;
    }
    if ((r = make_target(target, b->is_file, err)) < 0)
        return r;
    if (syscall(SYS_move_mount, b->fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_set(err, errno, "mount '%s': %m", b->path);
    return 0;
}

static int place_all(const char *base, struct binds *b, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < b->n && r == 0; i++)
        r = place(base, &b->v[i], err);
    return r;
}

/* What is mounted below it later appears in the VMM's own namespace as well. */
static int mount_shared(const char *dir, unsigned long flags, struct err *err)
{
    if (mount(dir, dir, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | flags, NULL) < 0 ||
        mount(NULL, dir, NULL, MS_SHARED, NULL) < 0)
        return err_set(err, errno, "bind '%s': %m", dir);
    return 0;
}

static int make_disks_dir(const char *base, struct err *err)
{
    cleanup_free char *dir = path_join(base, DISKS_DIR);

    if (mkdir(dir, 0755) < 0)
        return err_set(err, errno, "mkdir '%s': %m", DISKS_DIR);
    return mount_shared(dir, 0, err);
}

/*
 * The guest sees the share through a read-only view: it could fill the tmpfs or plant links on
 * paths that we mount to.
 */
static int make_share(const char *base, int *ret_fd, struct err *err)
{
    cleanup_free char *dir = path_join(base, SHARE_DIR);
    cleanup_fd int rw = -1;

    if (mkdir(dir, 0755) < 0)
        return err_set(err, errno, "mkdir '%s': %m", SHARE_DIR);
    if (mount("share", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m,nr_inodes=16k") < 0)
        return err_set(err, errno, "mount a tmpfs for the share: %m");
    rw = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rw < 0)
        return err_set(err, errno, "open the share: %m");
    if (mount_shared(dir, MS_RDONLY, err) < 0)
        return -err->code;
    *ret_fd = steal_fd(&rw);
    return 0;
}

static int switch_root(const char *base, struct err *err)
{
    if (chdir(base) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0)
        return err_set(err, errno, "enter the private root: %m");
    return 0;
}

/* Shells want them; without /dev/stdin the scripts of Xen look for it until they are killed. */
static int make_dev_links(const char *base, struct err *err)
{
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"}};

    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        cleanup_free char *path = path_join(base, links[i][1]);

        if (symlink(links[i][0], path) < 0 && errno != EEXIST)
            return err_set(err, errno, "make '%s': %m", path);
    }
    return 0;
}

static int make_small_dirs(const char *base, struct err *err)
{
    /* /mnt: a place for mounts of a guest that is no VM (tests/fake). */
    static const char *const dirs[] = {"/tmp", "/run", "/var", "/dev", "/mnt"};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(dirs) && r == 0; i++) {
        cleanup_free char *dir = path_join(base, dirs[i]);

        r = path_mkdirs(dir, 0755, err);
    }
    return r < 0 ? r : make_dev_links(base, err);
}

/*
 * A VMM that others start sees the host's mounts, not ours. Share and disks are made in the host's
 * namespace then, and what is shown here are their peers: what is mounted there later appears on
 * both sides. The CLI unmounts them with the run_dir.
 */
static int make_on_host(const char *base, struct binds *b, int *ret_share_fd, struct err *err)
{
    static const char *const dirs[] = {SHARE_DIR, DISKS_DIR};
    int r = path_mkdirs(base, 0755, err);

    if (r < 0 || (r = make_disks_dir(base, err)) < 0 ||
        (r = make_share(base, ret_share_fd, err)) < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        cleanup_free char *path = path_join(base, dirs[i]);
        int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0)
            return err_set(err, errno, "clone the mount of '%s': %m", path);
        add_bind(b, (struct bind){.path = steal_ptr(&path), .fd = fd});
    }
    return 0;
}

int mountns_enter(const struct ipc_sandbox *spec, int *ret_share_fd, struct err *err)
{
    cleanup_call(binds_done) struct binds binds = {0}, peers = {0};
    bool on_host = spec->host_mounts && *spec->host_mounts;
    cleanup_fd int share = -1;
    const char *base = spec->run_dir;
    int r;

    if (on_host && (r = make_on_host(spec->host_mounts, &peers, &share, err)) < 0)
        return r;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(err, errno, "make a private mount namespace: %m");
    if ((r = collect(spec, &binds, err)) < 0)
        return r;
    /* From here on base hides what was there; all that is needed of it is among the binds. */
    if (mount("anyvisor", base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4m") < 0)
        return err_set(err, errno, "mount a tmpfs on '%s': %m", base);
    if ((r = place_all(base, &binds, err)) < 0 || (r = place_all(base, &peers, err)) < 0 ||
        (r = make_small_dirs(base, err)) < 0 ||
        (!on_host &&
         ((r = make_disks_dir(base, err)) < 0 || (r = make_share(base, &share, err)) < 0)) ||
        (r = switch_root(base, err)) < 0)
        return r;
    *ret_share_fd = steal_fd(&share);
    return 0;
}
