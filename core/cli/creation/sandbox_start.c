/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a new sandbox, and what its monitor is told to boot. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/sha256.h"
#include "cli/creation/creation.h"
#include "cli/creation/proxy_command.h"
#include "cli/creation/proxy_setup.h"

static int socket_pair(int *ret_ours, int *ret_theirs, struct err *err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, errno, "socketpair: %m");
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return 0;
}

/* The argument is for people who read ps: both learn everything from their sockets. */
int sandbox_spawn(const struct cli *cli, const char *state_dir, int *ret_sock,
                  struct child *ret_monitor, struct err *err)
{
    cleanup_free char *path = path_join(cli->layout.libexec_dir, "anyvisor-monitor");
    const char *const argv[] = {"anyvisor-monitor", state_dir, NULL};
    cleanup_fd int theirs = -1;
    int r;

    if ((r = socket_pair(ret_sock, &theirs, err)) < 0)
        return r;
    struct proc_spawn how = {
        .path = path,
        .argv = argv,
        .fds = (struct proc_fd_map[]){{theirs, IPC_FIRST_FD}},
        .n_fds = 1,
        .cwd = "/",
        .new_session = 1,
        .null_stdio = 1,
    };
    r = proc_spawn(&how, &ret_monitor->pid, &ret_monitor->pidfd, err);
    return r < 0 ? err_wrap(err, "start the monitor") : 0;
}

int sandbox_spawn_monitor(struct creation *c, struct err *err)
{
    int r = sandbox_spawn(c->cli, c->dir.path, &c->sock, &c->monitor, err);

    if (r == 0 && fault_point("cli.monitor-spawned") < 0)
        r = err_set(err, EIO, "fault cli.monitor-spawned");
    return r;
}

/* Kinds that the proxy takes part in, in the order of joining: mount last, as paths change with it.
 * A new user namespace comes after all (proxy_setup.c): these belong to the caller's. */
static const struct {
    enum oci_ns_kind kind;
    uint64_t flag;
} proxy_namespaces[] = {
    {OCI_NS_NETWORK, CLONE_NEWNET}, {OCI_NS_IPC, CLONE_NEWIPC},       {OCI_NS_UTS, CLONE_NEWUTS},
    {OCI_NS_PID, CLONE_NEWPID},     {OCI_NS_CGROUP, CLONE_NEWCGROUP}, {OCI_NS_MOUNT, CLONE_NEWNS},
};
#define PROXY_NAMESPACES ARRAY_SIZE(proxy_namespaces)

struct joined {
    int fds[PROXY_NAMESPACES];
    size_t n;
    uint64_t unshare;
};

static void joined_done(struct joined *j)
{
    for (size_t i = 0; i < j->n; i++)
        close_fd(&j->fds[i]);
}

/* *ret = -1: it is made anew. The network namespace of a VM of the pool has been nobody's, and the
 * taps are there. */
static int open_namespace(const struct creation *c, enum oci_ns_kind kind, uint64_t flag, int *ret,
                          struct err *err)
{
    const struct oci_namespace *ns = &c->spec->linux_.ns[kind];

    *ret = -1;
    if (!ns->path) {
        if (kind == OCI_NS_NETWORK && c->pool_ns >= 0 &&
            (*ret = fcntl(c->pool_ns, F_DUPFD_CLOEXEC, 0)) < 0)
            return err_set(err, errno, "duplicate a descriptor: %m");
        return 0;
    }
    *ret = open(ns->path, O_RDONLY | O_CLOEXEC);
    if (*ret < 0)
        return err_set_phase(err, PHASE_CONFIG, errno, "open %s namespace '%s': %m",
                             oci_namespace_name(kind), ns->path);
    if (ioctl(*ret, NS_GET_NSTYPE) != (int)flag)
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "'%s' is no %s namespace", ns->path,
                             oci_namespace_name(kind));
    return 0;
}

static int open_namespaces(const struct creation *c, struct joined *ret, struct err *err)
{
    for (size_t i = 0; i < PROXY_NAMESPACES; i++) {
        int fd, r;

        if (!c->spec->linux_.ns[proxy_namespaces[i].kind].listed)
            continue;
        r = open_namespace(c, proxy_namespaces[i].kind, proxy_namespaces[i].flag, &fd, err);
        if (fd >= 0)
            ret->fds[ret->n++] = fd;
        else
            ret->unshare |= proxy_namespaces[i].flag;
        if (r < 0)
            return r;
    }
    return 0;
}

/* Its pid is recorded before the engine can learn it. */
static int record_proxy(struct creation *c, struct err *err)
{
    int r = proc_id_of(c->proxy.pid, &c->state.proxy, err);

    if (r == 0)
        r = state_write(&c->dir, &c->state, err);
    if (r == 0 && fault_point("cli.proxy-spawned") < 0)
        r = err_set(err, EIO, "fault cli.proxy-spawned");
    return r;
}

