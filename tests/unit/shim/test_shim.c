/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "shim.pb-c.h"
#include "shim/job.h"
#include "shim/logger.h"
#include "shim/message.h"
#include "shim/relay.h"
#include "shim/shim.h"
#include "test.h"

TEST(the_last_error_of_a_log_is_the_answer)
{
    static const struct {
        const char *log, *want;
    } t[] = {
        {"", NULL},
        {"info: x\n", NULL},
        {"error: one\nwarning: w\nerror: two\n", "two"},
        {"error: boot failed\n  last lines:\n  panic\ninfo: x\n",
         "boot failed\n  last lines:\n  panic"},
        {"error: no line end", "no line end"},
        {"info: an error: no\n", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *got = job_last_error(t[i].log);

        CHECK_STR_EQ(got, t[i].want);
    }
}

TEST(bytes_that_are_no_utf8_do_not_reach_a_strict_reader)
{
    static const struct {
        const char *text, *want;
    } t[] = {
        {"plain", "plain"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
        {"cut \xe2\x82", "cut ??"},
        {"\xff\xfe", "??"},
        {"\xc0\x80 \xed\xa0\x80 \xe0\x80\x80", "?? ??? ???"},
        {"\xf5\x80\x80\x80", "????"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xstrdup(t[i].text);

        message_tame(text);
        CHECK_STR_EQ(text, t[i].want);
    }
}

static void settings_of(const char *type, const ProtobufCMessage *options, struct settings *ret)
{
    struct err err = ERR_INIT;
    struct packed p = message_pack(options);
    Pb__Any any = PB__ANY__INIT;

    any.type_url = (char *)type;
    any.value.data = p.data;
    any.value.len = p.len;
    CHECK_OK(settings_from(&any.base, "ns", ret, &err), err);
    free(p.data);
}

TEST(options_of_runcs_shim_are_understood)
{
    Pb__RuncOptions runc = PB__RUNC_OPTIONS__INIT;
    struct settings o;

    runc.root = (char *)"/r";
    runc.systemd_cgroup = 1;
    settings_of("containerd.runc.v1.Options", &runc.base, &o);
    CHECK_STR_EQ(o.root, "/r/ns");
    CHECK_STR_EQ(o.config, NULL);
    CHECK(o.systemd_cgroup);
    settings_done(&o);
}

TEST(options_in_general_name_a_configuration)
{
    Pb__RuntimeOptions general = PB__RUNTIME_OPTIONS__INIT;
    struct settings o;

    unsetenv("ANYVISOR_ROOT");
    general.config_path = (char *)"/etc/other.yaml";
    settings_of("type.googleapis.com/runtimeoptions.v1.Options", &general.base, &o);
    CHECK_STR_EQ(o.root, "/run/containerd/anyvisor/ns");
    CHECK_STR_EQ(o.config, "/etc/other.yaml");
    CHECK(!o.systemd_cgroup);
    settings_done(&o);
}

TEST(options_of_others_are_refused)
{
    struct err err = ERR_INIT;
    struct settings o;
    uint8_t byte = 0;
    Pb__Any any = PB__ANY__INIT;

    any.type_url = (char *)"somebody.else.Options";
    any.value.data = &byte;
    any.value.len = 1;
    CHECK_ERR(settings_from(&any.base, "ns", &o, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "somebody.else.Options");
}

static char *scratch(void)
{
    char name[] = "/tmp/av-unit-shim.XXXXXX";

    CHECK(mkdtemp(name) != NULL);
    return xstrdup(name);
}

TEST(delete_finds_the_settings_of_create)
{
    struct settings saved = {.root = (char *)"/r/ns", .config = (char *)"/c", .systemd_cgroup = 1};
    cleanup_free char *dir = scratch();
    struct err err = ERR_INIT;
    struct settings o;

    CHECK_OK(settings_save(&saved, dir, &err), err);
    settings_load(dir, "other", &o);
    CHECK_OK(path_remove_tree(AT_FDCWD, dir, &err), err);
    CHECK_STR_EQ(o.root, "/r/ns");
    CHECK_STR_EQ(o.config, "/c");
    CHECK(o.systemd_cgroup);
    settings_done(&o);
    unsetenv("ANYVISOR_ROOT");
    settings_load(dir, "ns", &o);
    CHECK_STR_EQ(o.root, "/run/containerd/anyvisor/ns");
    settings_done(&o);
    saved.root = (char *)"/r\n/x";
    CHECK_ERR(settings_save(&saved, dir, &err), -EINVAL);
}

TEST(a_pod_has_one_socket)
{
    const struct shim_args a = {.ns = "k8s.io", .id = "a", .address = "/run/c.sock"};
    const struct shim_args b = {.ns = "k8s.io", .id = "b", .address = "/run/c.sock"};
    const struct shim_args other = {.ns = "moby", .id = "b", .address = "/run/c.sock"};
    cleanup_free char *p = shim_socket_path(&a, "pod");
    cleanup_free char *q = shim_socket_path(&b, "pod");
    cleanup_free char *r = shim_socket_path(&other, "pod");

    CHECK_STR_EQ(p, q);
    CHECK(strcmp(p, r) != 0);
    CHECK(strlen(p) < 100);
}

static char *words_of(const char *uri)
{
    struct strv words = {0};
    struct err err = ERR_INIT;
    char *text = NULL;

    if (logger_words(uri, &words, &err) < 0)
        text = xstrdup(err.msg);
    for (size_t i = 0; i < words.n && !err.code; i++) {
        char *longer = xasprintf("%s%s[%s]", text ? text : "", i ? " " : "", words.v[i]);

        free(text);
        text = longer;
    }
    strv_done(&words);
    return text;
}

TEST(a_log_uri_names_a_program_and_its_arguments)
{
    static const struct {
        const char *uri, *want;
    } t[] = {
        {"binary:///usr/bin/log", "[/usr/bin/log]"},
        {"binary:///bin/l?_KEY=%2Fvar%2Flog&flag", "[/bin/l] [_KEY] [/var/log] [flag]"},
        {"binary:/bin/a%20b?x=", "[/bin/a b] [x]"},
        {"binary://bin/log", "log URI 'binary://bin/log': expected binary:///PROGRAM?KEY=VALUE"},
        {"binary:///bin/l?a=%4",
         "log URI 'binary:///bin/l?a=%4': expected binary:///PROGRAM?KEY=VALUE"},
        {"binary:///bin/l%00",
         "log URI 'binary:///bin/l%00': expected binary:///PROGRAM?KEY=VALUE"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *got = words_of(t[i].uri);

        CHECK_STR_EQ(got, t[i].want);
    }
}

TEST(many_layers_become_relative_to_their_folder)
{
    static const struct {
        const char *data, *folder, *want;
    } t[] = {
        {"lowerdir=/s/12/fs:/s/3/fs,upperdir=/s/13/fs,workdir=/s/13/work", "/s/",
         "lowerdir=12/fs:3/fs,upperdir=/s/13/fs,workdir=/s/13/work"},
        {"index=off,lowerdir=/s/12/fs:/other/3/fs", "/s/", "index=off,lowerdir=12/fs:/other/3/fs"},
        {"size=1m", NULL, NULL},
        {"lowerdir=here", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *folder = NULL;
        cleanup_free char *got = rootfs_shorten(t[i].data, &folder);

        CHECK_STR_EQ(got, t[i].want);
        CHECK_STR_EQ(folder, t[i].folder);
    }
}

static void no_sweep(void *ctx)
{
    (void)ctx;
}

static void drain_until(struct shim *s, const bool *dead, int fd, size_t *ret_got)
{
    char buf[3000];
    ssize_t n;

    while (!*dead) {
        struct epoll_event e;
        struct loop_source *source;

        while ((n = read(fd, buf, sizeof(buf))) > 0)
            *ret_got += (size_t)n;
        if (*dead)
            break;
        CHECK(epoll_wait(s->loop.epoll, &e, 1, 5000) == 1);
        source = e.data.ptr;
        source->fn(source->ctx, e.events);
    }
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        *ret_got += (size_t)n;
}

/* CloseIO comes while the reader is behind: everything that was written arrives, then the end. */
TEST(a_finished_relay_loses_nothing)
{
    static char data[60000];
    int in[2], out[2];
    struct shim s = {0};
    struct err err = ERR_INIT;
    struct relay *r;
    size_t got = 0;

    CHECK_OK(loop_init(&s.loop, no_sweep, NULL, &err), err);
    CHECK_INT_EQ(pipe2(in, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_INT_EQ(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK(fcntl(out[1], F_SETPIPE_SZ, 4096) > 0);
    r = relay_start(&s, in[0], out[1]);
    CHECK_INT_EQ(write(in[1], data, sizeof(data)), sizeof(data));
    relay_finish(r);
    CHECK(!r->dead);
    drain_until(&s, &r->dead, out[0], &got);
    CHECK_U64_EQ(got, sizeof(data));
    CHECK_INT_EQ(read(out[0], data, 1), 0);
    free(r);
    close(in[1]);
    close(out[0]);
    close(s.loop.epoll);
}

TEST(a_relay_without_a_reader_ends)
{
    int in[2], out[2];
    struct shim s = {0};
    struct err err = ERR_INIT;
    struct relay *r;

    CHECK_OK(loop_init(&s.loop, no_sweep, NULL, &err), err);
    CHECK_INT_EQ(pipe2(in, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_INT_EQ(pipe2(out, O_NONBLOCK | O_CLOEXEC), 0);
    signal(SIGPIPE, SIG_IGN);
    r = relay_start(&s, in[0], out[1]);
    close(out[0]);
    CHECK_INT_EQ(write(in[1], "x", 1), 1);
    relay_finish(r);
    CHECK(r->dead);
    free(r);
    close(in[1]);
    close(s.loop.epoll);
}
