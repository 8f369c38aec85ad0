/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks on their way into the VM. What they need of the host came as detached mounts and is shown
 * below /disks of the monitor's private root, so that plug-in and VMM reach that and nothing beside
 * it. Plugging into a running VM is the worker's job.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"

#define PLUG_TIMEOUT_MS 20000
#define UNPLUG_TIMEOUT_MS 20000 /* the guest's kernel has to agree */

static char *place_of(const char *base, const char *tag, const char *what)
{
    return xasprintf("%s" DISKS_DIR "/%s%s%s", base ? base : "", tag, *what ? "." : "", what);
}

static int make_place(const char *path, int fd, struct err *err)
{
    struct stat st;
    int made;

    if (fstat(fd, &st) < 0)
        return err_set(err, errno, "stat what '%s' shows: %m", path);
    if (S_ISDIR(st.st_mode))
        return mkdir(path, 0700) < 0 ? err_set(err, errno, "make '%s': %m", path) : 0;
    made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (made < 0)
        return err_set(err, errno, "make '%s': %m", path);
    close(made);
    return 0;
}

static int show(const char *base, const char *tag, const char *what, int fd, struct err *err)
{
    cleanup_free char *path = place_of(base, tag, what);
    int r = make_place(path, fd, err);

    if (r < 0)
        return r;
    if (syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        err_set(err, errno, "mount '%s': %m", path);
        if (unlink(path) < 0)
            (void)rmdir(path);
        return -err->code;
    }
    return 0;
}

/* Tags become file names here. */
static int check_disk(const struct ipc_disk *d, struct err *err)
{
    bool ok = d->tag[0] != '.' && !strchr(d->tag, '/') && strlen(d->tag) <= HVP_TAG_MAX;

    for (size_t i = 0; i < d->files.n; i++)
        ok = ok && !strchr(d->files.v[i].key, '/');
    return ok ? 0 : err_set(err, EINVAL, "bad name of disk '%.64s'", d->tag);
}

static int show_one(const char *base, const struct ipc_disk *d, const int *fds, struct err *err)
{
    int r = check_disk(d, err);

    if (r == 0 && d->path)
        r = show(base, d->tag, "", *fds++, err);
    if (r == 0 && d->secret_file)
        r = show(base, d->tag, "secret", *fds++, err);
    for (size_t i = 0; i < d->files.n && r == 0; i++)
        r = show(base, d->tag, d->files.v[i].key, *fds++, err);
    return r < 0 ? err_wrap(err, "disk '%s'", d->tag) : 0;
}

int disks_show(const char *base, const struct ipc_disk *disks, size_t n, const int *fds,
               size_t n_fds, struct err *err)
{
    size_t want = 0;
    int r = 0;

    for (size_t i = 0; i < n; i++)
        want += ipc_disk_fds(&disks[i]);
    if (want != n_fds)
        return err_set(err, EPROTO, "%zu descriptors came for disks that need %zu", n_fds, want);
    for (size_t i = 0; i < n && r == 0; i++) {
        r = show_one(base, &disks[i], fds, err);
        fds += ipc_disk_fds(&disks[i]);
    }
    return r;
}

static void hide(const char *base, const char *tag, const char *what)
{
    cleanup_free char *path = place_of(base, tag, what);

    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
        log_warn("unmount '%s': %s, ignoring", path, strerror(errno));
    if (unlink(path) < 0 && errno != ENOENT)
        (void)rmdir(path);
}

void disks_hide(const char *base, const struct ipc_disk *disks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hide(base, disks[i].tag, "");
        hide(base, disks[i].tag, "secret");
        for (size_t k = 0; k < disks[i].files.n; k++)
            hide(base, disks[i].tag, disks[i].files.v[k].key);
    }
}

void disk_device_init(struct disk_device *ret, const char *base, const struct ipc_disk *d)
{
    size_t n = 0;

    *ret = (struct disk_device){
        .path = d->path ? place_of(base, d->tag, "") : xstrdup(""),
        .secret = d->secret_file ? place_of(base, d->tag, "secret") : NULL,
        .options = xcalloc(d->options.n + d->files.n + 1, sizeof(*ret->options)),
    };
    for (size_t i = 0; i < d->options.n; i++)
        ret->options[n++] = (struct hvp_kv){d->options.v[i].key, d->options.v[i].value};
    for (size_t i = 0; i < d->files.n; i++) {
        char *shown = place_of(base, d->tag, d->files.v[i].key);
        const char *below = strstr(d->files.v[i].value, "//");

        strv_addf(&ret->shown, "%s%s", shown, below ? below + 1 : "");
        ret->options[n++] = (struct hvp_kv){d->files.v[i].key, ret->shown.v[i]};
        free(shown);
    }
    ret->disk = (struct hvp_disk){
        .d = {.struct_size = sizeof(ret->disk),
              .kind = HVP_DEV_DISK,
              .flags = d->flags,
              .tag = d->tag},
        .protocol = d->protocol,
        .format = d->format,
        .cache = d->cache,
        .discard = d->discard,
        .path = ret->path,
        .options = ret->options,
        .n_options = n,
        .secret_file = ret->secret,
    };
}

