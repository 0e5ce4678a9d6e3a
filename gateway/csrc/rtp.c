#include "rtp.h"

#include <string.h>

#define MAX_DROPOUT 3000
#define MAX_MISORDER 100
#define FRAME_SECONDS 0.02

static uint16_t read16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static uint32_t read32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write32(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

int rtp_read(const uint8_t *data, size_t size, rtp_header *header) {
    if (size < RTP_HEADER || (data[0] & 0xC0) != 0x80)
        return -1;
    header->second = data[1];
    header->sequence = read16(data + 2);
    header->timestamp = read32(data + 4);
    header->ssrc = read32(data + 8);
    return 0;
}

void rtp_write(uint8_t *data, const rtp_header *header) {
    data[0] = 0x80;
    data[1] = header->second;
    data[2] = (uint8_t)(header->sequence >> 8);
    data[3] = (uint8_t)header->sequence;
    write32(data + 4, header->timestamp);
    write32(data + 8, header->ssrc);
}

long rtp_payload(const uint8_t *data, size_t size, size_t *length) {
    size_t start = RTP_HEADER + 4 * (size_t)(data[0] & 0x0F);
    size_t end = size;
    if (data[0] & 0x10) { /* section 5.3.1 */
        if (size < start + 4)
            return -1;
        start += 4 + 4 * (size_t)read16(data + start + 2);
    }
    if (data[0] & 0x20) {
        size_t padding = data[size - 1];
        if (padding > end)
            return -1;
        end -= padding;
    }
    if (start > end)
        return -1;
    *length = end - start;
    return (long)start;
}

int rtp_is_rtcp(uint8_t second) { return second >= 192 && second <= 223; } /* RFC 5761 section 4 */

static uint32_t on_clock(double seconds, uint32_t clock) {
    return (uint32_t)(uint64_t)(seconds * clock); /* wraps as timestamps do */
}

static void begin_sequence(intake *in, const rtp_header *header, uint32_t transit) {
    in->lost_before = intake_lost(in);
    in->ssrc = header->ssrc;
    in->base = in->highest = header->sequence;
    in->count = 1;
    in->transit = transit;
    in->sequences++;
}

void intake_packet(intake *in, const rtp_header *header, size_t size, uint32_t clock, double now) {
    in->packets++;
    in->octets += size;
    in->last_at = now;
    int fresh = !in->sequences || header->ssrc != in->ssrc;
    if (fresh)
        in->clock = clock;
    uint32_t transit = on_clock(now, in->clock) - header->timestamp;
    uint16_t step = (uint16_t)(header->sequence - (uint16_t)in->highest);
    if (fresh || (step >= MAX_DROPOUT && step <= 0x10000 - MAX_MISORDER)) {
        begin_sequence(in, header, transit); /* a jump too far for loss or reordering: it has restarted */
        return;
    }
    if (step < MAX_DROPOUT)
        in->highest += step;
    in->count++;
    uint32_t delta = transit - in->transit;
    in->transit = transit;
    if (delta >= 0x80000000u)
        delta = 0u - delta;
    in->jitter += ((double)delta - in->jitter) / 16.0;
}

int64_t intake_expected(const intake *in) { return in->sequences ? in->highest - in->base + 1 : 0; }

int64_t intake_lost(const intake *in) {
    int64_t missing = intake_expected(in) - in->count;
    return in->lost_before + (missing > 0 ? missing : 0); /* a duplicate never makes it negative */
}

uint32_t outlet_next(outlet *out, uint32_t clock, double now) {
    uint32_t following = out->timestamp;
    if (out->packets) {
        double elapsed = now - out->sent_at;
        following += on_clock(elapsed > FRAME_SECONDS ? elapsed : FRAME_SECONDS, clock);
    }
    out->clock = clock;
    return following;
}

int outlet_carry(outlet *out, uint64_t source, uint8_t payload_type, uint32_t clock, rtp_header *header, double now) {
    uint8_t marker = header->second & RTP_MARKER;
    if (out->source != source || out->source_ssrc != header->ssrc || out->clock != clock) {
        if (out->busy)
            return -1;
        uint32_t following = outlet_next(out, clock, now);
        out->source = source;
        out->source_ssrc = header->ssrc;
        out->sequence_step = (uint16_t)(out->sequence + 1 - header->sequence);
        out->timestamp_step = following - header->timestamp;
        marker = RTP_MARKER; /* tells the receiver's jitter buffer that a new spurt begins */
    }
    header->second = marker | payload_type;
    header->sequence = (uint16_t)(header->sequence + out->sequence_step);
    header->timestamp += out->timestamp_step;
    header->ssrc = out->ssrc;
    return 0;
}

void outlet_sent(outlet *out, const rtp_header *header, size_t payload, double now) {
    out->packets++;
    out->octets += payload;
    if ((uint16_t)(header->sequence - out->sequence) < 0x8000) { /* not a late one */
        out->sequence = header->sequence;
        out->timestamp = header->timestamp;
        out->sent_at = now;
    }
}