void sandbox_take_oom_score(const struct creation *c)
{
    const struct oci_i64 *score = &c->spec->process.oom_score_adj;
    cleanup_free char *text = xasprintf("%lld", (long long)score->value);
    struct err err = ERR_INIT;

    /* A lower one than ours takes a right that an unprivileged user lacks: the guest has its own.
     */
    if (score->set && path_write(AT_FDCWD, "/proc/self/oom_score_adj", text, &err) < 0)
        log_info("%s, leaving it", err.msg);
}

int sandbox_proxy_socket(struct creation *c, struct err *err)
{
    return c->proxy_end >= 0 ? 0 : socket_pair(&c->proxy_sock, &c->proxy_end, err);
}

int sandbox_spawn_proxy(struct creation *c, struct err *err)
{
    cleanup_free char *path = path_join(c->cli->layout.libexec_dir, "anyvisor-proxy");
    bool terminal = c->spec->process.terminal;
    cleanup_call(proxy_command_done) struct proxy_command command = {{0}};
    cleanup_call(proxy_setup_done) struct proxy_setup setup = {0};
    cleanup_call(joined_done) struct joined joined = {.n = 0};
    int r;

    if ((r = open_namespaces(c, &joined, err)) < 0 || (r = sandbox_proxy_socket(c, err)) < 0)
        return r;
    proxy_command_make(&c->spec->process, c->dir.path, &command);
    proxy_setup_make(c->spec, &setup);
    struct proc_spawn how = {
        .path = path,
        .argv = (const char *const *)command.argv.v,
        .envp = (const char *const *)command.env.v,
        .fds = (struct proc_fd_map[]){{c->proxy_end, IPC_FIRST_FD}, {c->stdio[0], 0}},
        .n_fds = terminal ? 2 : 1,
        .setns_fds = joined.fds,
        .n_setns = joined.n,
        .unshare_flags = joined.unshare,
        .cgroups = (const char *const *)c->cgroups.v,
        .cwd = "/",
        .new_session = 1,
        .null_stdio = 1,
        .in_child = proxy_setup_run,
        .in_child_arg = &setup,
    };
    if ((r = proc_spawn(&how, &c->proxy.pid, &c->proxy.pidfd, err)) < 0)
        return err_wrap(err, "start the proxy");
    close_fd(&c->proxy_end);
    return record_proxy(c, err);
}

static void copy_list(const struct strv *from, struct strv *to)
{
    for (size_t i = 0; i < from->n; i++)
        strv_add(to, from->v[i]);
}

