/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a bundle's file systems and devices become disks. Looks, and touches nothing. */
#include "cli/disks.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/planning.h"
#include "storage/disk.h"
#include "storage/images.h"
#include "storage/uri.h"

#define SCRATCH_AUTO (10 * GIB) /* of which only what is written takes room */
#define SCRATCH_MIN (16 * MIB)  /* what mke2fs makes something of */

struct chooser {
    const char *id;
    const struct oci_spec *spec;
    const struct choice *c;
    struct disks *d;
    struct err *err;
};

void disks_done(struct disks *d)
{
    disks_close(d);
    disks_unname(d);
    for (size_t i = 0; i < d->n; i++) {
        struct disk *k = &d->v[i];

        free(k->source);
        free(k->unmount);
        free(k->fs);
        free(k->data);
        free(k->subdir);
        free(k->ipc.tag);
        free(k->ipc.path);
        free(k->ipc.secret_file);
        kvs_done(&k->ipc.options);
        kvs_done(&k->ipc.files);
        free(k->ipc.source);
    }
    free(d->v);
    free(d->uses);
    strv_done(&d->why);
    *d = (struct disks){0};
}

struct ipc_disk *disks_ipc(const struct disks *d)
{
    struct ipc_disk *v = xcalloc(d->n + 1, sizeof(*v));

    for (size_t i = 0; i < d->n; i++)
        v[i] = d->v[i].ipc;
    return v;
}

/* Ids are longer than a serial number may be: 8 hex digits stand for them (FNV-1a). */
static char *make_tag(const char *id, const char *what)
{
    uint32_t hash = 2166136261u;

    for (const char *p = id; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    return xasprintf("%08x-%s", hash, what);
}

/* A new disk; what is "r", "w", "m3", "d0". */
static int add(struct chooser *k, enum disk_origin origin, const char *source, const char *what,
               struct disk **ret)
{
    struct disk *d;

    if (k->d->n >= IPC_DISKS_MAX)
        return err_set_phase(k->err, PHASE_STORAGE, E2BIG,
                             "a container may have %d disks at most: put some of the volumes on "
                             "one disk (subdir=)",
                             IPC_DISKS_MAX);
    k->d->v = xreallocarray(k->d->v, k->d->n + 1, sizeof(*k->d->v));
    d = &k->d->v[k->d->n++];
    *d = (struct disk){
        .origin = origin,
        .source = xstrdup(source),
        .ipc = {.tag = make_tag(k->id, what),
                .protocol = origin == DISK_NODE ? HVP_PROTO_BLOCK : HVP_PROTO_FILE,
                .format = HVP_FORMAT_RAW,
                .path = origin == DISK_NETWORK ? NULL : xstrdup(source ? source : "scratch")},
    };
    *ret = d;
    return 0;
}

static void use(struct disk *d, enum plan_disk_use use, size_t index)
{
    d->used = true;
    d->use = (struct plan_disk){.use = use, .index = index};
}

static void note(struct chooser *k, const char *what, const struct storage_choice *c)
{
    strv_addf(&k->d->why, "%s: %s: %s", what, c->word, c->reason);
}

/* What is not known yet is the monitor's to find out. */
static bool can_plug(const struct choice *c)
{
    const struct probed *p = c->back_end ? &c->probed[c->back_end - c->descriptors.v] : NULL;

    return !p || !p->asked || (p->info.caps.coldplug & 1u << HVP_DEV_DISK);
}

static void apply_words(struct disk *d, struct disk_words *w)
{
    d->fs = steal_ptr(&w->fs);
    d->data = steal_ptr(&w->data);
    d->subdir = steal_ptr(&w->subdir);
    d->ipc.cache = w->cache;
    d->ipc.discard = w->discard;
    d->ipc.flags = w->readonly ? HVP_F_READONLY : 0;
}

static int set_format(struct disk *d, const char *word, struct err *err)
{
    const char *format;
    int r = storage_image_format(d->source, word, &format, err);

    if (r == 0 && strcmp(format, "qcow2") == 0)
        d->ipc.format = HVP_FORMAT_QCOW2;
    return r;
}

static int look_at(const char *path, bool *ret_ours, const char *bundle, struct storage_facts *f,
                   struct err *err)
{
    struct storage_source s;
    size_t n = bundle ? strlen(bundle) : 0;
    int r = storage_inspect(path, &s, err);

    if (r < 0)
        return r;
    f->kind = s.kind;
    *ret_ours = n && strncmp(path, bundle, n) == 0 && path[n] == '/';
    return s.kind == STORAGE_DIR ? storage_mount_at(path, &f->mount, err) : 0;
}

/* Only a source that is that very block device still. */
static int check_node(const char *path, const struct storage_mount *m, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode) || major(st.st_rdev) != m->major ||
        minor(st.st_rdev) != m->minor)
        return err_set_phase(err, PHASE_STORAGE, ENODEV,
                             "'%s' is not the device %u:%u that is mounted", path, m->major,
                             m->minor);
    return 0;
}

