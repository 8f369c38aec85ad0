/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - a configuration from text and a workload by hand, for the tests of this folder.
 */
#ifndef POLICY_RIG_H
#define POLICY_RIG_H
#include "test.h"
#include "policy/policy.h"

static inline struct config rig_config(const char *below_version)
{
    char *text = xasprintf("version: 1\n%s", below_version);
    struct config c = {0};
    struct err err = ERR_INIT;

    CHECK_OK(config_parse(text, strlen(text), "f.yaml", "/etc/av", &c, &err), err);
    free(text);
    return c;
}

static inline void rig_annotate(struct workload *w, const char *key, const char *value)
{
    kvs_add(&w->annotations, key, value);
}

#endif
