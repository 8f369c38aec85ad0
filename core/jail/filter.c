/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two lists, and the programs made of them. A program is a chain of "is it this one? then ...";
 * the kernel caches which calls are allowed whatever their arguments, so its length costs nothing.
 */
#include "jail/filter.h"
#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "base/macros.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__s390x__)
#define OWN_ARCH AUDIT_ARCH_S390X
#elif defined(__powerpc64__) && __BYTE_ORDER == __LITTLE_ENDIAN
#define OWN_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCH AUDIT_ARCH_RISCV64
#else
#error "name this architecture's AUDIT_ARCH_*"
#endif
#define X32_BIT 0x40000000u /* calls of x86-64's other ABI */

/* clone's flags: s390x has them second. */
#if defined(__s390x__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* Some calls are not there on every architecture. */
static const uint32_t allowed[] = {
    /* descriptors */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_fcntl,
    SYS_lseek,
    SYS_ftruncate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_pipe2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_signalfd4,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_splice,
    /* files: which ones, the mount namespace says */
    SYS_openat,
    SYS_openat2,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat2,
    SYS_linkat,
    SYS_fchmod,
    SYS_fallocate,
    SYS_fstatfs,
    SYS_getcwd,
    SYS_umask,
    /* containers that come and go: trees that the CLI has opened */
    SYS_move_mount,
    SYS_umount2,
    /* sockets; socket(2) itself is below */
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendto,
    SYS_recvfrom,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    /* memory; mmap and mprotect are below */
    SYS_munmap,
    SYS_mremap,
    SYS_brk,
    SYS_madvise,
    SYS_membarrier,
    SYS_memfd_create,
    /* time */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    /* itself, and the children it has */
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_prlimit64,
    SYS_waitid,
    SYS_wait4,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_exit,
    SYS_exit_group,
#ifdef __NR_open /* the older architectures' second names of what is above */
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_dup2,
    SYS_time,
#endif
#ifdef __NR_renameat
    SYS_renameat,
#endif
#ifdef __NR_getrlimit
    SYS_getrlimit,
#endif
};

/* An attacker's way to more of the kernel; no library of a hypervisor makes one of these. */
static const uint32_t forbidden[] = {
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_keyctl,
    SYS_request_key,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_pivot_root,
    SYS_vhangup,
    SYS_nfsservctl,
    SYS_fanotify_init,
    SYS_kcmp,
    SYS_lookup_dcookie,
    SYS_syslog,
#ifdef __NR_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
#endif
};

static void add(struct filter *f, struct sock_filter s)
{
    if (f->n < FILTER_MAX)
        f->v[f->n++] = s;
}

static void load(struct filter *f, size_t offset)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* The lower half: every argument that is looked at is an int, or has its meaning there. */
static void load_arg(struct filter *f, unsigned n)
{
    size_t low = __BYTE_ORDER == __LITTLE_ENDIAN ? 0 : sizeof(uint32_t);

    load(f, offsetof(struct seccomp_data, args) + n * sizeof(uint64_t) + low);
}

static void give(struct filter *f, uint32_t action)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* On a match of `how` (BPF_JEQ, BPF_JSET) the next `n` instructions run, else they are skipped. */
static void when(struct filter *f, uint16_t how, uint32_t k, uint8_t n)
{
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | how | BPF_K, k, 0, n));
}

/* Call nr is allowed if argument arg is among the values. */
static void allow_values(struct filter *f, uint32_t nr, unsigned arg, const uint32_t *values,
                         uint8_t n)
{
    when(f, BPF_JEQ, nr, (uint8_t)(2 * n + 2));
    load_arg(f, arg);
    for (uint8_t i = 0; i < n; i++) {
        when(f, BPF_JEQ, values[i], 1);
        give(f, SECCOMP_RET_ALLOW);
    }
    give(f, SECCOMP_RET_TRAP);
}

/* Call nr is allowed if argument arg has none of the bits, or all calls if it must have one. */
static void allow_bits(struct filter *f, uint32_t nr, unsigned arg, uint32_t bits, bool wanted)
{
    when(f, BPF_JEQ, nr, 4);
    load_arg(f, arg);
    when(f, BPF_JSET, bits, 1);
    give(f, wanted ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP);
    give(f, wanted ? SECCOMP_RET_TRAP : SECCOMP_RET_ALLOW);
}

/*
 * By the type of the request: terminals, pipes and taps ('T'), virtual machines, vhost. Not what
 * types into a terminal, and none of the file systems', with which CAP_SYS_ADMIN could freeze the
 * host's.
 */
static void allow_ioctl(struct filter *f)
{
    static const uint32_t types[] = {'T' << 8, 0xae << 8, 0xaf << 8};
    uint8_t n = ARRAY_SIZE(types);

    when(f, BPF_JEQ, SYS_ioctl, (uint8_t)(2 * n + 7));
    load_arg(f, 1);
    when(f, BPF_JEQ, TIOCSTI, 1);
    give(f, SECCOMP_RET_TRAP);
    when(f, BPF_JEQ, TIOCLINUX, 1);
    give(f, SECCOMP_RET_TRAP);
    add(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00));
    for (uint8_t i = 0; i < n; i++) {
        when(f, BPF_JEQ, types[i], 1);
        give(f, SECCOMP_RET_ALLOW);
    }
    give(f, SECCOMP_RET_TRAP);
}

static void fill_child_vmm(struct filter *f, uint32_t pid)
{
    static const uint32_t sockets[] = {AF_UNIX, AF_VSOCK};
    static const uint32_t prctls[] = {PR_SET_NAME, PR_GET_NAME};

    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        when(f, BPF_JEQ, allowed[i], 1);
        give(f, SECCOMP_RET_ALLOW);
    }
    allow_ioctl(f);
    allow_bits(f, SYS_mmap, 2, PROT_EXEC, false); /* all code there will be is loaded */
    allow_bits(f, SYS_mprotect, 2, PROT_EXEC, false);
    allow_bits(f, SYS_clone, CLONE_FLAGS_ARG, CLONE_THREAD, true);
    when(f, BPF_JEQ, SYS_clone3, 1); /* its flags are out of sight: the C library takes clone */
    give(f, SECCOMP_RET_ERRNO | ENOSYS);
    allow_values(f, SYS_socket, 0, sockets, ARRAY_SIZE(sockets));
    allow_values(f, SYS_prctl, 0, prctls, ARRAY_SIZE(prctls));
    allow_values(f, SYS_kill, 0, &pid, 1); /* abort, and the tests' fault points */
    allow_values(f, SYS_tgkill, 0, &pid, 1);
    give(f, SECCOMP_RET_TRAP);
}

static void fill_external_vmm(struct filter *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
        when(f, BPF_JEQ, forbidden[i], 1);
        give(f, SECCOMP_RET_TRAP);
    }
    give(f, SECCOMP_RET_ALLOW);
}

void filter_build(struct filter *f, enum jail_profile profile, int pid)
{
    f->n = 0;
    load(f, offsetof(struct seccomp_data, arch));
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0));
    give(f, SECCOMP_RET_KILL_PROCESS);
    load(f, offsetof(struct seccomp_data, nr));
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
    give(f, SECCOMP_RET_KILL_PROCESS);
    if (profile == JAIL_CHILD_VMM)
        fill_child_vmm(f, (uint32_t)pid);
    else
        fill_external_vmm(f);
}
