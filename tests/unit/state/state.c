/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "state/state.h"

static char root[64];

static void new_root(void)
{
    snprintf(root, sizeof(root), "/tmp/anyvisor-state-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
}

static void drop_root(void)
{
    (void)path_remove_tree(AT_FDCWD, root, NULL);
}

static struct state_dir make(const char *id)
{
    struct state_dir d = {-1, NULL};
    struct err err = ERR_INIT;

    CHECK_OK(state_dir_create(root, id, &d, &err), err);
    return d;
}

static void put_state_json(struct state_dir *d, const char *text)
{
    struct err err = ERR_INIT;

    CHECK_OK(path_replace(d->fd, "state.json", text, strlen(text), 0600, &err), err);
}

TEST(what_is_written_is_read_back)
{
    struct err err = ERR_INIT;
    struct state s = {0}, back = {0};
    struct state_dir d;

    new_root();
    d = make("c1");
    s.id = xstrdup("c1");
    s.bundle = xstrdup("/b \"quoted\"\n");
    s.sandbox = xstrdup("c1");
    s.proxy = (struct proc_id){42, UINT64_MAX};
    s.terminal = 1;
    s.memory_limit = 1;
    s.cpu_limit = 1500;
    s.vm_vcpus_max = 6;
    s.vm_memory = 2;
    s.vm_memory_max = UINT64_MAX;
    s.vm_reserve = 4;
    s.vm_overhead = 5;
    kvs_add(&s.annotations, "a/b", "\xc3\xa4");
    strv_add(&s.cgroups, "/sys/fs/cgroup/x");
    CHECK_OK(state_write(&d, &s, &err), err);
    CHECK_OK(state_read(&d, &back, &err), err);
    CHECK_STR_EQ(back.bundle, s.bundle);
    CHECK_STR_EQ(back.cgroups.v[0], "/sys/fs/cgroup/x");
    CHECK_STR_EQ(kvs_get(&back.annotations, "a/b"), "\xc3\xa4");
    CHECK_INT_EQ(back.proxy.pid, 42);
    CHECK_U64_EQ(back.proxy.start_time, UINT64_MAX);
    CHECK_INT_EQ(back.terminal, 1);
    CHECK_U64_EQ(back.memory_limit, 1);
    CHECK_U64_EQ(back.cpu_limit, 1500);
    CHECK_U64_EQ(back.vm_vcpus_max, 6);
    CHECK_U64_EQ(back.vm_memory, 2);
    CHECK_U64_EQ(back.vm_memory_max, UINT64_MAX);
    CHECK_U64_EQ(back.vm_reserve, 4);
    CHECK_U64_EQ(back.vm_overhead, 5);
    CHECK(back.run_dir == NULL);
    state_done(&s);
    state_done(&back);
    state_dir_close(&d);
    drop_root();
}

TEST(hostile_state_files_are_refused_with_a_sentence)
{
    static const char *const files[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"id\":1,\"bundle\":\"/b\"}",
        "{\"id\":\"a\"}",
        "{\"id\":\"a\\u0000b\",\"bundle\":\"/b\"}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"proxy\":{\"pid\":-1,\"startTime\":0}}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"proxy\":{\"pid\":4294967297,\"startTime\":0}}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"proxy\":7}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"cgroups\":[1]}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"cgroups\":{}}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"annotations\":[]}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"annotations\":{\"k\":{}}}",
        "{\"id\":\"a\",\"bundle\":\"/b\",\"x\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}",
    };
    struct state_dir d;

    new_root();
    d = make("c1");
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct err err = ERR_INIT;
        struct state s = {0};

        put_state_json(&d, files[i]);
        if (state_read(&d, &s, &err) != -EINVAL)
            TEST_FAIL("accepted: %s", files[i]);
        CHECK(err.msg[0] != '\0');
        CHECK(s.id == NULL);
    }
    state_dir_close(&d);
    drop_root();
}

TEST(an_id_is_taken_once_and_free_again_after_removal)
{
    struct err err = ERR_INIT;
    struct state_dir d, again = {-1, NULL};

    new_root();
    d = make("c1");
    CHECK_ERR(state_dir_create(root, "c1", &again, &err), -EEXIST);
    CHECK_STR_EQ(err.msg, "container with id 'c1' already exists");
    CHECK_OK(state_dir_remove(root, "c1", &err), err);
    CHECK_OK(state_dir_remove(root, "c1", &err), err);
    CHECK_ERR(state_dir_open(root, "c1", &again, &err), -ENOENT);
    CHECK_STR_EQ(err.msg, "container 'c1' does not exist");
    state_dir_close(&d);
    drop_root();
}

