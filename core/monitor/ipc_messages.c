/* SPDX-License-Identifier: Apache-2.0 */
/* The tables are the format between programs of one installation; new tags go at the end. */
#include <errno.h>
#include "monitor/ipc.h"
#include "proto/codec.h"

/* The codec's list and array members are these very layouts. */
_Static_assert(sizeof(struct strv) == sizeof(struct plan_list), "strv is coded as plan_list");
_Static_assert(offsetof(struct strv, n) == offsetof(struct plan_list, n), "same order");
_Static_assert(sizeof(pid_t) == sizeof(int32_t), "pids are coded as i32");

static const struct codec_field kv_fields[] = {
    CODEC_F(1, STR, struct kv, key),
    CODEC_F(2, STR, struct kv, value),
};

static int kv_check(const void *obj)
{
    const struct kv *kv = obj;

    return kv->key && kv->value ? 0 : -EPROTO;
}
static const struct codec kv_codec = CODEC_OF(struct kv, kv_fields, kv_check);

static const struct codec_field proc_fields[] = {
    CODEC_F(1, I32, struct proc_id, pid),
    CODEC_F(2, U64, struct proc_id, start_time),
};
static const struct codec proc_codec = CODEC_OF(struct proc_id, proc_fields, NULL);

static int reply_check(const void *obj)
{
    return ((const struct ipc_reply *)obj)->code < 0 ? -EPROTO : 0;
}
static const struct codec_field reply_fields[] = {
    CODEC_F(1, I32, struct ipc_reply, code),
    CODEC_F(2, U32, struct ipc_reply, phase),
    CODEC_F(3, STR, struct ipc_reply, text),
    CODEC_FN(4, BYTES, struct ipc_reply, body, body_len),
};
static const struct codec reply_codec = CODEC_OF(struct ipc_reply, reply_fields, reply_check);

static int disk_check(const void *obj)
{
    const struct ipc_disk *d = obj;

    return d->tag && *d->tag ? 0 : -EPROTO;
}
static const struct codec_field disk_fields[] = {
    CODEC_F(1, STR, struct ipc_disk, tag),
    CODEC_F(2, U32, struct ipc_disk, protocol),
    CODEC_F(3, U32, struct ipc_disk, format),
    CODEC_F(4, U32, struct ipc_disk, cache),
    CODEC_F(5, U32, struct ipc_disk, discard),
    CODEC_F(6, U32, struct ipc_disk, flags),
    CODEC_F(7, STR, struct ipc_disk, path),
    CODEC_F(8, STR, struct ipc_disk, secret_file),
    CODEC_FSUBS(9, struct ipc_disk, options.v, options.n, &kv_codec),
    CODEC_FSUBS(10, struct ipc_disk, files.v, files.n, &kv_codec),
    CODEC_F(11, STR, struct ipc_disk, source),
};
static const struct codec disk_codec = CODEC_OF(struct ipc_disk, disk_fields, disk_check);

size_t ipc_disk_fds(const struct ipc_disk *d)
{
    return !!d->path + !!d->secret_file + d->files.n;
}

static int nic_check(const void *obj)
{
    const struct ipc_nic *n = obj;

    return n->tag && *n->tag && n->queues <= IPC_NIC_QUEUES_MAX ? 0 : -EPROTO;
}
static const struct codec_field nic_fields[] = {
    CODEC_F(1, STR, struct ipc_nic, tag),
    CODEC_FFIX(2, U8, struct ipc_nic, mac, 6),
    CODEC_F(3, U32, struct ipc_nic, flags),
    CODEC_F(4, U32, struct ipc_nic, queues),
};
static const struct codec nic_codec = CODEC_OF(struct ipc_nic, nic_fields, nic_check);

size_t ipc_nic_fds(const struct ipc_nic *nics, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += nics[i].flags & IPC_NIC_NEW ? nics[i].queues : 0;
    return sum;
}

