/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs that are saved to be cloned, and their clones. A template is saved between HELLO and SETUP:
 * the guest has everything that all have and nothing that is one's own, no share, name, time or
 * entropy.
 */
#include <errno.h>
#include <string.h>
#include "base/fault.h"
#include "base/log.h"
#include "monitor/monitor.h"

#define SAVE_TIMEOUT_MS 30000

static int check_key(struct boot *b)
{
    if (strcmp(b->template_key, b->spec->template_key) == 0)
        return 0;
    return err_set_phase(&b->err, PHASE_VMM, ESTALE,
                         "the template in '%s' was saved as '%s', this VM would be '%s'",
                         b->spec->template_dir, b->spec->template_key, b->template_key);
}

int template_make_vm(struct boot *b, struct hvp_vm_spec *spec, uint32_t timeout_ms)
{
    const struct ipc_sandbox *s = b->spec;
    int r;

    if (s->template_use == IPC_TEMPLATE_NONE)
        return plugin_vm_create(b->plugin, spec, timeout_ms, &b->vm, &b->err);
    if ((r = plugin_template_key(b->plugin, spec, b->template_key, &b->err)) < 0)
        return r;
    if (s->template_use == IPC_TEMPLATE_BUILD) {
        spec->template_dir = s->template_dir;
        return plugin_vm_create(b->plugin, spec, timeout_ms, &b->vm, &b->err);
    }
    if ((r = check_key(b)) < 0 ||
        (r = plugin_vm_restore(b->plugin, spec, s->template_dir, timeout_ms, &b->vm, &b->err)) < 0)
        return r;
    log_info("the VM is a clone of the template in '%s'", s->template_dir);
    return 0;
}

static struct monitor *monitor_of(struct job *j)
{
    return (struct monitor *)((char *)j - offsetof(struct monitor, save_job));
}

static void save_run(struct job *j)
{
    struct monitor *m = monitor_of(j);

    m->save_err = (struct err)ERR_INIT;
    if (plugin_vm_pause(m->boot.vm, SAVE_TIMEOUT_MS, &m->save_err) == 0)
        (void)plugin_vm_save(m->boot.vm, m->spec.template_dir, SAVE_TIMEOUT_MS, &m->save_err);
}

static void save_done(struct job *j)
{
    struct monitor *m = monitor_of(j);

    if (m->phase == MON_ENDING)
        return;
    if (m->save_err.code) {
        sandbox_fail(m, &m->save_err);
        return;
    }
    reply_ok(m, &m->reply_sandbox, (const uint8_t *)m->boot.template_key,
             strlen(m->boot.template_key));
    teardown_begin(m);
}

void template_save(struct monitor *m)
{
    (void)fault_point("monitor.template-save");
    m->save_job = (struct job){.run = save_run, .done = save_done};
    worker_push(&m->worker, &m->save_job);
}
