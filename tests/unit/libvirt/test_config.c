/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "kvm/libvirt/config.h"

TEST(keys_are_taken_or_refused_by_name)
{
    static const struct {
        const char *key, *value;
        int want;
    } t[] = {
        {"uri", "qemu:///system", 0},        {"uri", "qemu+unix:///session?socket=/run/x", 0},
        {"uri", "qemu:///systemd", -EINVAL}, {"uri", "qemu+ssh://host/system", -EINVAL},
        {"uri", "xen:///system", -EINVAL},   {"sockets", "/run/libvirt", 0},
        {"sockets", "libvirt", -EINVAL},     {"partition", "/machine/anyvisor", 0},
        {"partition", "/", -EINVAL},         {"accel", "tcg", 0},
        {"accel", "hvf", -EINVAL},           {"hotplug_ports", "9", -EINVAL},
        {"seccomp", "on", -EINVAL}, /* libvirt's to say */
        {"machine", "q35", -EINVAL},         {"nonsense", "1", -EINVAL},
    };
    struct hvp_error err = {.struct_size = sizeof(err)};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct lv_config c;

        lv_config_init(&c);
        CHECK_INT_EQ(lv_config_set(&c, "x86_64", t[i].key, t[i].value, &err), t[i].want);
        if (t[i].want < 0)
            CHECK(strstr(err.msg, t[i].key) != NULL);
        lv_config_done(&c);
    }
}

TEST(where_libvirt_is_no_way_the_way_is_named)
{
    static const char *const t[][2] = {{"xen:///system", "'xen'"},
                                       {"qemu:///embed?root=/x", "'kvm'"},
                                       {"test:///default", "qemu:///system"}};
    struct hvp_error err = {.struct_size = sizeof(err)};
    struct lv_config c;

    lv_config_init(&c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        CHECK_INT_EQ(lv_config_set(&c, "x86_64", "uri", t[i][0], &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t[i][0]);
        CHECK_CONTAINS(err.msg, t[i][1]);
    }
    lv_config_done(&c);
}

static void touch(const char *dir, const char *name, bool there)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (there)
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    else
        unlink(path);
}

TEST(the_socket_of_the_newer_daemon_is_preferred)
{
    struct hvp_error err = {.struct_size = sizeof(err)};
    char dir[] = "/tmp/av-unit.XXXXXX", uri[512], want[512];
    struct lv_config c;

    lv_config_init(&c);
    CHECK(mkdtemp(dir) != NULL);
    CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), 0);
    CHECK_STR_EQ(uri, "qemu:///system");
    CHECK_INT_EQ(lv_config_set(&c, "x86_64", "sockets", dir, &err), 0);
    CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), -ENOTCONN);
    CHECK(strstr(err.msg, dir) != NULL);
    touch(dir, "libvirt-sock", true);
    CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), 0);
    snprintf(want, sizeof(want), "qemu+unix:///system?socket=%s/libvirt-sock", dir);
    CHECK_STR_EQ(uri, want);
    touch(dir, "virtqemud-sock", true);
    CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), 0);
    snprintf(want, sizeof(want), "qemu+unix:///system?socket=%s/virtqemud-sock", dir);
    CHECK_STR_EQ(uri, want);
    if (geteuid() == 0) { /* who else could give a file away? */
        snprintf(want, sizeof(want), "%s/virtqemud-sock", dir);
        CHECK_INT_EQ(chown(want, 1, 0), 0);
        CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), -EPERM);
        CHECK_CONTAINS(err.msg, "user 1's");
        snprintf(want, sizeof(want), "qemu+unix:///session?socket=%s/virtqemud-sock&mode=direct",
                 dir);
        CHECK_INT_EQ(lv_config_set(&c, "x86_64", "uri", want, &err), 0);
        CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), -EPERM);
        CHECK_CONTAINS(err.msg, "user 1's");
        CHECK_CONTAINS(err.msg, "/virtqemud-sock'");
    }
    /* A socket in the URI itself is what is meant. */
    CHECK_INT_EQ(lv_config_set(&c, "x86_64", "uri", "qemu+unix:///session?socket=/s", &err), 0);
    CHECK_INT_EQ(lv_config_uri(&c, uri, sizeof(uri), &err), 0);
    CHECK_STR_EQ(uri, "qemu+unix:///session?socket=/s");
    lv_config_done(&c);
    touch(dir, "libvirt-sock", false);
    touch(dir, "virtqemud-sock", false);
    CHECK_INT_EQ(rmdir(dir), 0);
}
