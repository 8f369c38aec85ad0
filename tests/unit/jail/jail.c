/* SPDX-License-Identifier: Apache-2.0 */
/* The filters as programs, in an interpreter for what they are made of; then the real thing. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/log.h"
#include "base/macros.h"
#include "jail/filter.h"

#define PID 4711
#define FIFREEZE_REQUEST 0xc0045877u

/* The program for a call with its arguments; the architecture is what it was built for. */
static uint32_t run(const struct filter *f, const struct seccomp_data *d)
{
    uint32_t acc = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct sock_filter *s = &f->v[i];

        switch (s->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&acc, (const char *)d + s->k, sizeof(acc));
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            acc &= s->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            i += acc == s->k ? s->jt : s->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            i += acc >= s->k ? s->jt : s->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            i += acc & s->k ? s->jt : s->jf;
            break;
        case BPF_RET | BPF_K:
            return s->k;
        default:
            TEST_FAIL("instruction %zu is unknown: %#x", i, s->code);
        }
    }
    TEST_FAIL("the program has no end");
}

/* The architecture that the program accepts: the operand of its second instruction. */
static uint32_t ask(const struct filter *f, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
    const struct seccomp_data d = {.nr = (int)nr, .arch = f->v[1].k, .args = {a0, a1, a2}};

    return run(f, &d);
}

