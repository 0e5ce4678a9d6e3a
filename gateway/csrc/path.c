/* What happens to one packet: whose it is, what it is, and where it goes. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "inside.h"

double path_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void up(relay *own, leg *of, uint64_t by, int kind, const place *from, const uint8_t *data, size_t size) {
    upward_item *item = of->waiting < MAX_UP_WAITING && size <= UP_LARGEST ? upward_next(own->queue) : NULL;
    if (item == NULL) {
        of->discarded++;
        return;
    }
    item->leg = of->handle;
    item->port = by;
    item->kind = (uint8_t)kind;
    item->sender = *from;
    item->size = (uint16_t)size;
    memcpy(item->data, data, size);
    of->waiting++;
    upward_push(own->queue);
}

/* Take off SRTP, in place; -1, and counted, when it is not the peer's. */
static int decrypt(relay *own, leg *of, uint8_t *data, size_t *size) {
    int length = (int)*size;
    int readable = of->receiving != NULL && *size >= RTP_HEADER;
    if (!readable ||
        (rtp_is_rtcp(data[1]) ? own->srtp.unprotect_rtcp : own->srtp.unprotect)(of->receiving, data, &length) != 0) {
        of->failed++;
        return -1;
    }
    *size = (size_t)length;
    return 0;
}

/* What the peer has sent, in the clear. */
static void heard(relay *own, port *by, const uint8_t *data, size_t size, const place *from, double now) {
    if (rtp_is_rtcp(data[1]))
        up(own, by->of, by->handle, UP_RTCP, from, data, size);
    else
        path_rtp(own, by->of, data, size, now);
}

static void plain_received(relay *own, port *by, uint8_t *data, size_t size, const place *from, double now) {
    leg *of = by->of;
    int known = of->locked && place_same(from, &of->peer);
    if (size < RTP_HEADER - 4 || size > MAX_PLAIN - 4 || (data[0] & 0xC0) != 0x80)
        return; /* neither RTP nor RTCP */
    if (of->locked && !known && !place_same(from, &of->announced)) {
        of->strangers++;
        return;
    }
    if (of->kind == LEG_SDES && decrypt(own, of, data, &size) < 0)
        return;
    if (known)
        heard(own, by, data, size, from, now);
    else
        up(own, of, by->handle, UP_LEARN, from, data, size);
}

static int admitted(const port *by, const place *from) {
    for (unsigned index = 0; index < by->admissions; index++)
        if (place_same(&by->admitted[index], from))
            return 1;
    return 0;
}

static void secure_received(relay *own, port *by, uint8_t *data, size_t size, const place *from, double now) {
    leg *of = by->of;
    uint8_t first = data[0];
    int known = admitted(by, from);
    if (first < 4 || (known && (first < 128 || first > 191))) { /* RFC 7983: STUN from all, the rest from the peer */
        up(own, of, by->handle, UP_RAW, from, data, size);
        return;
    }
    if (!known) {
        of->strangers++;
        return;
    }
    if (decrypt(own, of, data, &size) == 0)
        heard(own, by, data, size, from, now);
}

void path_received(relay *own, port *by, uint8_t *data, size_t size, const struct sockaddr_storage *from, double now) {
    place sender = place_of(from);
    if (size == 0 || sender.family == 0)
        return;
    if (by->of->kind == LEG_DTLS)
        secure_received(own, by, data, size, &sender, now);
    else
        plain_received(own, by, data, size, &sender, now);
}

void path_rtp(relay *own, leg *of, const uint8_t *data, size_t size, double now) {
    rtp_header header;
    const route *way = NULL;
    if (rtp_read(data, size, &header) == 0)
        way = &of->routes[header.second & 0x7F];
    if (way == NULL || way->kind == ROUTE_NONE) {
        of->discarded++;
        return;
    }
    intake *in = &of->media[way->medium];
    if (!in->sequences)
        up(own, of, 0, UP_BEGUN, &of->peer, data, RTP_HEADER);
    intake_packet(in, &header, size, way->clock, now);
    if (way->kind == ROUTE_UP) {
        up(own, of, 0, UP_RTP, &of->peer, data, size);
    } else if (way->kind == ROUTE_FORWARD) {
        outgoing *out = table_find(own->held, AN_OUTLET, way->outlet);
        if (out != NULL && path_carry(own, out, of->handle, way->payload_type, way->clock, data, size, now) < 0)
            in->discarded++;
    }
}

