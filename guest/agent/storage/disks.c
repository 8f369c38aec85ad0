/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks of the machine, found by their serial numbers. The agent mounts each file system once, in
 * its own namespace and before it forks, for a container in a user namespace may not; containers
 * get clones of that mount. The last user's end unmounts it, so that the host gets it back clean.
 */
#include "agent/container/container.h"
#include "agent/storage/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#define SERIAL_MAX 20 /* what virtio has room for */
#define DISK_DIR AGENT_RUN "/disk"

struct disk {
    struct disk *next;
    char *tag;
    unsigned users;
};

/* A disk without a serial number, as the host has named it. */
struct disk_alias {
    struct disk_alias *next;
    char name[16], tag[SERIAL_MAX + 1];
};

static int check_tag(const char *tag, struct err *err)
{
    size_t n = strlen(tag);

    if (n == 0 || n > SERIAL_MAX || strchr(tag, '/') || tag[0] == '.')
        return err_set(err, EINVAL, "'%.64s' is no serial number of a disk", tag);
    return 0;
}

static bool has_serial(const char *name, const char *tag)
{
    char path[300], serial[SERIAL_MAX + 2] = "";

    snprintf(path, sizeof(path), "/sys/block/%.255s/serial", name);
    if (cgroup_read(AT_FDCWD, path, serial, sizeof(serial)) < 0)
        return false;
    serial[strcspn(serial, "\n")] = '\0';
    return strcmp(serial, tag) == 0;
}

void disk_alias(struct agent *a, const char *word)
{
    size_t n = strcspn(word, ":");
    struct disk_alias *alias;

    if (!word[n] || n == 0 || strchr(word, '/') || word[0] == '.')
        return;
    alias = calloc(1, sizeof(*alias));
    if (!alias || n >= sizeof(alias->name) || strlen(word + n + 1) >= sizeof(alias->tag)) {
        free(alias);
        return;
    }
    memcpy(alias->name, word, n);
    memcpy(alias->tag, word + n + 1, strlen(word + n + 1));
    alias->next = a->aliases;
    a->aliases = alias;
}

/* -ENODEV also when the alias is there and the disk is not yet. */
static int find_alias(const struct agent *a, const char *tag, char name[64])
{
    char path[64];

    for (const struct disk_alias *d = a->aliases; d; d = d->next) {
        if (strcmp(d->tag, tag) != 0)
            continue;
        snprintf(path, sizeof(path), "/sys/block/%s", d->name);
        if (access(path, F_OK) < 0)
            return -ENODEV;
        snprintf(name, 64, "%s", d->name);
        return 0;
    }
    return -ENODEV;
}

/* The kernel's name of the disk ("vda"); -ENODEV without a sentence: it is not there (yet). */
static int find_device(const struct agent *a, const char *tag, char name[64])
{
    cleanup_dir DIR *d = opendir("/sys/block");
    struct dirent *e;

    if (find_alias(a, tag, name) == 0)
        return 0;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && strlen(e->d_name) < 64 &&
            (has_serial(e->d_name, tag) || xen_is_disk(a, e->d_name, tag))) {
            snprintf(name, 64, "%.63s", e->d_name);
            return 0;
        }
    return -ENODEV;
}

static int device_number(const struct agent *a, const char *tag, uint32_t *ret_major,
                         uint32_t *ret_minor, struct err *err)
{
    char name[64], path[80];
    struct stat st;

    if (find_device(a, tag, name) < 0)
        return err_set(err, ENODEV, "the VM has no disk '%s'", tag);
    snprintf(path, sizeof(path), "/dev/%s", name);
    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
        return err_set(err, ENODEV, "'%s' is not the disk '%s'", path, tag);
    *ret_major = major(st.st_rdev);
    *ret_minor = minor(st.st_rdev);
    return 0;
}

bool disks_wanted(const struct plan_container *c)
{
    bool any = c->root.disk != NULL;

    for (size_t i = 0; i < c->n_mounts; i++)
        any = any || c->mounts[i].kind == PLAN_M_DISK;
    for (size_t i = 0; i < c->n_devices; i++)
        any = any || c->devices[i].disk;
    return any;
}

