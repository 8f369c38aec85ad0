/* SPDX-License-Identifier: Apache-2.0 */
/* One connection per call: a verb asks systemd once or twice and ends. */
#include "cgroup/systemd.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "cgroup/library.h"

#define DESTINATION "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define CALL_MS 30000
/* Whom we have not ended ourselves before a stop gets SIGTERM, and SIGKILL after this. */
#define STOP_USEC (UINT64_C(5) * 1000000)

struct manager {
    const struct systemd_library *lib;
    sd_bus *bus;
    sd_bus_message *call, *reply, *unit;
    sd_bus_error error;
    uint64_t deadline_ns;
    const char *job; /* that is waited for, in reply */
    char result[32]; /* of the job */
};

static void manager_close(struct manager *m)
{
    if (!m->lib)
        return;
    m->lib->sd_bus_error_free(&m->error);
    m->lib->sd_bus_message_unref(m->call);
    m->lib->sd_bus_message_unref(m->reply);
    m->lib->sd_bus_message_unref(m->unit);
    m->lib->sd_bus_flush_close_unref(m->bus);
}

static int on_job_removed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
    struct manager *m = userdata;
    const char *job, *unit, *result;
    uint32_t id;

    (void)error;
    if (m->lib->sd_bus_message_read(signal, "uoss", &id, &job, &unit, &result) >= 0 && m->job &&
        strcmp(job, m->job) == 0)
        snprintf(m->result, sizeof(m->result), "%s", result);
    return 0;
}

/* systemd's own sentence where it gave one. */
static int refused(const struct manager *m, int r, struct err *err)
{
    if (m->error.message)
        return err_set(err, -r, "%s", m->error.message);
    return err_set(err, -r, "%m");
}

/* The last call found no unit, or none any more. */
static bool is_gone(const struct manager *m)
{
    return m->error.name &&
           (strcmp(m->error.name, DESTINATION ".NoSuchUnit") == 0 ||
            strcmp(m->error.name, "org.freedesktop.DBus.Error.UnknownObject") == 0);
}

int cgroup_scope_check_host(struct err *err)
{
    if (access("/run/systemd/system", F_OK) == 0)
        return 0;
    return err_set_phase(err, PHASE_CONFIG, ENOTSUP,
                         "--systemd-cgroup: no systemd runs on this host, use the cgroupfs driver");
}

static int manager_open(struct manager *m, struct err *err)
{
    int r = systemd_library_get(&m->lib, err);

    if (r < 0)
        return r;
    m->deadline_ns = deadline_in_ms(CALL_MS);
    if ((r = m->lib->sd_bus_open_system(&m->bus)) < 0)
        return err_set(err, -r, "connect to the system bus: %m");
    r = m->lib->sd_bus_match_signal(m->bus, NULL, DESTINATION, OBJECT, MANAGER, "JobRemoved",
                                    on_job_removed, m);
    /* Without a subscriber systemd sends no signals. */
    if (r >= 0)
        r = m->lib->sd_bus_call_method(m->bus, DESTINATION, OBJECT, MANAGER, "Subscribe", &m->error,
                                       NULL, NULL);
    return r < 0 ? refused(m, r, err) : 0;
}

static int new_call(struct manager *m, const char *method)
{
    return m->lib->sd_bus_message_new_method_call(m->bus, &m->call, DESTINATION, OBJECT, MANAGER,
                                                  method);
}

static int send_call(struct manager *m)
{
    return m->lib->sd_bus_call(m->bus, m->call, (uint64_t)CALL_MS * 1000, &m->error, &m->reply);
}

/* The reply names a job: systemd's answer only means that it will be done. */
static int wait_job(struct manager *m, struct err *err)
{
    int r = m->lib->sd_bus_message_read(m->reply, "o", &m->job);

    while (r >= 0 && !m->result[0]) {
        int left = deadline_left_ms(m->deadline_ns);

        if (left == 0)
            return err_set(err, ETIMEDOUT, "systemd has not done it within %d s", CALL_MS / 1000);
        r = m->lib->sd_bus_process(m->bus, NULL);
        if (r == 0)
            r = m->lib->sd_bus_wait(m->bus, (uint64_t)left * 1000);
        if (r == -EINTR)
            r = 0;
    }
    if (r < 0)
        return err_set(err, -r, "wait for systemd: %m");
    if (strcmp(m->result, "done") != 0)
        return err_set(err, EIO, "systemd's job ended as '%s'", m->result);
    return 0;
}

static int append_property(const struct manager *m, const struct scope_property *p)
{
    int r;

    if (!p->is_mask)
        return m->lib->sd_bus_message_append(m->call, "(sv)", p->name, "t", p->number);
    if ((r = m->lib->sd_bus_message_open_container(m->call, 'r', "sv")) < 0 ||
        (r = m->lib->sd_bus_message_append(m->call, "s", p->name)) < 0 ||
        (r = m->lib->sd_bus_message_open_container(m->call, 'v', "ay")) < 0 ||
        (r = m->lib->sd_bus_message_append_array(m->call, 'y', p->mask, p->mask_len)) < 0 ||
        (r = m->lib->sd_bus_message_close_container(m->call)) < 0)
        return r;
    return m->lib->sd_bus_message_close_container(m->call);
}

static int append_properties(const struct manager *m, const struct scope_property *p, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++)
        r = append_property(m, &p[i]);
    return r;
}

