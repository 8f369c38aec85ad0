/* SPDX-License-Identifier: Apache-2.0 */
#include "binary.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include "common/child.h"
#include "common/file.h"
#include "common/util.h"

static const char *const program_dirs[] = {"/usr/local/bin", "/usr/bin", "/bin", "/usr/libexec"};
static const char *const data_dirs[] = {"/usr/share/qemu", "/usr/local/share/qemu",
                                        "/usr/share/qemu-kvm"};

/* Some of these are in every QEMU that was built with modules. */
static const char *const common_modules[] = {
    "accel-tcg-x86_64.so", "accel-qtest-x86_64.so", "hw-display-virtio-gpu.so",
    "block-iscsi.so",      "block-rbd.so",          "block-curl.so"};

static int is_program(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    return access(path, X_OK) < 0 ? -errno : 0;
}

int binary_find(const char *name, char *path, size_t len, struct hvp_error *err)
{
    int r;

    if (name[0] == '/') {
        r = is_program(name);
        if (r < 0)
            return hvp_fail(err, -r, "QEMU '%.300s': %s", name, strerror(-r));
        if (snprintf(path, len, "%s", name) >= (int)len)
            return hvp_fail(err, ENAMETOOLONG, "the path of QEMU is too long");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(program_dirs); i++) {
        if (snprintf(path, len, "%s/%s", program_dirs[i], name) >= (int)len)
            continue;
        if (is_program(path) == 0)
            return 0;
    }
    return hvp_fail(err, ENOENT,
                    "'%.100s' is in none of /usr/local/bin, /usr/bin, /bin and "
                    "/usr/libexec: is QEMU installed?",
                    name);
}

