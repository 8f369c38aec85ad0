/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of plugins.d. */
#include <errno.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include "test.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "config/config.h"

static int parse(const char *text, struct descriptor *ret, struct err *err)
{
    return descriptor_parse(text, strlen(text), "/etc/av/plugins.d/x.yaml", "/lib/av", ret, err);
}

TEST(every_key_of_a_descriptor_arrives)
{
    struct descriptor d;
    struct err err = ERR_INIT;

    CHECK_OK(parse("name: kvm-s390x\nlibrary: kvm.so\narch: s390x\nmodules: [tun,\n"
                   "  'kvm_intel|kvm_amd?']\nconfig: {accel: auto, n: 1}\n"
                   "mounts: host\n",
                   &d, &err),
             err);
    CHECK_STR_EQ(d.name, "kvm-s390x");
    CHECK_STR_EQ(d.file, "/etc/av/plugins.d/x.yaml");
    CHECK_STR_EQ(d.so, "/lib/av/kvm.so");
    CHECK_STR_EQ(d.arch, "s390x");
    CHECK_STR_EQ(d.modules.v[0], "tun");
    CHECK_STR_EQ(d.modules.v[1], "kvm_intel|kvm_amd?");
    CHECK(d.host_mounts);
    CHECK_INT_EQ(d.n_config, 2);
    CHECK_STR_EQ(d.config[1].key, "n");
    CHECK_STR_EQ(d.config[1].value, "1");
    CHECK_INT_EQ(d.config[1].line, 6);
    CHECK_INT_EQ(d.config[1].column, 23);
    descriptor_done(&d);
}

TEST(mounts_are_private_unless_a_descriptor_says_host)
{
    struct descriptor d;
    struct err err = ERR_INIT;

    CHECK_OK(parse("name: a\nlibrary: a.so\nmounts: private\n", &d, &err), err);
    CHECK(!d.host_mounts);
    descriptor_done(&d);
    CHECK_ERR(parse("name: a\nlibrary: a.so\nmounts: shared\n", &d, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "'mounts: shared' is neither private nor host");
}

TEST(the_library_is_placed_and_the_architecture_is_the_hosts)
{
    static const struct {
        const char *library, *want;
    } t[] = {
        {"a.so", "/lib/av/a.so"}, {"/x/a.so", "/x/a.so"}, {"./a.so", "/etc/av/plugins.d/./a.so"}};
    struct utsname host;

    CHECK(uname(&host) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text =
            xasprintf("name: a\nlibrary: %s\nmodules: []\nconfig: {}\n", t[i].library);
        struct descriptor d;
        struct err err = ERR_INIT;

        CHECK_OK(parse(text, &d, &err), err);
        CHECK_STR_EQ(d.so, t[i].want);
        CHECK_STR_EQ(d.arch, host.machine);
        descriptor_done(&d);
    }
}

TEST(mistakes_of_a_descriptor_have_their_place)
{
    static const struct {
        const char *text, *want;
    } t[] = {
        {"name: a\n", "x.yaml:1:1: missing key 'library'"},
        {"library: a.so\n", "missing key 'name'"},
        {"name: a/b\nlibrary: a.so\n", "x.yaml:1:7: key 'name': 'a/b' is not a name"},
        {"name: a\nlibary: a.so\n", "x.yaml:2:1: unknown key 'libary', did you mean 'library'?"},
        {"name: a\nlibrary: a.so\nconfig: {k: [1]}\n",
         "x.yaml:3:13: key 'config.k': expected a string or a number"},
        {"name: a\nlibrary: a.so\nconfig: {k: 1, k: 2}\n", "key 'k' is there twice"},
        {"name: a\nlibrary: a.so\npaths: [/dev/xen, run]\n",
         "x.yaml:3:8: key 'paths': 'run' is not an absolute path"},
        {"name: a\nlibrary: a.so\npaths: [/run/../etc:rw]\n", "is not an absolute path"},
        {"name: a\nlibrary: a.so\npaths: [\"/:rw\"]\n", "is not an absolute path"},
        {"name: a\nlibrary: a.so\nrequires: [proc/xen]\n",
         "x.yaml:3:11: key 'requires': 'proc/xen' is not an absolute path"},
        {"name: a\nlibrary: a.so\nmodules: kvm\n", "x.yaml:3:10: key 'modules': expected a list"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct descriptor d = {0};
        struct err err = ERR_INIT;

        CHECK_ERR(parse(t[i].text, &d, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t[i].want);
        CHECK(!d.file);
    }
}

static void put(const char *dir, const char *name, const char *text)
{
    cleanup_free char *path = path_join(dir, name);
    struct err err = ERR_INIT;

    CHECK_OK(path_replace(AT_FDCWD, path, text, strlen(text), 0600, &err), err);
}

TEST(a_folder_is_read_in_the_order_of_names_and_refused_as_a_whole)
{
    char dir[] = "/tmp/plugins-test-XXXXXX";
    struct descriptor_list l = {0};
    struct err err = ERR_INIT;

    CHECK_OK(descriptor_load_dir("/nowhere/at/all", "/lib", &l, &err), err);
    CHECK_INT_EQ(l.n, 0);
    CHECK(mkdtemp(dir));
    put(dir, "b.yaml", "name: b\nlibrary: b.so\n");
    put(dir, "a.yaml", "name: z\nlibrary: a.so\n");
    put(dir, "c.yaml.off", "not read");
    put(dir, ".d.yaml", "not read");
    CHECK_OK(descriptor_load_dir(dir, "/lib", &l, &err), err);
    CHECK_INT_EQ(l.n, 2);
    CHECK_STR_EQ(l.v[0].name, "z");
    CHECK(descriptor_find(&l, "b") == &l.v[1]);
    CHECK(!descriptor_find(&l, "c"));
    CHECK(str_starts_with(l.v[0].file, dir));
    descriptor_list_done(&l);
    put(dir, "d.yaml", "name: z\nlibrary: d.so\n");
    CHECK_ERR(descriptor_load_dir(dir, "/lib", &l, &err), -EEXIST);
    CHECK_CONTAINS(err.msg, "d.yaml: the name 'z' is taken by");
    put(dir, "d.yaml", "nam: z\n");
    CHECK_ERR(descriptor_load_dir(dir, "/lib", &l, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "d.yaml:1:1: unknown key 'nam'");
    CHECK_OK(path_remove_tree(AT_FDCWD, dir, &err), err);
}
