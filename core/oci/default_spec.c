/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `anyvisor spec` writes: a bundle that runs a shell, with the defaults that users of runc
 * know. The rootless form differs as runc's does: a user namespace, no network, no cgroup mount.
 */
#include <stdlib.h>
#include <unistd.h>
#include "oci/oci.h"

#define CAPS "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]"

static const char head[] =
    "{\n"
    "  \"ociVersion\": \"1.2.0\",\n"
    "  \"process\": {\n"
    "    \"terminal\": true,\n"
    "    \"user\": {\"uid\": 0, \"gid\": 0},\n"
    "    \"args\": [\"sh\"],\n"
    "    \"env\": [\n"
    "      \"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
    "      \"TERM=xterm\"\n"
    "    ],\n"
    "    \"cwd\": \"/\",\n"
    "    \"capabilities\": {\n"
    "      \"bounding\": " CAPS ",\n"
    "      \"effective\": " CAPS ",\n"
    "      \"permitted\": " CAPS "\n"
    "    },\n"
    "    \"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024}],\n"
    "    \"noNewPrivileges\": true\n"
    "  },\n"
    "  \"root\": {\"path\": \"rootfs\", \"readonly\": true},\n"
    "  \"hostname\": \"anyvisor\",\n"
    "  \"mounts\": [\n"
    "    {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},\n"
    "    {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
    "     \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},\n";

static const char devpts[] =
    "    {\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", "
    "\"mode=0620\"%s]},\n"
    "    {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]},\n"
    "    {\"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\"]},\n";

static const char sys_rootful[] =
    "    {\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]},\n"
    "    {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]}\n";

static const char sys_rootless[] =
    "    {\"destination\": \"/sys\", \"type\": \"none\", \"source\": \"/sys\",\n"
    "     \"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"ro\"]}\n";

static const char resources[] =
    "    \"resources\": {\"devices\": [{\"allow\": false, \"access\": \"rwm\"}]},\n";

static const char tail[] =
    "    \"namespaces\": [\n"
    "      {\"type\": \"pid\"},\n"
    "      {\"type\": \"%s\"},\n"
    "      {\"type\": \"ipc\"},\n"
    "      {\"type\": \"uts\"},\n"
    "      {\"type\": \"mount\"},\n"
    "      {\"type\": \"cgroup\"}\n"
    "    ],\n"
    "    \"maskedPaths\": [\n"
    "      \"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\",\n"
    "      \"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\",\n"
    "      \"/proc/sched_debug\", \"/sys/firmware\", \"/proc/scsi\"\n"
    "    ],\n"
    "    \"readonlyPaths\": [\n"
    "      \"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"\n"
    "    ]\n"
    "  }\n"
    "}\n";

static char *mappings(void)
{
    return xasprintf("    \"uidMappings\": [{\"containerID\": 0, \"hostID\": %u, \"size\": 1}],\n"
                     "    \"gidMappings\": [{\"containerID\": 0, \"hostID\": %u, \"size\": 1}],\n",
                     (unsigned)geteuid(), (unsigned)getegid());
}

char *oci_spec_default_json(bool rootless)
{
    char *pts = xasprintf(devpts, rootless ? "" : ", \"gid=5\"");
    char *end = xasprintf(tail, rootless ? "user" : "network");
    char *maps = rootless ? mappings() : xstrdup("");
    char *text =
        xasprintf("%s%s%s  ],\n  \"linux\": {\n%s%s%s", head, pts,
                  rootless ? sys_rootless : sys_rootful, maps, rootless ? "" : resources, end);

    free(pts);
    free(end);
    free(maps);
    return text;
}
