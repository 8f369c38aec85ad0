/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions that cannot become a VM: each is refused with a sentence and leaves nothing. */
#include <errno.h>
#include "kit/internal.h"

#define NOWHERE "/nonexistent/of-the-conformance-kit"

/* code 0: any will do. */
static void refused(struct kit *k, const struct kit_vm_wish *wish, int code, const char *what)
{
    struct kit_mark before;
    struct kit_vm vm;
    int r;

    kit_mark(&before);
    r = kit_build(k, wish, &vm);
    if (code)
        kit_errno(k, r, code, what);
    else
        kit_refused(k, r, what);
    if (r < 0 && vm.vm)
        kit_that(k, false, what, "it failed, but wrote a handle");
    if (r == 0)
        kit_drop(k, &vm);
    kit_check_mark(k, &before, what);
    kit_check_files(k, &vm);
}

static void bad_words(struct kit *k)
{
    static const struct hvp_kv option = {"no_such_option", "1"};
    const struct kit_vm_wish unknown = {.options = &option, .no_nic = true};
    const struct kit_vm_wish kernel = {.kernel = NOWHERE, .no_nic = true};
    const struct kit_vm_wish machine = {.machine = "no-such-machine", .no_nic = true};

    refused(k, &unknown, EINVAL, "an unknown option of a VM is refused");
    if (k->kernel_less)
        return;
    refused(k, &kernel, 0, "a kernel that is not there is refused");
    refused(k, &machine, 0, "a machine that nobody knows is refused");
}

/* What vm_create would refuse is refused before there is a VM, if the plug-in says that it can. */
static void bad_words_early(struct kit *k)
{
    static const struct hvp_kv option = {"no_such_option", "1"};
    struct hvp_vm_spec spec = {.struct_size = sizeof(spec), .machine = "", .cpu_model = ""};

    if (!k->ops->vm_words)
        return;
    spec.id = spec.uuid = spec.kernel = spec.initrd = spec.cmdline = "";
    spec.run_dir = spec.console_log = spec.template_dir = "";
    kit_ok(k, KIT_CALL(k, vm_words, k->inst, &spec), "vm_words takes a VM without words");
    spec.options = &option;
    spec.n_options = 1;
    kit_errno(k, KIT_CALL(k, vm_words, k->inst, &spec), EINVAL,
              "vm_words refuses an unknown option");
    spec.n_options = 0;
    spec.machine = "no-such-machine";
    if (!k->kernel_less)
        kit_refused(k, KIT_CALL(k, vm_words, k->inst, &spec),
                    "vm_words refuses a machine that nobody knows");
}

static void bad_share(struct kit *k)
{
    static const struct hvp_kv option = {"no_such_option", "1"};
    struct hvp_share share = kit_share(k);
    const struct kit_vm_wish wish = {.share = &share, .no_nic = true};

    if (!(k->caps.coldplug & 1u << HVP_DEV_SHARE))
        return;
    share.dir = NOWHERE;
    refused(k, &wish, 0, "a shared directory that is not there is refused");
    share.dir = k->share;
    share.options = &option;
    share.n_options = 1;
    refused(k, &wish, EINVAL, "an unknown option of a share is refused");
}

static void bad_disk(struct kit *k)
{
    struct hvp_disk disk = {.d = {.struct_size = sizeof(disk), .kind = HVP_DEV_DISK, .tag = "bad"},
                            .protocol = HVP_PROTO_FILE,
                            .format = HVP_FORMAT_RAW,
                            .path = NOWHERE};
    const struct kit_vm_wish wish = {.more = &disk.d, .no_nic = true};

    if (!(k->caps.coldplug & 1u << HVP_DEV_DISK))
        return;
    if (k->caps.disk_protocols & 1u << HVP_PROTO_FILE)
        refused(k, &wish, 0, "a disk's image that is not there is refused");
    if (!(k->caps.disk_protocols & 1u << HVP_PROTO_NBD))
        return;
    disk.protocol = HVP_PROTO_NBD;
    disk.path = "";
    refused(k, &wish, 0, "an NBD disk without a server is refused");
}

static void bad_tap(struct kit *k)
{
    static const int none = -1;
    const struct hvp_nic nic = kit_nic("bad", &none, 9, 0);
    const struct kit_vm_wish wish = {.more = &nic.d, .no_nic = true};

    if (k->caps.coldplug & 1u << HVP_DEV_NIC && kit_has(k, HVP_CAP_NIC_FD))
        refused(k, &wish, 0, "a tap that is no descriptor is refused");
}

void kit_check_bad(struct kit *k)
{
    k->area = "refusals";
    bad_words(k);
    bad_words_early(k);
    bad_share(k);
    bad_disk(k);
    bad_tap(k);
}
