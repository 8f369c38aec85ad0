/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/layout.h"
#include "base/path.h"
#include "config/schema.h"

/* Debian's kernel, the agent and the files of both in memory take 75 MiB before a container starts.
 */
#define OVERHEAD_DEFAULT (128 * MIB)
#define MSIZE_DEFAULT (256 * KIB)
#define CACHE_DEFAULT (10 * GIB)
#define TEMPLATE_AGE_DEFAULT 86400 /* seconds: all its clones have the same address layout */
#define TEMPLATE_USES_DEFAULT 1000
#define TEMPLATE_SIZE_DEFAULT GIB
#define POOL_AGE_DEFAULT 86400
#define BOOT_TIMEOUT_DEFAULT 60 /* seconds: software emulation on a busy host takes ten */

static void vm_done(struct config_vm *vm)
{
    free(vm->kernel);
    free(vm->image);
    free(vm->kernel_args);
    free(vm->machine);
    free(vm->cpu_model);
    kvs_done(&vm->options);
}

static void storage_done(struct config_storage *s)
{
    strv_done(&s->rootfs);
    strv_done(&s->volumes);
    strv_done(&s->images);
    free(s->share.cache);
    free(s->share.security_model);
    free(s->tmp.kind);
    free(s->scratch.kind);
}

void config_class_init(struct config_class *c)
{
    memset(c, 0, sizeof(*c));
    c->vm.vcpus = c->vm.vcpus_max = CONFIG_UNSET;
    c->vm.memory = c->vm.memory_max = c->vm.memory_overhead = CONFIG_UNSET;
    c->storage.share.msize = c->storage.tmp.size = c->storage.scratch.size = CONFIG_UNSET;
    c->pool = (struct config_pool){CONFIG_UNSET, CONFIG_UNSET, CONFIG_UNSET};
}

void config_class_done(struct config_class *c)
{
    free(c->name);
    config_match_done(&c->match);
    strv_done(&c->hypervisor);
    storage_done(&c->storage);
    strv_done(&c->attach);
    vm_done(&c->vm);
    free(c->template);
    config_volumes_done(c);
    config_allow_done(&c->allow);
}

void config_done(struct config *c)
{
    free(c->file);
    free(c->plugins_dir);
    strv_done(&c->hypervisor);
    storage_done(&c->storage);
    strv_done(&c->attach);
    vm_done(&c->vm);
    free(c->template);
    free(c->templates.dir);
    free(c->cache.dir);
    free(c->secrets_dir);
    for (size_t i = 0; i < c->n_classes; i++)
        config_class_done(&c->classes[i]);
    free(c->classes);
    config_allow_done(&c->allow);
    strv_done(&c->files);
    kvs_done(&c->places);
    strv_done(&c->overrides);
    memset(c, 0, sizeof(*c));
}

static void fill_text(char **text, const char *value)
{
    if (!*text)
        *text = xstrdup(value);
}

void config_fill(struct config *c, const char *dir)
{
    if (c->hypervisor.n == 0)
        strv_add(&c->hypervisor, "kvm");
    if (c->storage.rootfs.n == 0)
        strv_add(&c->storage.rootfs, "9pfs");
    if (c->storage.volumes.n == 0)
        strv_add(&c->storage.volumes, "9pfs");
    if (c->attach.n == 0)
        strv_add(&c->attach, "redirect");
    if (!c->plugins_dir)
        c->plugins_dir = path_join(dir, "plugins.d");
    if (!c->secrets_dir)
        c->secrets_dir = path_join(dir, "secrets");
    if (!c->cache.dir)
        c->cache.dir = path_join(layout_cache_dir(), "images");
    if (!c->templates.dir)
        c->templates.dir = xasprintf("%s.templates", layout_state_dir());
    fill_text(&c->template, "off");
    fill_text(&c->storage.share.cache, "mmap");
    fill_text(&c->storage.tmp.kind, "share");
    fill_text(&c->storage.scratch.kind, "disk");
}

void config_init(struct config *c)
{
    memset(c, 0, sizeof(*c));
    c->vm.vcpus = CONFIG_AUTO;
    c->vm.memory = CONFIG_AUTO;
    c->vm.memory_overhead = OVERHEAD_DEFAULT;
    c->boot_timeout_s = BOOT_TIMEOUT_DEFAULT;
    c->storage.share.msize = MSIZE_DEFAULT;
    c->storage.tmp.size = c->storage.scratch.size = CONFIG_AUTO;
    c->cache.max_size = CACHE_DEFAULT;
    c->pool = (struct config_pool){0, CONFIG_AUTO, POOL_AGE_DEFAULT};
    c->templates.max_age_s = TEMPLATE_AGE_DEFAULT;
    c->templates.max_uses = TEMPLATE_USES_DEFAULT;
    c->templates.max_size = TEMPLATE_SIZE_DEFAULT;
}

void config_defaults(const char *dir, struct config *ret)
{
    config_init(ret);
    config_fill(ret, dir);
}

void config_keys(struct strv *ret)
{
    yaml_key_names(config_schema, "", ret);
}
