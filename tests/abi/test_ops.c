/* SPDX-License-Identifier: Apache-2.0 */
/* The typed wrappers: what core gets back from a plug-in that is poor, wrong or mute. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "fixture.h"
#include "test.h"

struct stage {
    struct fixture f;
    struct plugin *p;
    struct plugin_vm *vm;
};

static void stage_init(struct stage *s, const char *key)
{
    const char *const keys[] = {key, NULL};

    fixture_init(&s->f, "plug", keys);
    s->p = fixture_probed(&s->f);
    s->vm = fixture_vm(s->p);
}

static void stage_done(struct stage *s)
{
    plugin_vm_close(s->vm);
    plugin_close(s->p);
    fixture_done(&s->f);
}

TEST(a_vm_lives_and_tells_its_events)
{
    cleanup_call(stage_done) struct stage s = {0};
    char ref[HVP_REF_MAX];
    struct hvp_event ev;
    struct err err = ERR_INIT;
    uint32_t state;
    int fd;

    stage_init(&s, NULL);
    CHECK_OK(plugin_vm_event_fd(s.vm, &fd, &err), err);
    CHECK_INT_EQ(plugin_vm_event_next(s.vm, &ev, &err), 0);
    CHECK_OK(plugin_vm_start(s.vm, 1000, &err), err);
    CHECK_INT_EQ(fd_wait(fd, POLLIN, 1000), 1);
    CHECK_INT_EQ(plugin_vm_event_next(s.vm, &ev, &err), 1);
    CHECK_INT_EQ(ev.kind, HVP_EVENT_PANIC);
    CHECK_INT_EQ(ev.status, -1);
    CHECK_INT_EQ(plugin_vm_event_next(s.vm, &ev, &err), 0);
    CHECK_OK(plugin_vm_state(s.vm, &state, &err), err);
    CHECK_INT_EQ(state, HVP_VM_RUNNING);
    CHECK_OK(plugin_vm_ref(s.vm, ref, &err), err);
    CHECK_STR_EQ(ref, "plug 1");
    CHECK_OK(plugin_vm_destroy(s.vm, 1000, &err), err);
    CHECK_OK(plugin_vm_destroy(s.vm, 1000, &err), err);
}

TEST(descriptors_from_a_plugin_are_closed_on_exec)
{
    cleanup_call(stage_done) struct stage s = {0};
    cleanup_fd int fd = -1;
    struct err err = ERR_INIT;

    stage_init(&s, NULL);
    CHECK_OK(plugin_vm_agent_open(s.vm, 0, 1000, &fd, &err), err);
    CHECK_INT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

TEST(missing_ops_are_enotsup_with_their_name)
{
    cleanup_call(stage_done) struct stage s = {0};
    struct hvp_stats st;
    struct hvp_vm_spec spec;
    struct hvp_disk disk = {.d = {sizeof(disk), HVP_DEV_DISK, 0, 0, "d"}};
    char buf[HVP_REF_MAX];
    int32_t pids[1];
    uint64_t bytes;
    uint32_t n;
    size_t count;
    int fd;

    stage_init(&s, NULL);
    fixture_spec(&spec);
#define REFUSED(op, call)                                                                          \
    do {                                                                                           \
        struct err err = ERR_INIT;                                                                 \
        CHECK_ERR(call, -ENOTSUP);                                                                 \
        CHECK_STR_EQ(err.msg, "back-end 'plug' cannot do '" op "'");                               \
    } while (0)
    REFUSED("vm_stop", plugin_vm_stop(s.vm, 0, &err));
    REFUSED("vm_save", plugin_vm_save(s.vm, "/", 0, &err));
    REFUSED("vm_restore", plugin_vm_restore(s.p, &spec, "/", 0, &s.vm, &err));
    REFUSED("vm_set_vcpus", plugin_vm_set_vcpus(s.vm, 1, 0, &n, &err));
    REFUSED("vm_set_memory", plugin_vm_set_memory(s.vm, 1, 0, &bytes, &err));
    REFUSED("vm_stats", plugin_vm_stats(s.vm, 0, &st, &err));
    REFUSED("vm_pids", plugin_vm_pids(s.vm, pids, 1, &count, &err));
    REFUSED("vm_list", plugin_vm_list(s.p, NULL, NULL, 0, &err));
    REFUSED("console_open", plugin_vm_console_open(s.vm, 0, &fd, &err));
    REFUSED("device_attach", plugin_device_attach(s.vm, &disk.d, 0, &err));
    REFUSED("device_detach", plugin_device_detach(s.vm, "d", 0, &err));
    REFUSED("device_update", plugin_device_update(s.vm, &disk.d, 0, &err));
    REFUSED("device_addr", plugin_device_addr(s.vm, "d", buf, &err));
    REFUSED("nic_hostif", plugin_nic_hostif(s.vm, "d", buf, &err));
    REFUSED("template_key", plugin_template_key(s.p, &spec, buf, &err));
#undef REFUSED
}

TEST(an_op_whose_capability_is_clear_is_refused_though_it_exists)
{
    cleanup_call(stage_done) struct stage s = {0};
    struct err err = ERR_INIT;
    int fd;

    stage_init(&s, "flags=1");
    CHECK_ERR(plugin_vm_resume(s.vm, 0, &err), -ENOTSUP);
    CHECK_CONTAINS(err.msg, "cannot do 'vm_resume' on this host");
    CHECK_ERR(plugin_vm_agent_open(s.vm, 1, 0, &fd, &err), -ENOTSUP);
}

TEST(an_answer_outside_the_contract_is_not_taken_for_success)
{
    cleanup_call(stage_done) struct stage s = {0};
    struct err err = ERR_INIT;

    stage_init(&s, "answer=positive");
    CHECK_ERR(plugin_vm_start(s.vm, 1000, &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "vm_start returned 5");
}

TEST(a_mute_failure_gets_a_sentence_and_the_phase)
{
    cleanup_call(stage_done) struct stage s = {0};
    struct err err = ERR_INIT;

    stage_init(&s, "answer=mute");
    CHECK_ERR(plugin_vm_start(s.vm, 1000, &err), -EIO);
    CHECK_STR_EQ(err.msg, "back-end 'plug': vm_start: Input/output error");
    CHECK_INT_EQ(err.phase, PHASE_VMM);
}

TEST(reopening_works_without_probe_creating_does_not)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin_vm *vm = NULL;
    struct hvp_vm_spec spec;
    struct err err = ERR_INIT;
    struct plugin *p;

    fixture_init(&f, "plug", NULL);
    p = fixture_open(&f);
    fixture_spec(&spec);
    CHECK_ERR(plugin_vm_reopen(p, "x", 0, &vm, &err), -ENOENT);
    CHECK_STR_EQ(err.msg, "back-end 'plug': no VM 'x'");
    CHECK_ERR(plugin_vm_create(p, &spec, 0, &vm, &err), -EINVAL);
    plugin_close(p);
}

/* ---- host->spawn ---- */

