/* SPDX-License-Identifier: Apache-2.0 */
/* What a domain uses, and which processes of dom0 serve it. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/util.h"
#include "xen.h"

#define CMDLINE_MAX (1u << 20)

int xen_vm_stats(void *p, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct hvp_stats s = {.struct_size = st->struct_size};
    libxl_dominfo info;

    (void)timeout_ms;
    if (!xen_domain_exists(vm, &info))
        return hvp_fail(err, ESRCH, "the VM has ended");
    s.valid = HVP_STAT_CPU | HVP_STAT_MEM;
    s.cpu_ns = info.cpu_time;
    s.mem_used = info.current_memkb * 1024;
    s.mem_max = info.max_memkb * 1024;
    libxl_dominfo_dispose(&info);
    memcpy(st, &s, s.struct_size < sizeof(s) ? s.struct_size : sizeof(s));
    return 0;
}

/* The word behind -xen-domid among a process's arguments. */
static bool serves(const char *pid, const char *domid)
{
    cleanup_free char *text = NULL;
    char path[280];
    size_t len;

    snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
    if (file_read_alloc(path, CMDLINE_MAX, &text, &len) < 0)
        return false;
    for (const char *p = text; p < text + len; p += strlen(p) + 1)
        if (strcmp(p, "-xen-domid") == 0)
            return p + strlen(p) + 1 < text + len && strcmp(p + strlen(p) + 1, domid) == 0;
    return false;
}

size_t xen_find_qemu(uint32_t domid, int32_t *pids, size_t cap)
{
    DIR *proc = opendir("/proc");
    char number[16];
    struct dirent *e;
    size_t n = 0;

    snprintf(number, sizeof(number), "%u", domid);
    while (proc && (e = readdir(proc))) {
        if (!isdigit((unsigned char)e->d_name[0]) || !serves(e->d_name, number))
            continue;
        if (n < cap)
            pids[n] = (int32_t)strtol(e->d_name, NULL, 10);
        n++;
    }
    if (proc)
        closedir(proc);
    return n;
}

int xen_vm_pids(void *p, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err)
{
    struct xen_vm *vm = p;

    (void)err;
    *n = xen_domain_exists(vm, NULL) ? xen_find_qemu(vm->domid, pids, cap) : 0;
    return 0;
}
