/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a domain, and domains from what was saved. libvirt restores the domain that is described
 * in the image, with its UUID, and no other: so what it is given to read is not the image but a
 * FIFO, through which comes the description of the new VM and then the image's memory. The image
 * itself is only read, by any number at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/util.h"
#include "image.h"
#include "kvm/binary.h"
#include "kvm/key.h"
#include "kvm/saved.h"
#include "lv.h"

#define IMAGE_NAME "domain" /* in the directory of what is saved */
#define FIFO_NAME "restore" /* in run_dir, while it is read */
#define PIPE_BYTES (1 << 20)
#define CONNECT_MS 10000u

/* Fills the FIFO in a thread of its own, until all is through or stop_fd is readable. */
struct feeder {
    pthread_t thread;
    char *head;
    size_t head_len, head_sent;
    int image_fd, stop_fd;
    off_t at; /* in the image */
    int read_fd, write_fd;
    char path[HVP_RUN_DIR_MAX + 16];
};

static bool has_room(const struct feeder *f)
{
    struct pollfd p[2] = {{.fd = f->stop_fd, .events = POLLIN},
                          {.fd = f->write_fd, .events = POLLOUT}};

    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    return !p[0].revents;
}

/* The number of bytes; 0: that was all. */
static ssize_t send_some(struct feeder *f)
{
    ssize_t n;

    if (f->head_sent == f->head_len)
        return splice(f->image_fd, &f->at, f->write_fd, NULL, PIPE_BYTES, SPLICE_F_NONBLOCK);
    n = write(f->write_fd, f->head + f->head_sent, f->head_len - f->head_sent);
    f->head_sent += n > 0 ? (size_t)n : 0;
    return n;
}

