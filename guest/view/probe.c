/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - prints what a program in a container sees, one fact a line, in words that do not depend
 * on who made the container. For `anyvisor view diff`, and for tests/conformance/view.sh. Usage:
 * view-probe [-w DIR | -f FILE] [PATH...]  (files and folders to describe; /dev always is). Without
 * -w nothing is changed in any file system; with it, files are left in DIR and in /tmp. With -f it
 * also does, with FILE, what programs do when they start.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "start.h"

extern char **environ;

static void ids(void)
{
    uid_t ru, eu, su;
    gid_t rg, eg, sg, groups[64];
    int n = getgroups(64, groups);
    mode_t mask = umask(0);
    char cwd[4096];

    (void)umask(mask);
    getresuid(&ru, &eu, &su);
    getresgid(&rg, &eg, &sg);
    printf("ids uid %u %u %u gid %u %u %u\n", ru, eu, su, rg, eg, sg);
    for (int i = 0; i < n; i++)
        printf("ids group %u\n", groups[i]);
    printf("process umask %04o\n", mask);
    printf("process cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : strerror(errno));
    printf("process pid %d ppid %d pgid %d sid %d\n", getpid(), getppid(), getpgid(0), getsid(0));
}

static void environment(void)
{
    for (char **e = environ; *e; e++)
        printf("env %s\n", *e);
}

static void limits(void)
{
    static const struct {
        int what;
        const char *name;
    } t[] = {
        {RLIMIT_AS, "as"},           {RLIMIT_CORE, "core"},
        {RLIMIT_CPU, "cpu"},         {RLIMIT_DATA, "data"},
        {RLIMIT_FSIZE, "fsize"},     {RLIMIT_LOCKS, "locks"},
        {RLIMIT_MEMLOCK, "memlock"}, {RLIMIT_MSGQUEUE, "msgqueue"},
        {RLIMIT_NICE, "nice"},       {RLIMIT_NOFILE, "nofile"},
        {RLIMIT_NPROC, "nproc"},     {RLIMIT_RSS, "rss"},
        {RLIMIT_RTPRIO, "rtprio"},   {RLIMIT_RTTIME, "rttime"},
        {RLIMIT_STACK, "stack"},     {RLIMIT_SIGPENDING, "sigpending"},
    };
    struct rlimit l;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        if (getrlimit(t[i].what, &l) == 0)
            printf("limit %s %lld %lld\n", t[i].name, (long long)l.rlim_cur, (long long)l.rlim_max);
}

/* Lines of /proc/self/status that say what the runtime has set. */
static void status(void)
{
    static const char *const keys[] = {"Cap",    "NoNewPrivs", "Seccomp",   "SigBlk", "SigIgn",
                                       "SigCgt", "Threads",    "TracerPid", "NSpid"};
    FILE *f = fopen("/proc/self/status", "re");
    char line[1024];

    if (!f) {
        printf("status missing: %s\n", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), f))
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (strncmp(line, keys[i], strlen(keys[i])) == 0)
                printf("status %s", line);
    fclose(f);
}

static void text(const char *what, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[4096];

    if (!f) {
        printf("%s missing: %s\n", what, strerror(errno));
        return;
    }
    if (!fgets(line, sizeof(line), f))
        printf("%s empty\n", what);
    else
        do {
            line[strcspn(line, "\n")] = '\0';
            printf("%s %s\n", what, line);
        } while (fgets(line, sizeof(line), f));
    fclose(f);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "rw,nosuid" in the order of the alphabet: kernels differ in theirs. */
static void print_options(char *options)
{
    char *v[64], *save = NULL;
    size_t n = 0;

    for (char *w = strtok_r(options, ",", &save); w && n < 64; w = strtok_r(NULL, ",", &save))
        v[n++] = w;
    qsort(v, n, sizeof(*v), by_name);
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i ? "," : " ", v[i]);
}

/* One line of mountinfo. Numbers of mounts and peer groups say nothing; a file system's root does
 * where it is no path of the host. */
static void mount_line(char *line)
{
    char *field[64], *save = NULL;
    size_t n = 0, dash = 6;

    for (char *w = strtok_r(line, " \n", &save); w && n < 64; w = strtok_r(NULL, " \n", &save))
        field[n++] = w;
    while (dash < n && strcmp(field[dash], "-") != 0)
        dash++;
    if (dash + 3 >= n)
        return;
    printf("fs %s %s source %s\n", field[4], field[dash + 1], field[dash + 2]);
    printf("mount %s", field[4]);
    print_options(field[5]);
    for (size_t i = 6; i < dash; i++)
        printf(" %.*s", (int)strcspn(field[i], ":"), field[i]);
    printf("\nsuper %s", field[4]);
    print_options(field[dash + 3]);
    putchar('\n');
}

static void mounts(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[8192];

    if (!f) {
        printf("mount missing: %s\n", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), f))
        mount_line(line);
    fclose(f);
}

