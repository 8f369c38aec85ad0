/* SPDX-License-Identifier: Apache-2.0 */
/* The child: namespaces of its own, the checks one area after the other, the end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "kit/internal.h"

/* What belongs to the whole process, not to a plug-in. */
struct process {
    char cwd[256], locale[64];
    mode_t mask;
    void (*handlers[NSIG])(int);
};

static void look(struct process *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!getcwd(ret->cwd, sizeof(ret->cwd)))
        ret->cwd[0] = '\0';
    snprintf(ret->locale, sizeof(ret->locale), "%s", setlocale(LC_ALL, NULL));
    ret->mask = umask(0);
    umask(ret->mask);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction a = {.sa_handler = NULL};

        if (s != SIGCHLD && sigaction(s, NULL, &a) == 0) /* a library may have a handler for it */
            ret->handlers[s] = a.sa_handler;
    }
}

static void check_process(struct kit *k, const struct process *before)
{
    struct process now;

    look(&now);
    kit_that(k, strcmp(now.cwd, before->cwd) == 0, "the working directory is the same", "'%s'",
             now.cwd);
    kit_that(k, strcmp(now.locale, before->locale) == 0, "the locale is the same", "'%s'",
             now.locale);
    kit_that(k, now.mask == before->mask, "the umask is the same", "%o", now.mask);
    kit_that(k, memcmp(now.handlers, before->handlers, sizeof(now.handlers)) == 0,
             "no signal handler was set", "one was, of another signal than SIGCHLD");
}

/* What a plug-in mounts for its VM, and our taps, end with this process. */
static int own_namespaces(struct err *err)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(err, errno, "make namespaces for the test (it needs root): %m");
    return 0;
}

/* Not a terminal's: what the plug-in and its libraries say is a finding. */
static int own_stdio(struct kit *k, struct err *err)
{
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    k->said = memfd_create("said", MFD_CLOEXEC);
    if (null < 0 || k->said < 0 || dup2(null, 0) < 0 || dup2(k->said, 1) < 0 ||
        dup2(k->said, 2) < 0)
        return err_set(err, errno, "set up the test's output: %m");
    return 0;
}

/* The share is a mount point, as core makes it: containers are mounted below it. */
static int own_folder(struct kit *k, struct err *err)
{
    snprintf(k->share, sizeof(k->share), "%s/share", k->work);
    snprintf(k->console, sizeof(k->console), "%s/console.log", k->work);
    if (mkdir(k->share, 0700) < 0 || mount(k->share, k->share, NULL, MS_BIND, NULL) < 0)
        return err_set(err, errno, "make '%s': %m", k->share);
    return 0;
}

static int prepare(struct kit *k, struct err *err)
{
    static const struct rlimit no_core = {0, 0};
    int r;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    /* What our caller has left open is none of the plug-in's doing. */
    (void)syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if ((r = own_namespaces(err)) < 0 || (r = own_stdio(k, err)) < 0 ||
        (r = own_folder(k, err)) < 0)
        return r;
    return kit_host_init(k, err);
}

static void describe(struct kit *k)
{
    struct plugin_info *info = &k->shared->info;

    snprintf(info->name, sizeof(info->name), "%s", k->ops->name);
    snprintf(info->version, sizeof(info->version), "%s", k->ops->version);
    info->thread_model = k->ops->thread_model;
}

/* core's loader checks owner, mode, entry symbol, table and the descriptor's keys. */
static bool open_plugin(struct kit *k)
{
    struct err err = ERR_INIT;
    int r;

    k->area = "abi";
    kit_step(k, "load");
    r = plugin_open(k->o->d, &k->host, &k->opened, &err);
    if (!kit_that(k, r == 0, "core loads it", "%s", err.msg))
        return false;
    k->ops = plugin_ops(k->opened);
    describe(k);
    return true;
}

static void check_vms(struct kit *k)
{
    /* Its VM is the one that the others of these are asked of. */
    if (kit_wants(k, "life") || kit_wants(k, "claims") || kit_wants(k, "devices") ||
        kit_wants(k, "template"))
        kit_check_life(k);
    if (kit_wants(k, "refusals"))
        kit_check_bad(k);
    if (kit_wants(k, "faults"))
        kit_check_faults(k);
}

static void check_all(struct kit *k)
{
    struct err ignored = ERR_INIT;
    struct kit_mark before;
    struct process process;

    if (!open_plugin(k))
        return;
    /* Libraries of a hypervisor keep descriptors of their own once they have been used. */
    kit_step(k, "probe");
    (void)plugin_probe(k->opened, KIT_OP_MS, NULL, &ignored);
    look(&process);
    kit_mark(&before);
    kit_check_instance(k);
    if (!k->inst)
        return;
    if (kit_check_probe(k))
        check_vms(k);
    k->area = "leaks";
    kit_step(k, "unload");
    k->ops->unload(k->inst);
    kit_check_mark(k, &before, "the whole instance");
    kit_check_silence(k);
    check_process(k, &process);
    plugin_close(k->opened);
}

void kit_child(const struct kit_options *o, struct kit_shared *shared, int out)
{
    struct kit k = {.o = o,
                    .shared = shared,
                    .work = shared->work,
                    .out = out,
                    .said = -1,
                    .cancel_timer = -1,
                    .area = "abi",
                    .kernel_less = !o->kernel,
                    .caps = {.struct_size = sizeof(k.caps)}};
    struct err err = ERR_INIT;

    if (prepare(&k, &err) < 0)
        kit_that(&k, false, "the test can run here", "%s", err.msg);
    else
        check_all(&k);
    shared->finished = true;
    _exit(0);
}