static pthread_barrier_t begun;

/* As a monitor does: a few times, then it has ended. */
static void *write_statuses(void *arg)
{
    const struct state_dir *d = arg;

    pthread_barrier_wait(&begun);
    for (int n = 0; n < 6; n++)
        if (state_status_write(d->fd, STATE_STOPPED, n, NULL) < 0)
            break;
    return NULL;
}

TEST(a_directory_into_which_a_monitor_still_writes_is_removed)
{
    new_root();
    pthread_barrier_init(&begun, NULL, 2);
    for (int round = 0; round < 1000; round++) {
        struct state_dir d = make("c1");
        struct err err = ERR_INIT;
        pthread_t writer;

        CHECK(pthread_create(&writer, NULL, write_statuses, &d) == 0);
        pthread_barrier_wait(&begun);
        CHECK_OK(state_dir_remove(root, "c1", &err), err);
        pthread_join(writer, NULL);
        state_dir_close(&d);
    }
    drop_root();
}

TEST(ids_cannot_leave_the_root)
{
    static const char *const ids[] = {"", ".", "..", "../x", "a/b", "/etc"};
    struct state_dir d = {-1, NULL};

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        CHECK_ERR(state_dir_open("/tmp", ids[i], &d, NULL), -EINVAL);
        CHECK_ERR(state_dir_create("/tmp", ids[i], &d, NULL), -EINVAL);
        CHECK_ERR(state_dir_remove("/tmp", ids[i], NULL), -EINVAL);
    }
}

TEST(a_lock_is_exclusive_until_its_deadline_and_knows_of_removal)
{
    struct err err = ERR_INIT;
    struct state_dir d, other = {-1, NULL};

    new_root();
    d = make("c1");
    CHECK_OK(state_dir_open(root, "c1", &other, &err), err);
    CHECK_ERR(state_dir_lock(&other, deadline_in_ms(20), &err), -ETIMEDOUT);
    CHECK_ERR(state_dir_lock(&other, 1, &err), -ETIMEDOUT); /* long ago */
    state_dir_close(&d);
    CHECK_OK(state_dir_lock(&other, deadline_in_ms(1000), &err), err);
    state_dir_close(&other);
    CHECK_OK(state_dir_open(root, "c1", &other, &err), err);
    CHECK_OK(state_dir_remove(root, "c1", &err), err);
    CHECK_ERR(state_dir_lock(&other, deadline_in_ms(1000), &err), -ENOENT);
    state_dir_close(&other);
    drop_root();
}

TEST(a_lock_gives_the_callers_alarm_back)
{
    struct sigaction was = {.sa_handler = SIG_IGN}, now;
    struct state_dir d, other = {-1, NULL};
    sigset_t alarm_only, mask;

    new_root();
    d = make("c1");
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    CHECK(sigaction(SIGALRM, &was, NULL) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &alarm_only, NULL) == 0);
    CHECK_INT_EQ(state_dir_open(root, "c1", &other, NULL), 0);
    CHECK_ERR(state_dir_lock(&other, deadline_in_ms(20), NULL), -ETIMEDOUT);
    CHECK(sigaction(SIGALRM, NULL, &now) == 0);
    CHECK(now.sa_handler == SIG_IGN);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &mask) == 0);
    CHECK(sigismember(&mask, SIGALRM) == 1);
    CHECK(sigprocmask(SIG_UNBLOCK, &alarm_only, NULL) == 0);
    state_dir_close(&other);
    state_dir_close(&d);
    drop_root();
}