static void xattrs(const char *path)
{
    char names[4096], value[1024];
    ssize_t n = llistxattr(path, names, sizeof(names));

    for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
        ssize_t len = lgetxattr(path, names + i, value, sizeof(value));

        printf("xattr %s %s ", path, names + i);
        for (ssize_t k = 0; k < len; k++)
            printf("%02x", (unsigned char)value[k]);
        putchar('\n');
    }
}

static void describe(const char *path, int times)
{
    static const char kinds[] = "?pc?d?b?-?l?s???";
    char target[4096] = "";
    struct stat st;

    if (lstat(path, &st) < 0) {
        printf("file %s: %s\n", path, strerror(errno));
        return;
    }
    if (S_ISLNK(st.st_mode) && readlink(path, target, sizeof(target) - 1) < 0)
        target[0] = '?';
    printf("file %s %c %04o %u:%u", path, kinds[(st.st_mode >> 12) & 15], st.st_mode & 07777,
           st.st_uid, st.st_gid);
    if (S_ISREG(st.st_mode))
        printf(" size %lld links %u", (long long)st.st_size, (unsigned)st.st_nlink);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
        printf(" dev %u:%u", major(st.st_rdev), minor(st.st_rdev));
    if (target[0])
        printf(" -> %s", target);
    /* What was made for this run has its own time with every runtime. */
    if (times && st.st_mtim.tv_sec > time(NULL) - 3600)
        printf(" mtime new");
    else if (times)
        printf(" mtime %lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    putchar('\n');
    xattrs(path);
}

static void tree(const char *path, int times, int depth)
{
    char below[4096];
    struct dirent *e;
    DIR *d;

    describe(path, times);
    d = depth > 0 ? opendir(path) : NULL;
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", strcmp(path, "/") ? path : "", e->d_name);
        if (e->d_type == DT_DIR)
            tree(below, times, depth - 1);
        else
            describe(below, times);
    }
    if (d)
        closedir(d);
}

/* What may be tried: the error is the answer. */
static void attempts(int may_write)
{
    static const char *const writes[] = {"/proc/sys/kernel/msgmax",
                                         "/proc/sysrq-trigger",
                                         "/sys/kernel/mm/ksm/run",
                                         "/dev/null",
                                         "/dev/full",
                                         "/dev/mem",
                                         "/etc/passwd"};
    static const char *const reads[] = {"/proc/kcore",      "/proc/keys", "/proc/timer_list",
                                        "/sys/firmware",    "/proc/scsi", "/proc/acpi",
                                        "/proc/sched_debug"};
    struct utsname u;
    char byte;
    int fd;

    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        fd = open(writes[i], O_WRONLY | O_CLOEXEC);
        printf("open-write %s: %s\n", writes[i], fd < 0 ? strerror(errno) : "yes");
        close(fd);
    }
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        fd = open(reads[i], O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, &byte, 1);
        printf("read %s: %s\n", reads[i], n < 0 ? strerror(errno) : n ? "text" : "empty");
        close(fd);
    }
    if (may_write) {
        printf("call mkdir /tmp/d: %s\n", mkdir("/tmp/d", 0755) < 0 ? strerror(errno) : "yes");
        printf("call mknod: %s\n",
               mknod("/tmp/n", S_IFCHR | 0600, makedev(1, 3)) < 0 ? strerror(errno) : "yes");
    }
    printf("call chroot: %s\n", chroot("/") < 0 ? strerror(errno) : "yes");
    printf("call unshare user: %s\n", unshare(CLONE_NEWUSER) < 0 ? strerror(errno) : "yes");
    printf("call sethostname: %s\n", sethostname("x", 1) < 0 ? strerror(errno) : "yes");
    if (uname(&u) == 0)
        printf("uname %s %s\n", u.sysname, u.machine);
}

/* What /dev/shm, /dev/mqueue and the IPC namespace are for. */
static void ipc(void)
{
    int fd = shm_open("/view", O_CREAT | O_RDWR, 0600);
    char *p = fd < 0 || ftruncate(fd, 4096) < 0
                  ? MAP_FAILED
                  : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    mqd_t queue;

    printf("call shm_open: %s\n", p == MAP_FAILED ? strerror(errno) : (*p = 1, "yes"));
    printf("call shm_unlink: %s\n", shm_unlink("/view") < 0 ? strerror(errno) : "yes");
    queue = mq_open("/view", O_CREAT | O_RDWR, 0600, NULL);
    printf("call mq_open: %s\n", queue < 0 ? strerror(errno) : "yes");
    printf("call mq_unlink: %s\n", mq_unlink("/view") < 0 ? strerror(errno) : "yes");
    printf("call shmget: %s\n",
           shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) < 0 ? strerror(errno) : "yes");
}

