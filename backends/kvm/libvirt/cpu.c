/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's words for a processor, "max,-erms,avx2=on", in libvirt's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "domain.h"

/* host and max are QEMU's, libvirt has modes for them; every other name is a model to it. */
static void add_name(struct xml *x, const char *name)
{
    if (strcmp(name, "host") == 0 || strcmp(name, "max") == 0) {
        xml_attr(x, "mode", name[0] == 'h' ? "host-passthrough" : "maximum");
        return;
    }
    xml_attr(x, "mode", "custom");
    xml_attr(x, "match", "exact");
    xml_leaf(x, "model", name);
}

/* "-erms" and "erms=off" take a flag away, "+erms" and "erms=on" give it. */
static int add_flag(struct xml *x, char *word, struct hvp_error *err)
{
    char *value = strchr(word, '=');
    bool off = word[0] == '-' || (value && strcmp(value, "=off") == 0);
    bool on = word[0] == '+' || (value && strcmp(value, "=on") == 0);

    if (off == on)
        return hvp_fail(err, EINVAL,
                        "CPU: libvirt has no word for '%.60s': it takes flags, as -erms or avx2=on",
                        word);
    if (value)
        *value = '\0';
    xml_empty(x, "feature", "policy", off ? "disable" : "require", "name",
              word + strspn(word, "+-"), NULL);
    return 0;
}

int lv_cpu_xml(struct xml *x, const struct lv_domain *d, struct hvp_error *err)
{
    const char *text = d->spec->cpu_model[0] ? d->spec->cpu_model : d->config->kvm.cpu;
    char words[512], *save = NULL, *word;

    if (!text)
        text = d->accel == ACCEL_KVM ? d->machine->cpu_kvm : d->machine->cpu_tcg;
    if (snprintf(words, sizeof(words), "%s", text) >= (int)sizeof(words) ||
        !(word = strtok_r(words, ",", &save)))
        return hvp_fail(err, EINVAL, "CPU '%.60s': no name, or more than %zu characters", text,
                        sizeof(words) - 1);
    add_name(x, word);
    while ((word = strtok_r(NULL, ",", &save)))
        if (add_flag(x, word, err) < 0)
            return err->code;
    return 0;
}
