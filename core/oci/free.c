/* SPDX-License-Identifier: Apache-2.0 */
/* Freeing what the parsers built; everything takes {0} and half-built structs. */
#include <stdlib.h>
#include "oci/reader.h"

void process_done(struct oci_process *p)
{
    strv_done(&p->args);
    strv_done(&p->env);
    for (size_t i = 0; i < OCI_CAP_SETS; i++)
        strv_done(&p->caps[i]);
    for (size_t i = 0; i < p->n_rlimits; i++)
        free(p->rlimits[i].type);
    free(p->rlimits);
    free(p->user.gids);
    free(p->cwd);
    free(p->apparmor_profile);
    free(p->selinux_label);
    free(p->io_priority.cls);
    free(p->scheduler.policy);
}

void oci_process_free(struct oci_process *p)
{
    if (p)
        process_done(p);
    free(p);
}

static void block_io_done(struct oci_resources *r)
{
    free(r->block_io.weight_devices);
    for (size_t i = 0; i < OCI_THROTTLE_KINDS; i++)
        free(r->block_io.throttle[i].v);
}

void resources_done(struct oci_resources *r)
{
    for (size_t i = 0; i < r->n_devices; i++) {
        free(r->devices[i].type);
        free(r->devices[i].access);
    }
    free(r->devices);
    free(r->cpu.cpus);
    free(r->cpu.mems);
    block_io_done(r);
    for (size_t i = 0; i < r->n_hugepages; i++)
        free(r->hugepages[i].page_size);
    free(r->hugepages);
    for (size_t i = 0; i < r->n_net_priorities; i++)
        free(r->net_priorities[i].name);
    free(r->net_priorities);
    for (size_t i = 0; i < r->n_rdma; i++)
        free(r->rdma[i].device);
    free(r->rdma);
    kvs_done(&r->unified);
}

void oci_resources_free(struct oci_resources *r)
{
    if (r)
        resources_done(r);
    free(r);
}

static void rule_done(struct oci_seccomp_rule *rule)
{
    strv_done(&rule->names);
    free(rule->action);
    for (size_t i = 0; i < rule->n_args; i++)
        free(rule->args[i].op);
    free(rule->args);
}

void seccomp_done(struct oci_seccomp *s)
{
    free(s->default_action);
    free(s->listener_path);
    strv_done(&s->architectures);
    strv_done(&s->flags);
    for (size_t i = 0; i < s->n_rules; i++)
        rule_done(&s->rules[i]);
    free(s->rules);
}

void linux_done(struct oci_linux *l)
{
    for (size_t i = 0; i < OCI_NS_KINDS; i++)
        free(l->ns[i].path);
    free(l->uid_map.v);
    free(l->gid_map.v);
    for (size_t i = 0; i < l->n_devices; i++) {
        free(l->devices[i].path);
        free(l->devices[i].type);
    }
    free(l->devices);
    free(l->cgroups_path);
    free(l->rootfs_propagation);
    free(l->mount_label);
    free(l->personality);
    strv_done(&l->masked_paths);
    strv_done(&l->readonly_paths);
    kvs_done(&l->sysctl);
    resources_done(&l->resources);
    seccomp_done(&l->seccomp);
}

static void mount_done(struct oci_mount *m)
{
    free(m->destination);
    free(m->type);
    free(m->source);
    strv_done(&m->options);
    free(m->uid_map.v);
    free(m->gid_map.v);
}

static void hooks_done(struct oci_hooks *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free(h->v[i].path);
        strv_done(&h->v[i].args);
        strv_done(&h->v[i].env);
    }
    free(h->v);
}

void oci_spec_free(struct oci_spec *s)
{
    if (!s)
        return;
    free(s->version);
    free(s->bundle);
    free(s->rootfs);
    free(s->hostname);
    free(s->domainname);
    for (size_t i = 0; i < s->n_mounts; i++)
        mount_done(&s->mounts[i]);
    free(s->mounts);
    process_done(&s->process);
    for (size_t i = 0; i < OCI_HOOK_KINDS; i++)
        hooks_done(&s->hooks[i]);
    kvs_done(&s->annotations);
    linux_done(&s->linux_);
    free(s);
}