static int add_image(struct chooser *k, const struct storage_facts *f, const char *path,
                     const char *what, struct disk_words *w, struct disk **ret)
{
    int r = add(k, f->kind == STORAGE_BLOCK ? DISK_NODE : DISK_IMAGE, path, what, ret);

    if (r == 0 && (f->kind == STORAGE_FILE || w->format))
        r = set_format(*ret, w->format, k->err);
    if (r < 0)
        return r;
    apply_words(*ret, w);
    if ((*ret)->ipc.format == HVP_FORMAT_RAW && storage_image_readonly(path))
        (*ret)->ipc.flags |= HVP_F_READONLY; /* many may have it open then */
    return 0;
}

static int add_mounted(struct chooser *k, const struct storage_facts *f, const char *point,
                       const char *what, struct disk **ret)
{
    int r = check_node(f->mount.source, &f->mount, k->err);

    if (r == 0)
        r = add(k, DISK_NODE, f->mount.source, what, ret);
    if (r < 0)
        return r;
    (*ret)->unmount = xstrdup(point);
    (*ret)->fs = xstrdup(f->mount.fs_type);
    (*ret)->ipc.flags = f->mount.readonly ? HVP_F_READONLY : 0;
    return 0;
}

/* The root. */

static int add_upper(struct chooser *k, size_t root)
{
    const struct config_sized *s = &k->c->decision.storage.scratch;
    struct disk *upper;
    int r;

    k->d->v[root].use.overlay = true;
    if (strcmp(s->kind, "tmpfs") == 0) {
        k->d->v[root].use.upper_size = s->size == CONFIG_AUTO ? 0 : s->size;
        return 0;
    }
    if ((r = add(k, DISK_SCRATCH, NULL, "w", &upper)) < 0)
        return r;
    upper->size = s->size == CONFIG_AUTO ? SCRATCH_AUTO : MAX(s->size, SCRATCH_MIN);
    upper->ipc.cache = HVP_CACHE_UNSAFE; /* it ends with the VM */
    upper->ipc.discard = 1;
    k->d->v[root].use.upper = upper->ipc.tag;
    return 0;
}

static int add_tree(struct chooser *k, const char *path, struct disk **ret)
{
    int r = add(k, DISK_TREE, path, "r", ret);

    if (r == 0)
        (*ret)->fs = xstrdup("erofs");
    return r;
}

static int add_root(struct chooser *k, const struct storage_facts *f, enum storage_way way,
                    const char *path, struct disk_words *w)
{
    size_t at = k->d->n;
    struct disk *d;
    int r;

    if (way == STORAGE_TREE_IMAGE)
        r = add_tree(k, path, &d);
    else if (f->as_disk)
        r = add_image(k, f, path, "r", w, &d);
    else
        r = add_mounted(k, f, path, "r", &d);
    if (r < 0)
        return r;
    use(d, PLAN_DISK_ROOT, 0);
    if (way == STORAGE_TREE_IMAGE || (f->as_disk && !w->writable))
        d->ipc.flags |= HVP_F_READONLY;
    return d->ipc.flags & HVP_F_READONLY ? add_upper(k, at) : 0;
}

/* "PATH[,OPTION...]" */
static char *split_source(const char *text, struct strv *ret_options)
{
    const char *p = strchr(text, ',');

    while (p) {
        cleanup_free char *option = xstrndup(p + 1, strcspn(p + 1, ","));

        strv_add(ret_options, option);
        p = strchr(p + 1, ',');
    }
    return xstrndup(text, strcspn(text, ","));
}