TEST(status_survives_and_garbage_is_refused)
{
    static const char *const bad[] = {"", "stopped", "stopped x", "stopped 256", "Running", "x"};
    struct err err = ERR_INIT;
    enum state_status status;
    struct state_dir d;
    int code = -1;

    new_root();
    d = make("c1");
    CHECK_OK(state_status_read(d.fd, &status, &code, &err), err);
    CHECK_INT_EQ(status, STATE_CREATING);
    CHECK_OK(state_status_write(d.fd, STATE_PAUSED, 0, &err), err);
    CHECK_OK(state_status_read(d.fd, &status, &code, &err), err);
    CHECK_INT_EQ(status, STATE_PAUSED);
    CHECK_OK(state_status_write(d.fd, STATE_STOPPED, 137, &err), err);
    CHECK_OK(state_status_read(d.fd, &status, &code, &err), err);
    CHECK_INT_EQ(status, STATE_STOPPED);
    CHECK_INT_EQ(code, 137);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_OK(path_replace(d.fd, "status", bad[i], strlen(bad[i]), 0600, &err), err);
        CHECK_ERR(state_status_read(d.fd, &status, &code, &err), -EINVAL);
    }
    state_dir_close(&d);
    drop_root();
}

TEST(a_container_is_as_alive_as_its_proxy_and_its_creator)
{
    struct err err = ERR_INIT;
    struct proc_id self;
    struct state_dir d;
    struct state s = {0};

    new_root();
    d = make("c1");
    CHECK_OK(proc_id_of(getpid(), &self, &err), err);
    CHECK_OK(state_status_write(d.fd, STATE_RUNNING, 0, &err), err);
    s.proxy = self;
    CHECK_INT_EQ(state_effective_status(&d, &s), STATE_RUNNING);
    s.proxy.start_time++;
    CHECK_INT_EQ(state_effective_status(&d, &s), STATE_STOPPED);
    s.creator = self;
    CHECK_INT_EQ(state_effective_status(&d, &s), STATE_CREATING);
    s.creator.start_time++;
    CHECK_INT_EQ(state_effective_status(&d, &s), STATE_STOPPED);
    state_dir_close(&d);
    drop_root();
}

TEST(monitor_and_vm_files_are_read_as_written)
{
    static const char *const bad[] = {"", "1", "0 5", "x 5", "-3 5", "3 x"};
    struct err err = ERR_INIT;
    struct proc_id id = {7, 99};
    cleanup_free char *ref = NULL;
    struct state_dir d;

    new_root();
    d = make("c1");
    CHECK_ERR(state_monitor_read(d.fd, &id, &err), -ENOENT);
    CHECK_ERR(state_vm_read(d.fd, &ref, &err), -ENOENT);
    CHECK_STR_EQ(err.msg, "");
    CHECK_OK(state_monitor_write(d.fd, &id, &err), err);
    id = (struct proc_id){0};
    CHECK_OK(state_monitor_read(d.fd, &id, &err), err);
    CHECK_INT_EQ(id.pid, 7);
    CHECK_U64_EQ(id.start_time, 99);
    CHECK_OK(state_vm_write(d.fd, "pid=1 start=2", &err), err);
    CHECK_OK(state_vm_read(d.fd, &ref, &err), err);
    CHECK_STR_EQ(ref, "pid=1 start=2");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_OK(path_replace(d.fd, "monitor", bad[i], strlen(bad[i]), 0600, &err), err);
        CHECK_ERR(state_monitor_read(d.fd, &id, &err), -EINVAL);
    }
    state_dir_close(&d);
    drop_root();
}

TEST(list_is_sorted_and_a_missing_root_is_empty)
{
    struct err err = ERR_INIT;
    struct strv ids = {0};
    struct state_dir a, b;

    new_root();
    b = make("b");
    a = make("a");
    CHECK_OK(state_list(root, &ids, &err), err);
    CHECK_INT_EQ(ids.n, 2);
    CHECK_STR_EQ(ids.v[0], "a");
    strv_done(&ids);
    state_dir_close(&a);
    state_dir_close(&b);
    drop_root();
    CHECK_OK(state_list(root, &ids, &err), err);
    CHECK_INT_EQ(ids.n, 0);
}

TEST(a_stopped_container_has_no_pid_for_the_engine)
{
    struct state s = {.id = (char *)"c1", .bundle = (char *)"/b", .proxy = {42, 1}};
    cleanup_free char *alive = state_oci_json(&s, STATE_RUNNING);
    cleanup_free char *stopped = state_oci_json(&s, STATE_STOPPED);

    CHECK(strstr(alive, "\"pid\": 42") != NULL);
    CHECK(strstr(alive, "\"status\": \"running\"") != NULL);
    CHECK(strstr(alive, "annotations") == NULL);
    CHECK(strstr(stopped, "\"pid\": 0") != NULL);
}