TEST(a_child_vmms_monitor_may_do_just_this)
{
    static const struct {
        uint32_t nr;
        uint64_t a0, a1, a2;
        bool allowed;
    } t[] = {
        {SYS_read, 0, 0, 0, true},
        {SYS_openat, 0, 0, 0, true},
        {SYS_move_mount, 0, 0, 0, true},
        {SYS_umount2, 0, 0, 0, true},
        {SYS_exit_group, 0, 0, 0, true},
        {SYS_socket, AF_UNIX, 0, 0, true},
        {SYS_socket, AF_INET, 0, 0, false},
        {SYS_socket, AF_NETLINK, 0, 0, false},
        {SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, true},
        {SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, false},
        {SYS_mprotect, 0, 4096, PROT_READ, true},
        {SYS_mprotect, 0, 4096, PROT_EXEC, false},
        {SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, true},
        {SYS_clone, SIGCHLD, 0, 0, false},
        {SYS_kill, PID, SIGABRT, 0, true},
        {SYS_kill, 1, SIGKILL, 0, false},
        {SYS_tgkill, PID, 7, SIGABRT, true},
        {SYS_tgkill, PID + 1, 7, SIGABRT, false},
        {SYS_prctl, PR_SET_NAME, 0, 0, true},
        {SYS_prctl, PR_SET_DUMPABLE, 1, 0, false},
        {SYS_ioctl, 0, TIOCGWINSZ, 0, true},
        {SYS_ioctl, 0, FIONREAD, 0, true},
        {SYS_ioctl, 0, TIOCSTI, 0, false},
        {SYS_ioctl, 0, TIOCLINUX, 0, false},
        {SYS_ioctl, 0, FIFREEZE_REQUEST, 0, false},
        {SYS_execve, 0, 0, 0, false},
        {SYS_execveat, 0, 0, 0, false},
        {SYS_mount, 0, 0, 0, false},
        {SYS_open_tree, 0, 0, 0, false},
        {SYS_mount_setattr, 0, 0, 0, false},
        {SYS_fsopen, 0, 0, 0, false},
        {SYS_setns, 0, 0, 0, false},
        {SYS_unshare, 0, 0, 0, false},
        {SYS_chroot, 0, 0, 0, false},
        {SYS_ptrace, 0, 0, 0, false},
        {SYS_bpf, 0, 0, 0, false},
        {SYS_open_by_handle_at, 0, 0, 0, false},
        {SYS_io_uring_setup, 0, 0, 0, false},
        {SYS_pidfd_getfd, 0, 0, 0, false},
        {SYS_setresuid, 0, 0, 0, false},
        {SYS_capset, 0, 0, 0, false},
        {SYS_memfd_secret, 0, 0, 0, false},
        {100000, 0, 0, 0, false},
    };
    struct filter f;

    filter_build(&f, JAIL_CHILD_VMM, PID);
    CHECK(f.n < FILTER_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        uint32_t got = ask(&f, t[i].nr, t[i].a0, t[i].a1, t[i].a2);

        if (got != (t[i].allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP))
            TEST_FAIL("line %zu, call %u: got %#x", i, t[i].nr, got);
    }
    CHECK_INT_EQ(ask(&f, SYS_clone3, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(an_external_vmms_libraries_go_on_working)
{
    struct filter f;

    filter_build(&f, JAIL_EXTERNAL_VMM, PID);
    CHECK(f.n < FILTER_MAX);
    CHECK_INT_EQ(ask(&f, SYS_execve, 0, 0, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(ask(&f, SYS_clone3, 0, 0, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(ask(&f, SYS_socket, AF_INET, 0, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(ask(&f, SYS_mmap, 0, 0, PROT_EXEC), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(ask(&f, SYS_init_module, 0, 0, 0), SECCOMP_RET_TRAP);
    CHECK_INT_EQ(ask(&f, SYS_bpf, 0, 0, 0), SECCOMP_RET_TRAP);
    CHECK_INT_EQ(ask(&f, SYS_ptrace, 0, 0, 0), SECCOMP_RET_TRAP);
    CHECK_INT_EQ(ask(&f, SYS_kexec_load, 0, 0, 0), SECCOMP_RET_TRAP);
}

TEST(other_abis_of_the_processor_are_no_way_around)
{
    struct filter f;
    struct seccomp_data d = {.nr = SYS_read};

    for (int i = 0; i < 2; i++) {
        filter_build(&f, i ? JAIL_CHILD_VMM : JAIL_EXTERNAL_VMM, PID);
        d.arch = AUDIT_ARCH_I386;
        d.nr = SYS_read;
        CHECK_INT_EQ(run(&f, &d), SECCOMP_RET_KILL_PROCESS);
        d.arch = f.v[1].k;
        d.nr = 0x40000000 | SYS_read;
        CHECK_INT_EQ(run(&f, &d), SECCOMP_RET_KILL_PROCESS);
    }
}

/* In a child: what happens with a call, as its wait status; text gets what was logged. */
static int jailed(void (*act)(void), char *text, size_t len)
{
    int ends[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t pid;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid = fork();
    if (pid == 0) {
        struct err err = ERR_INIT;

        log_init(ends[1], LOG_TEXT, LOG_L_ERROR);
        if (jail_drop_caps(JAIL_CHILD_VMM, &err) < 0 || jail_filter(JAIL_CHILD_VMM, &err) < 0)
            _exit(99);
        act();
        _exit(7);
    }
    close(ends[1]);
    while (used < len - 1 && (n = read(ends[0], text + used, len - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(ends[0]);
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void nothing(void)
{
}

static void mount_something(void)
{
    (void)mount("none", "/mnt", "tmpfs", 0, NULL);
}

static void look_at_rights(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "Cap", 3) == 0)
            log_error("%s", line);
}

TEST(a_forbidden_call_kills_and_its_name_is_logged)
{
    char text[512];
    int status;

    if (geteuid() != 0)
        TEST_SKIP("only root drops from its bounding set");
    status = jailed(nothing, text, sizeof(text));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
        TEST_FAIL("the jail cannot be made here");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = jailed(mount_something, text, sizeof(text));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
        TEST_SKIP("a build with sanitizers has no filter");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    CHECK_CONTAINS(text, "error: " JAIL_LAST_WORDS "mount'");
}

TEST(capabilities_and_no_new_privs_are_for_good)
{
    char text[512];
    int status;

    if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 1)
        TEST_SKIP("only root has something to give up");
    status = jailed(look_at_rights, text, sizeof(text));
    CHECK(WIFEXITED(status));
    CHECK_CONTAINS(text, "CapPrm:\t0000000000200020");
    CHECK_CONTAINS(text, "CapEff:\t0000000000200020");
    CHECK_CONTAINS(text, "CapBnd:\t0000000000200020");
}
