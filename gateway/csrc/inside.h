/* What the relay's own files share. Everything here is touched with `lock` held. */
#ifndef UC_INSIDE_H
#define UC_INSIDE_H

#include <pthread.h>
#include <sys/socket.h>

#include "rtp.h"
#include "table.h"
#include "upward.h"

#define BATCH 16           /* datagrams taken or sent by one system call */
#define LARGEST 2048       /* octets of a datagram; longer ones are cut, and then fail their check */
#define SRTP_TRAILER 148   /* what libsrtp may add: SRTP_MAX_TRAILER_LEN and RTCP's index */
#define MAX_ADMITTED 8     /* addresses of a secure port's peer */
#define MAX_PORTS 16       /* sockets of one leg: one for each address of ours */
#define MAX_UP_WAITING 64  /* items of one leg that wait in the queue upward */
#define MAX_PLAIN 1500

enum { A_LEG = 1, A_PORT, AN_OUTLET };

typedef struct {
    uint64_t outlet;
    uint32_t clock;
    uint8_t kind, medium, payload_type;
} route;

typedef struct leg leg;

typedef struct {
    uint64_t handle;
    leg *of;
    int descriptor, family;
    double last_at; /* when a datagram was last taken */
    unsigned admissions;
    place admitted[MAX_ADMITTED];
} port;

struct leg {
    uint64_t handle;
    int kind, locked;
    int waiting; /* items in the queue upward */
    unsigned port_count;
    port *ports[MAX_PORTS];
    void *receiving, *sending; /* sessions of libsrtp */
    place peer, announced;
    port *by; /* what is sent leaves by it */
    struct sockaddr_storage target;
    socklen_t target_size; /* 0: nowhere */
    uint64_t strangers, failed, discarded;
    intake media[LEG_MEDIA];
    route routes[128];
};

typedef struct {
    uint64_t handle, leg;
    outlet numbers;
} outgoing;

/* Datagrams on their way to one socket. */
typedef struct {
    int descriptor;
    unsigned count;
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_storage targets[BATCH];
    uint8_t buffers[BATCH][LARGEST + SRTP_TRAILER];
} departures;

struct relay {
    pthread_mutex_t lock;
    pthread_t thread;
    int epoll, stop;
    srtp_functions srtp;
    table *held;
    upward *queue;
    departures leaving;
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_storage senders[BATCH];
    uint8_t buffers[BATCH][LARGEST];
};

double path_now(void);
/* One datagram that came by a port. */
void path_received(relay *own, port *by, uint8_t *data, size_t size, const struct sockaddr_storage *from, double now);
/* One RTP packet of the peer, in the clear. */
void path_rtp(relay *own, leg *of, const uint8_t *data, size_t size, double now);
/* Give a packet the outlet's numbers, and send it; -1 when it is malformed. */
int path_carry(relay *own, outgoing *out, uint64_t source, uint8_t payload_type, uint32_t clock, const uint8_t *data,
               size_t size, double now);
void path_send(relay *own, outgoing *out, const rtp_header *header, const uint8_t *payload, size_t size, double now);
int path_send_rtcp(relay *own, leg *to, const uint8_t *data, size_t size);
/* Send what waits. */
void path_flush(relay *own);

int place_same(const place *one, const place *other);
place place_of(const struct sockaddr_storage *address);
/* For a socket of this family; 0 when it cannot reach the place. */
socklen_t place_to(const place *from, int family, struct sockaddr_storage *address);

#endif