static void settings(void)
{
    int fds = 0;

    printf("host name %s", "");
    text("", "/proc/sys/kernel/hostname");
    text("sysctl domainname", "/proc/sys/kernel/domainname");
    text("sysctl msgmax", "/proc/sys/kernel/msgmax");
    text("sysctl shmmni", "/proc/sys/kernel/shmmni");
    text("sysctl ip_forward", "/proc/sys/net/ipv4/ip_forward");
    text("sysctl unprivileged_port_start", "/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text("sysctl mqueue", "/proc/sys/fs/mqueue/msg_max");
    text("oom_score_adj", "/proc/self/oom_score_adj");
    text("uid_map", "/proc/self/uid_map");
    text("gid_map", "/proc/self/gid_map");
    text("setgroups", "/proc/self/setgroups");
    text("cgroup", "/proc/self/cgroup");
    printf("process dumpable %d\n", prctl(PR_GET_DUMPABLE));
    printf("process securebits %d\n", prctl(PR_GET_SECUREBITS));
    printf("process subreaper %d\n", ({
               int v = -1;
               prctl(PR_GET_CHILD_SUBREAPER, &v);
               v;
           }));
    /* musl has the function without what it is for. */
    printf("process nice %d policy %ld\n", getpriority(PRIO_PROCESS, 0),
           syscall(SYS_sched_getscheduler, 0));
    for (int i = 0; i < 256; i++)
        if (fcntl(i, F_GETFD) >= 0)
            fds++;
    printf("process descriptors %d\n", fds);
}

/* What the container's cgroup allows it, where the bundle mounts the cgroup file system. */
static void cgroup_limits(void)
{
    static const char *const names[] = {"cpu.max", "cpu.weight", "memory.max", "memory.swap.max",
                                        "pids.max"};
    char what[64], path[64];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(what, sizeof(what), "cgroup %s", names[i]);
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", names[i]);
        text(what, path);
    }
}

/* Modes by their names: architectures differ in the numbers. */
static void terminal(void)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    struct winsize size;
    struct termios t;

    printf("open-write /dev/tty: %s\n", tty < 0 ? strerror(errno) : "yes");
    close(tty);
    for (int i = 0; i < 3; i++) {
        if (tcgetattr(i, &t) < 0 || ioctl(i, TIOCGWINSZ, &size) < 0) {
            printf("stdio %d no terminal\n", i);
            continue;
        }
        printf("stdio %d %s %ux%u%s%s%s%s%s\n", i, ttyname(i), size.ws_row, size.ws_col,
               t.c_lflag & ICANON ? " icanon" : "", t.c_lflag & ECHO ? " echo" : "",
               t.c_lflag & ISIG ? " isig" : "", t.c_oflag & OPOST ? " opost" : "",
               t.c_iflag & ICRNL ? " icrnl" : "");
    }
}

static int bind_socket(const char *dir)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/made-socket", dir);
    return fd < 0 ? fd : bind(fd, (struct sockaddr *)&a, sizeof(a));
}

/* Files as a program in the container makes them: view.sh looks at them on the host. */
static void leave_files(const char *dir)
{
    int d = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC), fd;

    if (d < 0)
        return;
    (void)umask(0);
    fd = openat(d, "made", O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
    printf("made file: %s\n", fd < 0 ? strerror(errno) : "yes");
    if (fd >= 0 && write(fd, "content\n", 8) != 8)
        printf("made write: %s\n", strerror(errno));
    printf("made chown: %s\n", fchownat(d, "made", 1234, 4321, 0) < 0 ? strerror(errno) : "yes");
    printf("made setuid: %s\n", fchmodat(d, "made", 04751, 0) < 0 ? strerror(errno) : "yes");
    printf("made dir: %s\n", mkdirat(d, "made-dir", 01777) < 0 ? strerror(errno) : "yes");
    printf("made link: %s\n", symlinkat("made", d, "made-link") < 0 ? strerror(errno) : "yes");
    printf("made hard: %s\n", linkat(d, "made", d, "made-hard", 0) < 0 ? strerror(errno) : "yes");
    printf("made fifo: %s\n", mkfifoat(d, "made-fifo", 0600) < 0 ? strerror(errno) : "yes");
    printf("made socket: %s\n", bind_socket(dir) < 0 ? strerror(errno) : "yes");
    printf("made times: %s\n",
           utimensat(d, "made",
                     (struct timespec[]){{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                         {.tv_sec = 1100000000, .tv_nsec = 987654321}},
                     0) < 0
               ? strerror(errno)
               : "yes");
    printf("made xattr: %s\n",
           fd < 0 || fsetxattr(fd, "user.made", "v", 1, 0) < 0 ? strerror(errno) : "yes");
    close(fd);
    close(d);
}

int main(int argc, char **argv)
{
    const char *leave_in = argc > 2 && strcmp(argv[1], "-w") == 0 ? argv[2] : NULL;
    const char *map = argc > 2 && strcmp(argv[1], "-f") == 0 ? argv[2] : NULL;

    if (map)
        start_like_a_program(map);
    ids();
    environment();
    limits();
    status();
    settings();
    cgroup_limits();
    terminal();
    mounts();
    tree("/dev", 0, 3);
    for (int i = leave_in || map ? 3 : 1; i < argc; i++)
        tree(argv[i], 1, 3);
    ipc();
    if (leave_in)
        leave_files(leave_in);
    attempts(leave_in != NULL);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
