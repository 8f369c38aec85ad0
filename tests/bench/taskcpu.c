/* SPDX-License-Identifier: Apache-2.0 */
/*
 * taskcpu -o FILE CMD...: runs CMD, waits until all that it has started is gone, also what was left
 * to itself, and writes "NAME US" per name of a thread at its end: CPU time in the kernel and out
 * of it, to the microsecond. rusage cannot tell a monitor from the VMM that it has waited for, and
 * /proc counts in ticks; a perf counter that children inherit reports each thread by itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 256 /* a power of 2; 32 bytes a thread and name */
#define CPUS_MAX 256
#define TASKS_MAX 8192
#define NAMES_MAX 256

struct task {
    uint32_t tid;
    char name[16];
};

struct ring {
    int fd;
    struct perf_event_mmap_page *page;
};

static struct task tasks[TASKS_MAX];
static struct {
    char name[16];
    uint64_t ns;
} sums[NAMES_MAX];
static size_t n_tasks, n_sums, page_size;

/* Opened on this process, counting only after exec() in the child. */
static int open_ring(struct ring *r, int cpu)
{
    struct perf_event_attr a = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(a),
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .inherit = 1,
        .inherit_stat = 1,
        .comm = 1,
        .task = 1,
        .exclude_hv = 1,
    };

    r->fd = (int)syscall(SYS_perf_event_open, &a, 0, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (r->fd < 0)
        return -1;
    r->page = mmap(NULL, (PAGES + 1) * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    return r->page == MAP_FAILED ? -1 : 0;
}

static void name_task(uint32_t tid, const char *name)
{
    size_t i = 0;

    while (i < n_tasks && tasks[i].tid != tid)
        i++;
    if (i == TASKS_MAX)
        return;
    n_tasks += i == n_tasks;
    tasks[i].tid = tid;
    snprintf(tasks[i].name, sizeof(tasks[i].name), "%.15s", name);
}

static const char *name_of(uint32_t tid)
{
    for (size_t i = 0; i < n_tasks; i++)
        if (tasks[i].tid == tid)
            return tasks[i].name;
    return "?";
}

static void add(const char *name, uint64_t ns)
{
    size_t i = 0;

    while (i < n_sums && strcmp(sums[i].name, name) != 0)
        i++;
    if (i == NAMES_MAX)
        return;
    n_sums += i == n_sums;
    snprintf(sums[i].name, sizeof(sums[i].name), "%s", name);
    sums[i].ns += ns;
}

static void copy_out(const struct ring *r, uint64_t at, void *to, size_t n)
{
    const char *data = (const char *)r->page + page_size;
    size_t mask = PAGES * page_size - 1;

    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = data[(at + i) & mask];
}

/* Names first (of both CPUs), then the readings: a thread may end on another CPU than it began. */
static void walk(const struct ring *r, int readings)
{
    uint64_t at = r->page->data_tail, end = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
    struct perf_event_header h;
    union {
        struct {
            uint32_t pid, tid;
            char name[16];
        } comm;
        struct {
            uint32_t pid, ppid, tid, ptid;
        } fork;
        struct {
            uint32_t pid, tid;
            uint64_t value;
        } read;
    } u;

    for (; at < end; at += h.size) {
        copy_out(r, at, &h, sizeof(h));
        copy_out(r, at + sizeof(h), &u, sizeof(u));
        if (!readings && h.type == PERF_RECORD_COMM)
            name_task(u.comm.tid, u.comm.name);
        else if (readings && h.type == PERF_RECORD_READ)
            add(name_of(u.read.tid), u.read.value);
        else if (h.type == PERF_RECORD_LOST)
            fprintf(stderr, "taskcpu: readings were lost\n");
    }
}

/* A thread without a name of its own has its creator's; forks come before names that are taken. */
static void walk_forks(const struct ring *r)
{
    uint64_t at = r->page->data_tail, end = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
    struct perf_event_header h;
    uint32_t ids[4];

    for (; at < end; at += h.size) {
        copy_out(r, at, &h, sizeof(h));
        copy_out(r, at + sizeof(h), ids, sizeof(ids));
        if (h.type == PERF_RECORD_FORK && strcmp(name_of(ids[2]), "?") == 0)
            name_task(ids[2], name_of(ids[3]));
    }
}

static int run(char **argv)
{
    int status = -1, s;
    pid_t pid, first = fork();

    if (first == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    while ((pid = waitpid(-1, &s, 0)) > 0 || errno == EINTR)
        if (pid == first)
            status = s;
    return status;
}

static int write_sums(const char *file)
{
    FILE *f = fopen(file, "we");

    if (!f)
        return -1;
    for (size_t i = 0; i < n_sums; i++)
        fprintf(f, "%s %" PRIu64 "\n", sums[i].name, sums[i].ns / 1000);
    return fclose(f);
}

int main(int argc, char **argv)
{
    struct ring rings[CPUS_MAX];
    int n = (int)sysconf(_SC_NPROCESSORS_CONF), status;

    page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (argc < 4 || strcmp(argv[1], "-o") != 0 || n > CPUS_MAX) {
        fprintf(stderr, "usage: taskcpu -o FILE CMD...\n");
        return 125;
    }
    for (int i = 0; i < n; i++)
        if (open_ring(&rings[i], i) < 0) {
            fprintf(stderr, "taskcpu: perf counter: %s\n", strerror(errno));
            return 124;
        }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    status = run(argv + 3);
    for (int i = 0; i < n; i++)
        walk(&rings[i], 0);
    for (int i = 0; i < n; i++)
        walk_forks(&rings[i]);
    for (int i = 0; i < n; i++)
        walk(&rings[i], 1);
    if (write_sums(argv[2]) < 0) {
        fprintf(stderr, "taskcpu: %s: %s\n", argv[2], strerror(errno));
        return 125;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
