/* SPDX-License-Identifier: Apache-2.0 */
/* On a fake hierarchy: plain directories and files in a folder of its own. */
#include "test.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/timing.h"
#include "cgroup/cgroup.h"

static char top[64];
static struct err err;

static void write_to(const char *name, const char *text)
{
    cleanup_free char *path = path_join(top, name);

    CHECK_OK(path_replace(AT_FDCWD, path, text, strlen(text), 0600, &err), err);
}

/* What create does with a cgroupsPath up to where it makes the directories. */
struct plan {
    struct strv leaves, missing;
};

static void plan_make(const struct cgroup_host *h, const char *path, struct plan *p)
{
    *p = (struct plan){0};
    CHECK_OK(cgroup_paths(h, path, "c1", &p->leaves, &err), err);
    cgroup_missing(h, &p->leaves, &p->missing);
}

static void plan_done(struct plan *p)
{
    strv_done(&p->leaves);
    strv_done(&p->missing);
}

static void fake_host(struct cgroup_host *h)
{
    cleanup_free char *info = NULL;
    cleanup_free char *cpu = NULL;
    cleanup_free char *mem = NULL;
    cleanup_free char *mountinfo = NULL;
    cleanup_free char *own = NULL;

    snprintf(top, sizeof(top), "/tmp/anyvisor-cgroup-XXXXXX");
    CHECK(mkdtemp(top) != NULL);
    cpu = path_join(top, "cpu");
    mem = path_join(top, "mem/own");
    CHECK_OK(path_mkdirs(cpu, 0755, &err), err);
    CHECK_OK(path_mkdirs(mem, 0755, &err), err);
    info = xasprintf("31 30 0:27 / %s/cpu rw - cgroup cgroup rw,cpu\n"
                     "32 30 0:28 / %s/mem rw - cgroup cgroup rw,memory\n",
                     top, top);
    write_to("mountinfo", info);
    write_to("cgroup", "4:memory:/own\n3:cpu:/\n");
    mountinfo = path_join(top, "mountinfo");
    own = path_join(top, "cgroup");
    CHECK_OK(cgroup_host_read(mountinfo, own, h, &err), err);
}

static void drop(struct cgroup_host *h)
{
    cgroup_host_done(h);
    CHECK_OK(path_remove_tree(AT_FDCWD, top, &err), err);
}

static void put(const char *dir, const char *file)
{
    cleanup_free char *path = path_join(dir, file);
    cleanup_fd int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
}

static void check_file(const char *dir, const char *file, const char *want)
{
    cleanup_free char *path = path_join(dir, file);
    cleanup_free char *text = NULL;

    CHECK_OK(path_read(AT_FDCWD, path, 4096, &text, NULL, &err), err);
    CHECK_STR_EQ(text, want);
}

TEST(only_missing_directories_are_planned_outermost_first)
{
    struct cgroup_host h;
    struct plan p;
    cleanup_free char *existing = NULL;
    cleanup_free char *want = NULL;

    fake_host(&h);
    existing = path_join(top, "cpu/a");
    CHECK_OK(path_mkdirs(existing, 0755, &err), err);
    plan_make(&h, "/a/b/c", &p);
    CHECK_INT_EQ(p.leaves.n, 2);
    CHECK_INT_EQ(p.missing.n, 5);
    want = path_join(top, "cpu/a/b");
    CHECK_STR_EQ(p.missing.v[0], want);
    CHECK_OK(cgroup_make(&h, &p.leaves, &err), err);
    CHECK(access(p.leaves.v[1], F_OK) == 0);
    CHECK_OK(cgroup_remove(&p.missing, "/nobody", deadline_in_ms(1000), &err), err);
    CHECK(access(want, F_OK) < 0);
    CHECK(access(existing, F_OK) == 0);
    CHECK_OK(cgroup_remove(&p.missing, "/nobody", deadline_in_ms(1000), &err), err);
    plan_done(&p);
    drop(&h);
}

TEST(relative_paths_lie_below_the_own_cgroup)
{
    struct cgroup_host h;
    struct plan p;
    cleanup_free char *want = NULL;

    fake_host(&h);
    plan_make(&h, "x/c1", &p);
    want = path_join(top, "mem/own/x/c1");
    CHECK_STR_EQ(p.leaves.v[1], want);
    plan_done(&p);
    drop(&h);
}

TEST(a_parent_that_others_use_stays)
{
    struct cgroup_host h;
    struct plan p;
    cleanup_free char *other = NULL;

    fake_host(&h);
    plan_make(&h, "/parent/c1", &p);
    CHECK_OK(cgroup_make(&h, &p.leaves, &err), err);
    other = path_join(top, "cpu/parent/other");
    CHECK(mkdir(other, 0755) == 0);
    CHECK_OK(cgroup_remove(&p.missing, "/nobody", deadline_in_ms(1000), &err), err);
    CHECK(access(other, F_OK) == 0);
    plan_done(&p);
    drop(&h);
}

