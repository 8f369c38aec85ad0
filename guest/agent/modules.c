/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules, in the order that the image builder computed: no modprobe in the guest. */
#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

#define MODULES_LIST "/etc/anyvisor/modules"

/* Asking costs less than to have the kernel read the file before it says EEXIST. */
static bool is_live(const char *file)
{
    char path[300], state[16] = "";

    snprintf(path, sizeof(path), "/sys/module/%.*s/initstate", (int)strcspn(file, "."), file);
    for (char *p = path; (p = strchr(p, '-'));)
        *p = '_';
    return cgroup_read(AT_FDCWD, path, state, sizeof(state)) > 0 && strncmp(state, "live", 4) == 0;
}

static int load_one(const char *file, struct err *err)
{
    cleanup_fd int fd = -1;
    char path[256];

    snprintf(path, sizeof(path), "/lib/modules/%s", file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno, "open module '%s': %m", path);
    /* ENODEV: made for a CPU or device that is not here; crc32c-intel has a generic sibling. */
    if (sys_finit_module(fd, "") < 0 && errno != EEXIST && errno != ENODEV)
        return err_set(err, errno, "load module '%s': %m", file);
    return 0;
}

/* The file of a matching line ("boot FILE" or "late GROUP FILE"), else NULL. */
static const char *line_file(char *line, const char *stage, const char *group)
{
    char *save = NULL;
    const char *word = strtok_r(line, " \t\n", &save);

    if (!word || strcmp(word, stage) != 0)
        return NULL;
    if (group) {
        word = strtok_r(NULL, " \t\n", &save);
        if (!word || strcmp(word, group) != 0)
            return NULL;
    }
    return strtok_r(NULL, " \t\n", &save);
}

/* A missing list or group is fine: the small kernel has everything built in. The first failure is
 * returned, after the rest has been tried: a device that is absent must not cost the others. */
int modules_load(const char *stage, const char *group, struct err *err)
{
    cleanup_file FILE *f = fopen(MODULES_LIST, "re");
    char line[512];
    int first = 0;

    while (f && fgets(line, sizeof(line), f)) {
        const char *file = line_file(line, stage, group);
        int r = file && !(group && is_live(file)) ? load_one(file, first ? NULL : err) : 0;

        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}

static bool is_group(const char *group)
{
    cleanup_file FILE *f = fopen(MODULES_LIST, "re");
    char line[512];

    while (f && fgets(line, sizeof(line), f))
        if (line_file(line, "late", group))
            return true;
    return false;
}

/* Xen has drivers of its own for what virtio does elsewhere, in a group of its own: xen-GROUP.
 * Those of virtio cannot be loaded there, for the bus is missing. */
int modules_group(const struct agent *a, const char *group, struct err *err)
{
    char name[64];

    snprintf(name, sizeof(name), "xen-%s", group);
    return modules_load("late", a->at.hvc && is_group(name) ? name : group, err);
}

/* As modprobe has it: a dash is an underscore, and a file has an ending. */
static bool is_module(const char *name, const char *file)
{
    for (; *name && (*name == *file || (*name == '-' && *file == '_')); name++)
        file++;
    return *name == '\0' && (*file == '\0' || strcmp(file, ".ko") == 0);
}

/* Whether a line is of a group with a module of that name, or gives it one ("alias PATTERN GROUP").
 */
static bool line_answers(const char *line, const char *name, char group[256])
{
    char word[256];

    if (sscanf(line, "late %255s %255s", group, word) == 2)
        return is_module(name, word);
    return sscanf(line, "alias %255s %255s", word, group) == 2 && fnmatch(word, name, 0) == 0;
}

/* The kernel asks for the driver of a kind of link, file system or rule that a container wants.
 * What the image does not have is not there, as for modprobe. */
int modules_asked(const char *name)
{
    cleanup_file FILE *f = fopen(MODULES_LIST, "re");
    char line[512], group[256];

    while (f && fgets(line, sizeof(line), f))
        if (line_answers(line, name, group))
            return modules_load("late", group, NULL) < 0;
    return 1;
}

/* Of the groups that are preloaded: drivers, whose bus is of the boot. */
static bool needs_bus(const char *group)
{
    return strcmp(group, "block") == 0 || strcmp(group, "memory") == 0;
}

static void preload(struct agent *a, int booted)
{
    char *save = NULL, end;

    for (char *g = strtok_r(a->at.preload, ",", &save); g; g = strtok_r(NULL, ",", &save)) {
        if (needs_bus(g))
            (void)!read(booted, &end, 1);
        (void)modules_group(a, g, NULL);
    }
}

/*
 * Loads groups in a child, while the boot goes on or waits for the host. Who needs one asks for it
 * all the same: the kernel lets the second wait for the first. Returns a descriptor to be closed
 * when the modules of the boot are loaded, or -1.
 */
int modules_preload(struct agent *a)
{
    int pipe_fds[2];
    pid_t child;

    if (!a->at.preload[0] || pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -1;
    child = fork();
    if (child == 0) {
        close(pipe_fds[1]);
        preload(a, pipe_fds[0]);
        _exit(0);
    }
    close(pipe_fds[0]);
    return pipe_fds[1];
}
