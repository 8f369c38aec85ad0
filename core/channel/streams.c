/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/streams.h"
#include <errno.h>
#include <stdlib.h>
#include "base/str.h"
#include "proto/frame.h"

static struct stream_process **slot(struct streams *t, uint32_t id)
{
    struct stream_process **p = &t->buckets[id % STREAM_BUCKETS];

    while (*p && (*p)->id != id)
        p = &(*p)->next;
    return p;
}

int streams_open(struct streams *t, uint32_t id)
{
    struct stream_process **p = slot(t, id);

    if (*p)
        return -EEXIST;
    *p = xcalloc(1, sizeof(**p));
    (*p)->id = id;
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        (*p)->s[i] = (struct stream_state){.from_guest = STREAM_WINDOW, .to_guest = STREAM_WINDOW};
    return 0;
}

void streams_close(struct streams *t, uint32_t id)
{
    struct stream_process **p = slot(t, id), *gone = *p;

    if (!gone)
        return;
    *p = gone->next;
    free(gone);
}

void streams_done(struct streams *t)
{
    for (unsigned i = 0; i < STREAM_BUCKETS; i++)
        while (t->buckets[i])
            streams_close(t, t->buckets[i]->id);
}

struct stream_state *streams_find(const struct streams *t, uint32_t id, unsigned stream)
{
    struct stream_process *p = t->buckets[id % STREAM_BUCKETS];

    while (p && p->id != id)
        p = p->next;
    return p && stream < STREAM_COUNT ? &p->s[stream] : NULL;
}
