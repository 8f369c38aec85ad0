/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mounts` of config.json: file systems of the guest's kernel are mounted there, binds of the host
 * go through the share, and what cannot cross into another kernel is refused with a sentence.
 */
#include <errno.h>
#include <stdlib.h>
#include <linux/mount.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "plan/internal.h"

/* Where kubelet keeps emptyDir volumes; those with `medium: Memory` are a tmpfs of their own. */
#define EMPTY_DIR "/kubernetes.io~empty-dir/"

struct mount_job {
    const struct oci_mount *m;
    size_t index;
    struct mount_words words;
    char *dest;   /* cleaned, absolute */
    char *source; /* of a bind: absolute */
    struct plan_source facts;
};

static int refuse(struct builder *b, const struct mount_job *j, const char *why)
{
    return err_set_phase(b->err, PHASE_CONFIG, ENOTSUP, "config.json: mounts[%zu] '%s': %s",
                         j->index, j->m->destination, why);
}

/* As Go's filepath.Clean("/" + path): no doubled slashes, no dots, never above the root. */
static char *clean_path(const char *path)
{
    char *out = xcalloc(1, strlen(path) + 2), *end = out;

    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 2 && path[0] == '.' && path[1] == '.') {
            while (end > out && *--end != '/')
                ;
        } else if (n > 0 && !(n == 1 && path[0] == '.')) {
            *end++ = '/';
            memcpy(end, path, n);
            end += n;
        }
        path += n;
        path += strspn(path, "/");
        *end = '\0';
    }
    if (end == out)
        *end++ = '/';
    *end = '\0';
    return out;
}

/* path is dir or below it. */
static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static struct plan_mount *add_mount(struct builder *b, struct mount_job *j,
                                    enum plan_mount_kind kind, const char *source)
{
    struct plan_mount *p = APPEND(b->c->mounts, b->c->n_mounts);

    p->kind = kind;
    p->source = xstrdup(source);
    p->dest = xstrdup(j->dest);
    p->ms_flags = j->words.ms_flags;
    p->propagation = j->words.propagation;
    p->attr_set = j->words.attr_set;
    p->attr_clr = j->words.attr_clr;
    return p;
}

static void add_filesystem(struct builder *b, struct mount_job *j, const char *type,
                           const char *source)
{
    struct plan_mount *p = add_mount(b, j, PLAN_M_FS, source);

    p->type = xstrdup(type);
    p->data = xstrdup(j->words.data);
    if (j->words.copyup && strcmp(type, "tmpfs") == 0)
        p->flags |= PLAN_MF_COPYUP;
}

/* Types that need nothing of the host: each kernel has its own. */
static const char *const guest_types[] = {
    "proc",    "sysfs",   "tmpfs",      "devpts",  "mqueue",   "ramfs",     "bpf",
    "debugfs", "tracefs", "securityfs", "fusectl", "configfs", "hugetlbfs", "binfmt_misc",
};

static int mount_filesystem(struct builder *b, struct mount_job *j)
{
    const char *type = j->m->type ? j->m->type : "";
    cleanup_free char *why = NULL;

    if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0) {
        add_mount(b, j, PLAN_M_CGROUP, "cgroup");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(guest_types); i++)
        if (strcmp(type, guest_types[i]) == 0) {
            add_filesystem(b, j, type, j->m->source ? j->m->source : type);
            return 0;
        }
    why = xasprintf("file system type '%s' cannot be mounted in the VM; let the host mount it and "
                    "bind the directory",
                    type);
    return refuse(b, j, why);
}

/*
 * Binds of the host kernel's own trees (podman without root, --pid host) mean "the kernel's view":
 * in a VM that is the guest kernel's. Returns whether the job is done.
 */
static bool mount_kernel_tree(struct builder *b, struct mount_job *j)
{
    if (strcmp(j->source, "/proc") == 0)
        add_filesystem(b, j, "proc", "proc");
    else if (strcmp(j->source, "/sys") == 0)
        add_filesystem(b, j, "sysfs", "sysfs");
    else if (strcmp(j->source, "/dev/mqueue") == 0)
        add_filesystem(b, j, "mqueue", "mqueue");
    else if (is_below(j->source, "/sys/fs/cgroup"))
        add_mount(b, j, PLAN_M_CGROUP, "cgroup");
    else if (is_below(j->source, "/proc") || is_below(j->source, "/sys"))
        add_mount(b, j, PLAN_M_BIND, j->source)->flags |= PLAN_MF_RECURSIVE;
    else if (strcmp(j->source, "/dev") == 0 || is_below(j->source, "/dev/pts"))
        strv_addf(b->warnings,
                  "mounts[%zu] '%s': the host's '%s' cannot be seen in a VM, the container keeps "
                  "its own, ignoring",
                  j->index, j->dest, j->source);
    else
        return false;
    return true;
}

/* A bind of a device node (podman without root does so for each device). */
static int mount_device(struct builder *b, struct mount_job *j)
{
    struct plan_device *d;
    uint32_t major, minor;
    cleanup_free char *why = NULL;

    if (device_is_standard(j->dest) && device_is_standard(j->source))
        return 0;
    if (!device_in_guest(b->in, j->source, &major, &minor)) {
        why = xasprintf("'%s' is a device of the host, which a VM does not have", j->source);
        return refuse(b, j, why);
    }
    d = APPEND(b->c->devices, b->c->n_devices);
    d->path = xstrdup(j->dest);
    d->type = 'c';
    d->major = major;
    d->minor = minor;
    d->mode = j->facts.mode & 0777;
    return 0;
}

/* A tmpfs of the guest instead of 9p over a tmpfs of the host: shared by all that name the source.
 */
static bool wants_guest_tmpfs(const char *source, const char *dest, const struct plan_source *facts)
{
    return facts->kind == PLAN_SRC_DIR && facts->on_tmpfs &&
           (strcmp(dest, "/dev/shm") == 0 || strstr(source, EMPTY_DIR));
}

bool plan_bind_is_guests(const char *source, const char *dest, const struct plan_source *facts)
{
    return is_below(source, "/proc") || is_below(source, "/sys") || is_below(source, "/dev/pts") ||
           strcmp(source, "/dev") == 0 || strcmp(source, "/dev/mqueue") == 0 ||
           wants_guest_tmpfs(source, dest, facts);
}

static void mount_shm(struct builder *b, struct mount_job *j)
{
    cleanup_free char *name = xasprintf("shm-%llx", (unsigned long long)j->facts.fs_id);
    struct plan_mount *p = add_mount(b, j, PLAN_M_SHM, name);

    p->data = j->facts.fs_size ? xasprintf("mode=%o,size=%llu", j->facts.mode & 07777,
                                           (unsigned long long)j->facts.fs_size)
                               : xasprintf("mode=%o", j->facts.mode & 07777);
}

/*
 * mountinfo of the container ends in the source's own name, as on the host. No id has a colon.
 * One source has one name in all containers of a VM: locks hold between them because the guest then
 * has one inode for a file. What differs between their mounts is in the name, too.
 */
static char *share_name(const struct builder *b, const struct mount_job *j,
                        const struct plan_share *s)
{
    const char *base = strrchr(j->source, '/') + 1;

    base = *base ? base : "root";
    if (!j->facts.id)
        return xasprintf("%s:%zu/%s", b->in->id, j->index, base);
    return xasprintf(":%016llx%s%s%s/%s", (unsigned long long)j->facts.id, s->recursive ? "R" : "",
                     s->readonly ? "r" : "", s->slave ? "s" : "", base);
}

static void mount_share(struct builder *b, struct mount_job *j)
{
    struct plan_share *s = APPEND(b->shares->v, b->shares->n);
    uint64_t flags = j->words.ms_flags;
    struct plan_mount *p;

    s->host_path = xstrdup(j->source);
    s->is_file = j->facts.kind == PLAN_SRC_FILE;
    s->recursive = j->words.recursive;
    s->readonly = (flags & MS_RDONLY) || (j->words.attr_set & MOUNT_ATTR_RDONLY);
    s->nosuid = flags & MS_NOSUID;
    s->nodev = flags & MS_NODEV;
    s->noexec = flags & MS_NOEXEC;
    s->slave = j->words.propagation & MS_SLAVE;
    s->name = share_name(b, j, s);
    p = add_mount(b, j, PLAN_M_SHARE, s->name);
    if (s->is_file)
        p->flags |= PLAN_MF_IS_FILE;
    if (s->recursive)
        p->flags |= PLAN_MF_RECURSIVE;
}

static int find_source(struct builder *b, struct mount_job *j)
{
    cleanup_free char *path = NULL;

    if (!j->m->source || !*j->m->source)
        return refuse(b, j, "a bind mount needs a source");
    if (j->m->source[0] != '/' && !b->spec->bundle)
        return refuse(b, j, "the source is not an absolute path");
    path =
        j->m->source[0] == '/' ? xstrdup(j->m->source) : path_join(b->spec->bundle, j->m->source);
    j->source = clean_path(path);
    return 0;
}

static int refuse_source(struct builder *b, const struct mount_job *j, const char *what)
{
    cleanup_free char *why =
        xasprintf("'%s' is a %s of the host's kernel, which a VM cannot reach", j->source, what);

    return refuse(b, j, why);
}

static int mount_bind(struct builder *b, struct mount_job *j)
{
    int r;

    if ((r = find_source(b, j)) < 0)
        return r;
    free(steal_ptr(&j->words.data)); /* means nothing on a bind: the file system is there already */
    if (b->in->source && (r = b->in->source(b->in->ctx, j->source, &j->facts, b->err)) < 0)
        return err_wrap(b->err, "config.json: mounts[%zu] '%s'", j->index, j->m->destination);
    /* A mount without peers on the host gets its first ones in the container, as with runc. */
    if ((j->words.propagation & MS_SHARED) && j->facts.shared)
        return refuse(b, j,
                      "propagation 'shared' would carry mounts of the guest to the host, "
                      "which a VM cannot; 'rslave' works");
    if (mount_kernel_tree(b, j))
        return 0;
    switch (j->facts.kind) {
    case PLAN_SRC_SOCKET:
        return refuse_source(b, j, "unix socket");
    case PLAN_SRC_FIFO:
        return refuse_source(b, j, "named pipe");
    case PLAN_SRC_DEVICE:
        return mount_device(b, j);
    case PLAN_SRC_DIR:
    case PLAN_SRC_FILE:
        break;
    }
    if (wants_guest_tmpfs(j->source, j->dest, &j->facts))
        mount_shm(b, j);
    else
        mount_share(b, j);
    return 0;
}

/* Options of the bundle that are for the file system have gone through the disk's. */
static int mount_disk(struct builder *b, struct mount_job *j, const struct plan_disk *disk)
{
    struct plan_mount *p = add_mount(b, j, PLAN_M_DISK, disk->tag);

    p->type = xstrdup(disk->fs);
    p->data = xstrdup(disk->data);
    p->subdir = xstrdup(disk->subdir);
    if (disk->scratch)
        p->flags |= PLAN_MF_SCRATCH;
    return 0;
}

static const struct plan_nfs *find_nfs(const struct builder *b, size_t index)
{
    for (size_t i = 0; i < b->in->n_nfs; i++)
        if (b->in->nfs[i].index == index)
            return &b->in->nfs[i];
    return NULL;
}

static int mount_nfs(struct builder *b, struct mount_job *j, const struct plan_nfs *nfs)
{
    struct plan_mount *p;

    if (b->c->ns[PLAN_NS_NET] != PLAN_NS_VM)
        return refuse(
            b, j,
            "an NFS volume is mounted over the network of the sandbox, and this container "
            "has a network namespace of its own within it");
    p = add_mount(b, j, PLAN_M_NFS, nfs->source);
    p->type = xstrdup("nfs4");
    p->data = xstrdup(nfs->data);
    return 0;
}

/* It would be hidden by a volume that is mounted after it. */
static int check_above(struct builder *b, const struct mount_job *j)
{
    for (size_t i = 0; i < b->c->n_mounts; i++) {
        const struct plan_mount *above = &b->c->mounts[i];
        cleanup_free char *why = NULL;

        if (above->kind != PLAN_M_NFS || !is_below(j->dest, above->dest))
            continue;
        why = xasprintf("it lies in the NFS volume on '%s', which is mounted after it, when the "
                        "container starts",
                        above->dest);
        return refuse(b, j, why);
    }
    return 0;
}

static int build_mount(struct builder *b, size_t index)
{
    struct mount_job j = {.m = &b->spec->mounts[index], .index = index};
    const struct plan_disk *disk = builder_disk(b, PLAN_DISK_MOUNT, index);
    const struct plan_nfs *nfs = find_nfs(b, index);
    int r = mount_words_parse(j.m, index, &j.words, b->err);

    if (r < 0)
        return r;
    j.dest = clean_path(j.m->destination);
    if (strcmp(j.dest, "/") == 0)
        r = refuse(b, &j, "a mount over the container's root is not supported");
    else if (nfs)
        r = mount_nfs(b, &j, nfs);
    else if ((r = check_above(b, &j)) < 0)
        ;
    else if (disk)
        r = mount_disk(b, &j, disk);
    else
        r = j.words.bind ? mount_bind(b, &j) : mount_filesystem(b, &j);
    free(j.words.data);
    free(j.dest);
    free(j.source);
    return r;
}

static void set_root(struct builder *b, const struct plan_disk *disk)
{
    b->c->root = (struct plan_root){
        .disk = xstrdup(disk->tag),
        .type = xstrdup(disk->fs),
        .data = xstrdup(disk->data),
        .subdir = xstrdup(disk->subdir),
        .flags = disk->overlay ? PLAN_R_OVERLAY : 0,
        .upper = xstrdup(disk->upper),
        .upper_size = disk->upper_size,
    };
}

/*
 * The root file system comes first. It stays writable: the agent makes missing mount points. Its
 * name is one word, for QEMU opens each component of a path anew in every request.
 */
static void share_rootfs(struct builder *b)
{
    const struct plan_disk *disk = builder_disk(b, PLAN_DISK_ROOT, 0);
    struct plan_share *s = APPEND(b->shares->v, b->shares->n);

    s->host_path = xstrdup(b->spec->rootfs);
    s->name = xstrdup(b->in->id);
    s->recursive = true;
    if (disk)
        set_root(b, disk);
    else
        b->c->rootfs = xstrdup(s->name);
    s->host_only = disk != NULL;
}

int build_mounts(struct builder *b)
{
    share_rootfs(b);
    for (size_t i = 0; i < b->spec->n_mounts; i++) {
        int r = build_mount(b, i);

        if (r < 0)
            return r;
    }
    return 0;
}
