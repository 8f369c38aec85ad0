/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords of disks. libvirt keeps them as secrets, here ephemeral (never on a disk) and private
 * (never told to a client); they are named after VM and disk, and removed with them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/util.h"
#include "kvm/disk.h"
#include "lv.h"

static void describe(struct xml *x, const struct hvp_disk *k, const char *usage)
{
    bool ceph = k->protocol == HVP_PROTO_RBD;

    xml_open(x, "secret");
    xml_attr(x, "ephemeral", "yes");
    xml_attr(x, "private", "yes");
    xml_open(x, "usage");
    xml_attr(x, "type", ceph ? "ceph" : "iscsi");
    xml_leaf(x, ceph ? "name" : "target", usage);
    xml_close(x);
    xml_close(x);
}

/* Ceph's key is base64 in its file, and libvirt wants the bytes. */
static int decode(const char *text, size_t n, unsigned char *out, size_t *ret)
{
    uint32_t bits = 0;
    size_t len = 0, used = 0;

    for (size_t i = 0; i < n && text[i] != '='; i++) {
        static const char digits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = text[i] ? strchr(digits, text[i]) : NULL;

        if (!at)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)(at - digits);
        if ((used += 6) >= 8) {
            used -= 8;
            out[len++] = (unsigned char)(bits >> used);
        }
    }
    *ret = len;
    return 0;
}

static int set_value(virSecretPtr secret, const struct hvp_disk *k, struct hvp_error *err)
{
    cleanup_close int fd = -1;
    char text[DISK_SECRET_MAX];
    unsigned char bytes[DISK_SECRET_MAX];
    ssize_t n;
    size_t len = 0;
    int r = 0;

    if (disk_secret_open(k, &fd, err) < 0)
        return err->code;
    n = pread(fd, text, sizeof(text), 0);
    if (n < 0)
        return hvp_fail(err, errno, "disk '%s': read its secret: %m", k->d.tag);
    if (k->protocol != HVP_PROTO_RBD)
        memcpy(bytes, text, len = (size_t)n);
    else if (decode(text, (size_t)n, bytes, &len) < 0)
        r = hvp_fail(err, EINVAL, "disk '%s': the secret file holds no key of Ceph (base64)",
                     k->d.tag);
    if (r == 0 && virSecretSetValue(secret, bytes, len, 0) < 0)
        r = lv_fail(err, "give a disk's secret to libvirt");
    explicit_bzero(text, sizeof(text));
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

int lv_secret_make(struct lv_vm *vm, const struct hvp_disk *k, struct hvp_error *err)
{
    char usage[HVP_TAG_MAX + 64];
    virSecretPtr secret;
    struct xml x = {0};
    int r;

    if (!k->secret_file)
        return 0;
    lv_secret_usage(vm->uuid, k->d.tag, usage, sizeof(usage));
    describe(&x, k, usage);
    secret = xml_failed(&x) ? NULL : virSecretDefineXML(vm->inst->conn, x.text, 0);
    xml_done(&x);
    if (!secret)
        return lv_fail(err, "make a secret of libvirt for a disk");
    r = set_value(secret, k, err);
    if (r < 0)
        (void)virSecretUndefine(secret);
    virSecretFree(secret);
    return r;
}

/* Of a VM that is gone nothing may stay; a daemon that is away has forgotten them by itself. */
void lv_secrets_remove(struct lv_vm *vm, const char *tag)
{
    char prefix[HVP_TAG_MAX + 64];
    virSecretPtr *all = NULL;
    int n;

    if (!vm->inst->conn)
        return;
    lv_secret_usage(vm->uuid, tag ? tag : "", prefix, sizeof(prefix));
    n = virConnectListAllSecrets(vm->inst->conn, &all, VIR_CONNECT_LIST_SECRETS_EPHEMERAL);
    for (int i = 0; i < n; i++) {
        const char *usage = virSecretGetUsageID(all[i]);

        if (usage &&
            (tag ? strcmp(usage, prefix) == 0 : strncmp(usage, prefix, strlen(prefix)) == 0))
            (void)virSecretUndefine(all[i]);
        virSecretFree(all[i]);
    }
    free(all);
}
