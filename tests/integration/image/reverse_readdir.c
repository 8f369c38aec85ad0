/* SPDX-License-Identifier: Apache-2.0 */
/* For LD_PRELOAD: readdir() gives the entries of each directory in reverse order, so that a build
 * whose result depends on directory order shows it. Used by reproducible.sh, for single-threaded
 * programs. dirent and dirent64 are the same on 64-bit machines. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    DIR *dir;
    struct dirent **entries;
    size_t left;
    struct listing *next;
};

static struct listing *listings;

static void read_all(struct listing *l)
{
    struct dirent *(*next)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir");
    struct dirent *e;

    while ((e = next(l->dir))) {
        l->entries = realloc(l->entries, (l->left + 1) * sizeof(*l->entries));
        l->entries[l->left] = malloc(e->d_reclen);
        memcpy(l->entries[l->left++], e, e->d_reclen);
    }
}

static struct listing *find(DIR *dir)
{
    for (struct listing *l = listings; l; l = l->next)
        if (l->dir == dir)
            return l;
    return NULL;
}

/* Entries leak on purpose: the caller may hold the last one, and the processes are short. */
struct dirent *readdir(DIR *dir)
{
    struct listing *l = find(dir);

    if (!l) {
        l = calloc(1, sizeof(*l));
        l->dir = dir;
        l->next = listings;
        listings = l;
        read_all(l);
    }
    return l->left ? l->entries[--l->left] : NULL;
}

struct dirent64 *readdir64(DIR *dir)
{
    return (struct dirent64 *)readdir(dir);
}

int closedir(DIR *dir)
{
    int (*next)(DIR *) = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
    struct listing *l = find(dir);

    if (l)
        l->dir = NULL; /* the address will be used again */
    return next(dir);
}
