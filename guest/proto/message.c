/* SPDX-License-Identifier: Apache-2.0 */
/* The tables are the format: never change or reuse a tag, add new ones at the end. */
#include "proto/message.h"
#include "proto/codec.h"
#include "proto/plan_codec.h"

#include <errno.h>

static const struct codec_field hello_fields[] = {
    CODEC_F(1, U32, struct msg_hello, version), CODEC_F(2, U64, struct msg_hello, features),
    CODEC_F(3, U64, struct msg_hello, boot_ns), CODEC_F(4, STR, struct msg_hello, kernel),
    CODEC_F(5, STR, struct msg_hello, arch),    CODEC_F(6, STR, struct msg_hello, agent),
};
static const struct codec hello_codec = CODEC_OF(struct msg_hello, hello_fields, NULL);

static const struct codec_field setup_fields[] = {
    CODEC_F(1, U64, struct msg_setup, realtime_ns),
    CODEC_FN(2, BYTES, struct msg_setup, entropy, entropy_len),
    CODEC_F(3, STR, struct msg_setup, share_tag),
    CODEC_F(4, STR, struct msg_setup, share_options),
    CODEC_F(5, STR, struct msg_setup, share_dir),
    CODEC_F(6, STR, struct msg_setup, hostname),
    CODEC_F(7, LIST, struct msg_setup, modules),
};
static const struct codec setup_codec = CODEC_OF(struct msg_setup, setup_fields, NULL);

static int reply_check(const void *obj)
{
    return ((const struct msg_reply *)obj)->code < 0 ? -EPROTO : 0;
}

static const struct codec_field reply_fields[] = {
    CODEC_F(1, I32, struct msg_reply, code),
    CODEC_F(2, STR, struct msg_reply, text),
    CODEC_FN(3, BYTES, struct msg_reply, body, body_len),
};
static const struct codec reply_codec = CODEC_OF(struct msg_reply, reply_fields, reply_check);

static const struct codec_field exec_fields[] = {
    CODEC_F(1, STR, struct msg_exec, container),
    CODEC_FSUB(2, struct msg_exec, process, &plan_process_codec),
    CODEC_FSUB(3, struct msg_exec, cgroup, &plan_cgroup_codec),
};
static const struct codec exec_codec = CODEC_OF(struct msg_exec, exec_fields, NULL);

static int exited_check(const void *obj)
{
    int32_t status = ((const struct msg_exited *)obj)->status;

    return status < -64 || status > 255 ? -EPROTO : 0;
}

static const struct codec_field exited_fields[] = {
    CODEC_F(1, I32, struct msg_exited, status),
    CODEC_F(2, U32, struct msg_exited, oom),
    CODEC_F(3, U64, struct msg_exited, left_stdout),
    CODEC_F(4, U64, struct msg_exited, left_stderr),
};
static const struct codec exited_codec = CODEC_OF(struct msg_exited, exited_fields, exited_check);

static const struct codec_field oom_fields[] = {
    CODEC_F(1, U32, struct msg_oom, where),
    CODEC_F(2, U64, struct msg_oom, limit),
};
static const struct codec oom_codec = CODEC_OF(struct msg_oom, oom_fields, NULL);

static int signal_check(const void *obj)
{
    return ((const struct msg_signal *)obj)->signo > 64 ? -EPROTO : 0;
}

static const struct codec_field signal_fields[] = {
    CODEC_F(1, U32, struct msg_signal, signo),
    CODEC_F(2, U32, struct msg_signal, all),
};
static const struct codec signal_codec = CODEC_OF(struct msg_signal, signal_fields, signal_check);

static const struct codec_field resize_fields[] = {
    CODEC_F(1, U32, struct msg_resize, rows),
    CODEC_F(2, U32, struct msg_resize, cols),
};
static const struct codec resize_codec = CODEC_OF(struct msg_resize, resize_fields, NULL);

static int connect_check(const void *obj)
{
    uint32_t port = ((const struct msg_connect *)obj)->port;

    return port < 1 || port > UINT16_MAX ? -EPROTO : 0;
}

