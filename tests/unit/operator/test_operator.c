/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/check/check.h"
#include "cli/check/config_check.h"
#include "cli/inspect.h"
#include "cli/logs.h"
#include "cli/timings.h"
#include "test.h"

static const char yaml[] = "version: 1\n"
                           "# kvmm is a word of a comment\n"
                           "defaults:\n"
                           "  hypervisor: [kvm, kvmm]\n"
                           "classes:\n"
                           "  - name: a\n"
                           "    selectable: true\n"
                           "    hypervisor: [xen, \"kvmm\"]\n";

static void parse(struct config *c)
{
    struct err err = ERR_INIT;

    CHECK_OK(config_parse(yaml, sizeof(yaml) - 1, "/etc/a.yaml", "/etc", c, &err), err);
    c->file = c->file ? c->file : xstrdup("/etc/a.yaml"); /* which only config_load sets */
}

TEST(a_word_is_found_outside_comments_and_from_a_line_on)
{
    unsigned line = 0, column = 0;

    CHECK(config_word_at(yaml, "kvmm", 1, &line, &column));
    CHECK_INT_EQ(line, 4);
    CHECK_INT_EQ(column, 21);
    CHECK(config_word_at(yaml, "kvmm", 7, &line, &column));
    CHECK_INT_EQ(line, 8);
    CHECK_INT_EQ(column, 24);
    CHECK(!config_word_at(yaml, "vm", 1, &line, &column));
    CHECK(!config_word_at("", "kvm", 1, &line, &column));
}

TEST(names_without_descriptor_are_told_with_place_and_nearest_name)
{
    struct descriptor only = {.name = (char *)"kvm", .file = (char *)"/p/kvm.yaml"};
    struct descriptor_list l = {&only, 1};
    struct config c = {0};
    struct strv problems = {0}, texts = {0};

    parse(&c);
    strv_add(&texts, yaml);
    config_check_names(&c, &texts, &l, &problems);
    strv_done(&texts);
    CHECK_INT_EQ(problems.n, 3);
    CHECK_CONTAINS(problems.v[0], "/etc/a.yaml:4:21: defaults.hypervisor: hypervisor 'kvmm'");
    CHECK_CONTAINS(problems.v[0], "did you mean 'kvm'?");
    CHECK_CONTAINS(problems.v[1], "/etc/a.yaml:8:18: class 'a': hypervisor 'xen'");
    CHECK(!strstr(problems.v[1], "did you mean"));
    CHECK_CONTAINS(problems.v[2], "/etc/a.yaml:8:24: class 'a': hypervisor 'kvmm'");
    strv_done(&problems);
    config_done(&c);
}

TEST(defaults_that_the_file_does_not_name_are_no_problem)
{
    struct descriptor_list none = {NULL, 0};
    struct config c = {0};
    struct strv problems = {0};

    config_defaults("/etc", &c);
    config_check_names(&c, &problems, &none, &problems);
    CHECK_INT_EQ(problems.n, 0);
    config_done(&c);
}

static struct config config_of(const char *text)
{
    struct config c = {0};
    struct err err = ERR_INIT;

    CHECK_OK(config_parse(text, strlen(text), "/etc/a.yaml", "/etc", &c, &err), err);
    return c;
}

TEST(a_plug_in_that_cannot_be_loaded_matters_to_those_who_need_it)
{
    struct descriptor v[] = {{.name = (char *)"kvm"}, {.name = (char *)"xen"}};
    struct descriptor_list l = {v, 2};
    char *why_not[] = {NULL, (char *)"no libxl"};
    struct config c = config_of("version: 1\ndefaults: {hypervisor: [xen, kvm]}\n"
                                "classes: [{name: a, selectable: true, hypervisor: [xen]},\n"
                                "          {name: b, selectable: true, hypervisor: [kvm]}]\n");
    struct strv problems = {0};

    config_check_loadable(&c, &l, why_not, &problems);
    CHECK_INT_EQ(problems.n, 1);
    CHECK_STR_EQ(problems.v[0],
                 "/etc/a.yaml: class 'a': none of its hypervisors can be loaded: no libxl");
    why_not[1] = NULL;
    config_check_loadable(&c, &l, why_not, &problems);
    CHECK_INT_EQ(problems.n, 1);
    strv_done(&problems);
    config_done(&c);
}

