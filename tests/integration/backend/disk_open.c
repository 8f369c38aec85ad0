/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens one disk through hvp.h alone, in a VM that never runs: what it takes to see whether a
 * back-end and a storage server agree on address and credentials.
 *
 *     disk_open PLUGIN.so KERNEL cold|hot PROTOCOL [--secret FILE] [--readonly] [--format N]
 * [KEY=VALUE]...
 *
 * Prints "opened PID" and holds the disk until the end of stdin, or "refused: SENTENCE" (exit 1).
 * "disk_open PLUGIN.so protocols" prints those that the back-end reports.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host.h"

#define OP_MS 20000u
#define MIB (UINT64_C(1) << 20)

static const struct hvp_plugin *plugin;
static void *inst;
static struct hvp_caps caps = {.struct_size = sizeof(caps)};
static struct hvp_error err = {.struct_size = sizeof(err)};
static char run_dir[] = "/tmp/av-disk.XXXXXX";
static const char *const protocols[] = {"", "file", "block", "nbd", "iscsi", "rbd"};

static struct hvp_kv options[16];
static struct hvp_disk disk = {
    .d = {.struct_size = sizeof(disk), .kind = HVP_DEV_DISK, .tag = "disk"},
    .format = HVP_FORMAT_RAW,
    .path = "",
    .options = options,
};

static int usage(void)
{
    fprintf(stderr, "usage: disk_open PLUGIN.so KERNEL cold|hot PROTOCOL [--secret FILE] "
                    "[KEY=VALUE]...\n"
                    "       disk_open PLUGIN.so protocols\n");
    return 2;
}

static int arguments(char **argv)
{
    for (uint32_t i = HVP_PROTO_FILE; i <= HVP_PROTO_RBD; i++)
        if (strcmp(*argv, protocols[i]) == 0)
            disk.protocol = i;
    for (argv++; *argv; argv++) {
        char *value = strchr(*argv, '=');

        if (strcmp(*argv, "--readonly") == 0) {
            disk.d.flags |= HVP_F_READONLY;
        } else if (strcmp(*argv, "--secret") == 0 && argv[1]) {
            disk.secret_file = *++argv;
        } else if (strcmp(*argv, "--format") == 0 && argv[1]) {
            disk.format = (uint32_t)strtoul(*++argv, NULL, 10);
        } else if (value && disk.n_options < sizeof(options) / sizeof(options[0])) {
            *value = '\0';
            options[disk.n_options++] = (struct hvp_kv){*argv, value + 1};
        } else {
            return usage();
        }
    }
    return 0;
}

static int load_plugin(const char *so, bool hot)
{
    void *dl = dlopen(so, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    hvp_entry *entry = NULL;

    if (dl)
        *(void **)&entry = dlsym(dl, "hvp_plugin_v1");
    if (!entry) {
        printf("refused: %s\n", dlerror());
        return -1;
    }
    plugin = entry();
    /* What comes later over the network finds it only then; who starts no QEMU has no such key. */
    if (plugin->load(&test_host, &inst, &err) == 0 &&
        (!hot || plugin->config(inst, "network", "host", &err) == 0 || err.code == -EINVAL) &&
        plugin->probe(inst, &caps, OP_MS, &err) == 0)
        return 0;
    printf("refused: %s\n", err.msg);
    return -1;
}

static int make_vm(bool hot, const char *kernel, void **vm)
{
    const struct hvp_device *const devices[] = {&disk.d};
    const struct hvp_vm_spec spec = {.struct_size = sizeof(spec),
                                     .id = "disk-open",
                                     .uuid = "44444444-2222-3333-4444-555555555555",
                                     .vcpus = 1,
                                     .vcpus_max = 1,
                                     .memory = 64 * MIB,
                                     .memory_max = 64 * MIB,
                                     .machine = "",
                                     .cpu_model = "",
                                     .kernel = kernel,
                                     .initrd = "",
                                     .cmdline = "",
                                     .run_dir = run_dir,
                                     .console_log = "",
                                     .devices = devices,
                                     .n_devices = hot ? 0 : 1,
                                     .n_channels = 1};

    if (plugin->vm_create(inst, &spec, OP_MS, vm, &err) < 0)
        return -1;
    return hot ? plugin->device_attach(*vm, &disk.d, OP_MS, &err) : 0;
}

/* The VM is there until whoever looks at it has closed our stdin. */
static void hold(void *vm)
{
    int32_t pid = 0;
    size_t n;
    char c;

    plugin->vm_pids(vm, &pid, 1, &n, &err);
    printf("opened %d\n", pid);
    fflush(stdout);
    while (read(0, &c, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    char file[64];
    void *vm = NULL;
    int r;

    if (argc < 3 || load_plugin(argv[1], argc > 3 && strcmp(argv[3], "hot") == 0) < 0)
        return 2;
    if (strcmp(argv[2], "protocols") == 0) {
        for (uint32_t i = HVP_PROTO_FILE; i <= HVP_PROTO_RBD; i++)
            if (caps.disk_protocols & 1u << i)
                puts(protocols[i]);
        return 0;
    }
    if (argc < 5 || arguments(argv + 4) || !mkdtemp(run_dir))
        return 2;
    r = make_vm(strcmp(argv[3], "hot") == 0, argv[2], &vm);
    if (r == 0)
        hold(vm);
    else
        printf("refused: %s\n", err.msg);
    if (vm) {
        plugin->vm_destroy(vm, OP_MS, &err);
        plugin->vm_close(vm);
    }
    plugin->unload(inst);
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"qmp.sock", "console.sock", "agent0.sock", "qemu.log"};

        snprintf(file, sizeof(file), "%s/%s", run_dir, names[i]);
        unlink(file);
    }
    return rmdir(run_dir) < 0 || r != 0;
}