static char *description(const char *owner)
{
    return xasprintf("anyvisor container %s", owner);
}

/*
 * What every scope of ours has. Its processes may make cgroups below it. The number of tasks is
 * limited in the guest: systemd's default would count the VMM's threads. A scope that has failed
 * is forgotten like one that has ended.
 */
static int append_common(const struct manager *m, const struct cgroup_scope *s, const char *owner,
                         pid_t pid)
{
    cleanup_free char *text = description(owner);
    int r;

    if ((r = m->lib->sd_bus_message_append(m->call, "(sv)(sv)(sv)(sv)(sv)", "Description", "s",
                                           text, "Slice", "s", s->slice, "PIDs", "au", 1,
                                           (uint32_t)pid, "Delegate", "b", 1, "DefaultDependencies",
                                           "b", 0)) < 0 ||
        (r = m->lib->sd_bus_message_append(m->call, "(sv)(sv)(sv)", "CPUAccounting", "b", 1,
                                           "MemoryAccounting", "b", 1, "TasksAccounting", "b", 1)) <
            0)
        return r;
    return m->lib->sd_bus_message_append(m->call, "(sv)(sv)(sv)", "TasksMax", "t", UINT64_MAX,
                                         "TimeoutStopUSec", "t", STOP_USEC, "CollectMode", "s",
                                         "inactive-or-failed");
}

static int start(struct manager *m, const struct cgroup_scope *s, const char *owner, pid_t pid,
                 const struct scope_property *p, size_t n, struct err *err)
{
    int r = manager_open(m, err);

    if (r < 0)
        return r;
    if ((r = new_call(m, "StartTransientUnit")) < 0 ||
        (r = m->lib->sd_bus_message_append(m->call, "ss", s->unit, "fail")) < 0 ||
        (r = m->lib->sd_bus_message_open_container(m->call, 'a', "(sv)")) < 0 ||
        (r = append_common(m, s, owner, pid)) < 0 || (r = append_properties(m, p, n)) < 0 ||
        (r = m->lib->sd_bus_message_close_container(m->call)) < 0 ||
        (r = m->lib->sd_bus_message_append(m->call, "a(sa(sv))", 0)) < 0 || (r = send_call(m)) < 0)
        return refused(m, r, err);
    return wait_job(m, err);
}

int cgroup_scope_start(const struct cgroup_scope *s, const char *owner, pid_t pid,
                       const struct scope_property *p, size_t n, struct err *err)
{
    cleanup_call(manager_close) struct manager m = {0};
    int r = start(&m, s, owner, pid, p, n, err);

    if (r < 0)
        err_wrap(err, "start scope '%s' in '%s'", s->unit, s->slice);
    return r;
}

static int update(struct manager *m, const char *unit, const struct scope_property *p, size_t n,
                  struct err *err)
{
    int r = manager_open(m, err);

    if (r < 0)
        return r;
    if ((r = new_call(m, "SetUnitProperties")) < 0 ||
        (r = m->lib->sd_bus_message_append(m->call, "sb", unit, 1)) < 0 ||
        (r = m->lib->sd_bus_message_open_container(m->call, 'a', "(sv)")) < 0 ||
        (r = append_properties(m, p, n)) < 0 ||
        (r = m->lib->sd_bus_message_close_container(m->call)) < 0 || (r = send_call(m)) < 0)
        return refused(m, r, err);
    return 0;
}

int cgroup_scope_update(const char *unit, const struct scope_property *p, size_t n, struct err *err)
{
    cleanup_call(manager_close) struct manager m = {0};
    int r = n ? update(&m, unit, p, n, err) : 0;

    if (r < 0)
        err_wrap(err, "update scope '%s'", unit);
    return r;
}

/* 1: the unit is owner's; 0: it is another's or there is none. */
static int is_owners(struct manager *m, const char *unit, const char *owner, struct err *err)
{
    cleanup_free char *want = description(owner), *have = NULL;
    const char *object;
    int r = m->lib->sd_bus_call_method(m->bus, DESTINATION, OBJECT, MANAGER, "GetUnit", &m->error,
                                       &m->unit, "s", unit);

    if (r >= 0 && (r = m->lib->sd_bus_message_read(m->unit, "o", &object)) >= 0)
        r = m->lib->sd_bus_get_property_string(m->bus, DESTINATION, object, DESTINATION ".Unit",
                                               "Description", &m->error, &have);
    if (r < 0)
        return is_gone(m) ? 0 : refused(m, r, err);
    return strcmp(want, have) == 0;
}

static int stop(struct manager *m, const char *unit, const char *owner, struct err *err)
{
    int r = manager_open(m, err);

    if (r < 0 || (r = is_owners(m, unit, owner, err)) <= 0)
        return r;
    r = m->lib->sd_bus_call_method(m->bus, DESTINATION, OBJECT, MANAGER, "StopUnit", &m->error,
                                   &m->reply, "ss", unit, "replace");
    if (r < 0)
        return is_gone(m) ? 0 : refused(m, r, err);
    return wait_job(m, err);
}

int cgroup_scope_stop(const char *unit, const char *owner, struct err *err)
{
    cleanup_call(manager_close) struct manager m = {0};
    int r = stop(&m, unit, owner, err);

    if (r < 0)
        err_wrap(err, "stop scope '%s'", unit);
    return r;
}
