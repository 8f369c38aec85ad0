/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/proc.h"
#include "cli/creation/choice.h"
#include "cli/view/bundle.h"

#define DUMP_MAX (4 * MIB)

/* The guests' architecture of a class: that of the first hypervisor on its list. */
static int arch_of_class(const struct cli *cli, const char *cls, char **ret_arch, struct err *err)
{
    cleanup_call(choice_done) struct choice c = {0};
    const struct strv *names;
    int r, index;

    if ((r = choice_load(cli, &c, err)) < 0)
        return r;
    c.workload.chosen = xstrdup(cls);
    if ((r = policy_class(&c.config, &c.workload, &index, err)) < 0)
        return err_in_phase(err, PHASE_POLICY);
    names = policy_hypervisors(&c.config, index);
    for (size_t i = 0; i < names->n; i++) {
        const struct descriptor *d = descriptor_find(&c.descriptors, names->v[i]);

        if (d) {
            *ret_arch = xstrdup(d->arch);
            return 0;
        }
    }
    return err_set_phase(err, PHASE_POLICY, ENOENT, "no hypervisor of class '%s' has a descriptor",
                         cls);
}

/* This very program runs the container: its way is the one that shall be looked at. */
static int spawn_run(const struct cli *cli, const char *cls, const char *dir, int out,
                     int *ret_pidfd, struct err *err)
{
    cleanup_call(strv_done) struct strv argv = {0};
    uint32_t random = 0;
    pid_t pid;

    (void)getrandom(&random, sizeof(random), 0);
    strv_add(&argv, cli->layout.exe);
    strv_addf(&argv, "--root=%s", cli->root);
    strv_addf(&argv, "--class=%s", cls);
    if (cli->config)
        strv_addf(&argv, "--config=%s", cli->config);
    if (cli->systemd_cgroup)
        strv_add(&argv, "--systemd-cgroup");
    strv_add(&argv, "run");
    strv_addf(&argv, "--bundle=%s", dir);
    strv_addf(&argv, "view-%08x", random);
    struct proc_spawn how = {
        .path = cli->layout.exe,
        .argv = (const char *const *)argv.v,
        .fds = (struct proc_fd_map[]){{out, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}},
        .n_fds = 2,
        .death_signal = SIGTERM,
        .null_stdio = 1,
    };
    return proc_spawn(&how, &pid, ret_pidfd, err);
}

static int run_and_read(const struct cli *cli, const char *cls, const char *dir, char **ret_dump,
                        struct err *err)
{
    cleanup_fd int in = -1, out = -1, pidfd = -1;
    cleanup_free char *dump = NULL;
    int ends[2], status, r, read;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe: %m");
    in = ends[0];
    out = ends[1];
    if ((r = spawn_run(cli, cls, dir, out, &pidfd, err)) < 0)
        return err_wrap(err, "run the probe in class '%s'", cls);
    close_fd(&out);
    read = fd_read_all(in, DUMP_MAX, &dump, NULL, err);
    close_fd(&in);
    if ((r = proc_reap(pidfd, &status, err)) < 0 || (r = read) < 0)
        return err_wrap(err, "class '%s'", cls);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, EIO, "class '%s': the container that looks ended with status %d", cls,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    *ret_dump = steal_ptr(&dump);
    return 0;
}

/* The probe of that architecture; it comes with the guest image. */
static int find_probe(const struct cli *cli, const char *arch, char **ret, struct err *err)
{
    cleanup_free char *dir = path_join(cli->layout.guest_dir, arch);
    cleanup_free char *probe = path_join(dir, "view-probe");

    if (access(probe, R_OK | X_OK) < 0)
        return err_set(
            err, errno,
            "view probe '%s': %m; `cmake --build BUILD --target guest-image-%s` makes it", probe,
            arch);
    *ret = steal_ptr(&probe);
    return 0;
}

int view_dump(const struct cli *cli, const char *cls, const char *bundle, char **ret_dump,
              struct err *err)
{
    char dir[] = "/tmp/anyvisor-view.XXXXXX";
    cleanup_free char *arch = NULL, *probe = NULL;
    int r;

    if ((r = arch_of_class(cli, cls, &arch, err)) < 0 ||
        (r = find_probe(cli, arch, &probe, err)) < 0)
        return r;
    if (!mkdtemp(dir))
        return err_set(err, errno, "make '%s': %m", dir);
    r = view_bundle_make(dir, bundle, arch, probe, NULL, err);
    if (r == 0)
        r = run_and_read(cli, cls, dir, ret_dump, err);
    (void)path_remove_tree(AT_FDCWD, dir, NULL);
    return r;
}
