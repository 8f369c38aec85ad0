/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_codec.h - the plan's tables that messages embed.
 * For message.c only.
 */
#ifndef PROTO_PLAN_CODEC_H
#define PROTO_PLAN_CODEC_H
#include "proto/codec.h"

extern const struct codec plan_process_codec, plan_cgroup_codec;

#endif
