/* What the relay leaves to its user: STUN, DTLS, RTCP, packets of peers to be learned. Bounded for each port. */
#ifndef UC_UPWARD_H
#define UC_UPWARD_H

#include "relay.h"

typedef struct upward upward;

upward *upward_new(void); /* NULL without memory or descriptors */
void upward_free(upward *queue);
int upward_descriptor(const upward *queue); /* readable while something waits */
/* The place for one item, or NULL when too much waits; `upward_push` then makes it seen. */
upward_item *upward_next(upward *queue);
void upward_push(upward *queue);
/* Move up to `most` items out; how many. */
int upward_take(upward *queue, upward_item *into, int most);

#endif