static int choose_network_root(struct chooser *k, const char *uri, struct disk_words *w)
{
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    struct storage_facts f = {.rootfs = true, .uri = uri, .disks = can_plug(k->c)};
    size_t at = k->d->n;
    struct disk *d;
    int r;

    if ((r = storage_decide(k->c->decision.storage.rootfs, &f, &choice, k->err)) < 0 ||
        (r = add(k, DISK_NETWORK, NULL, "r", &d)) < 0 ||
        (r = disk_network_fill(d, k->c, uri, w, NULL, k->err)) < 0)
        return err_wrap(k->err, "class '%s': root file system", k->c->decision.cls);
    apply_words(d, w);
    use(d, PLAN_DISK_ROOT, 0);
    note(k, "rootfs", &choice);
    if (!w->writable)
        d->ipc.flags |= HVP_F_READONLY;
    return w->writable ? 0 : add_upper(k, at);
}

static int choose_root(struct chooser *k)
{
    const struct decision *d = &k->c->decision;
    cleanup_call(disk_words_done) struct disk_words w = {0};
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    cleanup_call(strv_done) struct strv options = {0};
    struct storage_facts f = {
        .rootfs = true, .disks = can_plug(k->c), .images = storage_tree_image_possible()};
    const char *image = kvs_get(&d->granted, POLICY_ANNOTATION_ROOTFS);
    cleanup_free char *path = image ? split_source(image, &options) : xstrdup(k->spec->rootfs);
    int r;

    if (image && storage_is_uri(path)) {
        r = disk_words_parse(&options, &w, k->err);
        return r < 0 ? r : choose_network_root(k, path, &w);
    }
    f.as_disk = image != NULL;
    if (!f.as_disk && d->storage.rootfs->n && strcmp(d->storage.rootfs->v[0], "9pfs") == 0) {
        strv_add(&k->d->why, "rootfs: 9pfs: the host's directory, shared");
        return 0;
    }
    if ((r = disk_words_parse(&options, &w, k->err)) < 0 ||
        (r = look_at(path, &f.ours, k->spec->bundle, &f, k->err)) < 0)
        return err_wrap(k->err, "root file system");
    r = storage_decide(d->storage.rootfs, &f, &choice, k->err);
    if (r == 0 && choice.way != STORAGE_SHARE)
        r = add_root(k, &f, choice.way, path, &w);
    if (r == 0)
        note(k, "rootfs", &choice);
    storage_mount_done(&f.mount);
    return r < 0 ? err_wrap(k->err, "class '%s': root file system '%s'", d->cls, path) : 0;
}

/* Volumes. */

static int add_scratch(struct chooser *k, size_t i, struct disk_words *w)
{
    cleanup_free char *what = xasprintf("m%zu", i);
    struct disk *d;
    int r;

    if (!strv_has(k->c->decision.storage.volumes, "block"))
        return err_set_phase(k->err, PHASE_STORAGE, ENOTSUP,
                             "a scratch disk needs 'block' in storage.volumes");
    if (w->size < SCRATCH_MIN)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL,
                             "a scratch disk needs an option size= of at least 16MiB");
    if ((r = add(k, DISK_SCRATCH, NULL, what, &d)) < 0)
        return r;
    d->size = w->size;
    apply_words(d, w);
    d->ipc.cache = HVP_CACHE_UNSAFE;
    d->ipc.discard = 1;
    use(d, PLAN_DISK_MOUNT, i);
    return 0;
}

/* A class's own volumes are not asked about: whoever wrote them wants them. */
static int choose_network(struct chooser *k, size_t i, struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const struct config_volume *v = disks_class_volume(k->spec, k->c, i);
    cleanup_free char *what = xasprintf("m%zu", i);
    cleanup_free char *place = xasprintf("mounts[%zu] '%s'", i, m->destination);
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    cleanup_call(strv_done) struct strv network = {0};
    struct storage_facts f = {.uri = m->source ? m->source : "", .disks = can_plug(k->c)};
    struct disk *d;
    int r;

    strv_add(&network, "network");
    if ((r = storage_decide(v ? &network : k->c->decision.storage.volumes, &f, &choice, k->err)) <
            0 ||
        (r = add(k, DISK_NETWORK, NULL, what, &d)) < 0 ||
        (r = disk_network_fill(d, k->c, f.uri, w, v ? v->secret : NULL, k->err)) < 0)
        return r;
    apply_words(d, w);
    use(d, PLAN_DISK_MOUNT, i);
    note(k, v ? "volume of the class" : place, &choice);
    return 0;
}

