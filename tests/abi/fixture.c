/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "test.h"

static void add_key(struct descriptor *d, const char *text)
{
    const char *eq = strchr(text, '=');

    d->config = xreallocarray(d->config, d->n_config + 1, sizeof(*d->config));
    d->config[d->n_config] = (struct descriptor_key){.key = xstrndup(text, (size_t)(eq - text)),
                                                     .value = xstrdup(eq + 1),
                                                     .line = 7 + (unsigned)d->n_config,
                                                     .column = 3};
    d->n_config++;
}

void fixture_init(struct fixture *f, const char *so, const char *const *keys)
{
    struct err err = ERR_INIT;

    *f = (struct fixture){.dir = "/tmp/av-abi-XXXXXX"};
    CHECK(mkdtemp(f->dir) != NULL);
    f->d.name = xstrdup("plug");
    f->d.file = path_join(f->dir, "plug.yaml");
    f->d.so = xasprintf("%s/%s.so", PLUG_DIR, so);
    f->d.arch = xstrdup("x86_64");
    for (size_t i = 0; keys && keys[i]; i++)
        add_key(&f->d, keys[i]);
    CHECK_OK(path_replace(AT_FDCWD, f->d.file, "name: plug\n", 11, 0644, &err), err);
    plugin_host_init(&f->host);
}

void fixture_done(struct fixture *f)
{
    path_remove_tree(AT_FDCWD, f->dir, NULL);
    free(f->d.name);
    free(f->d.file);
    free(f->d.so);
    free(f->d.arch);
    strv_done(&f->d.requires);
    for (size_t i = 0; i < f->d.n_config; i++) {
        free(f->d.config[i].key);
        free(f->d.config[i].value);
    }
    free(f->d.config);
}

struct plugin *fixture_open(struct fixture *f)
{
    struct plugin *p = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(plugin_open(&f->d, &f->host, &p, &err), err);
    return p;
}

struct plugin *fixture_probed(struct fixture *f)
{
    struct plugin *p = fixture_open(f);
    struct err err = ERR_INIT;

    CHECK_OK(plugin_probe(p, 1000, NULL, &err), err);
    return p;
}

void fixture_refused(struct fixture *f, int want, const char *sentence)
{
    struct plugin *p = NULL;
    struct err err = ERR_INIT;

    CHECK_ERR(plugin_open(&f->d, &f->host, &p, &err), -want);
    CHECK_CONTAINS(err.msg, sentence);
    CHECK_INT_EQ(err.phase, PHASE_PLUGIN);
    CHECK(p == NULL);
}

void fixture_spec(struct hvp_vm_spec *ret)
{
    *ret = (struct hvp_vm_spec){
        .struct_size = sizeof(*ret),
        .id = "one",
        .uuid = "00000000-0000-4000-8000-000000000001",
        .vcpus = 1,
        .vcpus_max = 1,
        .memory = 64 * MIB,
        .memory_max = 64 * MIB,
        .machine = "",
        .cpu_model = "",
        .kernel = "/kernel",
        .initrd = "",
        .cmdline = "",
        .run_dir = "/run",
        .console_log = "",
        .n_channels = 1,
    };
}

struct plugin_vm *fixture_vm(struct plugin *p)
{
    struct plugin_vm *vm = NULL;
    struct hvp_vm_spec spec;
    struct err err = ERR_INIT;

    fixture_spec(&spec);
    CHECK_OK(plugin_vm_create(p, &spec, 1000, &vm, &err), err);
    return vm;
}

bool is_mapped(const char *so)
{
    cleanup_free char *maps = NULL;
    struct err err = ERR_INIT;
    size_t len;

    CHECK_OK(path_read(AT_FDCWD, "/proc/self/maps", 4 * MIB, &maps, &len, &err), err);
    return strstr(maps, so) != NULL;
}
