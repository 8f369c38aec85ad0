/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network/ovs.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/tool.h"
#include "net/net.h"

#define PROGRAM "ovs-vsctl"

/* It limits its time by itself. */
static int run(const struct strv *argv, struct err *err)
{
    static const char *const names[] = {PROGRAM, NULL};
    const struct tool t = {
        .names = names,
        .argv = (const char *const *)argv->v,
        .package = "openvswitch-switch",
    };

    return tool_run(&t, err);
}

static void begin(struct strv *argv)
{
    strv_add(argv, PROGRAM);
    strv_add(argv, "--timeout=10");
}

int ovs_add_port(const char *bridge, const char *tap, const uint8_t mac[6], const char *port,
                 struct err *err)
{
    static const char *const words[] = {"--", "--may-exist", "add-port"};
    cleanup_call(strv_done) struct strv argv = {0};
    int r;

    begin(&argv);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strv_add(&argv, words[i]);
    strv_add(&argv, bridge);
    strv_add(&argv, tap);
    strv_add(&argv, "--");
    strv_add(&argv, "set");
    strv_add(&argv, "interface");
    strv_add(&argv, tap);
    strv_add(&argv, "external_ids:iface-status=active");
    strv_addf(&argv, "external_ids:attached-mac=\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1],
              mac[2], mac[3], mac[4], mac[5]);
    if (*port)
        strv_addf(&argv, "external_ids:iface-id=\"%s\"", port);
    r = run(&argv, err);
    if (r == 0)
        return 0;
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "make '%s' a port of bridge '%s'", tap, bridge);
}

int ovs_remove_ports(const char *owner, struct err *err)
{
    cleanup_call(strv_done) struct strv argv = {0};
    char tap[NET_NAME_MAX + 1];

    begin(&argv);
    for (unsigned i = 0; i < NET_NICS_MAX; i++) {
        net_bridge_tap(owner, i, tap);
        strv_add(&argv, "--");
        strv_add(&argv, "--if-exists");
        strv_add(&argv, "del-port");
        strv_add(&argv, tap);
    }
    return run(&argv, err) < 0 ? err_wrap(err, "remove the VM's ports of Open vSwitch") : 0;
}
