/* A thread that takes RTP and SRTP from sockets, gives it the numbers of another stream, and sends it on.

   A leg is one peer: its ports are sockets of ours, and its table leads from payload type to route. A route leads to
   an outlet, which is one stream towards another leg. All functions may be called from any thread; handles that are
   gone do nothing. */
#ifndef UC_RELAY_H
#define UC_RELAY_H

#include <stddef.h>
#include <stdint.h>

#define UP_LARGEST 2048 /* octets of one datagram */

/* A transport address; `family` is 4, 6, or 0 for none; `port` in the machine's own order. */
typedef struct {
    uint8_t family;
    uint8_t host[16];
    uint16_t port;
    uint32_t scope;
} place;

typedef struct {
    uint64_t leg, port; /* by which it came */
    place sender;
    uint16_t size;
    uint8_t kind;
    uint8_t data[UP_LARGEST];
} upward_item;

typedef struct relay relay;

/* libsrtp's functions, which the program has already: receiving and sending, RTP and RTCP. */
typedef int (*srtp_step)(void *session, void *packet, int *size);
typedef struct {
    srtp_step unprotect, unprotect_rtcp, protect, protect_rtcp;
} srtp_functions;

/* How a leg's packets are protected, and so whose are taken: by address alone; from admitted addresses, with sessions
   that DTLS made; by address, and with sessions whose keys stood in the descriptions. */
enum leg_kind { LEG_NONE = 0, LEG_DTLS, LEG_SDES };

/* What comes up: as it was received, from a peer that is not known yet, or decrypted. */
enum upward_kind { UP_RAW = 1, UP_LEARN, UP_RTCP, UP_RTP, UP_BEGUN };

/* Where packets of a payload type go. */
enum route_kind { ROUTE_NONE = 0, ROUTE_NOWHERE, ROUTE_FORWARD, ROUTE_UP };

#define LEG_MEDIA 4 /* kinds of sound and picture that share one leg */

/* What one medium of a leg has received (RFC 3550 A.1, A.3, A.8); times in seconds of the monotonic clock. */
typedef struct {
    uint64_t packets, octets, discarded;
    double last_at, jitter;
    int64_t base, highest, count, lost;
    uint32_t ssrc, clock, sequences;
} intake_report;

typedef struct {
    uint64_t strangers; /* not from an address that is known */
    uint64_t failed;    /* SRTP that could not be decrypted or protected */
    uint64_t discarded; /* of no payload type that was agreed, or too many at once for our user */
} leg_report;

typedef struct {
    uint64_t packets, octets;
    double sent_at;
    uint32_t ssrc, timestamp, clock;
    int busy;
} outlet_report;

relay *relay_new(const srtp_functions *functions); /* NULL and errno */
/* Stop the thread and free everything; the sockets remain their owner's. */
void relay_free(relay *own);
int relay_descriptor(const relay *own); /* readable while something has come up */
int relay_take(relay *own, upward_item *into, int most);

uint64_t leg_open(relay *own, int kind); /* 0 without memory */
/* Nothing of this leg, its ports and sessions is touched any more when this returns. */
void leg_close(relay *own, uint64_t leg_handle);
/* Add a non-blocking UDP socket, which must stay open until the leg is closed; 0 and errno. */
uint64_t leg_port(relay *own, uint64_t leg_handle, int descriptor);
/* Sessions of libsrtp, which must live until they are replaced or the leg is closed; NULL: none. */
void leg_sessions(relay *own, uint64_t leg_handle, void *receiving, void *sending);
/* By which port and where to our packets go; without DTLS, and when locked, also whence theirs come. */
void leg_peer(relay *own, uint64_t leg_handle, uint64_t port_handle, const place *peer, int locked);
/* An address that comes up as UP_LEARN even when the peer is locked. */
void leg_announce(relay *own, uint64_t leg_handle, const place *announced);
/* An address from which a port of a leg with DTLS takes packets. */
void leg_admit(relay *own, uint64_t port_handle, const place *peer);
/* `payload_type` of a medium (below LEG_MEDIA) goes this way from now on; `clock` is its own, `out_payload_type` what
   it is called where it goes. */
void leg_route(relay *own, uint64_t leg_handle, uint8_t payload_type, int kind, uint8_t medium, uint32_t clock,
               uint64_t outlet_handle, uint8_t out_payload_type);
/* Take this RTP packet as if the peer had sent it. */
void leg_inject(relay *own, uint64_t leg_handle, const uint8_t *data, size_t size);
/* Send a compound of RTCP; -1 when it cannot be. */
int leg_send_rtcp(relay *own, uint64_t leg_handle, const uint8_t *data, size_t size);
int leg_read(relay *own, uint64_t leg_handle, leg_report *report);
int leg_read_medium(relay *own, uint64_t leg_handle, uint8_t medium, intake_report *report);

/* A stream towards a leg; 0 without memory. */
uint64_t outlet_open(relay *own, uint64_t leg_handle, uint32_t ssrc, uint16_t sequence, uint32_t timestamp);
void outlet_close(relay *own, uint64_t handle);
int outlet_read(relay *own, uint64_t handle, outlet_report *report);
/* Keep every source out, or let them in again. */
void outlet_hold(relay *own, uint64_t handle, int busy);
/* One packet of a source: `data` is a whole RTP packet; -1 when it is malformed. */
int outlet_forward(relay *own, uint64_t handle, uint64_t source, uint8_t payload_type, uint32_t clock,
                   const uint8_t *data, size_t size, double now);
/* One packet of our own making, under the next sequence number. */
void outlet_append(relay *own, uint64_t handle, uint8_t second, uint32_t timestamp, const uint8_t *payload,
                   size_t size, double now);
uint32_t outlet_following(relay *own, uint64_t handle, uint32_t clock, double now);
/* Whether the packets that go out are of this stream of a source. */
int outlet_fed_by(relay *own, uint64_t handle, uint64_t source, uint32_t ssrc);
/* `source` feeds the outlet from now on: 0, and the timestamp of its beginning; -1 while something of our own is
   played in. */
int outlet_begin(relay *own, uint64_t handle, uint64_t source, uint32_t ssrc, uint32_t clock, double now,
                 uint32_t *timestamp);

#endif
