#include "upward.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROOM 1024 /* items; what comes beyond is dropped, as a full socket buffer would */

struct upward {
    int descriptor;
    unsigned first, waiting;
    upward_item items[ROOM];
};

upward *upward_new(void) {
    upward *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return NULL;
    queue->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (queue->descriptor < 0) {
        free(queue);
        return NULL;
    }
    return queue;
}

void upward_free(upward *queue) {
    if (queue == NULL)
        return;
    close(queue->descriptor);
    free(queue);
}

int upward_descriptor(const upward *queue) { return queue->descriptor; }

upward_item *upward_next(upward *queue) {
    return queue->waiting < ROOM ? &queue->items[(queue->first + queue->waiting) % ROOM] : NULL;
}

void upward_push(upward *queue) {
    uint64_t one = 1;
    if (queue->waiting++ == 0 && write(queue->descriptor, &one, sizeof one) < 0)
        return; /* only a full counter refuses, and then it is readable already */
}

int upward_take(upward *queue, upward_item *into, int most) {
    int taken = 0;
    for (; taken < most && queue->waiting; taken++) {
        const upward_item *item = &queue->items[queue->first];
        memcpy(&into[taken], item, offsetof(upward_item, data) + item->size);
        queue->first = (queue->first + 1) % ROOM;
        queue->waiting--;
    }
    uint64_t count;
    if (!queue->waiting && read(queue->descriptor, &count, sizeof count) < 0)
        return taken; /* nothing had been announced */
    return taken;
}
