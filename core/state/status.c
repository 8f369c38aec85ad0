/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"

#define LINE_FILE_MAX 4096
#define VM_FILE "vm"

static const char *const names[] = {
    [STATE_CREATING] = "creating", [STATE_CREATED] = "created", [STATE_RUNNING] = "running",
    [STATE_PAUSED] = "paused",     [STATE_STOPPED] = "stopped",
};

const char *state_status_name(enum state_status status)
{
    return (size_t)status < ARRAY_SIZE(names) ? names[status] : "unknown";
}

/* First line of a small file, without its newline. -ENOENT without filling err. */
static int read_line(int dirfd, const char *name, char **ret, struct err *err)
{
    cleanup_free char *text = NULL;
    int r = path_read(dirfd, name, LINE_FILE_MAX, &text, NULL, err);

    if (r < 0) {
        if (r == -ENOENT && err)
            *err = (struct err)ERR_INIT;
        return r;
    }
    text[strcspn(text, "\n")] = '\0';
    *ret = steal_ptr(&text);
    return 0;
}

static int write_line(int dirfd, const char *name, const char *line, struct err *err)
{
    cleanup_free char *text = xasprintf("%s\n", line);

    return path_replace(dirfd, name, text, strlen(text), 0600, err);
}

int state_status_write(int dirfd, enum state_status status, int exit_code, struct err *err)
{
    cleanup_free char *line = status == STATE_STOPPED ? xasprintf("stopped %d", exit_code)
                                                      : xstrdup(state_status_name(status));

    return write_line(dirfd, "status", line, err);
}

static int parse_status(const char *line, enum state_status *ret, int *ret_exit_code)
{
    int64_t code = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(line, names[i]) == 0 && i != STATE_STOPPED) {
            *ret = (enum state_status)i;
            return 0;
        }
    }
    if (!str_starts_with(line, "stopped ") || str_to_i64(line + 8, -1, 255, &code) < 0)
        return -EINVAL;
    *ret = STATE_STOPPED;
    if (ret_exit_code)
        *ret_exit_code = (int)code;
    return 0;
}

int state_status_read(int dirfd, enum state_status *ret, int *ret_exit_code, struct err *err)
{
    cleanup_free char *line = NULL;
    int r = read_line(dirfd, "status", &line, err);

    if (r == -ENOENT) {
        *ret = STATE_CREATING;
        return 0;
    }
    if (r < 0)
        return r;
    if (parse_status(line, ret, ret_exit_code) < 0)
        return err_set(err, EINVAL, "status file holds '%.40s', not a status", line);
    return 0;
}

enum state_status state_effective_status(const struct state_dir *d, const struct state *s)
{
    enum state_status status;

    if (state_status_read(d->fd, &status, NULL, NULL) < 0)
        status = STATE_CREATING;
    if (status == STATE_STOPPED)
        return STATE_STOPPED;
    /* The creator is forgotten when create is complete: until then it answers for the container. */
    if (s->creator.pid)
        return proc_alive(&s->creator) ? STATE_CREATING : STATE_STOPPED;
    return s->proxy.pid && proc_alive(&s->proxy) ? status : STATE_STOPPED;
}

int state_monitor_write(int dirfd, const struct proc_id *id, struct err *err)
{
    cleanup_free char *line =
        xasprintf("%d %llu", (int)id->pid, (unsigned long long)id->start_time);

    return write_line(dirfd, "monitor", line, err);
}

int state_monitor_read(int dirfd, struct proc_id *ret, struct err *err)
{
    cleanup_free char *line = NULL;
    int64_t pid;
    uint64_t start;
    char *blank;
    int r = read_line(dirfd, "monitor", &line, err);

    if (r < 0)
        return r;
    blank = strchr(line, ' ');
    if (blank)
        *blank++ = '\0';
    if (!blank || str_to_i64(line, 1, INT32_MAX, &pid) < 0 ||
        str_to_u64(blank, 0, UINT64_MAX, &start) < 0)
        return err_set(err, EINVAL, "monitor file does not hold a process id and a start time");
    *ret = (struct proc_id){(pid_t)pid, start};
    return 0;
}

int state_vm_write(int dirfd, const char *ref, struct err *err)
{
    return write_line(dirfd, VM_FILE, ref, err);
}

int state_vm_read(int dirfd, char **ret, struct err *err)
{
    return read_line(dirfd, VM_FILE, ret, err);
}

void state_vm_forget(int dirfd)
{
    (void)unlinkat(dirfd, VM_FILE, 0);
}
