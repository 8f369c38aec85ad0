/* SPDX-License-Identifier: Apache-2.0 */
/* What `config check` finds in a configuration that parses. */
#include <string.h>
#include "rig.h"
#include "base/cleanup.h"
#include "policy/lint.h"

TEST(a_rule_covers_another_where_each_of_its_conditions_follows)
{
    static const struct {
        const char *outer, *inner;
        bool covers;
    } t[] = {
        {"image: a", "image: a", true},
        {"image: a*", "image: ab", true},
        {"image: a*", "image: 'ab*c'", true},
        {"image: a*", "image: '*a'", false},
        {"image: '*'", "image: '?'", true},
        {"image: '[a-c]'", "image: b", true},
        {"image: '[a-c]'", "image: d", false},
        {"image: '[a-c]'", "image: '[a-c]'", true},
        {"image: '[a-c]'", "image: '[ab]'", false}, /* true, and not seen: sound, not complete */
        {"image: ab", "image: a*", false},
        {"image: a", "pod_name: a", false},
        {"image: '*'", "pod_name: a", false}, /* the image may be unknown */
        {"user: '*'", "pod_name: a", true},
        {"arch: '*', platform: '*', runtime: '*'", "pod_name: a", true},
        {"image: a", "image: a, user: '0'", true},
        {"image: a, user: '0'", "image: a", false},
        {"annotations: {k: v*}", "annotations: {k: vw}", true},
        {"annotations: {k: v*}", "annotations: {l: vw}", false},
        {"mounts: [{type: bind}]", "mounts: [{type: bind, source: /s}]", true},
        {"mounts: [{type: bind, source: /s}]", "mounts: [{type: bind}, {source: /s}]", false},
        {"all: [{image: a*}, {user: '0'}]", "image: ab, user: '0'", true},
        {"all: [{image: a*}, {user: '0'}]", "image: ab", false},
        {"image: a*", "all: [{user: '0'}, {image: ab}]", true},
        {"any: [{image: a*}, {image: b*}]", "image: bc", true},
        {"any: [{image: a*}, {image: b*}]", "any: [{image: b}, {image: a}]", true},
        {"any: [{image: a*}, {image: b*}]", "any: [{image: b}, {image: c}]", false},
        {"image: a*", "any: [{image: ab}, {image: ac}]", true},
        {"not: {image: ab}", "not: {image: a*}", true},
        {"not: {image: a*}", "not: {image: ab}", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xasprintf("classes: [{name: a, match: {%s}},\n"
                                            "          {name: b, match: {%s}}]\n",
                                            t[i].outer, t[i].inner);
        struct config c = rig_config(text);

        if (policy_covers(&c.classes[0].match, &c.classes[1].match) != t[i].covers)
            TEST_FAIL("{%s} over {%s}: want %d", t[i].outer, t[i].inner, t[i].covers);
        config_done(&c);
    }
}

TEST(a_rule_whose_conditions_exclude_each_other_matches_nothing)
{
    static const struct {
        const char *match;
        bool contradicts;
    } t[] = {
        {"user: '0'", false},
        {"user: '0', all: [{user: '0'}]", false},
        {"user: '0', all: [{user: '1'}]", true},
        {"user: '0', all: [{user: '[1-9]'}]", true},
        {"image: a*, all: [{image: b*}]", true},
        {"image: a*, all: [{image: '*b'}]", false},
        {"all: [{image: a}, {user: '0'}, {image: b}]", true},
        {"any: [{image: a}, {image: b}]", false},
        {"image: c, any: [{image: a}, {image: b}]", true},
        {"image: a, any: [{image: a}, {image: b}]", false},
        {"any: [{all: [{user: '0'}, {user: '1'}]}]", true},
        {"image: a, not: {image: '*'}", true},
        {"not: {user: '*'}, image: a", true},
        {"image: a, not: {image: b}", false},
        {"mounts: [{type: bind}, {type: tmpfs}]", false},
        {"annotations: {a: x}, all: [{annotations: {a: y}}]", true},
        {"annotations: {a: x, b: y}", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xasprintf("classes: [{name: a, match: {%s}}]\n", t[i].match);
        struct config c = rig_config(text);

        if (policy_contradicts(&c.classes[0].match) != t[i].contradicts)
            TEST_FAIL("{%s}: want %d", t[i].match, t[i].contradicts);
        config_done(&c);
    }
}

/* Everything that is found in a file, one sentence a line, notes behind "note: ". */
static char *lint(const char *below_version)
{
    struct config c = rig_config(below_version);
    struct strv problems = {0}, notes = {0};
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    policy_lint(&c, &problems, &notes);
    for (size_t i = 0; i < problems.n; i++)
        fprintf(f, "%s\n", problems.v[i]);
    for (size_t i = 0; i < notes.n; i++)
        fprintf(f, "note: %s\n", notes.v[i]);
    fclose(f);
    strv_done(&problems);
    strv_done(&notes);
    config_done(&c);
    return text;
}

TEST(mistakes_are_told_with_their_place)
{
    static const struct {
        const char *text, *want; /* "" = nothing at all */
    } t[] = {
        {"classes: [{name: a, match: {user: '0'}}, {name: b, match: {user: '1'}}]\n", ""},
        {"classes:\n- {name: a, match: {image: x*}}\n- {name: b, match: {image: xy}}\n",
         "f.yaml:4:3: class 'b' is never chosen: class 'a' (f.yaml:3) comes before it and"},
        {"classes:\n- {name: a, match: {image: xy}}\n- {name: b, match: {image: x*}}\n", ""},
        {"classes:\n- {name: a, match: {image: x}}\n"
         "- {name: b, match: {image: x}, selectable: true}\n",
         "f.yaml:4:3: class 'b' is chosen only in a part of its ways: class 'a'"},
        {"classes:\n- {name: a, match: {user: '*'}}\n- {name: b, selectable: true}\n",
         "f.yaml:4:3: class 'b' is never chosen"},
        {"classes:\n- {name: a, match: {class: b*}, selectable: true}\n"
         "- {name: b, selectable: true}\n",
         "f.yaml:4:3: class 'b' is never chosen"},
        {"classes:\n- {name: a, match: {user: '0', not: {user: '0'}}}\n",
         "f.yaml:3:3: class 'a': no workload can match"},
        {"annotations: {allow: [org.anyvisor.vm.*]}\n", ""},
        {"annotations: {allow: [org.anyvisor.vm.memroy]}\n",
         "f.yaml:2:23: annotations.allow: no annotation that a workload can set fits "
         "'org.anyvisor.vm.memroy', did you mean 'org.anyvisor.vm.memory'?"},
        {"annotations: {allow: [{key: '*.vcpus', values: [x]}]}\n", "is a size or a number: use"},
        {"annotations: {allow: [{key: '*.kernel_args', max: 1}]}\n", "is a text: use values"},
        {"classes: [{name: a, selectable: true, annotations: {allow: [x]}}]\n",
         "f.yaml:2:61: annotations.allow: no annotation"},
        {"classes: [{name: a, selectable: true, vm: {memory: 1GiB},\n"
         "           storage: {tmp: {kind: tmpfs, size: 1GiB}}}]\n",
         "f.yaml:2:11: class 'a': storage.tmp is a tmpfs of 1024 MiB in a VM of 1024 MiB"},
        {"classes: [{name: a, selectable: true, pool: {size: 2, min_free: 2}}]\n", ""},
        {"defaults: {pool: {size: 2}}\n"
         "classes: [{name: a, selectable: true, pool: {min_free: 3}}]\n",
         "f.yaml:3:11: class 'a': pool.min_free is 3, which is more than the 2 VMs of pool.size"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *found = lint(t[i].text);

        if (!*t[i].want)
            CHECK_STR_EQ(found, "");
        else
            CHECK_CONTAINS(found, t[i].want);
        CHECK(!strstr(found, "note:"));
    }
}
