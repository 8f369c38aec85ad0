/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/proc.h"
#include "test.h"

/* A child that does nothing until it is killed. */
static pid_t sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* A name made to confuse whoever counts fields of /proc/PID/stat. */
        prctl(PR_SET_NAME, "a) R 1 (b) 2 3");
        for (;;)
            pause();
    }
    CHECK(pid > 0);
    return pid;
}

TEST(identity_of_a_process_is_stable_and_its_own)
{
    struct proc_id self, again, child;
    struct err err = ERR_INIT;
    pid_t pid = sleeper();

    CHECK_OK(proc_id_of(getpid(), &self, &err), err);
    CHECK_OK(proc_id_of(getpid(), &again, &err), err);
    CHECK_OK(proc_id_of(pid, &child, &err), err);
    CHECK_INT_EQ(self.pid, getpid());
    CHECK_U64_EQ(self.start_time, again.start_time);
    CHECK(child.start_time >= self.start_time && child.start_time > 0);
    CHECK(proc_alive(&child));
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

TEST(start_time_survives_a_hostile_command_name)
{
    struct proc_id plain, hostile;
    struct err err = ERR_INIT;

    CHECK_OK(proc_id_of(getpid(), &plain, &err), err);
    prctl(PR_SET_NAME, "x) S 1 2 (y) 3");
    CHECK_OK(proc_id_of(getpid(), &hostile, &err), err);
    prctl(PR_SET_NAME, "test_base");
    CHECK_U64_EQ(plain.start_time, hostile.start_time);
}

TEST(reused_pid_is_not_taken_for_the_process)
{
    struct proc_id other;
    struct err err = ERR_INIT;

    CHECK_OK(proc_id_of(getpid(), &other, &err), err);
    other.start_time++;
    CHECK(!proc_alive(&other));
    CHECK_ERR(proc_open(&other, &err), -ESRCH);
    CHECK_ERR(proc_kill(&other, SIGKILL, &err), -ESRCH);
    CHECK_STR_EQ(err.msg, "");
}

TEST(no_process_is_never_alive)
{
    struct proc_id none = {0};
    struct err err = ERR_INIT;

    CHECK(!proc_alive(&none));
    CHECK_ERR(proc_kill(&none, SIGKILL, &err), -ESRCH);
    CHECK_STR_EQ(err.msg, "");
    CHECK_ERR(proc_id_of(0x3ffffff, &none, &err), -ESRCH);
}

TEST(killed_process_is_gone_before_and_after_it_is_reaped)
{
    struct proc_id id;
    struct err err = ERR_INIT;
    pid_t pid = sleeper();
    cleanup_fd int pidfd = -1;
    int status;

    CHECK_OK(proc_id_of(pid, &id, &err), err);
    pidfd = proc_open(&id, &err);
    CHECK_OK(pidfd, err);
    CHECK_ERR(proc_wait_gone(pidfd, 0), -ETIMEDOUT);
    CHECK_OK(proc_kill(&id, SIGUSR1, &err), err);
    CHECK_INT_EQ(proc_wait_gone(pidfd, -1), 0);
    CHECK(!proc_alive(&id)); /* a zombie */
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    CHECK(!proc_alive(&id));
    CHECK_ERR(proc_reap(pidfd, &status, &err), -ECHILD);
}

TEST(exit_code_comes_back_as_wait_gives_it)
{
    struct err err = ERR_INIT;
    cleanup_fd int pidfd = -1;
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(42);
    pidfd = pidfd_open(pid, 0);
    CHECK(pidfd >= 0);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