/* The first disk of the plan that the machine does not have; NULL = all are there. */
const char *disks_missing(const struct agent *a, const struct plan_container *c)
{
    char name[64];

    if (c->root.disk && find_device(a, c->root.disk, name) < 0)
        return c->root.disk;
    if (c->root.disk && c->root.upper && find_device(a, c->root.upper, name) < 0)
        return c->root.upper;
    for (size_t i = 0; i < c->n_mounts; i++)
        if (c->mounts[i].kind == PLAN_M_DISK && find_device(a, c->mounts[i].source, name) < 0)
            return c->mounts[i].source;
    for (size_t i = 0; i < c->n_devices; i++)
        if (c->devices[i].disk && find_device(a, c->devices[i].disk, name) < 0)
            return c->devices[i].disk;
    return NULL;
}

/* By the magic numbers of what we have modules for. */
static const char *detect(const char *device)
{
    static const struct {
        const char *type, *magic;
        off_t at;
        size_t len;
    } known[] = {
        {"xfs", "XFSB", 0, 4},
        {"squashfs", "hsqs", 0, 4},
        {"erofs", "\xe2\xe1\xf5\xe0", 1024, 4},
        {"ext4", "\x53\xef", 1024 + 56, 2},
    };
    cleanup_fd int fd = open(device, O_RDONLY | O_CLOEXEC);
    char head[8];

    for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(known); i++)
        if (pread(fd, head, known[i].len, known[i].at) == (ssize_t)known[i].len &&
            memcmp(head, known[i].magic, known[i].len) == 0)
            return known[i].type;
    return NULL;
}

/* A journal cannot be replayed on a disk that the host lets us only read. */
static int mount_unreplayed(const char *device, const char *dir, const char *type, const char *data)
{
    char with[512];

    snprintf(with, sizeof(with), "%s%s%s", data ? data : "", data ? "," : "",
             strcmp(type, "xfs") == 0 ? "norecovery" : "noload");
    return mount(device, dir, type, MS_RDONLY, with);
}

static int mount_disk(struct agent *a, const char *tag, const char *type, const char *data,
                      struct err *err)
{
    char device[80] = "/dev/", dir[128], name[64], ro_path[96], ro[4] = "";
    bool readonly;
    int r;

    if (find_device(a, tag, name) < 0)
        return err_set(err, ENODEV, "the VM has no disk '%s'", tag);
    snprintf(device, sizeof(device), "/dev/%s", name);
    snprintf(dir, sizeof(dir), DISK_DIR "/%s", tag);
    snprintf(ro_path, sizeof(ro_path), "/sys/block/%s/ro", name);
    readonly = cgroup_read(AT_FDCWD, ro_path, ro, sizeof(ro)) > 0 && ro[0] == '1';
    if (!type && !(type = detect(device)))
        return err_set(err, EINVAL,
                       "disk '%s' holds none of the file systems ext4, xfs, erofs, squashfs", tag);
    if (a->at.machine && modules_load("late", type, err) < 0)
        return err_wrap(err, "file system '%s' of disk '%s'", type, tag);
    (void)mkdir(DISK_DIR, 0711);
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_set(err, errno, "make '%s': %m", dir);
    r = mount(device, dir, type, readonly ? MS_RDONLY : 0, data);
    if (r < 0 && errno == EROFS && readonly)
        r = mount_unreplayed(device, dir, type, data);
    if (r < 0)
        return err_set(err, errno, "mount disk '%s' as %s with '%s': %m", tag, type,
                       data ? data : "");
    return 0;
}

static struct disk *find(struct agent *a, const char *tag)
{
    struct disk *d = a->disks;

    while (d && strcmp(d->tag, tag) != 0)
        d = d->next;
    return d;
}

int disk_use(struct agent *a, const char *tag, const char *type, const char *data, struct err *err)
{
    struct disk *d = find(a, tag);
    int r = check_tag(tag, err);

    if (r < 0)
        return r;
    if (!d) {
        if ((r = mount_disk(a, tag, type, data, err)) < 0)
            return r;
        d = calloc(1, sizeof(*d));
        if (!d || !(d->tag = strdup(tag))) {
            free(d);
            return err_set(err, ENOMEM, "disk '%s': %m", tag);
        }
        d->next = a->disks;
        a->disks = d;
    }
    d->users++;
    return 0;
}