static int add_volume(struct chooser *k, size_t i, const struct storage_facts *f, const char *path,
                      struct disk_words *w)
{
    cleanup_free char *what = xasprintf("m%zu", i);
    struct disk *d;
    int r = f->as_disk || f->kind == STORAGE_BLOCK ? add_image(k, f, path, what, w, &d)
                                                   : add_mounted(k, f, path, what, &d);

    if (r == 0)
        use(d, PLAN_DISK_MOUNT, i);
    return r;
}

static int decide_volume(struct chooser *k, size_t i, struct storage_facts *f, const char *path,
                         struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    cleanup_free char *what = xasprintf("mounts[%zu] '%s'", i, m->destination);
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    int r = storage_decide(k->c->decision.storage.volumes, f, &choice, k->err);

    if (r == 0 && choice.way == STORAGE_DISK)
        r = add_volume(k, i, f, path, w);
    if (r == 0)
        note(k, what, &choice);
    return r < 0 ? err_wrap(k->err, "class '%s': source '%s'", k->c->decision.cls, path) : 0;
}

/* What plan makes of a bind without help: not a disk's business. */
static bool is_plans(const char *path, const struct oci_mount *m, struct err *err, int *ret)
{
    struct plan_input in;
    struct plan_source s;

    planning_input("", "", 1, &in);
    *ret = in.source(in.ctx, path, &s, err);
    if (*ret < 0)
        return true;
    return plan_bind_is_guests(path, m->destination, &s) || s.kind == PLAN_SRC_SOCKET ||
           s.kind == PLAN_SRC_FIFO;
}

/* Where it really is: the operator's pattern is not for links that lead elsewhere. */
static bool is_image(const struct chooser *k, const char *path)
{
    const struct strv *patterns = k->c->decision.storage.images;
    cleanup_free char *real = patterns->n ? realpath(path, NULL) : NULL;

    for (size_t i = 0; real && i < patterns->n; i++)
        if (fnmatch(patterns->v[i], real, FNM_PATHNAME) == 0)
            return true;
    return false;
}

static int choose_bind(struct chooser *k, size_t i, const char *path, bool image,
                       struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    struct storage_facts f = {.disks = can_plug(k->c)};
    int r;

    f.as_disk = image || (m->type && strcmp(m->type, DISK_MOUNT_TYPE) == 0);
    if (!f.as_disk && is_plans(path, m, k->err, &r))
        return r;
    if ((r = look_at(path, &f.ours, k->spec->bundle, &f, k->err)) < 0)
        return r;
    /* A device node that is bound, to be used as a device: plan knows what the guest has. */
    if (f.kind != STORAGE_DEVICE && (f.as_disk || f.kind != STORAGE_BLOCK))
        r = decide_volume(k, i, &f, path, w);
    storage_mount_done(&f.mount);
    return r;
}

static bool is_bind(const struct oci_mount *m)
{
    return m->source && (strcmp(m->type ? m->type : "", "bind") == 0 ||
                         strv_has(&m->options, "bind") || strv_has(&m->options, "rbind"));
}

/* words: its options are a disk's. */
static int choose_disk_mount(struct chooser *k, size_t i, bool words, bool image)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const char *type = m->type ? m->type : "";
    cleanup_call(disk_words_done) struct disk_words w = {0};
    cleanup_free char *path =
        m->source && *m->source != '/' ? path_join(k->spec->bundle, m->source) : xstrdup(m->source);
    int r = words ? disk_words_parse(&m->options, &w, k->err) : 0;

    if (r < 0)
        return r;
    if (strcmp(type, DISK_NETWORK_TYPE) == 0)
        return choose_network(k, i, &w);
    if (w.secret)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL, "only network volumes have a secret");
    if (strcmp(type, DISK_SCRATCH_TYPE) == 0)
        return add_scratch(k, i, &w);
    if (!path)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL, "it needs a source");
    return choose_bind(k, i, path, image, &w);
}

static int choose_mount(struct chooser *k, size_t i)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const struct strv *words = k->c->decision.storage.volumes;
    const char *type = m->type ? m->type : "";
    bool ours = strcmp(type, DISK_MOUNT_TYPE) == 0 || strcmp(type, DISK_SCRATCH_TYPE) == 0 ||
                strcmp(type, DISK_NETWORK_TYPE) == 0;
    bool bind = is_bind(m), image = bind && is_image(k, m->source);
    int r = 0;

    if (ours || image || (bind && words->n && strcmp(words->v[0], "9pfs") != 0))
        r = choose_disk_mount(k, i, ours || image, image);
    return r < 0 ? err_wrap(k->err, "config.json: mounts[%zu] '%s'", i, m->destination) : 0;
}

