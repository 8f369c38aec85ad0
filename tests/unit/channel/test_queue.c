/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/queue.h"
#include "test.h"

TEST(a_queue_keeps_the_order_of_bytes)
{
    struct queue q = {0};
    uint8_t next = 0, want = 0;

    for (int round = 0; round < 1000; round++) {
        uint8_t chunk[37];

        for (size_t i = 0; i < sizeof(chunk); i++)
            chunk[i] = next++;
        queue_put(&q, chunk, sizeof(chunk));
        for (size_t n = (size_t)round % 50; n > 0 && queue_bytes(&q) > 0; n--) {
            CHECK_INT_EQ(*queue_head(&q), want++);
            queue_take(&q, 1);
        }
    }
    while (queue_bytes(&q) > 0) {
        CHECK_INT_EQ(*queue_head(&q), want++);
        queue_take(&q, 1);
    }
    CHECK_INT_EQ(next, want);
    CHECK(q.buf == NULL);
}

TEST(an_empty_put_allocates_nothing)
{
    struct queue q = {0};

    queue_put(&q, NULL, 0);
    CHECK(q.buf == NULL);
    queue_done(&q);
}
