/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/tables.h"
#include <string.h>
#include <linux/mount.h>
#include <sys/resource.h>
#include "base/macros.h"

#define SET(name, bits)                                                                            \
    {                                                                                              \
        name, OCI_MO_FLAG, false, bits                                                             \
    }
#define CLR(name, bits)                                                                            \
    {                                                                                              \
        name, OCI_MO_FLAG, true, bits                                                              \
    }
#define PROP(name, bits)                                                                           \
    {                                                                                              \
        name, OCI_MO_PROPAGATION, false, bits                                                      \
    }
#define RSET(name, bits)                                                                           \
    {                                                                                              \
        name, OCI_MO_ATTR, false, bits                                                             \
    }
#define RCLR(name, bits)                                                                           \
    {                                                                                              \
        name, OCI_MO_ATTR, true, bits                                                              \
    }

static const struct oci_mount_option options[] = {
    SET("acl", MS_POSIXACL),
    CLR("async", MS_SYNCHRONOUS),
    CLR("atime", MS_NOATIME),
    SET("bind", MS_BIND),
    SET("defaults", 0),
    CLR("dev", MS_NODEV),
    CLR("diratime", MS_NODIRATIME),
    SET("dirsync", MS_DIRSYNC),
    CLR("exec", MS_NOEXEC),
    SET("iversion", MS_I_VERSION),
    SET("lazytime", MS_LAZYTIME),
    CLR("loud", MS_SILENT),
    SET("mand", MS_MANDLOCK),
    CLR("noacl", MS_POSIXACL),
    SET("noatime", MS_NOATIME),
    SET("nodev", MS_NODEV),
    SET("nodiratime", MS_NODIRATIME),
    SET("noexec", MS_NOEXEC),
    CLR("noiversion", MS_I_VERSION),
    CLR("nolazytime", MS_LAZYTIME),
    CLR("nomand", MS_MANDLOCK),
    CLR("norelatime", MS_RELATIME),
    CLR("nostrictatime", MS_STRICTATIME),
    SET("nosuid", MS_NOSUID),
    SET("nosymfollow", MS_NOSYMFOLLOW),
    SET("rbind", MS_BIND | MS_REC),
    SET("relatime", MS_RELATIME),
    SET("remount", MS_REMOUNT),
    SET("ro", MS_RDONLY),
    CLR("rw", MS_RDONLY),
    SET("silent", MS_SILENT),
    SET("strictatime", MS_STRICTATIME),
    CLR("suid", MS_NOSUID),
    SET("sync", MS_SYNCHRONOUS),
    CLR("symfollow", MS_NOSYMFOLLOW),
    PROP("private", MS_PRIVATE),
    PROP("rprivate", MS_PRIVATE | MS_REC),
    PROP("rshared", MS_SHARED | MS_REC),
    PROP("rslave", MS_SLAVE | MS_REC),
    PROP("runbindable", MS_UNBINDABLE | MS_REC),
    PROP("shared", MS_SHARED),
    PROP("slave", MS_SLAVE),
    PROP("unbindable", MS_UNBINDABLE),
    RCLR("ratime", MOUNT_ATTR_NOATIME),
    RCLR("rdev", MOUNT_ATTR_NODEV),
    RCLR("rdiratime", MOUNT_ATTR_NODIRATIME),
    RCLR("rexec", MOUNT_ATTR_NOEXEC),
    RSET("rnoatime", MOUNT_ATTR_NOATIME),
    RSET("rnodev", MOUNT_ATTR_NODEV),
    RSET("rnodiratime", MOUNT_ATTR_NODIRATIME),
    RSET("rnoexec", MOUNT_ATTR_NOEXEC),
    RCLR("rnorelatime", MOUNT_ATTR_RELATIME),
    RCLR("rnostrictatime", MOUNT_ATTR_STRICTATIME),
    RSET("rnosuid", MOUNT_ATTR_NOSUID),
    RSET("rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW),
    RSET("rrelatime", MOUNT_ATTR_RELATIME),
    RSET("rro", MOUNT_ATTR_RDONLY),
    RCLR("rrw", MOUNT_ATTR_RDONLY),
    RSET("rstrictatime", MOUNT_ATTR_STRICTATIME),
    RCLR("rsuid", MOUNT_ATTR_NOSUID),
    RCLR("rsymfollow", MOUNT_ATTR_NOSYMFOLLOW),
    {"idmap", OCI_MO_IDMAP, false, 0},
    {"ridmap", OCI_MO_IDMAP, false, MS_REC},
    {"tmpcopyup", OCI_MO_COPYUP, false, 0},
};

const struct oci_mount_option *oci_mount_options(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(options);
    return options;
}

const struct oci_mount_option *oci_mount_option_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static const char *const capabilities[OCI_CAPABILITIES] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

int oci_capability_parse(const char *name)
{
    for (unsigned i = 0; i < OCI_CAPABILITIES; i++)
        if (strcmp(capabilities[i], name) == 0)
            return (int)i;
    return -1;
}

const char *oci_capability_name(unsigned bit)
{
    return bit < OCI_CAPABILITIES ? capabilities[bit] : NULL;
}

static const struct {
    const char *name;
    int resource;
} rlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

int oci_rlimit_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rlimits); i++)
        if (strcmp(rlimits[i].name, name) == 0)
            return rlimits[i].resource;
    return -1;
}