/* What `sh -c script` prints when it is started with `what`. */
static void run(struct hvp_spawn *what, const char *script, char *out, size_t size)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    cleanup_fd int read_end = -1;
    cleanup_fd int pidfd = -1;
    struct hvp_error said = {.struct_size = sizeof(said)};
    cleanup_free char *text = NULL;
    struct hvp_fd_map map;
    struct hvp_host host;
    struct err err = ERR_INIT;
    int ends[2], status;
    int32_t pid;
    size_t len;

    CHECK_INT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end = ends[0];
    map = (struct hvp_fd_map){ends[1], 1};
    what->struct_size = sizeof(*what);
    what->argv = argv;
    what->fds = &map;
    what->n_fds = 1;
    plugin_host_init(&host);
    if (host.spawn(host.cookie, what, &pid, &pidfd, &said) < 0)
        TEST_FAIL("spawn: %s", said.msg);
    close(ends[1]);
    CHECK_OK(fd_read_all(read_end, 4096, &text, &len, &err), err);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    CHECK_INT_EQ(status, 0);
    snprintf(out, size, "%s", text);
}

TEST(spawn_gives_just_the_listed_descriptors_and_environment)
{
    struct hvp_spawn what = {0};
    char out[256];

    run(&what, "echo \"$(env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | wc -l) $(pwd)\"", out,
        sizeof(out));
    CHECK_STR_EQ(out, "1 /\n");
    run(&what, "exec ls /proc/self/fd | tr '\\n' ' '", out, sizeof(out));
    CHECK_STR_EQ(out, "0 1 2 3 ");
}

TEST(spawn_sets_limits_and_reduces_rights)
{
    const struct hvp_rlimit limit = {RLIMIT_NOFILE, 0, 77, 99};
    struct hvp_spawn what = {.rlimits = &limit,
                             .n_rlimits = 1,
                             .flags = HVP_SPAWN_KEEP_CAPS,
                             .keep_caps = 1 << CAP_CHOWN};
    char out[256];

    if (geteuid() != 0)
        TEST_SKIP("only root has capabilities to drop");
    run(&what, "ulimit -n; grep CapEff /proc/self/status | tr -d '\\t'", out, sizeof(out));
    CHECK_STR_EQ(out, "77\nCapEff:0000000000000001\n");
    what.flags |= HVP_SPAWN_SETUID;
    what.uid = what.gid = 65534;
    run(&what, "id -u; id -G; grep CapEff /proc/self/status | tr -d '\\t'", out, sizeof(out));
    CHECK_STR_EQ(out, "65534\n65534\nCapEff:0000000000000001\n");
    what.keep_caps = 0;
    run(&what, "grep -e CapEff -e CapBnd /proc/self/status | tr -d '\\t'", out, sizeof(out));
    CHECK_STR_EQ(out, "CapEff:0000000000000000\nCapBnd:0000000000000000\n");
}

TEST(spawn_with_small_pages_is_without_huge_ones_that_it_would_have_otherwise)
{
    static const char script[] = "grep THP_enabled /proc/self/status | tr -d '\\t'";
    struct hvp_spawn plain = {0}, small = {.flags = HVP_SPAWN_SMALL_PAGES};
    char out[256];

    run(&plain, script, out, sizeof(out));
    if (strcmp(out, "THP_enabled:1\n") != 0)
        TEST_SKIP("nobody has huge pages here");
    run(&small, script, out, sizeof(out));
    CHECK_STR_EQ(out, "THP_enabled:0\n");
}

TEST(spawn_of_what_cannot_be_executed_comes_back_as_an_error)
{
    const char *const argv[] = {"/no/such/vmm", NULL};
    const char *const relative[] = {"vmm", NULL};
    struct hvp_spawn what = {.struct_size = sizeof(what), .argv = argv};
    struct hvp_error said = {.struct_size = sizeof(said)};
    struct hvp_host host;
    int32_t pid;
    int pidfd;

    plugin_host_init(&host);
    CHECK_INT_EQ(host.spawn(host.cookie, &what, &pid, &pidfd, &said), -ENOENT);
    CHECK_CONTAINS(said.msg, "/no/such/vmm");
    what.argv = relative;
    CHECK_INT_EQ(host.spawn(host.cookie, &what, &pid, &pidfd, &said), -EINVAL);
}