int binary_find_data(const char *name, char *path, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(data_dirs); i++) {
        if (snprintf(path, len, "%s/%s", data_dirs[i], name) >= (int)len)
            continue;
        if (access(path, R_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

int binary_build_id(const char *path, char *id, size_t len, struct hvp_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return hvp_fail(err, errno, "QEMU '%.300s': %m", path);
    snprintf(id, len, "%" PRIx64 "-%" PRIx64 "-%" PRIx64 ".%lx", (uint64_t)st.st_ino,
             (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return 0;
}

/* "QEMU emulator version 7.2.22 (Debian ...)" -> "7.2.22" */
static void parse_version(const char *text, char *version, size_t len)
{
    static const char mark[] = "QEMU emulator version ";
    const char *p = strstr(text, mark);
    size_t n;

    if (!p)
        return;
    p += sizeof(mark) - 1;
    n = strcspn(p, " \n");
    snprintf(version, len, "%.*s", (int)(n < len ? n : len - 1), p);
}

/* What the program prints until it closes its end or the time is up. */
static void read_pipe(int fd, char *text, size_t len, const struct deadline *d)
{
    size_t used = 0;

    while (used < len - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (deadline_poll(d, &p, 1) < 0)
            break;
        n = read(fd, text + used, len - 1 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = '\0';
}

static void ask(const struct hvp_host *host, const char *const *argv, char *text, size_t len,
                const struct deadline *d)
{
    struct child child = CHILD_INIT;
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};
    int32_t pid;
    int fds[2], r;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    struct hvp_fd_map map = {.parent_fd = fds[1], .child_fd = 1};
    const struct hvp_spawn what = {.struct_size = sizeof(what),
                                   .flags = HVP_SPAWN_NO_CGROUP,
                                   .argv = argv,
                                   .fds = &map,
                                   .n_fds = 1,
                                   .death_signal = SIGKILL};

    r = host->spawn(host->cookie, &what, &pid, &child.pidfd, &ignored);
    close(fds[1]);
    if (r == 0) {
        child.pid = pid;
        read_pipe(fds[0], text, len, d);
        child_kill(&child, d, &ignored); /* it has said its line; reaps it */
        child_done(&child);
    }
    close(fds[0]);
}

/* argv's answer, cut down by parse, from the cache where it is known; text is "" on failure. */
static void ask_once(const struct hvp_host *host, const char *const *argv, const char *cache_name,
                     void (*parse)(const char *answer, char *text, size_t len), char *text,
                     size_t len, const struct deadline *d)
{
    cleanup_free char *cache = NULL;
    char answer[4096] = "";

    text[0] = '\0';
    if (host->cache_dir && asprintf(&cache, "%s/%s", host->cache_dir, cache_name) < 0)
        return;
    if (cache && file_read_text(cache, text, len) > 0)
        return;
    if (!host->spawn || deadline_left_ms(d) == 0)
        return;
    ask(host, argv, answer, sizeof(answer), d);
    parse(answer, text, len);
    if (cache && text[0])
        file_write_atomic(cache, text); /* a failure costs the next probe time, no more */
}

void binary_version(const struct hvp_host *host, const char *path, const char *build_id,
                    char *version, size_t len, const struct deadline *d)
{
    const char *const argv[] = {path, "--version", NULL};
    char name[96];

    snprintf(name, sizeof(name), "qemu-%s", build_id);
    ask_once(host, argv, name, parse_version, version, len, d);
}

/* "Supported formats: blkdebug ... iscsi ... rbd ...": of them, those we could use. */
static void parse_drivers(const char *answer, char *text, size_t len)
{
    snprintf(text, len, "drivers%s%s", strstr(answer, " iscsi") ? " iscsi" : "",
             strstr(answer, " rbd") ? " rbd" : "");
}

/*
 * Where a QEMU that has its drivers in modules looks for them, from its own place; false: it is
 * not of that kind.  Distributions install the modules one by one, and QEMU itself lists those
 * that are not there, too.
 */
static bool find_modules(const char *path, char *dir, size_t len)
{
    static const char *const below[] = {"lib/" AV_MULTIARCH "/qemu", "lib64/qemu-kvm", "lib64/qemu",
                                        "lib/qemu-kvm", "lib/qemu"};
    char module[BINARY_PATH_MAX + 64], prefix[BINARY_PATH_MAX];

    snprintf(prefix, sizeof(prefix), "%s", path);
    for (int up = 0; up < 2; up++)
        if (strrchr(prefix, '/'))
            *strrchr(prefix, '/') = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
        snprintf(dir, len, "%s/%s", prefix, below[i]);
        for (size_t m = 0; m < ARRAY_SIZE(common_modules); m++) {
            snprintf(module, sizeof(module), "%s/%s", dir, common_modules[m]);
            if (access(module, R_OK) == 0)
                return true;
        }
    }
    return false;
}

static bool has_module(const char *dir, const char *name)
{
    char file[BINARY_PATH_MAX + 64];

    snprintf(file, sizeof(file), "%s/block-%s.so", dir, name);
    return access(file, R_OK) == 0;
}

uint32_t binary_protocols(const struct hvp_host *host, const char *path, const char *build_id,
                          const struct deadline *d)
{
    const char *const argv[] = {path, "-drive", "format=help", NULL};
    uint32_t always = 1u << HVP_PROTO_FILE | 1u << HVP_PROTO_BLOCK | 1u << HVP_PROTO_NBD;
    char dir[BINARY_PATH_MAX + 32], name[112], drivers[64];
    bool iscsi, rbd;

    if (find_modules(path, dir, sizeof(dir))) {
        iscsi = has_module(dir, "iscsi");
        rbd = has_module(dir, "rbd");
    } else {
        snprintf(name, sizeof(name), "qemu-drivers-%s", build_id);
        ask_once(host, argv, name, parse_drivers, drivers, sizeof(drivers), d);
        iscsi = strstr(drivers, " iscsi");
        rbd = strstr(drivers, " rbd");
    }
    return always | (iscsi ? 1u << HVP_PROTO_ISCSI : 0) | (rbd ? 1u << HVP_PROTO_RBD : 0);
}
