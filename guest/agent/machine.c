/* SPDX-License-Identifier: Apache-2.0 */
/* The machine around the containers: boot and power-off. */
#include "agent/container/container.h"
#include "agent/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#define FILES_HARD (1u << 20)
#define HOUR "3600000" /* in ms */

static int mount_at(const char *type, const char *dir, unsigned long flags, const char *data,
                    struct err *err)
{
    (void)mkdir(dir, 0755);
    if (mount(type, dir, type, flags, data) < 0 && errno != EBUSY)
        return err_set(err, errno, "mount %s on '%s': %m", type, dir);
    return 0;
}

/*
 * pivot_root, which every container needs, refuses the initial root of an initramfs. A bind mount
 * of it that is moved over it is a mount with a parent, which will do.
 */
static int leave_initial_root(struct err *err)
{
    (void)mkdir("/.root", 0755);
    if (mount("/", "/.root", NULL, MS_BIND, NULL) < 0 || chdir("/.root") < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return err_set(err, errno, "leave the initial root: %m");
    return 0;
}

static void read_cmdline(struct agent *a)
{
    cleanup_file FILE *f = fopen("/proc/cmdline", "re");
    char line[4096];

    if (f && fgets(line, sizeof(line), f))
        agent_words(a, line);
}

/* The console of a small kernel may be absent: then 0-2 are /dev/null, never the channel. */
static void ensure_stdio(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 3);
    if (fd >= 3)
        close(fd);
}

/* The kernel's defaults are meant for small machines: 4096 files at most, few processes. What a
 * container may have is the plan's word; without one it gets what a host's service has. */
static void raise_limits(void)
{
    struct rlimit files = {FILES_HARD, FILES_HARD}, many = {RLIM_INFINITY, RLIM_INFINITY},
                  signals = {1 << 16, 1 << 16};

    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)setrlimit(RLIMIT_NPROC, &many);
    (void)setrlimit(RLIMIT_SIGPENDING, &signals);
}

/*
 * What the kernel does by itself while nothing runs, each time at the cost of waking the VM: kept
 * from it where it is of no use to a container. Counters are summed up when a CPU goes idle anyway,
 * a host that gives the VM no time is not a lockup of the VM, memory is made whole when somebody
 * asks for it, and nobody has neighbours that must be known before they are needed.
 */
static void rest_when_idle(void)
{
    static const char *const files[][2] = {
        {"vm/compaction_proactiveness", "0"},                    /* was twice a second */
        {"vm/stat_interval", "120"},                             /* 1 s */
        {"kernel/soft_watchdog", "0"},                           /* 4 s */
        {"net/ipv4/neigh/default/interval_probe_time_ms", HOUR}, /* 5 s */
        {"net/ipv6/neigh/default/interval_probe_time_ms", HOUR},
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        cleanup_fd int fd = -1;
        char path[96];

        snprintf(path, sizeof(path), "/proc/sys/%s", files[i][0]);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) /* another kernel may have none of them */
            (void)!write(fd, files[i][1], strlen(files[i][1]));
    }
}

void machine_child_limits(void)
{
    struct rlimit files = {1024, FILES_HARD};

    (void)setrlimit(RLIMIT_NOFILE, &files);
}

int machine_boot(struct agent *a, struct err *err)
{
    cleanup_fd int booted = -1;
    int r = leave_initial_root(err);

    if (r < 0)
        return r;
    umask(022);
    raise_limits();
    if ((r = mount_at("devtmpfs", "/dev", 0, "mode=0755", err)) < 0 ||
        (r = mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, err)) < 0 ||
        (r = mount_at("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, err)) < 0 ||
        (r = mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755", err)) < 0)
        return r;
    ensure_stdio();
    read_cmdline(a);
    rest_when_idle();
    if (a->at.debug)
        a->kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    machine_loopback_up(); /* here and not at the set-up: a template's clones have it then */
    (void)mkdir(AGENT_RUN, 0711);
    (void)mkdir(AGENT_SHARE, 0755);
    if ((r = mount_at("tmpfs", AGENT_EMPTY, MS_RDONLY, "size=0k,nr_inodes=1", err)) < 0)
        return r;
    booted = modules_preload(a);
    if ((a->at.hvc ? modules_load("late", "xen-boot", err) : modules_load("boot", NULL, err)) < 0)
        agent_debug(a, "%s, ignoring", err->msg);
    if (a->at.vsock_port && modules_load("late", "vsock", err) < 0)
        agent_debug(a, "%s, ignoring", err->msg);
    a->urandom_fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    alone_watch(a);
    return 0;
}

int machine_files(struct agent *a, struct err *err)
{
    int r = mountapi_new("proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, &a->proc_fd, err);

    if (r < 0)
        return r;
    a->pidns_fd = openat(a->proc_fd, "self/ns/pid", O_RDONLY | O_CLOEXEC);
    a->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (a->pidns_fd < 0 || a->null_fd < 0)
        return err_set(err, errno, "open own files: %m");
    return 0;
}

void machine_loopback_up(void)
{
    cleanup_fd int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    if (s >= 0)
        (void)ioctl(s, SIOCSIFFLAGS, &ifr);
}

/* share_fd is a place, which cannot be synced. */
void machine_sync_share(const struct agent *a)
{
    cleanup_fd int fd =
        a->share_mounted ? open(AGENT_SHARE, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0)
        (void)syncfs(fd);
}

void machine_off(struct agent *a)
{
    cgroup_done(a);
    close_fd(&a->share_fd);
    if (a->share_mounted)
        (void)umount2(AGENT_SHARE, 0);
    channel_flush(a);
    if (!a->at.machine)
        return;
    (void)reboot(RB_POWER_OFF);
    (void)reboot(RB_AUTOBOOT); /* no way to switch off: QEMU runs with -no-reboot */
}