static const struct codec_field connect_fields[] = {
    CODEC_F(1, U32, struct msg_connect, port),
};
static const struct codec connect_codec =
    CODEC_OF(struct msg_connect, connect_fields, connect_check);

static const struct codec_field resolver_fields[] = {
    CODEC_F(1, U32, struct msg_resolver, address),
};
static const struct codec resolver_codec = CODEC_OF(struct msg_resolver, resolver_fields, NULL);

static const struct codec_field clock_fields[] = {
    CODEC_F(1, I64, struct msg_clock, shift_ns),
    CODEC_F(2, U64, struct msg_clock, realtime_ns),
};
static const struct codec clock_codec = CODEC_OF(struct msg_clock, clock_fields, NULL);

static const struct codec_field cpus_fields[] = {
    CODEC_F(1, U32, struct msg_cpus, count),
};
static const struct codec cpus_codec = CODEC_OF(struct msg_cpus, cpus_fields, NULL);

static const struct codec_field stats_fields[] = {
    CODEC_F(1, U64, struct msg_stats, cpu_usage_us),
    CODEC_F(2, U64, struct msg_stats, cpu_user_us),
    CODEC_F(3, U64, struct msg_stats, cpu_system_us),
    CODEC_F(4, U64, struct msg_stats, cpu_periods),
    CODEC_F(5, U64, struct msg_stats, cpu_throttled),
    CODEC_F(6, U64, struct msg_stats, cpu_throttled_us),
    CODEC_F(7, U64, struct msg_stats, mem_usage),
    CODEC_F(8, U64, struct msg_stats, mem_peak),
    CODEC_F(9, U64, struct msg_stats, mem_limit),
    CODEC_F(10, U64, struct msg_stats, mem_anon),
    CODEC_F(11, U64, struct msg_stats, mem_file),
    CODEC_F(12, U64, struct msg_stats, mem_kernel),
    CODEC_F(13, U64, struct msg_stats, mem_inactive_file),
    CODEC_F(14, U64, struct msg_stats, mem_pgfault),
    CODEC_F(15, U64, struct msg_stats, mem_pgmajfault),
    CODEC_F(16, U64, struct msg_stats, mem_oom_kills),
    CODEC_F(17, U64, struct msg_stats, swap_usage),
    CODEC_F(18, U64, struct msg_stats, swap_limit),
    CODEC_F(19, U64, struct msg_stats, pids),
    CODEC_F(20, U64, struct msg_stats, pids_limit),
    CODEC_F(21, U64, struct msg_stats, io_read_bytes),
    CODEC_F(22, U64, struct msg_stats, io_write_bytes),
    CODEC_F(23, U64, struct msg_stats, io_reads),
    CODEC_F(24, U64, struct msg_stats, io_writes),
};
static const struct codec stats_codec = CODEC_OF(struct msg_stats, stats_fields, NULL);

static const struct codec_field ps_row_fields[] = {
    CODEC_F(1, U32, struct msg_ps_row, pid),      CODEC_F(2, U32, struct msg_ps_row, ppid),
    CODEC_F(3, U32, struct msg_ps_row, uid),      CODEC_F(4, U32, struct msg_ps_row, proc_id),
    CODEC_F(5, U64, struct msg_ps_row, start_ms), CODEC_F(6, U64, struct msg_ps_row, cpu_ms),
    CODEC_F(7, STR, struct msg_ps_row, tty),      CODEC_F(8, STR, struct msg_ps_row, cmd),
};
static const struct codec ps_row_codec = CODEC_OF(struct msg_ps_row, ps_row_fields, NULL);

static const struct codec_field ps_fields[] = {
    CODEC_FSUBS(1, struct msg_ps, rows, n, &ps_row_codec),
};
static const struct codec ps_codec = CODEC_OF(struct msg_ps, ps_fields, NULL);

void msg_hello_put(struct wbuf *w, const struct msg_hello *m)
{
    codec_put(w, &hello_codec, m);
}

