/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a template, a file beside its state: the template's QEMU writes into it, those of
 * its clones map it privately.  None of them may change it afterwards, whoever has taken them over:
 * so they get it by a mount that is read-only and must not ask for more.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "binary.h"
#include "common/util.h"
#include "kvm.h"

#define MEMORY_NAME "memory"
#define HELPER "helpers/kvm-readonly.so" /* beside this plug-in; readonly.c */

static bool path_of(const char *dir, struct kvm_memory_file *m)
{
    return (size_t)snprintf(m->path, sizeof(m->path), "%s/" MEMORY_NAME, dir) < sizeof(m->path);
}

static int make(const char *dir, uint64_t bytes, struct kvm_memory_file *m, struct hvp_error *err)
{
    cleanup_close int fd = -1;

    if (!path_of(dir, m))
        return hvp_fail(err, ENAMETOOLONG, "template directory '%.200s' is too long", dir);
    fd = open(m->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return hvp_fail(err, errno, "make the template's memory '%.300s': %m", m->path);
    return 0;
}

/* A directory that was saved as another VM's snapshot has none. */
static bool find(const char *dir, struct kvm_memory_file *m)
{
    struct stat st;

    return path_of(dir, m) && lstat(m->path, &st) == 0 && S_ISREG(st.st_mode);
}

static int preload(struct kvm_memory_file *m, struct hvp_error *err)
{
    static const char variable[] = "LD_PRELOAD=";
    size_t size = sizeof(m->words) / 2;
    Dl_info self;
    const char *slash = dladdr(kvm_memory_choose, &self) ? strrchr(self.dli_fname, '/') : NULL;
    int dir = slash ? (int)(slash - self.dli_fname) : 0;

    if ((size_t)snprintf(m->words, size, "%s%.*s/" HELPER, variable, dir,
                         slash ? self.dli_fname : "") >= size ||
        access(m->words + sizeof(variable) - 1, R_OK) < 0)
        return hvp_fail(err, ENOENT,
                        "to share a template's memory a QEMU before 8.2 needs '" HELPER
                        "' beside this back-end, and it is not there");
    (void)snprintf(m->words + size, size, "KVM_READONLY=%s", m->path);
    m->env[0] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    m->env[1] = m->words;
    m->env[2] = m->words + size;
    return 0;
}

/* From 8.2 on QEMU opens for reading what it copies on write; the others are helped. */
static int open_for_reading(const struct kvm_vm *vm, struct cmdline *c, struct kvm_memory_file *m,
                            const struct deadline *d, struct hvp_error *err)
{
    char build[80], version[32] = "";
    int major = 0, minor = 0;

    if (binary_build_id(c->qemu, build, sizeof(build), err) < 0)
        return err->code;
    binary_version(vm->inst->host, c->qemu, build, version, sizeof(version), d);
    (void)sscanf(version, "%d.%d", &major, &minor);
    c->memory_readonly = major > 8 || (major == 8 && minor >= 2);
    return c->memory_readonly ? 0 : preload(m, err);
}

int kvm_memory_choose(struct kvm_vm *vm, struct cmdline *c, const char *dir,
                      struct kvm_memory_file *m, const struct deadline *d, struct hvp_error *err)
{
    bool asked = HVP_HAS(c->spec, struct hvp_vm_spec, template_dir) && c->spec->template_dir &&
                 c->spec->template_dir[0];

    if (!c->machine->shares_memory)
        return 0;
    if (dir && find(dir, m)) {
        c->memory = m->path;
        vm->clone = true;
        return open_for_reading(vm, c, m, d, err);
    }
    if (dir || !asked)
        return 0;
    c->memory = m->path;
    c->memory_shared = true;
    vm->template_dir = strdup(c->spec->template_dir);
    if (!vm->template_dir)
        return hvp_fail(err, ENOMEM, "out of memory for a VM");
    return make(vm->template_dir, c->spec->memory, m, err);
}
