/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include <errno.h>
#include <string.h>
#include "common/util.h"
#include "machine.h"

#define HOTPLUG_PORTS_MAX 8 /* functions of one PCI slot */

const char kvm_config_help[] =
    "qemu           QEMU program: absolute path or a name to search (qemu-system-ARCH)\n"
    "accel          auto, kvm or tcg; auto takes KVM where it is usable (auto)\n"
    "machine        board: q35 or microvm for x86_64; the others have one each (q35)\n"
    "cpu            CPU model with flags, as QEMU names it (host with KVM, max with TCG)\n"
    "firmware       auto, default or the absolute path of a BIOS image (auto)\n"
    "memory_backend anonymous or memfd (anonymous)\n"
    "channel        serial or vsock: what carries the agent's channel; with vsock there are no "
    "templates (serial)\n"
    "seccomp        on or off: QEMU's own system call filter (on)\n"
    "hotplug_ports  0 to 8: disks and NICs that can be added to a running VM (4)\n"
    "network        auto or host: QEMU reaches the host's network for network disks from the start "
    "only, or also for those added later (auto)\n"
    "user           auto, root or a number: user and group of QEMU; auto has one for each VM "
    "(auto)\n";

void kvm_config_init(struct kvm_config *c)
{
    *c = (struct kvm_config){
        .accel = ACCEL_AUTO, .seccomp = true, .hotplug_ports = 4, .user = KVM_USER_AUTO};
}

/* Index of value in the blank-separated words, with a sentence that lists them on failure. */
static int choose(const char *key, const char *value, const char *const *words, size_t n,
                  struct hvp_error *err)
{
    char all[128] = "";

    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(all);

        if (strcmp(value, words[i]) == 0)
            return (int)i;
        snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", words[i]);
    }
    return hvp_fail(err, EINVAL, "'%s: %.100s' is not one of %s", key, value, all);
}

int kvm_config_text(char **to, const char *key, const char *value, struct hvp_error *err)
{
    char *copy;

    if (!value[0])
        return hvp_fail(err, EINVAL, "'%s' is empty", key);
    copy = strdup(value);
    if (!copy)
        return hvp_fail(err, ENOMEM, "out of memory for '%s'", key);
    free(*to);
    *to = copy;
    return 0;
}

static int set_path_or(char **to, const char *key, const char *value, const char *word1,
                       const char *word2, struct hvp_error *err)
{
    if (value[0] != '/' && strcmp(value, word1) != 0 && (!word2 || strcmp(value, word2) != 0))
        return hvp_fail(err, EINVAL, "'%s: %.200s' is neither an absolute path nor %s%s%s", key,
                        value, word1, word2 ? " or " : "", word2 ? word2 : "");
    return kvm_config_text(to, key, value, err);
}

static int set_machine(struct kvm_config *c, const char *arch, const char *value,
                       struct hvp_error *err)
{
    char names[128];

    if (value[0] && machine_find(arch, value))
        return kvm_config_text(&c->machine, "machine", value, err);
    machine_names(arch, names, sizeof(names));
    return hvp_fail(err, EINVAL, "'machine: %.100s' is not one of %s", value,
                    names[0] ? names : "none: there is no machine for this architecture");
}

static int set_ports(struct kvm_config *c, const char *value, struct hvp_error *err)
{
    if (value[0] < '0' || value[0] > '0' + HOTPLUG_PORTS_MAX || value[1])
        return hvp_fail(err, EINVAL, "'hotplug_ports: %.100s' is not a number from 0 to %d", value,
                        HOTPLUG_PORTS_MAX);
    c->hotplug_ports = (unsigned)(value[0] - '0');
    return 0;
}

static int set_user(struct kvm_config *c, const char *value, struct hvp_error *err)
{
    unsigned long id;
    char *end;

    if (strcmp(value, "auto") == 0 || strcmp(value, "root") == 0) {
        c->user = value[0] == 'a' ? KVM_USER_AUTO : 0;
        return 0;
    }
    id = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || id >= KVM_USER_AUTO)
        return hvp_fail(err, EINVAL,
                        "'user: %.100s' is neither auto, root nor the number of a user", value);
    c->user = (uint32_t)id;
    return 0;
}

static int set_program(struct kvm_config *c, const char *value, struct hvp_error *err)
{
    if (value[0] != '/' && strchr(value, '/'))
        return hvp_fail(err, EINVAL, "'qemu: %.200s' is neither an absolute path nor a name",
                        value);
    return kvm_config_text(&c->qemu, "qemu", value, err);
}

int kvm_config_set(struct kvm_config *c, const char *arch, const char *key, const char *value,
                   struct hvp_error *err)
{
    static const char *const accels[] = {"auto", "kvm", "tcg"};
    static const char *const memories[] = {"anonymous", "memfd"};
    static const char *const channels[] = {"serial", "vsock"};
    static const char *const switches[] = {"off", "on"};
    static const char *const networks[] = {"auto", "host"};
    int r;

    if (strcmp(key, "qemu") == 0)
        return set_program(c, value, err);
    if (strcmp(key, "cpu") == 0)
        return kvm_config_text(&c->cpu, key, value, err);
    if (strcmp(key, "firmware") == 0)
        return set_path_or(&c->firmware, key, value, "auto", "default", err);
    if (strcmp(key, "machine") == 0)
        return set_machine(c, arch, value, err);
    if (strcmp(key, "hotplug_ports") == 0)
        return set_ports(c, value, err);
    if (strcmp(key, "user") == 0)
        return set_user(c, value, err);
    if (strcmp(key, "accel") == 0) {
        r = choose(key, value, accels, ARRAY_SIZE(accels), err);
        c->accel = r < 0 ? c->accel : (enum accel)r;
    } else if (strcmp(key, "memory_backend") == 0) {
        r = choose(key, value, memories, ARRAY_SIZE(memories), err);
        c->memory = r < 0 ? c->memory : (enum kvm_memory)r;
    } else if (strcmp(key, "channel") == 0) {
        r = choose(key, value, channels, ARRAY_SIZE(channels), err);
        c->channel = r < 0 ? c->channel : (enum kvm_channel)r;
    } else if (strcmp(key, "seccomp") == 0) {
        r = choose(key, value, switches, ARRAY_SIZE(switches), err);
        c->seccomp = r < 0 ? c->seccomp : r == 1;
    } else if (strcmp(key, "network") == 0) {
        r = choose(key, value, networks, ARRAY_SIZE(networks), err);
        c->host_network = r < 0 ? c->host_network : r == 1;
    } else {
        return hvp_fail(err, EINVAL, "unknown key '%.100s'", key);
    }
    return r < 0 ? r : 0;
}

void kvm_config_done(struct kvm_config *c)
{
    free(c->qemu);
    free(c->machine);
    free(c->cpu);
    free(c->firmware);
    kvm_config_init(c);
}