/* Who holds it may be a process that cannot die yet: what is written must not wait for that. */
static void detach(struct agent *a, const char *tag, const char *dir)
{
    cleanup_fd int fd = -1;

    agent_log(a, "unmount disk '%s': %s, detaching it", tag, strerror(errno));
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)syncfs(fd);
    (void)umount2(dir, MNT_DETACH);
}

void disk_drop(struct agent *a, const char *tag)
{
    struct disk **at = &a->disks, *d;
    char dir[128];

    while (*at && strcmp((*at)->tag, tag) != 0)
        at = &(*at)->next;
    d = *at;
    if (!d || --d->users > 0)
        return;
    *at = d->next;
    snprintf(dir, sizeof(dir), DISK_DIR "/%s", d->tag);
    if (umount2(dir, 0) < 0)
        detach(a, d->tag, dir);
    (void)rmdir(dir);
    free(d->tag);
    free(d);
}

int disk_dir(const char *tag, const char *subdir, struct err *err)
{
    cleanup_fd int top = -1;
    char dir[128];
    int fd;

    if (check_tag(tag, err) < 0)
        return -err->code;
    snprintf(dir, sizeof(dir), DISK_DIR "/%s", tag);
    top = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return err_set(err, errno, "open disk '%s': %m", tag);
    fd = sys_openat2(top, subdir && *subdir ? subdir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC,
                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    return fd < 0 ? err_set(err, errno, "open '%s' on disk '%s': %m", subdir ? subdir : "/", tag)
                  : fd;
}

/* Numbers of raw disks, in the plan's nodes and in its device filter. */
static int learn_numbers(const struct agent *a, struct plan_container *c, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < c->n_devices && r == 0; i++)
        if (c->devices[i].disk)
            r = device_number(a, c->devices[i].disk, &c->devices[i].major, &c->devices[i].minor,
                              err);
    for (size_t i = 0; i < c->cgroup.n_rules && r == 0; i++) {
        struct plan_device_rule *rule = &c->cgroup.rules[i];
        uint32_t major, minor;

        if (!rule->disk)
            continue;
        r = device_number(a, rule->disk, &major, &minor, err);
        rule->major = r < 0 ? rule->major : major;
        rule->minor = r < 0 ? rule->minor : minor;
    }
    return r;
}

int disks_prepare(struct agent *a, struct container *c, struct err *err)
{
    int r;

    if (!disks_wanted(&c->plan))
        return 0;
    if ((r = learn_numbers(a, &c->plan, err)) < 0)
        return r;
    for (size_t i = 0; i < c->plan.n_mounts; i++) {
        const struct plan_mount *m = &c->plan.mounts[i];

        if (m->kind != PLAN_M_DISK)
            continue;
        if ((r = disk_use(a, m->source, m->type, m->data, err)) < 0)
            return err_wrap(err, "mount on '%s'", m->dest);
        c->n_disk_mounts = i + 1;
    }
    return layers_prepare(a, c, err);
}

void disks_release(struct agent *a, struct container *c)
{
    layers_release(a, c);
    for (size_t i = 0; i < c->n_disk_mounts; i++)
        if (c->plan.mounts[i].kind == PLAN_M_DISK)
            disk_drop(a, c->plan.mounts[i].source);
    c->n_disk_mounts = 0;
}

void disks_power_off(struct agent *a, struct container *c)
{
    for (size_t i = 0; i < c->n_disk_mounts; i++) {
        const struct plan_mount *m = &c->plan.mounts[i];

        if (m->kind == PLAN_M_DISK && !(m->flags & PLAN_MF_SCRATCH))
            disk_drop(a, m->source);
    }
    if (c->root_used && !(c->plan.root.flags & PLAN_R_OVERLAY))
        disk_drop(a, c->plan.root.disk);
    c->n_disk_mounts = 0;
    c->root_used = false;
}
