/* Hostile datagrams against the relay's packet path, without sockets or thread: `make fuzz-native`.

   Built with AddressSanitizer and UndefinedBehaviorSanitizer. `fuzz SECONDS [SEED]` changes packets of the kinds that
   really come; every input is copied into memory of exactly its size, so that one octet too far is seen. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inside.h"

static uint64_t state;

static uint32_t chance(uint32_t below) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ull) >> 32) % below;
}

/* Stands for libsrtp: takes away or adds a tag, and refuses now and then. */
static int borrowed(void *session, void *packet, int *size, int change) {
    (void)session;
    uint8_t *octets = packet;
    if (*size + change < 0 || chance(16) == 0)
        return 1;
    if (change > 0)
        memset(octets + *size, 0xA5, (size_t)change);
    *size += change;
    return 0;
}

static int open_rtp(void *session, void *packet, int *size) { return borrowed(session, packet, size, -10); }
static int close_rtp(void *session, void *packet, int *size) { return borrowed(session, packet, size, 16); }

static size_t seed(uint8_t *into) {
    size_t size = RTP_HEADER + chance(1400);
    for (size_t index = 0; index < size; index++)
        into[index] = (uint8_t)chance(256);
    into[0] = (uint8_t)(0x80 | (chance(3) ? 0 : chance(64)));
    into[1] = (uint8_t)(chance(8) ? chance(4) : chance(256));
    if (chance(4) == 0) { /* a header extension of a plausible length */
        into[0] |= 0x10;
        into[14] = 0;
        into[15] = (uint8_t)chance(8);
    }
    return size;
}

static size_t change(uint8_t *data, size_t size) {
    for (uint32_t times = chance(4); times > 0 && size; times--)
        data[chance((uint32_t)size)] = (uint8_t)(chance(2) ? chance(256) : 0xFF * chance(2));
    if (chance(8) == 0)
        size = chance((uint32_t)size + 1);
    return size;
}

#define LEGS (LEG_SDES + 1) /* one of each kind, each towards the next */

static void build(relay *own, leg **legs) {
    static port doors[LEGS];
    static outgoing outs[LEGS];
    for (int index = 0; index < LEGS; index++) {
        leg *of = calloc(1, sizeof *of);
        doors[index] = (port){.of = of, .descriptor = -1, .family = AF_INET, .admissions = 1};
        doors[index].admitted[0] = (place){.family = 4, .port = 9};
        of->kind = index;
        of->locked = 1;
        of->receiving = of->sending = index ? (void *)1 : NULL;
        of->peer = doors[index].admitted[0];
        of->by = &doors[index];
        of->target_size = place_to(&of->peer, AF_INET, &of->target);
        of->handle = table_add(own->held, A_LEG, of);
        doors[index].handle = 1;
        outs[index] = (outgoing){.leg = of->handle};
        outgoing *out = malloc(sizeof *out);
        *out = outs[index];
        out->handle = table_add(own->held, AN_OUTLET, out);
        outs[index].handle = out->handle;
        legs[index] = of;
    }
    for (int index = 0; index < LEGS; index++)
        for (int type = 0; type < 128; type++)
            legs[index]->routes[type] = (route){outs[(index + 1) % LEGS].handle, 8000, (uint8_t)(type % 4),
                                                (uint8_t)(type % LEG_MEDIA), (uint8_t)type};
}

static void round_trip(relay *own, leg **legs, double now) {
    static uint8_t draft[4096];
    static upward_item taken[8];
    struct sockaddr_storage from;
    place sender = {.family = 4, .port = (uint16_t)(chance(8) ? 9 : 10)};
    place_to(&sender, AF_INET, &from);
    size_t size = change(draft, seed(draft));
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, draft, size);
    leg *of = legs[chance(LEGS)];
    of->locked = chance(8) != 0;
    path_received(own, of->by, exact, size, &from, now);
    own->leaving.count = 0; /* nothing leaves this process */
    for (int count = upward_take(own->queue, taken, 8); count > 0; count--)
        for (int index = 0; index < LEGS; index++)
            legs[index]->waiting = 0;
    free(exact);
}

int main(int count, char **words) {
    double seconds = count > 1 ? atof(words[1]) : 10;
    state = count > 2 ? strtoull(words[2], NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
    uint64_t begun_with = state;
    relay *own = calloc(1, sizeof *own);
    own->held = table_new();
    own->queue = upward_new();
    own->srtp = (srtp_functions){open_rtp, open_rtp, close_rtp, close_rtp};
    leg *legs[LEGS];
    build(own, legs);
    uint64_t inputs = 0;
    for (double begun = path_now(), now = begun; now < begun + seconds; inputs++)
        round_trip(own, legs, now = inputs % 64 ? now + 0.001 : path_now());
    printf("%llu inputs, seed %llu: nothing unexpected\n", (unsigned long long)inputs, (unsigned long long)begun_with);
    upward_free(own->queue);
    table_free(own->held);
    free(own);
    return 0;
}
