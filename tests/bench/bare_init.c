/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a cold start: the least that a pid 1 must do to run one program from a 9p root.
 * It loads the modules that the agent loads before its HELLO, mounts the share that anyvisor would
 * give the guest, runs the program and switches the machine off. Built static with musl.
 * Arguments, which the kernel passes on, are another program than /bin/true; a disk, where there is
 * one, is an ext4 on /disk.  "--clone" is a template's: it waits for a byte on the agent's port
 * before it mounts, and sends the status back instead of switching off.  "--cgroup" runs
 * the program in a cgroup with every controller, as the agent does with a container. "--container"
 * runs it in that cgroup and in a container as the default configuration of `anyvisor spec` has it.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bare_container.h"

#define ROOT "/root"
#define PORT "/dev/vport0p1"
#define CGROUP "/cgroup"

static void load_boot_modules(void)
{
    FILE *f = fopen("/etc/anyvisor/modules", "re");
    char line[256], name[128], path[192];

    while (f && fgets(line, sizeof(line), f)) {
        int fd;

        if (sscanf(line, "boot %127s", name) != 1)
            continue;
        snprintf(path, sizeof(path), "/lib/modules/%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
            fprintf(stderr, "bare_init: module %s: %m\n", name);
        if (fd >= 0)
            close(fd);
    }
    if (f)
        fclose(f);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "bare_init: write '%s' to %s: %m\n", text, path);
    if (fd >= 0)
        close(fd);
}

static void enter_cgroup(void)
{
    char word[64] = "+";
    FILE *f;

    mkdir(CGROUP, 0755);
    if (mount("cgroup2", CGROUP, "cgroup2", 0, NULL) < 0)
        fprintf(stderr, "bare_init: mount cgroup2: %m\n");
    f = fopen(CGROUP "/cgroup.controllers", "re");
    while (f && fscanf(f, "%62s", word + 1) == 1)
        write_file(CGROUP "/cgroup.subtree_control", word);
    if (f)
        fclose(f);
    mkdir(CGROUP "/c", 0755);
    write_file(CGROUP "/c/cgroup.procs", "0");
}

static int run_program(char *const argv[], bool contained)
{
    static char *const env[] = {NULL};
    pid_t pid = contained ? container_fork() : fork();
    int status = -1;

    if (pid == 0) {
        if (contained ? container_enter(ROOT) == 0 : chroot(ROOT) == 0 && chdir("/") == 0)
            execve(argv[0], argv, env);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int mount_root(void)
{
    if (mount("share", ROOT, "9p", 0,
              "trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=client") < 0) {
        fprintf(stderr, "bare_init: mount the share: %m\n");
        return -1;
    }
    if (access("/dev/vda", F_OK) == 0 && mount("/dev/vda", ROOT "/disk", "ext4", 0, NULL) < 0) {
        fprintf(stderr, "bare_init: mount the disk: %m\n");
        return -1;
    }
    return 0;
}

/* Whoever has the other end of the port makes clones of this moment, and kills the VM after it. */
static void be_template(char *const argv[], bool contained)
{
    int port = open(PORT, O_RDWR | O_CLOEXEC), status;
    char byte = 'r';

    if (port < 0 || write(port, &byte, 1) != 1 || read(port, &byte, 1) != 1) {
        fprintf(stderr, "bare_init: port '" PORT "': %m\n");
        return;
    }
    status = mount_root() < 0 ? -1 : run_program(argv, contained);
    byte = status == 0 ? '0' : '1';
    if (write(port, &byte, 1) == 1)
        pause();
}

static bool take_flag(char ***words, const char *flag)
{
    bool is = **words && strcmp(**words, flag) == 0;

    *words += is;
    return is;
}

int main(int argc, char **argv)
{
    static char *true_argv[] = {(char *)"/bin/true", NULL};
    char **program = argv + (argc > 0);
    bool clone = take_flag(&program, "--clone"), in_cgroup = take_flag(&program, "--cgroup"),
         contained = take_flag(&program, "--container");

    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    load_boot_modules();
    mkdir(ROOT, 0755);
    if (in_cgroup || contained)
        enter_cgroup();
    if (!*program)
        program = true_argv;
    if (clone)
        be_template(program, contained);
    else if (mount_root() == 0)
        printf("bare_init: status %d\n", run_program(program, contained));
    fflush(stdout);
    umount2(ROOT "/disk", 0);
    umount2(ROOT, 0);
    reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT);
    return 1;
}