TEST(a_rule_for_an_architecture_that_no_hypervisor_has_is_told)
{
    struct descriptor v[] = {{.name = (char *)"kvm", .arch = (char *)"x86_64"},
                             {.name = (char *)"kvm-s390x", .arch = (char *)"s390x"}};
    struct descriptor_list l = {v, 2};
    struct config c = config_of("version: 1\nclasses:\n- {name: a, match: {arch: s390x}}\n"
                                "- {name: b, match: {arch: s390x}, hypervisor: [kvm, kvm-s390x]}\n"
                                "- {name: c, match: {arch: '*'}, hypervisor: [kvm]}\n");
    struct strv problems = {0};

    config_check_arch(&c, &l, &problems);
    CHECK_INT_EQ(problems.n, 1);
    CHECK_STR_EQ(problems.v[0], "/etc/a.yaml:3:3: class 'a' matches the architecture 's390x', "
                                "which none of its hypervisors has");
    strv_done(&problems);
    config_done(&c);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    cleanup_free char *path = path_join(dir, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

TEST(all_bad_descriptors_are_told_and_the_good_ones_kept)
{
    char dir[] = "/tmp/av-operator.XXXXXX";
    struct descriptor_list l = {NULL, 0};
    struct strv problems = {0};
    struct err err = ERR_INIT;

    CHECK(mkdtemp(dir) != NULL);
    write_file(dir, "a.yaml", "name: a\nlibrary: a.so\narch: x86_64\n");
    write_file(dir, "b.yaml", "name: b\nlibrry: b.so\n");
    write_file(dir, "c.yaml", "name: a\nlibrary: c.so\narch: x86_64\n");
    write_file(dir, "d.yaml", "[\n");
    write_file(dir, "e.yml", "no descriptor: its name ends otherwise\n");
    inspect_descriptors(dir, "/backends", &l, &problems);
    CHECK_OK(path_remove_tree(AT_FDCWD, dir, &err), err);
    CHECK_INT_EQ(l.n, 1);
    CHECK_STR_EQ(l.v[0].so, "/backends/a.so");
    CHECK_INT_EQ(problems.n, 3);
    CHECK_CONTAINS(problems.v[0], "b.yaml:2:");
    CHECK_CONTAINS(problems.v[0], "library");
    CHECK_CONTAINS(problems.v[1], "name 'a' is taken");
    CHECK_CONTAINS(problems.v[2], "d.yaml:");
    strv_done(&problems);
    descriptor_list_done(&l);
}

TEST(a_guest_cannot_steer_the_terminal)
{
    char text[] = "a\x1b[2Jb\r\n\tc\x7f\x07";
    size_t n = logs_make_safe(text, sizeof(text) - 1);

    CHECK_INT_EQ(n, 11);
    CHECK_MEM_EQ(text, "a?[2Jb\n\tc??", 11);
}

TEST(phases_that_were_not_reached_are_left_out)
{
    struct ipc_timings t = {.begin = 1000, .plugin_loaded = 1500, .vm_started = 4500};
    struct timings_phase p[TIMINGS_PHASES];

    CHECK_INT_EQ(timings_phases(&t, p), 2);
    CHECK_STR_EQ(p[0].name, "plugin_loaded");
    CHECK_U64_EQ(p[0].at_ns, 500);
    CHECK_U64_EQ(p[0].took_ns, 500);
    CHECK_STR_EQ(p[1].name, "vm_started");
    CHECK_U64_EQ(p[1].at_ns, 3500);
    CHECK_U64_EQ(p[1].took_ns, 3000);
}

TEST(a_time_before_the_begin_does_not_wrap_around)
{
    struct ipc_timings t = {.begin = 1000, .plugin_loaded = 5, .hello = 3000, .setup = 2000};
    struct timings_phase p[TIMINGS_PHASES];

    CHECK_INT_EQ(timings_phases(&t, p), 2);
    CHECK_U64_EQ(p[0].took_ns, 2000);
    CHECK_U64_EQ(p[1].took_ns, 0);
}

TEST(one_failed_finding_is_enough)
{
    struct findings f = {0};
    char *text, *json;

    finding_add(&f, FINDING_OK, "rights", "root");
    finding_add(&f, FINDING_WARN, "module", "'%s' is missing", "x");
    CHECK(findings_good(&f));
    finding_add(&f, FINDING_FAIL, "state root", "full");
    CHECK(!findings_good(&f));
    text = findings_text(&f);
    CHECK_STR_EQ(text,
                 "ok    rights: root\nwarn  module: 'x' is missing\nFAIL  state root: full\n");
    json = findings_json(&f);
    CHECK_CONTAINS(json, "\"ok\":false");
    CHECK_CONTAINS(json, "\"status\":\"FAIL\"");
    free(text);
    free(json);
    findings_done(&f);
}

TEST(columns_are_as_wide_as_their_widest_cell)
{
    struct strv cells = {0};
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    CHECK(to != NULL);
    strv_add(&cells, "A");
    strv_add(&cells, "B");
    strv_add(&cells, "long");
    strv_add(&cells, "x");
    columns_print(&cells, 2, to);
    fclose(to);
    CHECK_STR_EQ(text, "A     B\nlong  x\n");
    free(text);
    strv_done(&cells);
}

TEST(masks_are_told_in_words)
{
    cleanup_free char *two = mask_words(1u << HVP_DEV_DISK | 1u << HVP_DEV_NIC, plugin_device_name);
    cleanup_free char *none = mask_words(0, plugin_device_name);
    cleanup_free char *strange = mask_words(UINT64_C(1) << 60, plugin_device_name);

    CHECK_STR_EQ(two, "disk nic");
    CHECK_STR_EQ(none, "-");
    CHECK_STR_EQ(strange, "bit-60");
}

TEST(a_state_root_that_others_may_write_is_refused)
{
    char dir[] = "/tmp/av-operator.XXXXXX";
    cleanup_free char *below = NULL;
    struct findings f = {0};

    CHECK(mkdtemp(dir) != NULL);
    below = path_join(dir, "a/b");
    check_root(dir, &f);
    check_root(below, &f);
    CHECK(chmod(dir, 0777) == 0);
    check_root(dir, &f);
    rmdir(dir);
    CHECK_INT_EQ(f.n, 3);
    CHECK_INT_EQ(f.v[0].level, FINDING_OK);
    CHECK_INT_EQ(f.v[1].level, FINDING_OK);
    CHECK_CONTAINS(f.v[1].detail, "will be made");
    CHECK_INT_EQ(f.v[2].level, FINDING_FAIL);
    findings_done(&f);
}

TEST(files_that_are_not_there_and_open_secrets_are_told)
{
    char dir[] = "/tmp/av-operator.XXXXXX";
    cleanup_free char *text = NULL, *secret = NULL;
    struct strv problems = {0};
    struct config c;

    CHECK(mkdtemp(dir) != NULL);
    write_file(dir, "key", "x");
    secret = path_join(dir, "key");
    text = xasprintf("version: 1\nstorage: {secrets_dir: %s}\n"
                     "defaults: {vm: {kernel: /nowhere/k}}\n"
                     "classes:\n- name: a\n  selectable: true\n  vm: {image: /nowhere/i}\n"
                     "  volumes: [{destination: /d, source: 'nbd://h/a', secret: key},\n"
                     "            {destination: /e, source: 'nbd:h'}]\n",
                     dir);
    c = config_of(text);
    config_check_files(&c, &problems);
    CHECK_INT_EQ(problems.n, 4);
    CHECK_CONTAINS(problems.v[0], "/etc/a.yaml:3: key 'defaults.vm.kernel': '/nowhere/k': No such");
    CHECK_CONTAINS(problems.v[1], "/etc/a.yaml:5:3: class 'a': key 'vm.image': '/nowhere/i'");
    CHECK_CONTAINS(problems.v[2], "/key' can be read by others (mode 644), use chmod go=");
    strv_done(&problems);
    CHECK(chmod(secret, 0600) == 0);
    config_check_files(&c, &problems);
    CHECK_INT_EQ(problems.n, 3);
    CHECK(unlink(secret) == 0);
    config_check_files(&c, &problems);
    CHECK_CONTAINS(problems.v[problems.n - 2], "/key': No such file");
    CHECK_CONTAINS(problems.v[problems.n - 1], "class 'a': volume for '/e': ");
    strv_done(&problems);
    config_done(&c);
    rmdir(dir);
}