int path_carry(relay *own, outgoing *out, uint64_t source, uint8_t payload_type, uint32_t clock, const uint8_t *data,
               size_t size, double now) {
    rtp_header header;
    size_t length;
    if (rtp_read(data, size, &header) < 0)
        return -1;
    long start = rtp_payload(data, size, &length);
    if (start < 0)
        return -1;
    if (outlet_carry(&out->numbers, source, payload_type, clock, &header, now) == 0)
        path_send(own, out, &header, data + start, length, now);
    return 0;
}

/* Room for one datagram to this leg. */
static uint8_t *departure(relay *own, const leg *to) {
    departures *leaving = &own->leaving;
    if (leaving->count == BATCH || (leaving->count && leaving->descriptor != to->by->descriptor))
        path_flush(own);
    leaving->descriptor = to->by->descriptor;
    return leaving->buffers[leaving->count];
}

static void depart(relay *own, const leg *to, size_t size) {
    departures *leaving = &own->leaving;
    unsigned index = leaving->count++;
    struct msghdr *message = &leaving->messages[index].msg_hdr;
    leaving->targets[index] = to->target;
    leaving->parts[index].iov_base = leaving->buffers[index];
    leaving->parts[index].iov_len = size;
    memset(message, 0, sizeof *message);
    message->msg_name = &leaving->targets[index];
    message->msg_namelen = to->target_size;
    message->msg_iov = &leaving->parts[index];
    message->msg_iovlen = 1;
}

/* As sendmmsg, for one datagram, at less cost. */
static int send_one(int descriptor, const struct msghdr *message) {
    const struct iovec *part = message->msg_iov;
    return sendto(descriptor, part->iov_base, part->iov_len, 0, message->msg_name, message->msg_namelen) < 0 ? -1 : 1;
}

void path_flush(relay *own) {
    departures *leaving = &own->leaving;
    unsigned sent = 0;
    while (sent < leaving->count) {
        unsigned left = leaving->count - sent;
        struct mmsghdr *first = leaving->messages + sent;
        int done = left > 1 ? sendmmsg(leaving->descriptor, first, left, 0)
                            : send_one(leaving->descriptor, &first->msg_hdr);
        if (done > 0)
            sent += (unsigned)done;
        else if (errno != EINTR)
            sent++; /* what cannot be sent now is lost, as on any network */
    }
    leaving->count = 0;
}

static int can_send(const leg *to, size_t size) {
    return to != NULL && to->target_size && size <= LARGEST && (to->kind == LEG_NONE || to->sending != NULL);
}

void path_send(relay *own, outgoing *out, const rtp_header *header, const uint8_t *payload, size_t size, double now) {
    leg *to = table_find(own->held, A_LEG, out->leg);
    if (!can_send(to, RTP_HEADER + size))
        return;
    uint8_t *packet = departure(own, to);
    rtp_write(packet, header);
    memcpy(packet + RTP_HEADER, payload, size);
    int length = (int)(RTP_HEADER + size);
    if (to->sending != NULL && own->srtp.protect(to->sending, packet, &length) != 0) {
        to->failed++;
        return;
    }
    depart(own, to, (size_t)length);
    outlet_sent(&out->numbers, header, size, now);
}

int path_send_rtcp(relay *own, leg *to, const uint8_t *data, size_t size) {
    if (!can_send(to, size))
        return -1;
    uint8_t *packet = departure(own, to);
    memcpy(packet, data, size);
    int length = (int)size;
    if (to->sending != NULL && own->srtp.protect_rtcp(to->sending, packet, &length) != 0) {
        to->failed++;
        return -1;
    }
    depart(own, to, (size_t)length);
    return 0;
}