void sandbox_metadata(const struct creation *c, struct kvs *ret)
{
    const struct workload *w = &c->choice.workload;
    const struct {
        const char *key, *value;
    } list[] = {
        {"class", c->choice.decision.cls ? c->choice.decision.cls : ""},
        {"pod", w->pod_name},
        {"namespace", w->pod_namespace},
        {"image", w->image},
        {"version", layout_version()},
        {"port", kvs_get(&w->annotations, POLICY_ANNOTATION_PORT)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        if (list[i].value)
            kvs_add(ret, list[i].key, list[i].value);
}

/* disks: NULL = it has none when it is made. */
static void fill_vm(const struct creation *c, const struct disks *disks, struct ipc_sandbox *m)
{
    const struct decision *d = &c->choice.decision;
    cleanup_free char *modules = disks ? disks_modules(disks) : NULL;
    struct boot_files boot;

    choice_boot_files(c->cli, &c->choice, modules, &boot);
    m->guest_dir = boot.guest_dir; /* all four change hands */
    m->kernel = boot.kernel;
    m->initrd = boot.image;
    m->cmdline = boot.cmdline;
    m->machine = xstrdup(d->machine ? d->machine : "");
    m->cpu_model = xstrdup(d->cpu_model ? d->cpu_model : "");
    for (size_t i = 0; i < d->vm_options.n; i++)
        kvs_add(&m->options, d->vm_options.v[i].key, d->vm_options.v[i].value);
    m->vcpus = d->size.vcpus;
    m->vcpus_max = d->size.vcpus_max;
    m->memory = d->size.memory;
    m->memory_max = d->size.memory_max;
    m->boot_timeout_ms = (uint32_t)MIN(d->boot_timeout_s * 1000, UINT32_MAX - 1);
    sandbox_metadata(c, &m->metadata);
}

/* The UUID is known beforehand, also to who looks for the VM of a container that is gone. */
static void fill_place(const struct sandbox_place *p, bool on_host, struct ipc_sandbox *m)
{
    m->id = xstrdup(p->id);
    m->uuid = xcalloc(1, SHA256_UUID);
    sha256_uuid(p->state_dir, m->uuid);
    m->state_dir = xstrdup(p->state_dir);
    m->run_dir = xstrdup(p->run_dir);
    if (on_host)
        m->host_mounts = path_join(p->run_dir, CLI_HOST_MOUNTS);
    m->template_use = p->use;
    if (p->use == IPC_TEMPLATE_NONE)
        return;
    m->template_dir = xstrdup(p->template_dir);
    m->template_key = xstrdup(p->template_key);
}

static void fill_request(const struct creation *c, const struct disks *disks, struct ipc_sandbox *m)
{
    const struct descriptor *d = c->choice.back_end;

    m->cache_dir =
        path_mkdirs(layout_cache_dir(), 0700, NULL) == 0 ? xstrdup(layout_cache_dir()) : NULL;
    m->descriptor = xstrdup(d->name);
    m->descriptor_file = xstrdup(d->file);
    m->library = xstrdup(d->so);
    m->arch = xstrdup(d->arch);
    for (size_t i = 0; i < d->n_config; i++) {
        kvs_add(&m->config, d->config[i].key, d->config[i].value);
        strv_addf(&m->config_places, "%u:%u", d->config[i].line, d->config[i].column);
    }
    copy_list(&d->modules, &m->modules);
    copy_list(&d->paths, &m->paths);
    m->share_options =
        xasprintf("version=9p2000.L,msize=%" PRIu64 ",cache=%s,access=client",
                  c->choice.decision.storage.msize, c->choice.decision.storage.cache);
    m->share_model = xstrdup(c->choice.decision.storage.security_model);
    m->log_level = c->cli->debug ? LOG_L_DEBUG : LOG_L_INFO;
    fill_vm(c, disks, m);
}

/* The lists that m borrows; their descriptors follow in this order. */
static int send_request(struct ipc_sandbox *m, const struct network_nics *nics,
                        const struct disks *disks, int sock, uint32_t seq, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    cleanup_free struct ipc_disk *v = disks ? disks_ipc(disks) : NULL;
    int fds[IPC_NICS_MAX * IPC_NIC_QUEUES_MAX + IPC_DISK_FDS_MAX];
    size_t n_fds = nics->n_fds;

    if (n_fds)
        memcpy(fds, nics->fds, n_fds * sizeof(*fds));
    if (disks && disks->n_fds)
        memcpy(fds + n_fds, disks->fds, disks->n_fds * sizeof(*fds));
    n_fds += disks ? disks->n_fds : 0;
    m->nics = nics->v;
    m->n_nics = nics->n;
    m->disks = v;
    m->n_disks = disks ? disks->n : 0;
    ipc_sandbox_put(&body, m);
    m->disks = NULL; /* the strings are not the request's to free */
    m->nics = NULL;
    m->n_disks = m->n_nics = 0;
    return ipc_send(sock, IPC_SANDBOX, seq, &body, fds, n_fds, err);
}

int sandbox_send(const struct creation *c, const struct sandbox_place *place,
                 const struct network_nics *nics, int sock, uint32_t seq, struct err *err)
{
    cleanup_call(ipc_sandbox_done) struct ipc_sandbox m = {0};

    fill_request(c, NULL, &m);
    fill_place(place, c->choice.back_end->host_mounts, &m);
    return send_request(&m, nics, NULL, sock, seq, err);
}

/* A clone that takes so long is none: half the time is left for a boot instead. */
static void fill_own(const struct creation *c, const char *live, struct ipc_sandbox *m)
{
    const struct sandbox_place place = {
        .id = c->id,
        .state_dir = c->dir.path,
        .run_dir = c->state.run_dir,
        .use = c->cloning ? IPC_TEMPLATE_CLONE : IPC_TEMPLATE_NONE,
        .template_dir = live,
        .template_key = c->template.key,
    };

    fill_place(&place, c->choice.back_end->host_mounts, m);
    copy_list(c->vm_cgroups.n ? &c->vm_cgroups : &c->cgroups, &m->cgroups);
    m->pod = c->choice.workload.is_sandbox;
    m->keep = c->keep_vm;
    m->own_network = network_taps_end(c->spec, &c->state.attach);
    if (c->cloning)
        m->boot_timeout_ms = MAX(m->boot_timeout_ms / 2, 1u);
}

int sandbox_request(struct creation *c, uint32_t seq, struct err *err)
{
    cleanup_call(ipc_sandbox_done) struct ipc_sandbox m = {0};
    cleanup_free char *live = c->cloning ? template_live(&c->template) : NULL;
    const struct disks *disks = c->cloning ? NULL : &c->disks; /* those come with the container */
    int r;

    fill_request(c, disks, &m);
    fill_own(c, live, &m);
    r = send_request(&m, &c->nics, disks, c->sock, seq, err);
    network_nics_sent(&c->nics);
    if (!disks)
        return r;
    disks_close(&c->disks);
    c->disks.sent = true;
    return r;
}