TEST(limits_are_exact_and_memory_is_the_callers)
{
    struct oci_resources r = {
        .cpu = {.shares = {true, 512}, .quota = {true, 25000}, .period = {true, 50000}},
        .memory = {.limit = {true, 67108864}}};
    struct cgroup_host h;
    struct plan p;

    fake_host(&h);
    plan_make(&h, "/c1", &p);
    CHECK_OK(cgroup_make(&h, &p.leaves, &err), err);
    put(p.leaves.v[0], "cpu.shares");
    put(p.leaves.v[0], "cpu.cfs_quota_us");
    put(p.leaves.v[0], "cpu.cfs_period_us");
    put(p.leaves.v[1], "memory.limit_in_bytes");
    CHECK_OK(cgroup_limit(&p.leaves, &r, 268435456, &err), err);
    check_file(p.leaves.v[0], "cpu.shares", "512");
    check_file(p.leaves.v[0], "cpu.cfs_quota_us", "25000");
    check_file(p.leaves.v[0], "cpu.cfs_period_us", "50000");
    check_file(p.leaves.v[1], "memory.limit_in_bytes", "268435456");
    plan_done(&p);
    drop(&h);
}

TEST(huge_pages_and_the_network_are_written_where_the_host_has_them)
{
    struct oci_hugepage_limit huge[] = {{(char *)"2MB", 4194304}, {(char *)"1GB", 0}};
    struct oci_net_priority lo = {(char *)"lo", 10};
    struct oci_resources r = {.hugepages = huge,
                              .n_hugepages = 2,
                              .net_class_id = {true, 255},
                              .net_priorities = &lo,
                              .n_net_priorities = 1};
    struct cgroup_host h;
    struct plan p;

    fake_host(&h);
    plan_make(&h, "/c1", &p);
    CHECK_OK(cgroup_make(&h, &p.leaves, &err), err);
    put(p.leaves.v[0], "hugetlb.2MB.limit_in_bytes");
    put(p.leaves.v[0], "net_cls.classid");
    put(p.leaves.v[1], "net_prio.ifpriomap");
    CHECK_OK(cgroup_limit(&p.leaves, &r, 0, &err), err);
    check_file(p.leaves.v[0], "hugetlb.2MB.limit_in_bytes", "4194304");
    check_file(p.leaves.v[0], "net_cls.classid", "255");
    check_file(p.leaves.v[1], "net_prio.ifpriomap", "lo 10");
    plan_done(&p);
    drop(&h);
}

TEST(zero_is_no_limit_and_unlimited_memory_stays_so)
{
    struct oci_resources none = {.cpu = {.shares = {true, 0}, .quota = {true, 0}}};
    struct cgroup_host h;
    struct plan p;

    fake_host(&h);
    plan_make(&h, "/c1", &p);
    CHECK_OK(cgroup_make(&h, &p.leaves, &err), err);
    put(p.leaves.v[0], "cpu.shares");
    put(p.leaves.v[0], "cpu.cfs_quota_us");
    put(p.leaves.v[1], "memory.limit_in_bytes");
    CHECK_OK(cgroup_limit(&p.leaves, &none, 268435456, &err), err);
    check_file(p.leaves.v[0], "cpu.shares", "");
    check_file(p.leaves.v[0], "cpu.cfs_quota_us", "");
    check_file(p.leaves.v[1], "memory.limit_in_bytes", "");
    plan_done(&p);
    drop(&h);
}

/* The real thing: a foreign process in our directory is waited for, never killed. */
TEST(removal_waits_for_processes_of_others_but_never_kills_them)
{
    struct plan p = {0};
    cleanup_free char *procs = NULL;
    cleanup_free char *pid_text = NULL;
    struct cgroup_host h;
    int ends[2], status;
    pid_t pid;

    CHECK_OK(cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &h, &err), err);
    if (geteuid() != 0 || h.mode == CGROUP_NONE)
        TEST_SKIP("needs root and a mounted cgroup hierarchy");
    plan_make(&h, "/anyvisor-unit-test", &p);
    if (cgroup_make(&h, &p.leaves, &err) < 0)
        TEST_SKIP("cgroups cannot be made here: %s", err.msg);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid = fork();
    if (pid == 0) {
        char c;

        close(ends[1]);
        _exit(read(ends[0], &c, 1) == 0 ? 7 : 1);
    }
    close(ends[0]);
    procs = path_join(p.leaves.v[0], "cgroup.procs");
    pid_text = xasprintf("%d", (int)pid);
    CHECK_OK(path_write(AT_FDCWD, procs, pid_text, &err), err);
    CHECK_ERR(cgroup_remove(&p.missing, "/nobody", deadline_in_ms(50), &err), -EBUSY);
    close(ends[1]);
    CHECK_OK(cgroup_remove(&p.missing, "/nobody", deadline_in_ms(5000), &err), err);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT_EQ(WEXITSTATUS(status), 7);
    CHECK(access(p.leaves.v[0], F_OK) < 0);
    plan_done(&p);
    cgroup_host_done(&h);
}