int msg_hello_get(struct wire body, struct msg_hello *ret)
{
    return codec_get(body, &hello_codec, ret);
}

void msg_hello_done(struct msg_hello *m)
{
    codec_done(&hello_codec, m);
}

void msg_setup_put(struct wbuf *w, const struct msg_setup *m)
{
    codec_put(w, &setup_codec, m);
}

int msg_setup_get(struct wire body, struct msg_setup *ret)
{
    return codec_get(body, &setup_codec, ret);
}

void msg_setup_done(struct msg_setup *m)
{
    codec_done(&setup_codec, m);
}

void msg_reply_put(struct wbuf *w, const struct msg_reply *m)
{
    codec_put(w, &reply_codec, m);
}

int msg_reply_get(struct wire body, struct msg_reply *ret)
{
    return codec_get(body, &reply_codec, ret);
}

void msg_reply_done(struct msg_reply *m)
{
    codec_done(&reply_codec, m);
}

void msg_exec_put(struct wbuf *w, const struct msg_exec *m)
{
    codec_put(w, &exec_codec, m);
}

int msg_exec_get(struct wire body, struct msg_exec *ret)
{
    return codec_get(body, &exec_codec, ret);
}

void msg_exec_done(struct msg_exec *m)
{
    codec_done(&exec_codec, m);
}

void msg_exited_put(struct wbuf *w, const struct msg_exited *m)
{
    codec_put(w, &exited_codec, m);
}

int msg_exited_get(struct wire body, struct msg_exited *ret)
{
    return codec_get(body, &exited_codec, ret);
}

void msg_oom_put(struct wbuf *w, const struct msg_oom *m)
{
    codec_put(w, &oom_codec, m);
}

int msg_oom_get(struct wire body, struct msg_oom *ret)
{
    return codec_get(body, &oom_codec, ret);
}

void msg_signal_put(struct wbuf *w, const struct msg_signal *m)
{
    codec_put(w, &signal_codec, m);
}

int msg_signal_get(struct wire body, struct msg_signal *ret)
{
    return codec_get(body, &signal_codec, ret);
}

void msg_resize_put(struct wbuf *w, const struct msg_resize *m)
{
    codec_put(w, &resize_codec, m);
}

int msg_resize_get(struct wire body, struct msg_resize *ret)
{
    return codec_get(body, &resize_codec, ret);
}

void msg_connect_put(struct wbuf *w, const struct msg_connect *m)
{
    codec_put(w, &connect_codec, m);
}

int msg_connect_get(struct wire body, struct msg_connect *ret)
{
    return codec_get(body, &connect_codec, ret);
}

void msg_resolver_put(struct wbuf *w, const struct msg_resolver *m)
{
    codec_put(w, &resolver_codec, m);
}

int msg_resolver_get(struct wire body, struct msg_resolver *ret)
{
    return codec_get(body, &resolver_codec, ret);
}

void msg_clock_put(struct wbuf *w, const struct msg_clock *m)
{
    codec_put(w, &clock_codec, m);
}

int msg_clock_get(struct wire body, struct msg_clock *ret)
{
    return codec_get(body, &clock_codec, ret);
}

void msg_cpus_put(struct wbuf *w, const struct msg_cpus *m)
{
    codec_put(w, &cpus_codec, m);
}

int msg_cpus_get(struct wire body, struct msg_cpus *ret)
{
    return codec_get(body, &cpus_codec, ret);
}

void msg_stats_put(struct wbuf *w, const struct msg_stats *m)
{
    codec_put(w, &stats_codec, m);
}

int msg_stats_get(struct wire body, struct msg_stats *ret)
{
    return codec_get(body, &stats_codec, ret);
}

void msg_ps_put(struct wbuf *w, const struct msg_ps *m)
{
    codec_put(w, &ps_codec, m);
}

int msg_ps_get(struct wire body, struct msg_ps *ret)
{
    return codec_get(body, &ps_codec, ret);
}

void msg_ps_done(struct msg_ps *m)
{
    codec_done(&ps_codec, m);
}
