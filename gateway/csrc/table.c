#include "table.h"

#include <stdlib.h>

#define GROWTH 256
#define LARGEST (1u << 24)

typedef struct {
    void *thing;
    uint32_t generation; /* of the handle that stands for it now, or that comes next */
    uint32_t next_free;  /* index + 1 */
    uint8_t kind;        /* 0: free */
} slot;

struct table {
    slot *slots;
    uint32_t size;
    uint32_t first_free, last_free; /* index + 1; reused in turn, so that generations last */
};

table *table_new(void) { return calloc(1, sizeof(table)); }

void table_free(table *held) {
    if (held == NULL)
        return;
    for (uint32_t index = 0; index < held->size; index++)
        if (held->slots[index].kind)
            free(held->slots[index].thing);
    free(held->slots);
    free(held);
}

static void put_free(table *held, uint32_t index) {
    held->slots[index].kind = 0;
    held->slots[index].thing = NULL;
    held->slots[index].next_free = 0;
    if (held->last_free)
        held->slots[held->last_free - 1].next_free = index + 1;
    else
        held->first_free = index + 1;
    held->last_free = index + 1;
}

static int grow(table *held) {
    if (held->size >= LARGEST)
        return -1;
    slot *larger = realloc(held->slots, (held->size + GROWTH) * sizeof(slot));
    if (larger == NULL)
        return -1;
    held->slots = larger;
    for (uint32_t index = held->size; index < held->size + GROWTH; index++) {
        larger[index].generation = 1;
        larger[index].kind = 0;
    }
    held->size += GROWTH;
    for (uint32_t index = held->size - GROWTH; index < held->size; index++)
        put_free(held, index);
    return 0;
}

uint64_t table_add(table *held, uint8_t kind, void *thing) {
    if (!held->first_free && grow(held) < 0)
        return 0;
    uint32_t index = held->first_free - 1;
    slot *place = &held->slots[index];
    held->first_free = place->next_free;
    if (!held->first_free)
        held->last_free = 0;
    place->thing = thing;
    place->kind = kind;
    place->next_free = 0;
    return (uint64_t)place->generation << 32 | index;
}

static slot *slot_of(const table *held, uint8_t kind, uint64_t handle) {
    uint32_t index = (uint32_t)handle;
    if (index >= held->size)
        return NULL;
    slot *place = &held->slots[index];
    return place->kind == kind && place->generation == (uint32_t)(handle >> 32) ? place : NULL;
}

void *table_find(const table *held, uint8_t kind, uint64_t handle) {
    slot *place = slot_of(held, kind, handle);
    return place != NULL ? place->thing : NULL;
}

void *table_remove(table *held, uint8_t kind, uint64_t handle) {
    slot *place = slot_of(held, kind, handle);
    if (place == NULL)
        return NULL;
    void *thing = place->thing;
    if (++place->generation == 0)
        place->generation = 1; /* a handle is never 0 */
    put_free(held, (uint32_t)handle);
    return thing;
}

void *table_each(const table *held, uint8_t kind, uint32_t *index) {
    while (*index < held->size) {
        slot *place = &held->slots[(*index)++];
        if (place->kind == kind)
            return place->thing;
    }
    return NULL;
}
