/* SPDX-License-Identifier: Apache-2.0 */
/* What is written down of a container before anything of it exists. */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "cli/creation/creation.h"
#include "cli/creation/grow.h"
#include "net/net.h"

/* Beside the policy's overhead: what QEMU itself was seen to take, most of it translated code of an
 * emulated CPU. A limit without it kills the VM of a container that stays within its own. */
#define VMM_HEADROOM (128 * MIB)

static char *now_rfc3339(void)
{
    struct timespec ts;
    struct tm tm;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return xasprintf("%s.%09ldZ", text, ts.tv_nsec);
}

static char *user_name(void)
{
    const struct passwd *pw = getpwuid(geteuid());

    return pw ? xstrdup(pw->pw_name) : xasprintf("%u", (unsigned)geteuid());
}

/* A name for the plug-in's directory that nobody can guess or take before us. */
static int new_run_dir_name(char **ret, struct err *err)
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return err_set(err, errno, "getrandom: %m");
    *ret = xasprintf("%s/%016llx", layout_vm_dir(), (unsigned long long)random);
    return 0;
}

/* With the port that the VM's first NIC is, where the workload may say. */
static int record_way(const struct creation *c, const char *word, struct state *s, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    const char *port = kvs_get(&c->choice.decision.granted, POLICY_ANNOTATION_PORT);

    if (!port || !strchr(word, ':')) {
        strv_add(&s->attach, word);
        return 0;
    }
    if (!*port || strlen(port) > NET_PORT_MAX || port[strspn(port, allowed)])
        return err_set_phase(err, PHASE_NETWORK, EINVAL,
                             "annotation " POLICY_ANNOTATION_PORT ": '%.80s' is no id of a port",
                             port);
    strv_addf(&s->attach, "%s %s", word, port);
    return 0;
}

/* A VMM that makes its own interfaces leaves one way. Whether it does is asked only where the
 * policy lists others. */
static int record_ways(struct creation *c, struct state *s, struct err *err)
{
    const struct strv *words = c->choice.decision.attach;
    const char *redirect = net_way_names[NET_REDIRECT];
    int r;

    if ((words->n == 1 && strcmp(words->v[0], redirect) == 0) ||
        !choice_makes_hostifs(c->cli, &c->choice, c->choice.back_end->file)) {
        for (size_t i = 0; i < words->n; i++)
            if ((r = record_way(c, words->v[i], s, err)) < 0)
                return r;
        return 0;
    }
    if (!strv_has(words, redirect))
        return err_set_phase(
            err, PHASE_NETWORK, ENOTSUP,
            "network.attach has no 'redirect', and back-end '%s', whose hypervisor "
            "makes its own interfaces, knows no other way",
            c->choice.back_end->name);
    strv_add(&s->attach, redirect);
    return 0;
}

static int fill_own_vm(struct creation *c, struct state *s, struct err *err)
{
    const struct descriptor *d = c->choice.back_end;
    const struct decision *decision = &c->choice.decision;

    s->sandbox = xstrdup(c->id);
    s->descriptor = xstrdup(d->name);
    s->descriptor_file = xstrdup(d->file);
    s->library = xstrdup(d->so);
    s->arch = xstrdup(d->arch);
    s->class_name = xstrdup(decision->cls);
    s->vm_memory = decision->size.memory;
    s->vm_memory_max = decision->size.memory_max;
    s->vm_reserve = decision->size.overhead;
    s->vm_vcpus = decision->size.vcpus;
    s->vm_vcpus_max = decision->size.vcpus_max_why ? decision->size.vcpus_max : 0;
    if (!c->choice.workload.is_sandbox)
        s->vm_overhead = decision->size.overhead + VMM_HEADROOM;
    return record_ways(c, s, err) < 0 ? -err->code : new_run_dir_name(&s->run_dir, err);
}

static void fill_joined_vm(const struct state *owner, struct state *s)
{
    s->sandbox = xstrdup(owner->id);
    s->descriptor = xstrdup(owner->descriptor);
    s->descriptor_file = xstrdup(owner->descriptor_file);
    s->library = xstrdup(owner->library);
    s->arch = xstrdup(owner->arch);
    s->class_name = xstrdup(owner->class_name);
    s->vm_memory = owner->vm_memory;
    s->vm_memory_max = owner->vm_memory_max;
    s->vm_vcpus = owner->vm_vcpus;
    s->vm_vcpus_max = owner->vm_vcpus_max;
}

int creation_record(struct creation *c, struct err *err)
{
    struct state *s = &c->state;
    int r;

    if (c->member)
        fill_joined_vm(&c->owner.state, s);
    else if ((r = fill_own_vm(c, s, err)) < 0)
        return r;
    s->id = xstrdup(c->id);
    s->bundle = xstrdup(c->spec->bundle);
    s->rootfs = xstrdup(c->spec->rootfs);
    s->oci_version = xstrdup(c->spec->version);
    s->created = now_rfc3339();
    s->owner = user_name();
    for (size_t i = 0; i < c->spec->annotations.n; i++)
        kvs_add(&s->annotations, c->spec->annotations.v[i].key, c->spec->annotations.v[i].value);
    s->terminal = c->spec->process.terminal;
    s->memory_limit = grow_memory_limit(&c->spec->linux_.resources);
    s->cpu_limit = grow_cpu_limit(&c->spec->linux_.resources);
    return proc_id_of(getpid(), &s->creator, err);
}
