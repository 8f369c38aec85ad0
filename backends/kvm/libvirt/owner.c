/* SPDX-License-Identifier: Apache-2.0 */
/* Whose VM a domain is: libvirt's metadata and title of it, read and changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/util.h"
#include "lv.h"

#define TITLE_MAX 1100 /* an id has at most 1024 bytes */

char *lv_owner_read(virDomainPtr dom, const char *element)
{
    cleanup_free char *text =
        virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, LV_METADATA_URI, 0);
    char open[32], *start, *end;

    snprintf(open, sizeof(open), "<%s>", element);
    start = text ? strstr(text, open) : NULL;
    if (!start)
        return NULL;
    start += strlen(open);
    end = strchr(start, '<');
    if (!end || memchr(start, '&', (size_t)(end - start)))
        return NULL;
    return strndup(start, (size_t)(end - start));
}

static int set_title(struct lv_call *c)
{
    return virDomainSetMetadata(c->dom, VIR_DOMAIN_METADATA_TITLE, c->text, NULL, NULL,
                                VIR_DOMAIN_AFFECT_LIVE);
}

static int set_metadata(struct lv_call *c)
{
    return virDomainSetMetadata(c->dom, VIR_DOMAIN_METADATA_ELEMENT, c->text, LV_METADATA_KEY,
                                LV_METADATA_URI, VIR_DOMAIN_AFFECT_LIVE);
}

static int set(struct lv_vm *vm, int (*fn)(struct lv_call *c), const char *text,
               const struct deadline *d, struct hvp_error *err)
{
    static const char what[] = "tell libvirt whose the domain is";
    struct lv_call *c = lv_call_new(vm, fn, err);
    int r;

    if (!c)
        return err->code;
    c->text = strdup(text);
    r = c->text ? lv_call_run(c, d, what, err) : hvp_fail(err, ENOMEM, "%s: out of memory", what);
    lv_call_free(c);
    return r;
}

/* A running domain keeps its name. libvirt puts the element into our namespace by itself. */
int lv_vm_rename(void *p, const char *id, const struct hvp_kv *metadata, size_t n_metadata,
                 uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    const struct lv_owner owner = {id, vm->run_dir ? vm->run_dir : "", metadata, n_metadata};
    struct xml x = {0};
    char title[TITLE_MAX];
    int r;

    if ((size_t)snprintf(title, sizeof(title), LV_TITLE "%s", id) >= sizeof(title))
        return hvp_fail(err, ENAMETOOLONG, "'%.100s...': the id is too long", id);
    xml_open(&x, "sandbox");
    lv_sandbox_xml(&x, &owner);
    xml_close(&x);
    r = xml_failed(&x) ? hvp_fail(err, xml_failed(&x), "describe whose the VM is to libvirt")
                       : lv_attach(vm, &d, err);
    if (r == 0)
        r = set(vm, set_title, title, &d, err);
    if (r == 0)
        r = set(vm, set_metadata, x.text, &d, err);
    xml_done(&x);
    return r;
}
