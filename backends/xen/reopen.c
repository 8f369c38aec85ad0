/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a domain again: by its number and UUID, or among all that have a name of ours, which may
 * change. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "common/util.h"
#include "xen.h"

static void uuid_text(const libxl_uuid *uuid, char text[XEN_UUID_LEN + 1])
{
    snprintf(text, XEN_UUID_LEN + 1, LIBXL_UUID_FMT, LIBXL_UUID_BYTES((*uuid)));
}

static uint32_t state_of(const libxl_dominfo *i)
{
    if (i->shutdown || i->dying)
        return i->shutdown_reason == LIBXL_SHUTDOWN_REASON_CRASH ? HVP_VM_CRASHED : HVP_VM_STOPPED;
    return i->paused ? HVP_VM_PAUSED : HVP_VM_RUNNING;
}

/* One that is dying is still there: its memory may be in use by a backend. */
bool xen_domain_exists(struct xen_vm *vm, libxl_dominfo *ret)
{
    char text[XEN_UUID_LEN + 1];
    libxl_dominfo info;
    bool same;

    libxl_dominfo_init(&info);
    if (libxl_domain_info(vm->loop.ctx, &info, vm->domid)) {
        libxl_dominfo_dispose(&info);
        return false;
    }
    uuid_text(&info.uuid, text);
    same = strcmp(text, vm->uuid) == 0;
    if (same && ret)
        *ret = info;
    else
        libxl_dominfo_dispose(&info);
    return same;
}

int xen_vm_ref(void *p, char *buf, size_t len, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    int n = snprintf(buf, len, "domid=%" PRIu32 " uuid=%s", vm->domid, vm->uuid);

    if (n < 0 || (size_t)n >= len)
        return hvp_fail(err, ENAMETOOLONG, "reference to the VM needs %d bytes", n);
    return 0;
}

static int find(struct xen_vm *vm, const char *ref, struct hvp_error *err)
{
    libxl_dominfo info;
    int end = 0;

    if (sscanf(ref, "domid=%" SCNu32 " uuid=%36[0-9a-f-]%n", &vm->domid, vm->uuid, &end) != 2 ||
        ref[end])
        return hvp_fail(err, EINVAL, "'%.100s' is no reference to a domain", ref);
    if (!xen_domain_exists(vm, &info))
        return hvp_fail(err, ENOENT, "the domain %s is gone", vm->uuid);
    vm->state = state_of(&info);
    libxl_dominfo_dispose(&info);
    return xen_events_watch(vm, err);
}

int xen_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **ret,
                  struct hvp_error *err)
{
    struct xen_vm *vm = xen_vm_new(inst, err);

    (void)timeout_ms;
    if (!vm)
        return err->code;
    if (find(vm, ref, err) < 0) {
        xen_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}

/* 0 = not ours; else what each() said. */
static int visit(struct loop *l, const libxl_dominfo *info,
                 int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx)
{
    cleanup_free char *name = libxl_domid_to_name(l->ctx, info->domid);
    char uuid[XEN_UUID_LEN + 1], ref[HVP_REF_MAX];

    if (!name || strncmp(name, XEN_NAME_PREFIX, strlen(XEN_NAME_PREFIX)) != 0)
        return 0;
    uuid_text(&info->uuid, uuid);
    snprintf(ref, sizeof(ref), "domid=%" PRIu32 " uuid=%s", info->domid, uuid);
    const struct hvp_vm_info found = {.struct_size = sizeof(found),
                                      .state = state_of(info),
                                      .id = name + strlen(XEN_NAME_PREFIX),
                                      .uuid = uuid,
                                      .ref = ref};
    return each(ctx, &found);
}

int xen_vm_list(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
                uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_inst *in = inst;
    libxl_dominfo *all;
    struct loop l;
    int n = 0, r = 0;

    (void)timeout_ms;
    if (access("/dev/xen/privcmd", F_OK) < 0)
        return 0; /* not a dom0: there are none */
    if (loop_init(&l, in->host, err) < 0)
        return err->code;
    all = libxl_list_domain(l.ctx, &n);
    if (!all)
        r = loop_fail(&l, ERROR_FAIL, "list the domains", err);
    for (int i = 0; all && i < n && r == 0; i++)
        r = visit(&l, &all[i], each, ctx);
    libxl_dominfo_list_free(all, n);
    loop_done(&l);
    return r;
}

/* All of it is in xenstore: the name, and that of its UUID. Xen shows no metadata. */
int xen_vm_rename(void *p, const char *id, const struct hvp_kv *metadata, size_t n_metadata,
                  uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    cleanup_free char *name = NULL;
    int r;

    (void)metadata, (void)n_metadata, (void)timeout_ms;
    if (!xen_domain_exists(vm, NULL))
        return hvp_fail(err, ESRCH, "the VM has ended");
    if (asprintf(&name, XEN_NAME_PREFIX "%s", id) < 0) {
        name = NULL;
        return hvp_fail(err, ENOMEM, "out of memory for a name");
    }
    r = libxl_domain_rename(vm->loop.ctx, vm->domid, NULL, name);
    return r ? loop_fail(&vm->loop, r, "rename the domain", err) : 0;
}