static int sandbox_check(const void *obj)
{
    const struct ipc_sandbox *m = obj;

    return m->n_disks <= IPC_DISKS_MAX && m->n_nics <= IPC_NICS_MAX && m->id && m->uuid &&
                   m->state_dir && m->run_dir && m->descriptor && m->descriptor_file &&
                   m->library && m->arch && m->guest_dir && m->kernel &&
                   m->template_use <= IPC_TEMPLATE_BUILD &&
                   (m->template_use == IPC_TEMPLATE_NONE || m->template_dir) &&
                   (m->template_use != IPC_TEMPLATE_CLONE || m->template_key)
               ? 0
               : -EPROTO;
}
static const struct codec_field sandbox_fields[] = {
    CODEC_F(1, STR, struct ipc_sandbox, id),
    CODEC_F(2, STR, struct ipc_sandbox, uuid),
    CODEC_F(3, STR, struct ipc_sandbox, state_dir),
    CODEC_F(4, STR, struct ipc_sandbox, run_dir),
    CODEC_F(5, STR, struct ipc_sandbox, cache_dir),
    CODEC_F(6, STR, struct ipc_sandbox, descriptor),
    CODEC_F(7, STR, struct ipc_sandbox, descriptor_file),
    CODEC_F(8, STR, struct ipc_sandbox, library),
    CODEC_F(9, STR, struct ipc_sandbox, arch),
    CODEC_FSUBS(10, struct ipc_sandbox, config.v, config.n, &kv_codec),
    CODEC_F(11, LIST, struct ipc_sandbox, modules),
    CODEC_F(13, STR, struct ipc_sandbox, guest_dir),
    CODEC_F(14, STR, struct ipc_sandbox, kernel),
    CODEC_F(15, STR, struct ipc_sandbox, initrd),
    CODEC_F(16, STR, struct ipc_sandbox, cmdline),
    CODEC_F(17, STR, struct ipc_sandbox, machine),
    CODEC_F(18, STR, struct ipc_sandbox, cpu_model),
    CODEC_F(19, U32, struct ipc_sandbox, vcpus),
    CODEC_F(20, U32, struct ipc_sandbox, vcpus_max),
    CODEC_F(21, U64, struct ipc_sandbox, memory),
    CODEC_F(22, U64, struct ipc_sandbox, memory_max),
    CODEC_FSUBS(23, struct ipc_sandbox, options.v, options.n, &kv_codec),
    CODEC_FSUBS(24, struct ipc_sandbox, metadata.v, metadata.n, &kv_codec),
    CODEC_F(25, STR, struct ipc_sandbox, share_options),
    CODEC_F(26, U32, struct ipc_sandbox, boot_timeout_ms),
    CODEC_F(27, U32, struct ipc_sandbox, log_level),
    CODEC_F(28, LIST, struct ipc_sandbox, cgroups),
    CODEC_F(29, LIST, struct ipc_sandbox, late_modules),
    CODEC_F(30, LIST, struct ipc_sandbox, config_places),
    CODEC_FSUBS(31, struct ipc_sandbox, disks, n_disks, &disk_codec),
    CODEC_F(32, U32, struct ipc_sandbox, pod),
    CODEC_F(40, STR, struct ipc_sandbox, share_model),
    CODEC_FSUBS(41, struct ipc_sandbox, nics, n_nics, &nic_codec),
    CODEC_F(50, U32, struct ipc_sandbox, template_use),
    CODEC_F(51, STR, struct ipc_sandbox, template_dir),
    CODEC_F(52, STR, struct ipc_sandbox, template_key),
    CODEC_F(60, STR, struct ipc_sandbox, host_mounts),
    CODEC_F(70, LIST, struct ipc_sandbox, paths),
    CODEC_F(71, U32, struct ipc_sandbox, keep),
    CODEC_F(72, U32, struct ipc_sandbox, own_network),
};
static const struct codec sandbox_codec =
    CODEC_OF(struct ipc_sandbox, sandbox_fields, sandbox_check);

static int mount_check(const void *obj)
{
    return ((const struct ipc_mount *)obj)->name ? 0 : -EPROTO;
}
static const struct codec_field mount_fields[] = {
    CODEC_F(1, STR, struct ipc_mount, name),
    CODEC_F(2, U32, struct ipc_mount, is_file),
};
static const struct codec mount_codec = CODEC_OF(struct ipc_mount, mount_fields, mount_check);

static int create_check(const void *obj)
{
    const struct ipc_create *m = obj;

    return m->id && m->plan && m->n_mounts <= IPC_MOUNTS_MAX && m->n_disks <= IPC_DISKS_MAX
               ? 0
               : -EPROTO;
}
static const struct codec_field create_fields[] = {
    CODEC_F(1, STR, struct ipc_create, id),
    CODEC_FN(3, BYTES, struct ipc_create, plan, plan_len),
    CODEC_FSUB(4, struct ipc_create, proxy, &proc_codec),
    CODEC_F(5, U32, struct ipc_create, terminal),
    CODEC_FSUBS(6, struct ipc_create, mounts, n_mounts, &mount_codec),
    CODEC_FSUBS(7, struct ipc_create, disks, n_disks, &disk_codec),
};
static const struct codec create_codec = CODEC_OF(struct ipc_create, create_fields, create_check);

