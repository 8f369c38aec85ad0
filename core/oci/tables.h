/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.h - the words of the specification that stand for kernel constants: mount options,
 * capabilities, rlimits. For core/plan, which needs their meaning, and `features`, which lists
 * them.
 */
#ifndef OCI_TABLES_H
#define OCI_TABLES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oci_mount_option_kind {
    OCI_MO_FLAG,        /* MS_*; clear: takes the bit away */
    OCI_MO_PROPAGATION, /* MS_SHARED, MS_SLAVE|MS_REC, ... */
    OCI_MO_ATTR,        /* recursive MOUNT_ATTR_* */
    OCI_MO_COPYUP,      /* tmpcopyup */
    OCI_MO_IDMAP,       /* idmap, ridmap */
};
struct oci_mount_option {
    const char *name;
    enum oci_mount_option_kind kind;
    bool clear;
    uint64_t bits;
};

/* NULL: not an option of the specification but data for the file system ("size=1m"). */
const struct oci_mount_option *oci_mount_option_find(const char *name);
const struct oci_mount_option *oci_mount_options(size_t *ret_n);

#define OCI_CAPABILITIES 41u
/* "CAP_CHOWN" <-> 0; -1 and NULL for unknown ones. */
int oci_capability_parse(const char *name);
const char *oci_capability_name(unsigned bit);

/* "RLIMIT_NOFILE" -> number of the generic ABI; -1 = unknown. */
int oci_rlimit_parse(const char *name);

#endif
