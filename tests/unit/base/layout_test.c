/* SPDX-License-Identifier: Apache-2.0 */
/* The test puts a copy of itself into a tree and lets the copy tell what it finds. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/layout.h"
#include "base/proc.h"
#include "scratch.h"

#define TELL "AV_LAYOUT_TEST_TELL"

/* In the copy: answer before any test runs. */
__attribute__((constructor)) static void tell_layout(void)
{
    struct layout l = {0};

    if (!getenv(TELL))
        return;
    if (layout_find(&l, NULL) < 0)
        _exit(1);
    dprintf(1, "%s %s %s %s %s", l.exe, l.libexec_dir, l.backend_dir, l.guest_dir, l.etc_dir);
    layout_done(&l);
    _exit(l.exe ? 2 : 0);
}

static void copy_self(const char *to)
{
    cleanup_fd int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    struct stat st;
    ssize_t n = 1;

    CHECK(in >= 0 && out >= 0 && fstat(in, &st) == 0);
    for (off_t left = st.st_size; left > 0 && n > 0; left -= n)
        n = copy_file_range(in, NULL, out, NULL, (size_t)left, 0);
    CHECK(n > 0);
}

static char *ask(const char *program)
{
    const char *argv[] = {program, NULL}, *envp[] = {TELL "=1", NULL};
    cleanup_fd int r = -1;
    cleanup_fd int pidfd = -1;
    struct err err = ERR_INIT;
    int ends[2], status;
    char *answer = NULL;
    pid_t pid;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    r = ends[0];
    CHECK_OK(proc_spawn(&(struct proc_spawn){.path = program,
                                             .argv = argv,
                                             .envp = envp,
                                             .null_stdio = 1,
                                             .fds = &(struct proc_fd_map){ends[1], 1},
                                             .n_fds = 1},
                        &pid, &pidfd, &err),
             err);
    close(ends[1]);
    CHECK_OK(fd_read_all(r, 4096, &answer, NULL, &err), err);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    CHECK_INT_EQ(status, 0);
    return answer;
}

TEST(parts_are_found_beside_the_executable)
{
    struct scratch s = scratch_make();
    cleanup_free char *bin = path_join(s.path, "p/bin");
    cleanup_free char *program = path_join(bin, "anyvisor");
    cleanup_free char *link = path_join(s.path, "link");
    cleanup_free char *want = xasprintf("%s %s/p/libexec/anyvisor %s/p/lib/anyvisor/backends "
                                        "%s/p/share/anyvisor/guest %s/p/etc/anyvisor",
                                        program, s.path, s.path, s.path, s.path);
    cleanup_free char *direct = NULL;
    cleanup_free char *through_link = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(path_mkdirs(bin, 0755, &err), err);
    copy_self(program);
    CHECK(symlink(program, link) == 0);
    direct = ask(program);
    CHECK_STR_EQ(direct, want);
    through_link = ask(link);
    CHECK_STR_EQ(through_link, want);
    scratch_done(&s);
}

TEST(installed_ways_win_when_their_configuration_exists)
{
    struct scratch s = scratch_make();
    cleanup_free char *bin = path_join(s.path, "a/b/c/bin");
    cleanup_free char *program = path_join(bin, "anyvisor");
    cleanup_free char *etc = xasprintf("%s/%s", bin, TEST_REL_ETC);
    cleanup_free char *real = NULL;
    cleanup_free char *answer = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(path_mkdirs(bin, 0755, &err), err);
    CHECK_OK(path_mkdirs(etc, 0755, &err), err);
    real = realpath(etc, NULL);
    copy_self(program);
    answer = ask(program);
    CHECK(real && str_ends_with(answer, real));
    scratch_done(&s);
}

TEST(version_is_the_projects)
{
    CHECK_STR_EQ(layout_version(), TEST_VERSION);
}
