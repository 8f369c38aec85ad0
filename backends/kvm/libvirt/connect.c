/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to libvirt's daemon, which may be restarted while domains run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lv.h"

#define URI_MAX 512
/* A daemon that says nothing for so long is as good as gone. */
#define KEEPALIVE_S 5
#define KEEPALIVE_N 4

static int open_connection(struct lv_call *c)
{
    unsigned long version;

    c->ret_conn = virConnectOpen(c->text);
    if (!c->ret_conn || virConnectGetLibVersion(c->ret_conn, &version) < 0)
        return -1;
    c->number = version;
    return virConnectSetKeepAlive(c->ret_conn, KEEPALIVE_S, KEEPALIVE_N) < 0 ? -1 : 0;
}

void lv_disconnect(struct lv_inst *in)
{
    if (!in->conn)
        return;
    virConnectClose(in->conn);
    in->conn = NULL;
    lv_loop_settle();
}

int lv_connect(struct lv_inst *in, const struct deadline *d, struct hvp_error *err)
{
    char uri[URI_MAX], what[URI_MAX + 32];
    struct lv_call *c;
    int r;

    if (in->conn && virConnectIsAlive(in->conn) == 1)
        return 0;
    lv_disconnect(in);
    if (lv_loop_start(err) < 0 || lv_config_uri(&in->config, uri, sizeof(uri), err) < 0)
        return err->code;
    c = lv_call_new(NULL, open_connection, err);
    if (!c)
        return err->code;
    c->text = strdup(uri);
    snprintf(what, sizeof(what), "connect to libvirt at '%.300s'", uri);
    r = c->text ? lv_call_run(c, d, what, err) : hvp_fail(err, ENOMEM, "out of memory");
    if (r == 0) {
        in->conn = c->ret_conn;
        c->ret_conn = NULL;
        in->version = (unsigned long)c->number;
    }
    lv_call_free(c);
    return r;
}

static int look_up(struct lv_call *c)
{
    c->ret_dom = virDomainLookupByUUIDString(c->conn, c->uuid);
    return c->ret_dom ? 0 : -1;
}

int lv_attach(struct lv_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    if (lv_connect(vm->inst, d, err) < 0)
        return err->code;
    if (vm->dom && virDomainGetConnect(vm->dom) == vm->inst->conn)
        return 0;
    lv_events_unwatch(vm);
    if (vm->dom)
        virDomainFree(vm->dom);
    vm->dom = NULL;
    if (lv_call_domain(vm, look_up, "", d, "find the VM's domain", err) < 0)
        return err->code;
    return lv_events_watch(vm, err);
}
