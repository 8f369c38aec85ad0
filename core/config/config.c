/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "config/schema.h"

/* Debian's kernel, the agent and the files of both in memory take 75 MiB before a container starts.
 */
#define OVERHEAD_DEFAULT (128 * MIB)
#define MSIZE_DEFAULT (256 * KIB)
#define CACHE_DEFAULT (10 * GIB)
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
    free(s->share.cache);
    free(s->share.security_model);
    free(s->tmp.kind);
    free(s->scratch.kind);
}

static void volume_done(struct config_volume *v)
{
    free(v->destination);
    free(v->source);
    free(v->type);
    free(v->secret);
    strv_done(&v->options);
}

void config_class_init(struct config_class *c)
{
    memset(c, 0, sizeof(*c));
    c->vm.vcpus = c->vm.memory = c->vm.memory_overhead = CONFIG_UNSET;
    c->storage.share.msize = c->storage.tmp.size = c->storage.scratch.size = CONFIG_UNSET;
}

void config_class_done(struct config_class *c)
{
    free(c->name);
    free(c->match.pod_namespace);
    free(c->match.pod_name);
    free(c->match.image);
    free(c->match.user);
    free(c->match.runtime);
    free(c->match.arch);
    free(c->match.cls);
    kvs_done(&c->match.annotations);
    strv_done(&c->hypervisor);
    storage_done(&c->storage);
    vm_done(&c->vm);
    for (size_t i = 0; i < c->n_volumes; i++)
        volume_done(&c->volumes[i]);
    free(c->volumes);
}

void config_done(struct config *c)
{
    free(c->file);
    free(c->plugins_dir);
    strv_done(&c->hypervisor);
    storage_done(&c->storage);
    vm_done(&c->vm);
    free(c->cache.dir);
    free(c->secrets_dir);
    for (size_t i = 0; i < c->n_classes; i++)
        config_class_done(&c->classes[i]);
    free(c->classes);
    strv_done(&c->annotations_allow);
    memset(c, 0, sizeof(*c));
}

static void fill_text(char **text, const char *value)
{
    if (!*text)
        *text = xstrdup(value);
}

/* Lists have their defaults only when the file says nothing: readers append. */
static void fill_lists(struct config *c, const char *dir)
{
    if (c->hypervisor.n == 0)
        strv_add(&c->hypervisor, "kvm");
    if (c->storage.rootfs.n == 0)
        strv_add(&c->storage.rootfs, "9pfs");
    if (c->storage.volumes.n == 0)
        strv_add(&c->storage.volumes, "9pfs");
    if (!c->plugins_dir)
        c->plugins_dir = path_join(dir, "plugins.d");
    if (!c->secrets_dir)
        c->secrets_dir = path_join(dir, "secrets");
    fill_text(&c->cache.dir, "/var/cache/anyvisor/images");
    fill_text(&c->storage.share.cache, "mmap");
    fill_text(&c->storage.tmp.kind, "share");
    fill_text(&c->storage.scratch.kind, "disk");
}

/* A secret's name is one of secrets_dir, which may stand behind it in the file. */
static void place_secrets(struct config *c)
{
    for (size_t i = 0; i < c->n_classes; i++)
        for (size_t k = 0; k < c->classes[i].n_volumes; k++) {
            cleanup_free char *name = c->classes[i].volumes[k].secret;

            if (name)
                c->classes[i].volumes[k].secret =
                    *name == '/' ? steal_ptr(&name) : path_join(c->secrets_dir, name);
        }
}

static void set_numbers(struct config *c)
{
    c->vm.vcpus = CONFIG_AUTO;
    c->vm.memory = CONFIG_AUTO;
    c->vm.memory_overhead = OVERHEAD_DEFAULT;
    c->boot_timeout_s = BOOT_TIMEOUT_DEFAULT;
    c->storage.share.msize = MSIZE_DEFAULT;
    c->storage.tmp.size = c->storage.scratch.size = CONFIG_AUTO;
    c->cache.max_size = CACHE_DEFAULT;
}

void config_defaults(const char *dir, struct config *ret)
{
    memset(ret, 0, sizeof(*ret));
    set_numbers(ret);
    fill_lists(ret, dir);
}

int config_parse(const char *text, size_t len, const char *name, const char *dir,
                 struct config *ret, struct err *err)
{
    struct yaml_reader y = {.name = name, .dir = dir, .err = err};
    struct config_file f = {0};
    int r;

    set_numbers(&f.c);
    r = yaml_reader_parse(&y, text, len, config_schema, &f);
    if (r == 0 && f.version == 0) {
        yaml_fail(&y, yaml_document_get_root_node(&y.doc),
                  "missing key 'version', write version: 1");
        r = y.code;
    }
    yaml_reader_done(&y);
    if (r < 0) {
        config_done(&f.c);
        return r;
    }
    fill_lists(&f.c, dir);
    place_secrets(&f.c);
    *ret = f.c;
    return 0;
}

int config_load(const char *path, struct config *ret, struct err *err)
{
    cleanup_free char *text = NULL, *file = realpath(path, NULL), *dir = NULL;
    size_t len;
    int r;

    if (!file)
        return err_set_phase(err, PHASE_CONFIG, errno, "configuration '%s': %m", path);
    if (path_read(AT_FDCWD, file, CONFIG_FILE_MAX, &text, &len, err) < 0)
        return err_in_phase(err, PHASE_CONFIG);
    dir = xstrndup(file, MAX((size_t)(strrchr(file, '/') - file), (size_t)1));
    if ((r = config_parse(text, len, path, dir, ret, err)) < 0)
        return r;
    ret->file = steal_ptr(&file);
    return 0;
}

int config_load_default(const char *option, const char *etc_dir, struct config *ret,
                        struct err *err)
{
    const char *env = getenv("ANYVISOR_CONFIG");
    cleanup_free char *file = NULL;

    if (option)
        return config_load(option, ret, err);
    if (env && *env)
        return config_load(env, ret, err);
    file = path_join(etc_dir, "anyvisor.yaml");
    if (access(file, F_OK) == 0 || errno != ENOENT)
        return config_load(file, ret, err);
    config_defaults(etc_dir, ret);
    return 0;
}

void config_keys(struct strv *ret)
{
    yaml_key_names(config_schema, "", ret);
}
