/* SPDX-License-Identifier: Apache-2.0 */
/* anyvisor.yaml: values, defaults, mistakes with their place. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "test.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "config/config.h"

static struct config parse(const char *text)
{
    struct config c = {0};
    struct err err = ERR_INIT;

    CHECK_OK(config_parse(text, strlen(text), "f.yaml", "/etc/av", &c, &err), err);
    return c;
}

TEST(a_file_of_version_alone_means_the_defaults)
{
    struct config c = parse("version: 1\n"), d;

    config_defaults("/etc/av", &d);
    CHECK_STR_EQ(c.plugins_dir, "/etc/av/plugins.d");
    CHECK_STR_EQ(d.plugins_dir, "/etc/av/plugins.d");
    CHECK_INT_EQ(c.hypervisor.n, 1);
    CHECK_STR_EQ(c.hypervisor.v[0], d.hypervisor.v[0]);
    CHECK_STR_EQ(c.storage.rootfs.v[0], "9pfs");
    CHECK_U64_EQ(c.vm.vcpus, CONFIG_AUTO);
    CHECK_U64_EQ(c.vm.memory, CONFIG_AUTO);
    CHECK_U64_EQ(c.vm.memory_overhead, 128 * MIB);
    CHECK_U64_EQ(c.vm.memory_max, 0);
    CHECK_U64_EQ(c.vm.vcpus_max, 0);
    CHECK_U64_EQ(c.boot_timeout_s, d.boot_timeout_s);
    config_done(&c);
    config_done(&d);
}

TEST(every_key_arrives)
{
    struct config c = parse(
        "version: 1\n"
        "plugins_dir: pd\n"
        "defaults:\n"
        "  hypervisor: [kvm, xen]\n"
        "  storage: {rootfs: [block, 9pfs], volumes: [network]}\n"
        "  vm: {vcpus: 3, vcpus_max: 6, memory: 512MiB, memory_max: 2GiB, memory_overhead: 1M,\n"
        "       kernel: k, image: /i, kernel_args: 'a b'}\n"
        "  boot_timeout: 2m\n"
        "  template: shared\n"
        "templates: {dir: t, max_age: 60m, max_uses: 7, max_size: 2GiB}\n"
        "classes:\n"
        "  - name: one\n"
        "    match: {pod_namespace: a, pod_name: b, image: c, user: '0', runtime: d, arch: e,\n"
        "            annotations: {k: v*}}\n"
        "    hypervisor: [xen]\n"
        "    storage: {rootfs: [block]}\n"
        "    vm: {memory: auto}\n"
        "  - name: two\n"
        "    selectable: true\n"
        "    match: {class: t*}\n"
        "annotations: {allow: [x.*]}\n");
    const struct config_class *one = &c.classes[0];

    CHECK_STR_EQ(c.plugins_dir, "/etc/av/pd");
    CHECK_STR_EQ(c.hypervisor.v[1], "xen");
    CHECK_STR_EQ(c.storage.rootfs.v[0], "block");
    CHECK_STR_EQ(c.storage.volumes.v[0], "network");
    CHECK_U64_EQ(c.vm.vcpus, 3);
    CHECK_U64_EQ(c.vm.memory, 512 * MIB);
    CHECK_U64_EQ(c.vm.memory_overhead, MIB);
    CHECK_U64_EQ(c.vm.memory_max, 2048 * MIB);
    CHECK_U64_EQ(c.vm.vcpus_max, 6);
    CHECK_U64_EQ(one->vm.vcpus_max, CONFIG_UNSET);
    CHECK_STR_EQ(c.vm.kernel, "/etc/av/k");
    CHECK_STR_EQ(c.vm.image, "/i");
    CHECK_STR_EQ(c.vm.kernel_args, "a b");
    CHECK_U64_EQ(c.boot_timeout_s, 120);
    CHECK_INT_EQ(c.n_classes, 2);
    CHECK_STR_EQ(c.template, "shared");
    CHECK_STR_EQ(one->template, NULL);
    CHECK_STR_EQ(c.templates.dir, "/etc/av/t");
    CHECK_U64_EQ(c.templates.max_age_s, 3600);
    CHECK_U64_EQ(c.templates.max_uses, 7);
    CHECK_U64_EQ(c.templates.max_size, 2 * GIB);
    CHECK_INT_EQ(one->line, 12);
    CHECK_STR_EQ(config_match_text(&one->match, FACT_USER), "0");
    CHECK_INT_EQ(one->match.n, 7);
    CHECK_STR_EQ(one->match.v[6].key, "k");
    CHECK_STR_EQ(one->match.v[6].pattern.text, "v*");
    CHECK_U64_EQ(one->vm.memory, CONFIG_AUTO);
    CHECK_U64_EQ(one->vm.vcpus, CONFIG_UNSET);
    CHECK(!one->selectable && c.classes[1].selectable);
    CHECK_STR_EQ(config_match_text(&c.classes[1].match, FACT_CLASS), "t*");
    CHECK_STR_EQ(c.allow.v[0].key, "x.*");
    CHECK(c.allow.given && !one->allow.given);
    config_done(&c);
}

TEST(conditions_are_read_with_what_is_cheap_to_compare)
{
    struct config c = parse("version: 1\n"
                            "classes:\n"
                            "  - name: a\n"
                            "    match:\n"
                            "      all: [{image: 'x*'}, {user: '0', cgroup: 'a?b'}]\n"
                            "      not: {platform: linux/amd64}\n"
                            "      mounts: [{type: bind}, {options: ro, source: /s}]\n");
    const struct config_match *m = &c.classes[0].match;

    CHECK_INT_EQ(m->n, 4);
    CHECK_INT_EQ(m->v[0].kind, TERM_ALL);
    CHECK_INT_EQ(m->v[0].n_sub, 2);
    CHECK_INT_EQ(m->v[0].sub[0].v[0].pattern.kind, PATTERN_PREFIX);
    CHECK_INT_EQ(m->v[0].sub[0].v[0].pattern.plain, 1);
    CHECK_INT_EQ(m->v[0].sub[1].v[1].pattern.kind, PATTERN_GLOB);
    CHECK_INT_EQ(m->v[1].kind, TERM_NOT);
    CHECK_INT_EQ(m->v[1].sub[0].v[0].pattern.kind, PATTERN_EXACT);
    CHECK_INT_EQ(m->v[3].kind, TERM_MOUNT);
    CHECK_INT_EQ(m->v[3].sub[0].n, 2);
    for (int f = 0; f < CONFIG_FACTS; f++)
        CHECK(strcmp(config_fact_name(f), "unknown") != 0);
    config_done(&c);
}

TEST(annotations_are_allowed_with_bounds_in_the_file_and_in_a_class)
{
    struct config c = parse("version: 1\n"
                            "annotations: {allow: [a.*, {key: b, min: 1GiB, max: 2GiB},\n"
                            "                      {key: c, values: [x*, y]}]}\n"
                            "classes: [{name: k, selectable: true, annotations: {allow: []}}]\n");

    CHECK_INT_EQ(c.allow.n, 3);
    CHECK_STR_EQ(c.allow.v[0].key, "a.*");
    CHECK_U64_EQ(c.allow.v[0].max, CONFIG_UNSET);
    CHECK_U64_EQ(c.allow.v[1].min, GIB);
    CHECK_U64_EQ(c.allow.v[1].max, 2 * GIB);
    CHECK_STR_EQ(c.allow.v[2].values.v[1], "y");
    CHECK_INT_EQ(c.allow.v[2].line, 3);
    CHECK(c.classes[0].allow.given && c.classes[0].allow.n == 0);
    config_done(&c);
}

TEST(an_alias_does_not_multiply_without_bound)
{
    char text[4096] = "version: 1\nclasses:\n- name: a\n  match: &a0 {image: x}\n";
    struct config c;
    struct err err = ERR_INIT;

    for (int i = 1; i < 7; i++) {
        size_t len = strlen(text);

        snprintf(
            text + len, sizeof(text) - len,
            "- name: b%d\n  match: &a%d {any: [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, "
            "*a%d, *a%d, *a%d]}\n",
            i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    CHECK_ERR(config_parse(text, strlen(text), "f.yaml", "/", &c, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "more than 500000 values, counting each use of an alias");
}

TEST(keys_of_storage_arrive_and_have_defaults)
{
    struct config c =
        parse("version: 1\n"
              "defaults:\n"
              "  storage: {9pfs: {msize: 64KiB, cache: none, security_model: none},\n"
              "            tmp: {kind: tmpfs, size: 1GiB}, scratch: {kind: tmpfs, size: 2GiB}}\n"
              "  vm: {machine: q35, cpu_model: max, options: {a: b}}\n"
              "storage: {cache: {dir: img, max_size: 1GiB}, secrets_dir: s}\n"
              "classes:\n"
              "  - name: one\n"
              "    selectable: true\n"
              "    volumes:\n"
              "      - {destination: /d, source: 'nbd+unix:///x', type: ext4, secret: k, readonly: "
              "true,\n"
              "         options: [noatime]}\n"
              "      - {destination: /e, source: 'rbd:p/i', secret: /abs}\n");
    struct config d = parse("version: 1\n");
    const struct config_volume *v = c.classes[0].volumes;

    CHECK_U64_EQ(c.storage.share.msize, 64 * KIB);
    CHECK_STR_EQ(c.storage.share.cache, "none");
    CHECK_STR_EQ(c.storage.share.security_model, "none");
    CHECK_STR_EQ(c.storage.tmp.kind, "tmpfs");
    CHECK_U64_EQ(c.storage.tmp.size, GIB);
    CHECK_U64_EQ(c.storage.scratch.size, 2 * GIB);
    CHECK_STR_EQ(c.vm.machine, "q35");
    CHECK_STR_EQ(kvs_get(&c.vm.options, "a"), "b");
    CHECK_STR_EQ(c.cache.dir, "/etc/av/img");
    CHECK_U64_EQ(c.cache.max_size, GIB);
    CHECK_INT_EQ(c.classes[0].n_volumes, 2);
    CHECK_STR_EQ(v[0].secret, "/etc/av/s/k");
    CHECK_STR_EQ(v[1].secret, "/abs");
    CHECK(v[0].readonly && !v[1].readonly && !v[1].type);
    CHECK_STR_EQ(v[0].options.v[0], "noatime");
    CHECK_U64_EQ(c.classes[0].storage.tmp.size, CONFIG_UNSET);
    CHECK_U64_EQ(d.storage.share.msize, 256 * KIB);
    CHECK_STR_EQ(d.storage.scratch.kind, "disk");
    CHECK_U64_EQ(d.storage.scratch.size, CONFIG_AUTO);
    CHECK_STR_EQ(d.secrets_dir, "/etc/av/secrets");
    config_done(&c);
    config_done(&d);
}

static const struct mistake {
    const char *text, *want;
} mistakes[] = {
    {"version: 1\nclasses:\n  - name: a\n    hypervisr: [x]\n",
     "f.yaml:4:5: unknown key 'hypervisr', did you mean 'hypervisor'?"},
    {"version: 1\nzebra: 1\n", "f.yaml:2:1: unknown key 'zebra', expected version, "},
    {"version: 1\ndefaults: {vm: {memroy: 1G}}\n", "f.yaml:2:17: unknown key 'memroy', did you "
                                                   "mean 'memory'?"},
    {"version: 1\nversion: 1\n", "f.yaml:2:1: key 'version' is there twice, first in line 1"},
    {"version: 2\n", "f.yaml:1:10: key 'version': version '2' is not known"},
    {"plugins_dir: x\n", "f.yaml:1:1: missing key 'version'"},
    {"", "f.yaml:1:1: the file is empty"},
    {"[]", "f.yaml:1:1: expected a mapping"},
    {"version: 1\ndefaults: []\n", "f.yaml:2:11: key 'defaults': expected a mapping"},
    {"version: 1\ndefaults:\n", "expected a mapping"},
    {"version: 1\ndefaults: {hypervisor: kvm}\n",
     "f.yaml:2:24: key 'defaults.hypervisor': expected a list"},
    {"version: 1\ndefaults: {hypervisor: []}\n",
     "f.yaml:2:24: key 'defaults.hypervisor': the list is empty"},
    {"version: 1\ndefaults: {hypervisor: [a, a]}\n",
     "f.yaml:2:28: key 'defaults.hypervisor': 'a' is there twice"},
    {"version: 1\ndefaults: {hypervisor: [[a]]}\n",
     "f.yaml:2:25: key 'defaults.hypervisor': expected a string"},
    {"version: 1\ndefaults: {hypervisor: ['']}\n",
     "f.yaml:2:25: key 'defaults.hypervisor': the value is empty"},
    {"version: 1\ndefaults: {storage: {rootfs: [9p]}}\n",
     "f.yaml:2:31: key 'defaults.storage.rootfs': unknown word '9p', expected 9pfs, block or "
     "network"},
    {"version: 1\ndefaults: {storage: {rootfs: [blocks]}}\n", "did you mean 'block'?"},
    {"version: 1\ndefaults: {vm: {vcpus: 0}}\n", "expected a number from 1 to 1024 or auto"},
    {"version: 1\ndefaults: {vm: {vcpus: two}}\n", "or auto, not 'two'"},
    {"version: 1\ndefaults: {vm: {memory: 1MiB}}\n",
     "key 'defaults.vm.memory': expected 64 MiB to 64 TiB, not '1MiB'"},
    {"version: 1\ndefaults: {vm: {memory: 1024TiB}}\n", "expected 64 MiB to 64 TiB, not '1024TiB'"},
    {"version: 1\ndefaults: {vm: {memory: lots}}\n",
     "key 'defaults.vm.memory': expected a size such as 64MiB"},
    {"version: 1\ndefaults: {vm: {kernel: ''}}\n", "is empty"},
    {"version: 1\ndefaults: {vm: {kernel: ~}}\n", "expected a string"},
    {"version: 1\ndefaults: {storage: {9pfs: {msize: 1MiB}}}\n",
     "key 'defaults.storage.9pfs.msize': expected 4 KiB to 500 KiB, not '1MiB'"},
    {"version: 1\ndefaults: {storage: {9pfs: {cache: lose}}}\n", "did you mean 'loose'?"},
    {"version: 1\ndefaults: {network: {attach: [macvlan]}}\n", "did you mean 'macvtap'?"},
    {"version: 1\ndefaults: {network: {attach: [bridge]}}\n", "did you mean 'bridge:'?"},
    {"version: 1\ndefaults: {network: {attach: ['bridge:']}}\n", "unknown word 'bridge:'"},
    {"version: 1\ndefaults: {network: {attach: ['bridge:a b']}}\n", "unknown word 'bridge:a b'"},
    {"version: 1\ndefaults: {network: {attach: ['bridge:-x']}}\n", "unknown word 'bridge:-x'"},
    {"version: 1\ndefaults: {network: {attach: ['bridge:sixteen-byte-ovs']}}\n", "unknown word"},
    {"version: 1\ndefaults: {storage: {tmp: {size: [1]}}}\n", "expected a size"},
    {"version: 1\nclasses: [{name: a, volumes: [{destination: x}]}]\n",
     "f.yaml:2:31: key 'classes.volumes': a volume needs a 'destination', an absolute path"},
    {"version: 1\nclasses: [{name: a, volumes: [{destination: /x}]}]\n",
     "the volume for '/x' needs a 'source'"},
    {"version: 1\nclasses: [{name: a, volumes: [{destination: /x, source: /y}]}]\n",
     "the source of the volume for '/x' is no URI"},
    {"version: 1\nclasses: [{name: a, volumes: [{destination: /x, source: 'nbd:a'},\n"
     "  {destination: /x, source: 'nbd:b'}]}]\n",
     "f.yaml:3:3: key 'classes.volumes': there are two volumes for '/x'"},
    {"version: 1\ndefaults: {boot_timeout: 0}\n", "expected a time such as 30s or 2m"},
    {"version: 1\ndefaults: {boot_timeout: 5h}\n", "not '5h'"},
    {"version: 1\nclasses: [{selectable: true}]\n",
     "f.yaml:2:11: key 'classes': a class needs a 'name'"},
    {"version: 1\nclasses: [{name: a}]\n", "class 'a' has neither 'match' nor"},
    {"version: 1\nclasses: [{name: a, match: {}}]\n", "class 'a' has neither 'match' nor"},
    {"version: 1\nclasses: [{name: a, match: {class: x}}]\n", "needs 'selectable: true'"},
    {"version: 1\nclasses: [{name: default, selectable: true}]\n", "what matches no class"},
    {"version: 1\nclasses:\n- {name: a, selectable: true}\n- {name: a, selectable: true}\n",
     "f.yaml:4:3: class 'a' is there twice, also in f.yaml:3"},
    {"version: 1\nclasses: [{name: a, match: {any: []}}]\n", "classes.match.any': the list is"},
    {"version: 1\nclasses: [{name: a, match: {not: {}}}]\n", "there is no condition in it"},
    {"version: 1\nclasses: [{name: a, match: {not: [1]}}]\n", "expected a mapping"},
    {"version: 1\nclasses: [{name: a, match: {any: [{imge: x}]}}]\n", "did you mean 'image'?"},
    {"version: 1\nclasses: [{name: a, match: {mounts: [{image: x}]}}]\n",
     "unknown key 'image', expected destination, type, source or options"},
    {"version: 1\nclasses: [{name: a, match: {mounts: []}}]\n", "the list is empty"},
    {"version: 1\nclasses: [{name: a, match: &m {any: [*m]}}]\n",
     "more than 8 conditions within each other"},
    {"version: 1\nannotations: {allow: [{min: 1}]}\n", "an entry needs a 'key'"},
    {"version: 1\nannotations: {allow: [{key: a, min: 2, max: 1}]}\n",
     "f.yaml:2:23: key 'annotations.allow': 'a': min 2 is more than max 1"},
    {"version: 1\nclasses: [{name: a, selectable: yes}]\n", "expected true or false, not 'yes'"},
    {"version: 1\nclasses: [{name: a, match: {annotations: {k: [1]}}}]\n",
     "key 'classes.match.annotations.k': expected a string"},
    {"version: 1\n---\nversion: 1\n", "only one document is allowed"},
    {"version: 1\n  x: [\n", "f.yaml:2:4: a ':' within a value"},
    {"version: 1\ndefaults:\n  hypervisor: [kvm\n  vm: {}\n",
     "f.yaml:3:15: '[' is not closed: line 4, column 5 has neither ',' nor ']'"},
    {"version: 1\ndefaults:\n  hypervisor: [kvm", "f.yaml:3:15: '[' is not closed"},
    {"version: 1\ndefaults: [\n", "f.yaml:2:11: '[' is not closed"},
    {"version: 1\ndefaults: {vm: {\n", "f.yaml:2:16: '{' is not closed"},
    {"version: 1\ndefaults: }\n", "f.yaml:2:11: no value begins with '}'"},
    {"version: 1\nclasses: [a, }, b]\n", "f.yaml:2:14: expected ',' or ']'"},
    {"version: 1\ndefaults: {\n  vm: {vcpus: 1}\nclasses: []\n", "f.yaml:2:11: '{' is not closed"},
    {"version: 1\ndefaults: {vm: {vcpus: 1 memory: 1G}}\n",
     "f.yaml:2:32: expected ',' or '}', for the '{' in column 16 is open"},
    {"version: 1\nplugins_dir: \"x\n", "f.yaml:2:14: this quote is not closed"},
    {"version: 1\ndefaults:\n  template: off\n vm: {}\n", "f.yaml:4:2: this line's indentation"},
    {"version: 1\nclasses:\n- name: a\n - name: b\n", "f.yaml:4:"},
    {"version: 1\n# \303\274\ndefaults:\n\ttemplate: off\n", "f.yaml:4:1: a tab"},
    {"  version: 1\nplugins_dir: x\n", "f.yaml:2:1: this line's indentation"},
    {"version: 1\nplugins_dir: @x\n", "f.yaml:2:14: no value begins with '@'"},
    {"version: 1\nplugins_dir: *x\n", "f.yaml:2:14: a value that begins with '*' is a reference"},
    {"version: 1\nplugins_dir: *\n", "a value that begins with '*' is a reference"},
    {"version: 1\nplugins_dir: 'a' b\n", "f.yaml:2:18: nothing may follow a value in its line"},
    {"version: 1\ndefaults:\n  template\n  vm: {}\n", "f.yaml:4:5: a ':' within a value"},
    {"version: 1\ndefaults:\n  hypervisor:\n  -kvm\n", "f.yaml:4:3: neither 'key: value'"},
    {"version: 1\nplugins_dir: \377\n", "f.yaml:2:14: invalid"},
    {"version: 1\ndefaults: vm\n", "expected a mapping (key: value), not 'vm'"},
    {"version: 1\ndefaults:\nvm: {}\n", "and it is empty: is what belongs to it indented?"},
    {"version: 1\nclasses: {name: a}\n", "expected a list ('- ' before each entry)"},
    {"version: 1\ndefaults: {vm: {memory: 512}}\n", "not '512' (a number alone is bytes"},
    {"a: \"\\0\"\nversion: 1\n", "unknown key 'a'"},
    {"version: \"1\\0\"\n", "f.yaml:1:10: key 'version': holds a NUL character"},
    {"version: 1\n? [a]\n: b\n", "expected a key"},
};

TEST(a_mistake_names_file_line_column_and_the_nearest_key)
{
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        const struct mistake *t = &mistakes[i];
        struct config c = {0};
        struct err err = ERR_INIT;

        CHECK_ERR(config_parse(t->text, strlen(t->text), "f.yaml", "/", &c, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t->want);
        CHECK_INT_EQ(err.phase, PHASE_CONFIG);
        CHECK(!c.plugins_dir);
    }
}

TEST(lists_are_bounded)
{
    cleanup_free char *text = xcalloc(1, 16384);
    struct config c = {0};
    struct err err = ERR_INIT;
    size_t len = (size_t)snprintf(text, 16384, "version: 1\ndefaults: {hypervisor: [");

    for (int i = 0; i < 1025; i++)
        len += (size_t)snprintf(text + len, 16384 - len, "h%d,", i);
    snprintf(text + len, 16384 - len, "]}\n");
    CHECK_ERR(config_parse(text, strlen(text), "f", "/", &c, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "more than 1024 entries");
}

static void write_file(const char *path, const char *text)
{
    struct err err = ERR_INIT;

    CHECK_OK(path_replace(AT_FDCWD, path, text, strlen(text), 0600, &err), err);
}

TEST(the_file_is_chosen_by_option_then_environment_then_place)
{
    char dir[] = "/tmp/config-test-XXXXXX";
    cleanup_free char *a = NULL, *b = NULL, *place = NULL;
    struct config c;
    struct err err = ERR_INIT;

    CHECK(mkdtemp(dir));
    a = path_join(dir, "a.yaml");
    b = path_join(dir, "b.yaml");
    place = path_join(dir, "anyvisor.yaml");
    unsetenv("ANYVISOR_CONFIG");
    CHECK_OK(config_load_default(NULL, dir, &c, &err), err);
    CHECK(!c.file);
    config_done(&c);
    write_file(a, "version: 1\nplugins_dir: a\n");
    write_file(b, "version: 1\nplugins_dir: b\n");
    write_file(place, "version: 1\nplugins_dir: place\n");
    CHECK_OK(config_load_default(NULL, dir, &c, &err), err);
    CHECK_STR_EQ(strrchr(c.plugins_dir, '/'), "/place");
    CHECK_STR_EQ(c.file, place);
    config_done(&c);
    setenv("ANYVISOR_CONFIG", a, 1);
    CHECK_OK(config_load_default(NULL, dir, &c, &err), err);
    CHECK_STR_EQ(strrchr(c.plugins_dir, '/'), "/a");
    config_done(&c);
    CHECK_OK(config_load_default(b, dir, &c, &err), err);
    CHECK_STR_EQ(strrchr(c.plugins_dir, '/'), "/b");
    config_done(&c);
    setenv("ANYVISOR_CONFIG", "/nowhere", 1);
    CHECK_ERR(config_load_default(NULL, dir, &c, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "'/nowhere'");
    unsetenv("ANYVISOR_CONFIG");
    unlink(a);
    unlink(b);
    unlink(place);
    rmdir(dir);
}

static void write_dropin(const char *dir, const char *name, const char *text)
{
    cleanup_free char *path = path_join(dir, name);

    write_file(path, text);
}

TEST(dropins_replace_keys_and_bring_their_classes_first)
{
    char dir[] = "/tmp/av-config.XXXXXX";
    cleanup_free char *main_file = NULL, *dropins = NULL;
    struct config c;
    struct err err = ERR_INIT;

    CHECK(mkdtemp(dir));
    main_file = path_join(dir, "anyvisor.yaml");
    dropins = path_join(dir, "conf.d");
    CHECK(mkdir(dropins, 0755) == 0);
    write_file(main_file,
               "version: 1\ndefaults: {hypervisor: [a], vm: {vcpus: 1, options: {x: '1'}}}\n"
               "classes: [{name: last, match: {user: '*'}}]\n");
    write_dropin(dropins, "20-b.yaml",
                 "version: 1\ndefaults: {hypervisor: [b, c]}\n"
                 "classes: [{name: second, selectable: true}]\n");
    write_dropin(
        dropins, "10-a.yaml",
        "version: 1\ndefaults: {hypervisor: [a, b], vm: {memory: 1GiB, options: {y: '2'}}}\n"
        "classes: [{name: first, selectable: true}]\nplugins_dir: pd\n");
    write_dropin(dropins, "ignored.txt", "nothing\n");
    CHECK_OK(config_load(main_file, &c, &err), err);
    CHECK_INT_EQ(c.hypervisor.n, 2);
    CHECK_STR_EQ(c.hypervisor.v[0], "b");
    CHECK_U64_EQ(c.vm.vcpus, 1);
    CHECK_U64_EQ(c.vm.memory, GIB);
    CHECK_STR_EQ(kvs_get(&c.vm.options, "x"), "1");
    CHECK_STR_EQ(kvs_get(&c.vm.options, "y"), "2");
    CHECK_CONTAINS(c.plugins_dir, dir);
    CHECK(!strstr(c.plugins_dir, "conf.d"));
    CHECK_INT_EQ(c.n_classes, 3);
    CHECK_STR_EQ(c.classes[0].name, "first");
    CHECK_STR_EQ(c.classes[1].name, "second");
    CHECK_STR_EQ(c.classes[2].name, "last");
    CHECK_CONTAINS(c.classes[1].file, "20-b.yaml");
    CHECK_INT_EQ(c.overrides.n, 2);
    CHECK_CONTAINS(c.overrides.v[0], "10-a.yaml:2:12: key 'defaults.hypervisor' replaces that of ");
    CHECK_CONTAINS(c.overrides.v[0], "anyvisor.yaml:2:12");
    CHECK_CONTAINS(c.overrides.v[1], "20-b.yaml:2:12");
    config_done(&c);
    write_dropin(dropins, "30-c.yaml", "version: 1\nclasses: [{name: last, selectable: true}]\n");
    CHECK_ERR(config_load(main_file, &c, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "anyvisor.yaml:3:11: class 'last' is there twice, also in ");
    CHECK_CONTAINS(err.msg, "30-c.yaml:2");
    write_dropin(dropins, "30-c.yaml", "classes: []\n");
    CHECK_ERR(config_load(main_file, &c, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "30-c.yaml:1:1: missing key 'version'");
    CHECK_OK(path_remove_tree(AT_FDCWD, dir, &err), err);
}

TEST(dropins_count_without_a_main_file)
{
    char dir[] = "/tmp/av-config.XXXXXX";
    cleanup_free char *dropins = NULL;
    struct config c;
    struct err err = ERR_INIT;

    CHECK(mkdtemp(dir));
    dropins = path_join(dir, "conf.d");
    CHECK(mkdir(dropins, 0755) == 0);
    write_dropin(dropins, "a.yaml", "version: 1\ndefaults: {vm: {vcpus: 3}}\n");
    unsetenv("ANYVISOR_CONFIG");
    CHECK_OK(config_load_default(NULL, dir, &c, &err), err);
    CHECK(!c.file);
    CHECK_U64_EQ(c.vm.vcpus, 3);
    config_done(&c);
    CHECK_OK(path_remove_tree(AT_FDCWD, dir, &err), err);
}