/* A reader that went away is libvirt's failure, and it says why. */
static void *feed(void *arg)
{
    struct feeder *f = arg;
    ssize_t n = 1;

    while (n != 0 && has_room(f)) {
        n = send_some(f);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    util_close_ptr(&f->write_fd);
    f->write_fd = -1;
    return NULL;
}

static void feeder_done(struct feeder *f)
{
    uint64_t one = 1;

    if (f->thread) {
        (void)!write(f->stop_fd, &one, sizeof(one));
        pthread_join(f->thread, NULL);
    }
    if (f->path[0])
        unlink(f->path);
    util_close_ptr(&f->write_fd);
    util_close_ptr(&f->read_fd);
    util_close_ptr(&f->stop_fd);
    util_close_ptr(&f->image_fd);
    free(f->head);
}

/* Both ends are held here: neither side has to wait for the other to open its own. */
static int make_fifo(struct feeder *f, const char *run_dir, struct hvp_error *err)
{
    snprintf(f->path, sizeof(f->path), "%s/" FIFO_NAME, run_dir);
    if (mkfifo(f->path, 0600) < 0) {
        int e = errno;

        f->path[0] = '\0';
        return hvp_fail(err, e, "make '%s/" FIFO_NAME "': %s", run_dir, strerror(e));
    }
    f->read_fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    f->write_fd = open(f->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (f->read_fd < 0 || f->write_fd < 0 || f->stop_fd < 0)
        return hvp_fail(err, errno, "open '%s': %m", f->path);
    (void)fcntl(f->write_fd, F_SETPIPE_SZ, PIPE_BYTES); /* it works with less, slowly */
    return 0;
}

static int feeder_start(struct feeder *f, const char *dir, const char *xml, const char *run_dir,
                        struct hvp_error *err)
{
    char path[4096];
    struct image image;
    int r;

    if ((size_t)snprintf(path, sizeof(path), "%s/" IMAGE_NAME, dir) >= sizeof(path))
        return hvp_fail(err, ENAMETOOLONG, "'%.200s': the path is too long", dir);
    f->image_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f->image_fd < 0)
        return hvp_fail(err, errno, "open '%.300s': %m", path);
    if (image_read(f->image_fd, path, &image, err) < 0)
        return err->code;
    f->at = image.memory;
    f->head = image_head(&image, xml, &f->head_len);
    if (!f->head)
        return hvp_fail(err, ENOMEM, "out of memory for a domain's description");
    if (make_fifo(f, run_dir, err) < 0)
        return err->code;
    r = lv_thread(feed, f, &f->thread);
    if (r)
        return hvp_fail(err, r, "start a thread: %s", strerror(r));
    return 0;
}

static int restore(struct lv_call *c)
{
    if (virDomainRestoreFlags(c->conn, c->text, NULL, VIR_DOMAIN_SAVE_PAUSED) < 0)
        return -1;
    c->ret_dom = virDomainLookupByUUIDString(c->conn, c->uuid);
    return c->ret_dom ? 0 : -1;
}

int lv_restore(struct lv_vm *vm, const char *dir, const char *xml, const struct deadline *d,
               struct hvp_error *err)
{
    struct feeder f = {.image_fd = -1, .stop_fd = -1, .read_fd = -1, .write_fd = -1};
    int r = feeder_start(&f, dir, xml, vm->run_dir, err);

    if (r == 0)
        r = lv_call_domain(vm, restore, f.path, d, "restore the domain", err);
    feeder_done(&f);
    if (r == 0)
        vm->state = HVP_VM_PAUSED;
    return r;
}

/* A snapshot of the memory alone, beside which the domain stays what it is. */
static int snapshot(struct lv_call *c)
{
    virDomainSnapshotPtr s =
        virDomainSnapshotCreateXML(c->dom, c->text, VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA);

    if (!s)
        return -1;
    virDomainSnapshotFree(s);
    return 0;
}

static void describe_snapshot(struct lv_vm *vm, struct xml *x, const char *path)
{
    char target[8];

    xml_open(x, "domainsnapshot");
    xml_empty(x, "memory", "snapshot", "external", "file", path, NULL);
    xml_open(x, "disks");
    for (const struct lv_device *d = vm->devices; d; d = d->next) {
        if (d->kind != HVP_DEV_DISK)
            continue;
        lv_disk_target(d->at.number, target, sizeof(target));
        xml_empty(x, "disk", "name", target, "snapshot", "no", NULL);
    }
    xml_close(x);
    xml_close(x);
}

static int call_snapshot(struct lv_vm *vm, struct xml *x, const struct deadline *d,
                         struct hvp_error *err)
{
    struct lv_call *c = lv_call_new(vm, snapshot, err);
    int r;

    if (!c)
        return err->code;
    c->text = steal_ptr(&x->text);
    r = lv_call_run(c, d, "save the domain", err);
    lv_call_free(c);
    return r;
}

int lv_vm_save(void *p, const char *dir, uint32_t flags, uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    char path[4096];
    struct xml x = {0};
    uint32_t state;
    int r;

    if (lv_vm_state(vm, &state, err) < 0 || flags != 0 || state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "only a paused VM can be saved");
    if ((size_t)snprintf(path, sizeof(path), "%s/" IMAGE_NAME, dir) >= sizeof(path))
        return hvp_fail(err, ENAMETOOLONG, "'%.200s': the path is too long", dir);
    if (lv_attach(vm, &d, err) < 0 || saved_vcpus_note(dir, vm->vcpus, vm->vcpus_now, err) < 0)
        return err->code;
    describe_snapshot(vm, &x, path);
    r = xml_failed(&x) ? hvp_fail(err, xml_failed(&x), "describe '%.300s' to libvirt", path)
                       : call_snapshot(vm, &x, &d, err);
    xml_done(&x);
    if (r < 0)
        unlink(path);
    return r;
}

/* With the version of the daemon's libvirt, which decides about what is not said in the XML. */
int lv_template_key(void *inst, const struct hvp_vm_spec *spec, char *buf, size_t len,
                    struct hvp_error *err)
{
    struct lv_inst *in = inst;
    struct kvm_config *k = &in->config.kvm;
    char path[BINARY_PATH_MAX], build[80], prefix[48], note[256];
    struct deadline d = deadline_start(in->host, CONNECT_MS);
    struct accel_facts facts;
    const struct machine *m;
    enum accel accel;

    accel_gather(&facts);
    if (lv_machine(in, spec->machine, &m, err) < 0 ||
        accel_choose(k->accel, m->arch, &facts, &accel, note, sizeof(note), err) < 0 ||
        binary_find(k->qemu ? k->qemu : m->qemu, path, sizeof(path), err) < 0 ||
        binary_build_id(path, build, sizeof(build), err) < 0 || lv_connect(in, &d, err) < 0)
        return err->code;
    snprintf(prefix, sizeof(prefix), "libvirt1 libvirt=%lu", in->version);
    return key_text(prefix, k, m->name, build, accel, spec, buf, len, err);
}
