/* Handles for what a user holds: one that was freed is never taken for its successor. */
#ifndef UC_TABLE_H
#define UC_TABLE_H

#include <stdint.h>

typedef struct table table;

table *table_new(void); /* NULL without memory */
/* Frees what is still held, with free(). */
void table_free(table *held);
/* Hold `thing` of `kind` (not 0); its handle, or 0 without memory. */
uint64_t table_add(table *held, uint8_t kind, void *thing);
/* NULL for a handle that is not held, or of another kind. */
void *table_find(const table *held, uint8_t kind, uint64_t handle);
/* As `table_find`, and let go of it. */
void *table_remove(table *held, uint8_t kind, uint64_t handle);
/* The next thing of a kind at or after *index, which moves past it; NULL at the end. */
void *table_each(const table *held, uint8_t kind, uint32_t *index);

#endif