/* linux.devices */

/* /dev/NAME as the kernel calls the device of that number. */
static char *node_of(int64_t major, int64_t minor)
{
    cleanup_free char *uevent =
        xasprintf("/sys/dev/block/%lld:%lld/uevent", (long long)major, (long long)minor);
    cleanup_free char *text = NULL;
    const char *name;

    if (path_read(AT_FDCWD, uevent, 65536, &text, NULL, NULL) < 0)
        return NULL;
    name = strstr(text, "DEVNAME=");
    return name ? xasprintf("/dev/%.*s", (int)strcspn(name + 8, "\n"), name + 8) : NULL;
}

static bool rule_fits(const struct oci_device_rule *r, const struct oci_device *d)
{
    if (r->type && *r->type && !strchr("ab", *r->type))
        return false;
    return (!r->major.set || r->major.value < 0 || r->major.value == d->major) &&
           (!r->minor.set || r->minor.value < 0 || r->minor.value == d->minor);
}

/* The VMM keeps the guest from writing what no rule lets the container write. */
static bool may_write(const struct oci_spec *spec, const struct oci_device *d)
{
    const struct oci_resources *res = &spec->linux_.resources;
    bool may = true;

    for (size_t i = 0; i < res->n_devices; i++) {
        const struct oci_device_rule *r = &res->devices[i];

        if (rule_fits(r, d) && (!r->access || !*r->access || strchr(r->access, 'w')))
            may = r->allow;
    }
    return may;
}

static int add_device(struct chooser *k, size_t i)
{
    const struct oci_device *dev = &k->spec->linux_.devices[i];
    const struct storage_mount number = {.major = (uint32_t)dev->major,
                                         .minor = (uint32_t)dev->minor};
    cleanup_free char *node = node_of(dev->major, dev->minor);
    cleanup_free char *what = xasprintf("d%zu", i);
    struct disk *d;
    int r;

    if (!node)
        return err_set_phase(k->err, PHASE_STORAGE, ENXIO, "the host has no block device %lld:%lld",
                             (long long)dev->major, (long long)dev->minor);
    if ((r = check_node(node, &number, k->err)) < 0 || (r = add(k, DISK_NODE, node, what, &d)) < 0)
        return r;
    if (!may_write(k->spec, dev))
        d->ipc.flags |= HVP_F_READONLY;
    use(d, PLAN_DISK_DEVICE, i);
    strv_addf(&k->d->why, "linux.devices[%zu] '%s': block: the block device '%s'", i, dev->path,
              node);
    return 0;
}

/* Without 'block' in the policy plan refuses them by name. */
static int choose_devices(struct chooser *k)
{
    const struct oci_linux *l = &k->spec->linux_;
    int r = 0;

    if (l->n_devices > PLAN_PRIVILEGED_DEVICES ||
        !strv_has(k->c->decision.storage.volumes, "block"))
        return 0;
    for (size_t i = 0; i < l->n_devices && r == 0; i++)
        if (l->devices[i].type[0] == 'b' && (r = add_device(k, i)) < 0)
            err_wrap(k->err, "config.json: linux.devices[%zu] '%s'", i, l->devices[i].path);
    return r;
}

/* Last, when the array of disks does not move any more. */
static void list_uses(struct disks *d)
{
    d->uses = xcalloc(d->n + 1, sizeof(*d->uses));
    for (size_t i = 0; i < d->n; i++) {
        struct disk *k = &d->v[i];

        k->use.tag = k->ipc.tag;
        k->use.fs = k->fs;
        k->use.data = k->data;
        k->use.subdir = k->subdir;
        if (k->used)
            d->uses[d->n_uses++] = k->use;
    }
}

int disks_choose(const char *id, const struct oci_spec *spec, const struct choice *c,
                 struct disks *ret, struct err *err)
{
    struct disks d = {0};
    struct chooser k = {id, spec, c, &d, err};
    int r = choose_root(&k);

    for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
        r = choose_mount(&k, i);
    if (r == 0)
        r = choose_devices(&k);
    if (r < 0) {
        disks_done(&d);
        return r;
    }
    list_uses(&d);
    *ret = d;
    return 0;
}
