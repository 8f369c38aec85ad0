/* SPDX-License-Identifier: Apache-2.0 */
/* Saving a VM and going on; two VMs at once from one template, which they must not change. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "kit/internal.h"

#define UNKNOWN_FLAG (1u << 31)

/* FNV-1a of a file's content by words; the rest of the last one does not matter here. */
static uint64_t sum_of_file(const char *path)
{
    cleanup_file FILE *f = fopen(path, "re");
    uint64_t sum = 14695981039346656037u, words[512];
    size_t n;

    while (f && (n = fread(words, sizeof(words[0]), ARRAY_SIZE(words), f)) > 0)
        for (size_t i = 0; i < n; i++)
            sum = (sum ^ words[i]) * 1099511628211u;
    return sum;
}

/* Of all files, in whatever order. */
static uint64_t sum_of(const char *dir)
{
    cleanup_dir DIR *d = opendir(dir);
    const struct dirent *e;
    uint64_t sum = 0;

    while (d && (e = readdir(d))) {
        cleanup_free char *path = path_join(dir, e->d_name);

        if (e->d_type == DT_REG)
            sum += sum_of_file(path);
    }
    return sum;
}

static bool save(struct kit *k, struct kit_vm *vm, const char *dir)
{
    uint64_t start;
    bool good;

    if (!kit_ok(k, KIT_CALL(k, vm_pause, vm->vm, KIT_OP_MS), "the VM to be saved pauses"))
        return false;
    kit_errno(k, KIT_CALL(k, vm_save, vm->vm, dir, UNKNOWN_FLAG, KIT_OP_MS), EINVAL,
              "flags that nobody knows are refused");
    start = kit_now_ms();
    good = kit_ok(k, KIT_CALL(k, vm_save, vm->vm, dir, 0, k->o->boot_ms), "a paused VM is saved");
    kit_note(k, "saved in %llu ms", (unsigned long long)(kit_now_ms() - start));
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_PAUSED, "it stays paused", "it is %s",
             plugin_state_name(kit_state(k, vm->vm)));
    return good;
}

static bool restore(struct kit *k, const char *dir, struct kit_vm *ret)
{
    const struct kit_vm_wish wish = {.dir = dir};
    uint64_t start = kit_now_ms();
    bool good = kit_ok(k, kit_build(k, &wish, ret), "a saved VM is restored");

    kit_note(k, "restored in %llu ms", (unsigned long long)(kit_now_ms() - start));
    return good;
}

static void go_on(struct kit *k, struct kit_vm *clone)
{
    kit_that(k, kit_state(k, clone->vm) == HVP_VM_PAUSED, "a restored VM is paused", "it is %s",
             plugin_state_name(kit_state(k, clone->vm)));
    kit_ok(k, KIT_CALL(k, vm_resume, clone->vm, KIT_OP_MS), "a restored VM resumes");
    kit_that(k, kit_state(k, clone->vm) == HVP_VM_RUNNING, "a resumed clone runs", "it is %s",
             plugin_state_name(kit_state(k, clone->vm)));
    kit_hello(k, clone->vm);
}

/* A VM may be saved anywhere, with all of its memory, and go on. */
static void check_snapshot(struct kit *k, struct kit_vm *vm)
{
    struct kit_vm clone;
    char dir[96];

    snprintf(dir, sizeof(dir), "%s/saved", k->work);
    mkdir(dir, 0700);
    kit_refused(k, KIT_CALL(k, vm_save, vm->vm, dir, 0, KIT_OP_MS), "a running VM is not saved");
    if (!save(k, vm, dir))
        return;
    if (kit_ok(k, KIT_CALL(k, vm_resume, vm->vm, KIT_OP_MS), "a saved VM resumes"))
        kit_hello(k, vm->vm);
    if (restore(k, dir, &clone)) {
        go_on(k, &clone);
        kit_destroy(k, &clone, "a clone is destroyed");
    }
    path_remove_tree(AT_FDCWD, dir, NULL);
}

/* It is there and has booted nothing: the cheapest running VM to lose. */
static void kill_running(struct kit *k, struct kit_vm *clone)
{
    int32_t pid = kit_pid(k, clone->vm);

    if (pid <= 0 || !kit_has(k, HVP_CAP_VMM_CHILD))
        return;
    kill(pid, SIGKILL);
    kit_that(k, kit_event(k, clone->vm, KIT_OP_MS) == HVP_EVENT_KILLED,
             "a running VMM that is killed is an event", "there was none, or another one");
    kit_that(k, kit_state(k, clone->vm) == HVP_VM_CRASHED, "its VM has crashed", "it is %s",
             plugin_state_name(kit_state(k, clone->vm)));
}

/* Both go on where the template was. */
static void check_clones(struct kit *k, const char *dir)
{
    struct kit_vm clone[2] = {{0}, {0}};
    uint64_t before = sum_of(dir);
    int n = 0;

    while (n < 2 && restore(k, dir, &clone[n]))
        n++;
    for (int i = 0; i < n; i++)
        go_on(k, &clone[i]);
    if (n == 2)
        kill_running(k, &clone[1]);
    for (int i = 0; i < n; i++)
        kit_destroy(k, &clone[i], "a clone is destroyed");
    kit_that(k, sum_of(dir) == before, "clones leave the template as it was", "it has changed");
}

void kit_check_template(struct kit *k, struct kit_vm *vm)
{
    k->area = "template";
    if (!kit_has(k, HVP_CAP_SNAPSHOT)) {
        kit_skip(k, "save and restore", "not claimed");
        return;
    }
    check_snapshot(k, vm);
    if (kit_has(k, HVP_CAP_TEMPLATE) && save(k, vm, k->template_dir))
        check_clones(k, k->template_dir);
    path_remove_tree(AT_FDCWD, k->template_dir, NULL);
}
