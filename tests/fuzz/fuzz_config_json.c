/* SPDX-License-Identifier: Apache-2.0 */
/* link: av_plan av_oci av_proto */
/*
 * Any bytes as config.json, process and resources file: parsed without harm, and what parses either
 * becomes a plan that the agent's decoder takes, or a sentence.
 */
#include <stdlib.h>
#include "plan/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void plan_it(const struct oci_spec *spec)
{
    struct plan_input in = {.id = "c1", .arch = "x86_64", .vcpus = 2};
    struct plan_container c, back;
    struct plan_shares shares;
    struct wbuf w = {0};
    struct err err;

    if (plan_build(spec, &in, &c, &shares, &err) < 0) {
        if (!err.msg[0])
            abort();
        return;
    }
    plan_container_put(&w, &c);
    if (wbuf_ok(&w) && plan_container_get(wire_over(w.data, w.len), &back) == 0)
        plan_container_done(&back);
    wbuf_done(&w);
    plan_container_done(&c);
    plan_shares_done(&shares);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    struct oci_spec *spec;
    struct oci_process *process;
    struct oci_resources *resources;
    struct err err = ERR_INIT;

    if (oci_spec_parse(text, len, &spec, &err) == 0) {
        plan_it(spec);
        oci_spec_free(spec);
    } else if (!err.msg[0]) {
        abort();
    }
    if (oci_process_parse(text, len, &process, &err) == 0)
        oci_process_free(process);
    if (oci_resources_parse(text, len, &resources, &err) == 0)
        oci_resources_free(resources);
    return 0;
}