static int exec_check(const void *obj)
{
    const struct ipc_exec *m = obj;

    return m->id && m->process ? 0 : -EPROTO;
}
static const struct codec_field exec_fields[] = {
    CODEC_F(1, STR, struct ipc_exec, id),
    CODEC_FN(2, BYTES, struct ipc_exec, process, process_len),
    CODEC_FSUB(3, struct ipc_exec, proxy, &proc_codec),
    CODEC_F(4, U32, struct ipc_exec, terminal),
};
static const struct codec exec_codec = CODEC_OF(struct ipc_exec, exec_fields, exec_check);

static int network_check(const void *obj)
{
    const struct ipc_network *m = obj;

    return m->id && m->n_nics <= IPC_NICS_MAX && m->step <= IPC_NETWORK_PLUG ? 0 : -EPROTO;
}
static const struct codec_field network_fields[] = {
    CODEC_F(1, STR, struct ipc_network, id),
    CODEC_FN(2, BYTES, struct ipc_network, network, network_len),
    CODEC_FSUBS(3, struct ipc_network, nics, n_nics, &nic_codec),
    CODEC_F(4, U32, struct ipc_network, step),
};
static const struct codec network_codec =
    CODEC_OF(struct ipc_network, network_fields, network_check);

static int hostifs_check(const void *obj)
{
    return ((const struct ipc_hostifs *)obj)->v.n <= IPC_NICS_MAX ? 0 : -EPROTO;
}
static const struct codec_field hostifs_fields[] = {
    CODEC_FSUBS(1, struct ipc_hostifs, v.v, v.n, &kv_codec),
};
static const struct codec hostifs_codec =
    CODEC_OF(struct ipc_hostifs, hostifs_fields, hostifs_check);

static int target_check(const void *obj)
{
    const struct ipc_target *m = obj;

    return m->id && m->signo <= 64 ? 0 : -EPROTO;
}
static const struct codec_field target_fields[] = {
    CODEC_F(1, STR, struct ipc_target, id),
    CODEC_F(2, U32, struct ipc_target, signo),
    CODEC_F(3, U32, struct ipc_target, all),
    CODEC_FN(4, BYTES, struct ipc_target, cgroup, cgroup_len),
    CODEC_FSUB(5, struct ipc_target, proxy, &proc_codec),
};
static const struct codec target_codec = CODEC_OF(struct ipc_target, target_fields, target_check);

static int take_check(const void *obj)
{
    const struct ipc_take *m = obj;

    return m->id && str_check_id(m->id, NULL) == 0 ? 0 : -EPROTO;
}
static const struct codec_field take_fields[] = {
    CODEC_F(1, STR, struct ipc_take, id),
    CODEC_F(2, U32, struct ipc_take, pod),
    CODEC_F(3, U32, struct ipc_take, log_level),
    CODEC_F(4, U32, struct ipc_take, boot_timeout_ms),
    CODEC_FSUBS(5, struct ipc_take, metadata.v, metadata.n, &kv_codec),
    CODEC_F(6, U32, struct ipc_take, own_network),
};
static const struct codec take_codec = CODEC_OF(struct ipc_take, take_fields, take_check);

static const struct codec_field memory_fields[] = {
    CODEC_F(1, U64, struct ipc_memory, bytes),
};
static const struct codec memory_codec = CODEC_OF(struct ipc_memory, memory_fields, NULL);

static const struct codec_field vcpus_fields[] = {
    CODEC_F(1, U32, struct ipc_vcpus, vcpus),
};
static const struct codec vcpus_codec = CODEC_OF(struct ipc_vcpus, vcpus_fields, NULL);

static const struct codec_field event_fields[] = {
    CODEC_F(1, U32, struct ipc_event, kind),
    CODEC_F(2, I32, struct ipc_event, status),
};
static const struct codec event_codec = CODEC_OF(struct ipc_event, event_fields, NULL);

static const struct codec_field timings_fields[] = {
    CODEC_F(1, U64, struct ipc_timings, begin),
    CODEC_F(2, U64, struct ipc_timings, plugin_loaded),
    CODEC_F(3, U64, struct ipc_timings, vm_created),
    CODEC_F(4, U64, struct ipc_timings, vm_started),
    CODEC_F(5, U64, struct ipc_timings, hello),
    CODEC_F(6, U64, struct ipc_timings, setup),
    CODEC_F(7, U64, struct ipc_timings, created),
    CODEC_F(8, U64, struct ipc_timings, started),
    CODEC_F(9, U64, struct ipc_timings, exited),
    CODEC_F(10, U64, struct ipc_timings, create_asked),
    CODEC_F(11, U64, struct ipc_timings, start_asked),
};
static const struct codec timings_codec = CODEC_OF(struct ipc_timings, timings_fields, NULL);

