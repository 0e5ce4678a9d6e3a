/* RTP headers, what a stream has received, and the numbers of what is sent (RFC 3550). No input, no output. */
#ifndef UC_RTP_H
#define UC_RTP_H

#include <stddef.h>
#include <stdint.h>

#define RTP_HEADER 12
#define RTP_MARKER 0x80

typedef struct {
    uint8_t second; /* marker and payload type */
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
} rtp_header;

/* What one incoming stream has brought: loss and jitter as appendices A.1, A.3 and A.8 count them. */
typedef struct {
    uint64_t packets;
    uint64_t octets; /* header included */
    uint64_t discarded;
    double last_at; /* seconds of the monotonic clock */
    double jitter;  /* in units of the clock */
    int64_t base, highest, count;
    int64_t lost_before; /* in the sequences before this one */
    uint32_t clock;
    uint32_t ssrc;
    uint32_t transit;
    uint32_t sequences; /* how many have begun */
} intake;

/* One stream towards a leg: its own SSRC; its numbers go on whatever feeds it (section 5.1). */
typedef struct {
    uint64_t packets;
    uint64_t octets; /* of payload, as sender reports count them */
    uint64_t source; /* who feeds it; 0: nobody */
    double sent_at;  /* when `timestamp` was the present */
    uint32_t ssrc;
    uint32_t source_ssrc;
    uint32_t timestamp;
    uint32_t timestamp_step;
    uint32_t clock;
    uint16_t sequence;
    uint16_t sequence_step;
    int busy; /* something of our own is being played in */
} outlet;

/* Read the first twelve octets; -1 when they are not RTP version 2. */
int rtp_read(const uint8_t *data, size_t size, rtp_header *header);
void rtp_write(uint8_t *data, const rtp_header *header);
/* The payload of a packet that `rtp_read` has taken: its start, and its size in *length; -1 when what the
   header says does not fit the packet. */
long rtp_payload(const uint8_t *data, size_t size, size_t *length);
int rtp_is_rtcp(uint8_t second);

void intake_packet(intake *in, const rtp_header *header, size_t size, uint32_t clock, double now);
int64_t intake_expected(const intake *in);
int64_t intake_lost(const intake *in);

/* The timestamp of a sound that begins now, on this clock. */
uint32_t outlet_next(outlet *out, uint32_t clock, double now);
/* `header` with the numbers of the outlet; -1 while something of our own is played in. */
int outlet_carry(outlet *out, uint64_t source, uint8_t payload_type, uint32_t clock, rtp_header *header, double now);
/* A packet with these numbers has left. */
void outlet_sent(outlet *out, const rtp_header *header, size_t payload, double now);

#endif