void disk_device_done(struct disk_device *d)
{
    free(d->path);
    free(d->secret);
    free(d->options);
    strv_done(&d->shown);
}

void disks_name_place(const char *place, const char *name, struct err *err)
{
    char *at = strstr(err->msg, place);
    cleanup_free char *text = NULL;

    if (!at)
        return;
    text = xasprintf("%.*s%s%s", (int)(at - err->msg), err->msg, name, at + strlen(place));
    snprintf(err->msg, sizeof(err->msg), "%s", text);
}

static void name_paths(const char *base, const struct ipc_disk *disks, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        cleanup_free char *place = place_of(base, disks[i].tag, "");

        if (disks[i].path)
            disks_name_place(place, disks[i].path, err);
    }
}

void disks_blame(const char *base, const struct ipc_disk *disks, size_t n, struct err *err)
{
    name_paths(base, disks, n, err);
    for (size_t i = 0; i < n; i++) {
        cleanup_free char *word = xasprintf("disk '%s'", disks[i].tag);
        cleanup_free char *why = NULL;
        const char *at = strstr(err->msg, word), *source = disks[i].source;

        if (!at || (!source && !disks[i].path))
            continue;
        at += strlen(word);
        why = xstrdup(at + strspn(at, ": "));
        (void)err_set_phase(err, PHASE_STORAGE, err->code, "%s '%s': %s",
                            source ? "volume" : "disk", source ? source : disks[i].path, why);
        return;
    }
}

/* A container's disks in the worker; the container stays as long as c->plugging is set. */
struct plug_job {
    struct job job; /* first: the worker's handle */
    struct container *c;
    struct err err;
};

static void plug_run(struct job *j)
{
    struct plug_job *p = (struct plug_job *)j;
    struct container *c = p->c;
    int r = 0;

    while (r == 0 && c->n_plugged < c->n_disks) {
        struct disk_device dev;

        if (!c->m->boot.vm) {
            r = err_set_phase(&p->err, PHASE_VMM, ESHUTDOWN, "the VM is gone");
            break;
        }
        disk_device_init(&dev, c->m->spec.host_mounts, &c->disks[c->n_plugged]);
        r = plugin_device_attach(c->m->boot.vm, &dev.disk.d, PLUG_TIMEOUT_MS, &p->err);
        disk_device_done(&dev);
        c->n_plugged += r == 0;
    }
    disks_blame(c->m->spec.host_mounts, c->disks, c->n_disks, &p->err);
}

static void plug_done(struct job *j)
{
    struct plug_job *p = (struct plug_job *)j;
    struct container *c = p->c;
    struct err err = p->err;

    free(p);
    c->plugging = false;
    container_plugged(c, err.code ? &err : NULL);
}

static void unplug_run(struct job *j)
{
    struct plug_job *p = (struct plug_job *)j;
    struct container *c = p->c;

    for (; c->n_plugged > 0; c->n_plugged--) {
        const char *tag = c->disks[c->n_plugged - 1].tag;

        if (c->m->boot.vm &&
            plugin_device_detach(c->m->boot.vm, tag, UNPLUG_TIMEOUT_MS, &p->err) < 0)
            log_warn("unplug disk '%s': %s, ignoring", tag, p->err.msg);
    }
}

static void unplug_done(struct job *j)
{
    struct plug_job *p = (struct plug_job *)j;
    struct container *c = p->c;

    free(p);
    c->plugging = false;
    c->dead = true;
}

static void push(struct container *c, void (*run)(struct job *), void (*done)(struct job *))
{
    struct plug_job *p = xcalloc(1, sizeof(*p));

    *p = (struct plug_job){.job = {.run = run, .done = done}, .c = c, .err = ERR_INIT};
    c->plugging = true;
    worker_push(&c->m->worker, &p->job);
}

void disks_plug(struct container *c)
{
    push(c, plug_run, plug_done);
}

void disks_unplug(struct container *c)
{
    push(c, unplug_run, unplug_done);
}