void ipc_reply_put(struct wbuf *w, const struct ipc_reply *m)
{
    codec_put(w, &reply_codec, m);
}

int ipc_reply_get(struct wire body, struct ipc_reply *ret)
{
    return codec_get(body, &reply_codec, ret);
}

void ipc_reply_done(struct ipc_reply *m)
{
    codec_done(&reply_codec, m);
}

void ipc_sandbox_put(struct wbuf *w, const struct ipc_sandbox *m)
{
    codec_put(w, &sandbox_codec, m);
}

int ipc_sandbox_get(struct wire body, struct ipc_sandbox *ret)
{
    return codec_get(body, &sandbox_codec, ret);
}

void ipc_sandbox_done(struct ipc_sandbox *m)
{
    codec_done(&sandbox_codec, m);
}

void ipc_create_put(struct wbuf *w, const struct ipc_create *m)
{
    codec_put(w, &create_codec, m);
}

int ipc_create_get(struct wire body, struct ipc_create *ret)
{
    return codec_get(body, &create_codec, ret);
}

void ipc_create_done(struct ipc_create *m)
{
    codec_done(&create_codec, m);
}

void ipc_exec_put(struct wbuf *w, const struct ipc_exec *m)
{
    codec_put(w, &exec_codec, m);
}

int ipc_exec_get(struct wire body, struct ipc_exec *ret)
{
    return codec_get(body, &exec_codec, ret);
}

void ipc_exec_done(struct ipc_exec *m)
{
    codec_done(&exec_codec, m);
}

void ipc_network_put(struct wbuf *w, const struct ipc_network *m)
{
    codec_put(w, &network_codec, m);
}

int ipc_network_get(struct wire body, struct ipc_network *ret)
{
    return codec_get(body, &network_codec, ret);
}

void ipc_network_done(struct ipc_network *m)
{
    codec_done(&network_codec, m);
}

void ipc_hostifs_put(struct wbuf *w, const struct ipc_hostifs *m)
{
    codec_put(w, &hostifs_codec, m);
}

int ipc_hostifs_get(struct wire body, struct ipc_hostifs *ret)
{
    return codec_get(body, &hostifs_codec, ret);
}

void ipc_hostifs_done(struct ipc_hostifs *m)
{
    codec_done(&hostifs_codec, m);
}

void ipc_target_put(struct wbuf *w, const struct ipc_target *m)
{
    codec_put(w, &target_codec, m);
}

int ipc_target_get(struct wire body, struct ipc_target *ret)
{
    return codec_get(body, &target_codec, ret);
}

void ipc_target_done(struct ipc_target *m)
{
    codec_done(&target_codec, m);
}

void ipc_take_put(struct wbuf *w, const struct ipc_take *m)
{
    codec_put(w, &take_codec, m);
}

int ipc_take_get(struct wire body, struct ipc_take *ret)
{
    return codec_get(body, &take_codec, ret);
}

void ipc_take_done(struct ipc_take *m)
{
    codec_done(&take_codec, m);
}

void ipc_memory_put(struct wbuf *w, const struct ipc_memory *m)
{
    codec_put(w, &memory_codec, m);
}

int ipc_memory_get(struct wire body, struct ipc_memory *ret)
{
    return codec_get(body, &memory_codec, ret);
}

void ipc_vcpus_put(struct wbuf *w, const struct ipc_vcpus *m)
{
    codec_put(w, &vcpus_codec, m);
}

int ipc_vcpus_get(struct wire body, struct ipc_vcpus *ret)
{
    return codec_get(body, &vcpus_codec, ret);
}

void ipc_event_put(struct wbuf *w, const struct ipc_event *m)
{
    codec_put(w, &event_codec, m);
}

int ipc_event_get(struct wire body, struct ipc_event *ret)
{
    return codec_get(body, &event_codec, ret);
}

void ipc_timings_put(struct wbuf *w, const struct ipc_timings *m)
{
    codec_put(w, &timings_codec, m);
}

int ipc_timings_get(struct wire body, struct ipc_timings *ret)
{
    return codec_get(body, &timings_codec, ret);
}
