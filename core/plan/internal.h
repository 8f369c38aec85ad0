/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of core/plan share: the builder and small helpers.
 * For core/plan only. Each part fills its piece of the plan and reports in the words of
 * config.json.
 */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H
#include <string.h>
#include "plan/build.h"

struct builder {
    const struct oci_spec *spec;
    const struct plan_input *in;
    struct plan_container *c;
    struct plan_shares *shares;
    struct strv *warnings; /* never NULL */
    struct err *err;
};

/* One zeroed member more at the end of an array; its address. */
#define APPEND(v, n)                                                                               \
    ({                                                                                             \
        (v) = xreallocarray((v), (n) + 1, sizeof(*(v)));                                           \
        memset(&(v)[(n)], 0, sizeof(*(v)));                                                        \
        &(v)[(n)++];                                                                               \
    })

/* The mount options of one mount, sorted by what they are. */
struct mount_words {
    uint64_t ms_flags, propagation, attr_set, attr_clr;
    bool bind, recursive, copyup;
    char *data; /* "size=1m,mode=755"; NULL = none */
};
/* index and m are for sentences; what a VM cannot do is -ENOTSUP. */
int mount_words_parse(const struct oci_mount *m, size_t index, struct mount_words *ret,
                      struct err *err);

/* The disk that stands for mounts[index] (linux.devices[index], the root); NULL = none. */
const struct plan_disk *builder_disk(const struct builder *b, enum plan_disk_use use, size_t index);

int build_mounts(struct builder *b);
int build_devices(struct builder *b);
/* The device filter: everything denied, the bundle's rules, then what each container may use. */
void build_device_rules(const struct oci_resources *r, struct plan_cgroup *ret);
/* A host device that the guest has as well: its type and number there. False: not such a one. */
bool device_in_guest(const struct plan_input *in, const char *path, uint32_t *ret_major,
                     uint32_t *ret_minor);
bool device_is_standard(const char *path);
int build_seccomp(const struct oci_seccomp *s, const char *arch, struct plan_process *ret,
                  struct err *err);

void list_from_strv(const struct strv *s, struct plan_list *ret);

#endif
