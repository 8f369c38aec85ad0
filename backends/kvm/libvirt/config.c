/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/util.h"

#define URI_DEFAULT "qemu:///system"

const char lv_config_help[] =
    "uri            which libvirt: qemu:///system, qemu:///session or qemu+unix:///... "
    "(qemu:///system)\n"
    "sockets        folder of the daemon's sockets; the monitor sees nothing else of /run (none)\n"
    "partition      resource partition: libvirt's cgroups are used, below it (the container's)\n"
    "qemu           QEMU program: absolute path or a name to search (qemu-system-ARCH)\n"
    "accel          auto, kvm or tcg; auto takes KVM where it is usable (auto)\n"
    "cpu            host, max or a CPU model of libvirt (host with KVM, max with TCG)\n"
    "firmware       auto, default or the absolute path of a BIOS image (auto)\n"
    "hotplug_ports  0 to 8: disks and NICs that can be added to a running VM (4)\n";

void lv_config_init(struct lv_config *c)
{
    *c = (struct lv_config){.uri = NULL};
    kvm_config_init(&c->kvm);
}

/* What people try, and what there is for it. */
static const char *instead_of(const char *uri)
{
    if (strncmp(uri, "qemu:///embed", 13) == 0)
        return "libvirt's embedded driver is one process's with its folder, while each VM has a "
               "monitor of its own: the back-end 'kvm' runs QEMU without a daemon";
    if (strncmp(uri, "xen:", 4) == 0)
        return "VMs of Xen are driven without libvirt, by the back-end 'xen'";
    return "it is neither qemu:///system nor qemu:///session nor one of them with qemu+unix: and a "
           "socket";
}

static int set_uri(struct lv_config *c, const char *value, struct hvp_error *err)
{
    static const char *const starts[] = {"qemu:///system", "qemu:///session", "qemu+unix:///system",
                                         "qemu+unix:///session"};

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        size_t n = strlen(starts[i]);

        if (strncmp(value, starts[i], n) == 0 && (!value[n] || value[n] == '?'))
            return kvm_config_text(&c->uri, "uri", value, err);
    }
    return hvp_fail(err, EINVAL, "'uri: %.100s': %s", value, instead_of(value));
}

static int set_path(char **to, const char *key, const char *value, struct hvp_error *err)
{
    if (value[0] != '/' || !value[1])
        return hvp_fail(err, EINVAL, "'%s: %.200s' is not an absolute path", key, value);
    return kvm_config_text(to, key, value, err);
}

int lv_config_set(struct lv_config *c, const char *arch, const char *key, const char *value,
                  struct hvp_error *err)
{
    static const char *const shared[] = {"qemu", "accel", "cpu", "firmware", "hotplug_ports"};

    if (strcmp(key, "uri") == 0)
        return set_uri(c, value, err);
    if (strcmp(key, "sockets") == 0)
        return set_path(&c->sockets, key, value, err);
    if (strcmp(key, "partition") == 0)
        return set_path(&c->partition, key, value, err);
    for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
        if (strcmp(key, shared[i]) == 0)
            return kvm_config_set(&c->kvm, arch, key, value, err);
    return hvp_fail(err, EINVAL, "unknown key '%.100s'", key);
}

void lv_config_done(struct lv_config *c)
{
    kvm_config_done(&c->kvm);
    free(c->uri);
    free(c->sockets);
    free(c->partition);
    lv_config_init(c);
}

/* Newer installations have a daemon for QEMU alone, older ones one for everything. */
static const char *find_socket(const char *dir, char *path, size_t len, struct stat *st)
{
    static const char *const names[] = {"virtqemud-sock", "libvirt-sock"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if ((size_t)snprintf(path, len, "%s/%s", dir, names[i]) < len && stat(path, st) == 0)
            return path;
    return NULL;
}

static int check_owner(const char *path, const struct stat *st, struct hvp_error *err)
{
    if (st->st_uid == 0 || st->st_uid == geteuid())
        return 0;
    return hvp_fail(err, EPERM,
                    "libvirt's daemon at '%.200s' is user %u's, and so would be its QEMU, which "
                    "could not serve a container's files: it takes root's daemon",
                    path, st->st_uid);
}

/* The socket that the URI itself names; about one that is not there libvirt has words. */
static int check_named(const char *uri, struct hvp_error *err)
{
    const char *at = strstr(uri, "?socket=");
    struct stat st;
    char path[256];

    at = at ? at : strstr(uri, "&socket=");
    if (!at)
        return 0;
    at += strlen("?socket=");
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, "&"), at);
    return stat(path, &st) < 0 ? 0 : check_owner(path, &st, err);
}

int lv_config_uri(const struct lv_config *c, char *buf, size_t len, struct hvp_error *err)
{
    const char *uri = c->uri ? c->uri : URI_DEFAULT;
    struct stat st;
    char path[256];
    int n;

    if (!c->sockets || strchr(uri, '?') || strncmp(uri, "qemu+unix:", 10) == 0) {
        if (check_named(uri, err) < 0)
            return err->code;
        n = snprintf(buf, len, "%s", uri);
    } else {
        if (!find_socket(c->sockets, path, sizeof(path), &st))
            return hvp_fail(
                err, ENOTCONN,
                "libvirt's daemon does not run: neither virtqemud-sock nor libvirt-sock "
                "is in '%.200s' (key 'sockets')",
                c->sockets);
        if (check_owner(path, &st, err) < 0)
            return err->code;
        n = snprintf(buf, len, "qemu+unix://%s?socket=%s", uri + strlen("qemu://"), path);
    }
    return (size_t)n < len ? 0 : hvp_fail(err, ENAMETOOLONG, "the URI '%.200s' is too long", uri);
}
