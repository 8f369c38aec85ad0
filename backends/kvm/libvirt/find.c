/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a domain again: by reference, among all that there are, as a process. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/child.h"
#include "common/util.h"
#include "lv.h"

uint32_t lv_state_of(int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return HVP_VM_RUNNING;
    case VIR_DOMAIN_PAUSED:
        return reason == VIR_DOMAIN_PAUSED_STARTING_UP ? HVP_VM_CREATED : HVP_VM_PAUSED;
    case VIR_DOMAIN_CRASHED:
        return HVP_VM_CRASHED;
    default:
        return HVP_VM_STOPPED;
    }
}

pid_t lv_find_pid(const char *uuid)
{
    DIR *proc = opendir("/proc");
    struct dirent *e;
    pid_t found = 0;

    while (proc && !found && (e = readdir(proc))) {
        pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;

        if (pid > 0 && child_has_arg(pid, uuid) && child_has_arg(pid, "-uuid"))
            found = pid;
    }
    if (proc)
        closedir(proc);
    return found;
}

int lv_vm_ref(void *p, char *buf, size_t len, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    int n = snprintf(buf, len, "uuid=%s", vm->uuid);

    if (n < 0 || (size_t)n >= len)
        return hvp_fail(err, ENAMETOOLONG, "reference to the VM needs %d bytes", n);
    return 0;
}

static int parse(const char *ref, char uuid[37], struct hvp_error *err)
{
    int end = 0;

    if (sscanf(ref, "uuid=%36[0-9a-f-]%n", uuid, &end) != 1 || ref[end] || strlen(uuid) != 36)
        return hvp_fail(err, EINVAL, "'%.100s' is no reference to a VM", ref);
    return 0;
}

static int get_state(struct lv_call *c)
{
    int state, r = virDomainGetState(c->dom, &state, &c->reason, 0);

    c->number = (uint64_t)state;
    return r;
}

static int learn_state(struct lv_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    struct lv_call *c = lv_call_new(vm, get_state, err);
    int r;

    if (!c)
        return err->code;
    r = lv_call_run(c, d, "look at the domain", err);
    if (r == 0)
        vm->run_dir = lv_owner_read(c->dom, LV_RUN_DIR);
    if (r == 0)
        vm->state = lv_state_of((int)c->number, c->reason);
    lv_call_free(c);
    return r;
}

static int reopen(struct lv_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    int r;

    vm->n_channels = LV_MAX_CHANNELS;
    vm->pid = lv_find_pid(vm->uuid);
    if (vm->pid > 0)
        vm->pidfd = (int)syscall(SYS_pidfd_open, vm->pid, 0);
    r = lv_attach(vm, d, err);
    if (r == 0)
        r = learn_state(vm, d, err);
    /* Without its daemon the process can still be killed. */
    if (r < 0 && r != -ENOENT && vm->pidfd >= 0) {
        vm->state = HVP_VM_RUNNING;
        return 0;
    }
    return r;
}

int lv_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **ret,
                 struct hvp_error *err)
{
    struct lv_inst *in = inst;
    struct deadline d = deadline_start(in->host, timeout_ms);
    struct lv_vm *vm;
    char uuid[37];

    if (parse(ref, uuid, err) < 0)
        return err->code;
    vm = lv_vm_new(in, uuid, err);
    if (!vm)
        return err->code;
    if (reopen(vm, &d, err) < 0) {
        lv_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}

static int visit(virDomainPtr dom, int (*each)(void *ctx, const struct hvp_vm_info *info),
                 void *ctx)
{
    char uuid[VIR_UUID_STRING_BUFLEN], ref[HVP_REF_MAX];
    cleanup_free char *id = lv_owner_read(dom, LV_ID);
    int state, reason;

    /* A domain without our metadata is somebody else's. */
    if (!id || virDomainGetUUIDString(dom, uuid) < 0 ||
        virDomainGetState(dom, &state, &reason, 0) < 0)
        return 0; /* gone by now */
    snprintf(ref, sizeof(ref), "uuid=%s", uuid);
    const struct hvp_vm_info info = {.struct_size = sizeof(info),
                                     .state = lv_state_of(state, reason),
                                     .id = id,
                                     .uuid = uuid,
                                     .ref = ref};
    return each(ctx, &info);
}

int lv_vm_list(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
               uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_inst *in = inst;
    struct deadline d = deadline_start(in->host, timeout_ms);
    virDomainPtr *doms = NULL;
    int n, r = 0;

    if (lv_connect(in, &d, err) < 0)
        return err->code;
    n = virConnectListAllDomains(in->conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0)
        return lv_fail(err, "list libvirt's domains");
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = visit(doms[i], each, ctx);
        virDomainFree(doms[i]);
    }
    free(doms);
    return r;
}
