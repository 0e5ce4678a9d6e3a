/* What the user sets and reads of legs and outlets. */
#include <errno.h>
#include <stdlib.h>

#include "inside.h"

/* What the handle stands for with the lock held, or NULL with the lock let go. */
static void *locked(relay *own, uint8_t kind, uint64_t handle) {
    pthread_mutex_lock(&own->lock);
    void *found = table_find(own->held, kind, handle);
    if (found == NULL)
        pthread_mutex_unlock(&own->lock);
    return found;
}

static void unlock(relay *own) { pthread_mutex_unlock(&own->lock); }

void leg_sessions(relay *own, uint64_t handle, void *receiving, void *sending) {
    leg *of = locked(own, A_LEG, handle);
    if (of == NULL)
        return;
    of->receiving = receiving;
    of->sending = sending;
    unlock(own);
}

void leg_peer(relay *own, uint64_t handle, uint64_t port_handle, const place *peer, int locked_on_it) {
    leg *of = locked(own, A_LEG, handle);
    if (of == NULL)
        return;
    port *by = table_find(own->held, A_PORT, port_handle);
    if (by != NULL && by->of == of) {
        of->peer = *peer;
        of->locked = locked_on_it;
        of->by = by;
        of->target_size = place_to(peer, by->family, &of->target);
    }
    unlock(own);
}

void leg_announce(relay *own, uint64_t handle, const place *announced) {
    leg *of = locked(own, A_LEG, handle);
    if (of == NULL)
        return;
    of->announced = *announced;
    unlock(own);
}

void leg_admit(relay *own, uint64_t port_handle, const place *peer) {
    port *by = locked(own, A_PORT, port_handle);
    if (by == NULL)
        return;
    unsigned known = 0;
    while (known < by->admissions && !place_same(&by->admitted[known], peer))
        known++;
    if (known == by->admissions && known < MAX_ADMITTED)
        by->admitted[by->admissions++] = *peer;
    unlock(own);
}

void leg_route(relay *own, uint64_t handle, uint8_t payload_type, int kind, uint8_t medium, uint32_t clock,
               uint64_t outlet_handle, uint8_t out_payload_type) {
    leg *of = payload_type < 128 && medium < LEG_MEDIA ? locked(own, A_LEG, handle) : NULL;
    if (of == NULL)
        return;
    of->routes[payload_type] = (route){outlet_handle, clock, (uint8_t)kind, medium, out_payload_type & 0x7F};
    unlock(own);
}

void leg_inject(relay *own, uint64_t handle, const uint8_t *data, size_t size) {
    leg *of = locked(own, A_LEG, handle);
    if (of == NULL)
        return;
    path_rtp(own, of, data, size, path_now());
    path_flush(own);
    unlock(own);
}

int leg_send_rtcp(relay *own, uint64_t handle, const uint8_t *data, size_t size) {
    leg *of = locked(own, A_LEG, handle);
    if (of == NULL)
        return -1;
    int result = path_send_rtcp(own, of, data, size);
    path_flush(own);
    unlock(own);
    return result;
}

int leg_read(relay *own, uint64_t handle, leg_report *report) {
    const leg *of = locked(own, A_LEG, handle);
    if (of == NULL)
        return -1;
    *report = (leg_report){of->strangers, of->failed, of->discarded};
    unlock(own);
    return 0;
}

int leg_read_medium(relay *own, uint64_t handle, uint8_t medium, intake_report *report) {
    const leg *of = medium < LEG_MEDIA ? locked(own, A_LEG, handle) : NULL;
    if (of == NULL)
        return -1;
    const intake *in = &of->media[medium];
    *report = (intake_report){
        .packets = in->packets, .octets = in->octets, .discarded = in->discarded,
        .last_at = in->last_at, .jitter = in->jitter,
        .base = in->base, .highest = in->highest, .count = in->count, .lost = intake_lost(in),
        .ssrc = in->ssrc, .clock = in->clock, .sequences = in->sequences,
    };
    unlock(own);
    return 0;
}

uint64_t outlet_open(relay *own, uint64_t leg_handle, uint32_t ssrc, uint16_t sequence, uint32_t timestamp) {
    outgoing *out = calloc(1, sizeof *out);
    if (out == NULL)
        return 0;
    out->leg = leg_handle;
    out->numbers.ssrc = ssrc;
    out->numbers.sequence = sequence;
    out->numbers.timestamp = timestamp;
    out->numbers.clock = 8000;
    pthread_mutex_lock(&own->lock);
    out->handle = table_add(own->held, AN_OUTLET, out);
    unlock(own);
    if (out->handle)
        return out->handle;
    free(out);
    errno = ENOMEM;
    return 0;
}

void outlet_close(relay *own, uint64_t handle) {
    pthread_mutex_lock(&own->lock);
    outgoing *out = table_remove(own->held, AN_OUTLET, handle);
    unlock(own);
    free(out);
}

int outlet_read(relay *own, uint64_t handle, outlet_report *report) {
    outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return -1;
    const outlet *numbers = &out->numbers;
    *report = (outlet_report){
        .packets = numbers->packets, .octets = numbers->octets, .sent_at = numbers->sent_at,
        .ssrc = numbers->ssrc, .timestamp = numbers->timestamp, .clock = numbers->clock, .busy = numbers->busy,
    };
    unlock(own);
    return 0;
}

void outlet_hold(relay *own, uint64_t handle, int busy) {
    outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return;
    out->numbers.busy = busy;
    out->numbers.source = 0;
    unlock(own);
}

int outlet_forward(relay *own, uint64_t handle, uint64_t source, uint8_t payload_type, uint32_t clock,
                   const uint8_t *data, size_t size, double now) {
    outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return 0;
    int result = path_carry(own, out, source, payload_type & 0x7F, clock, data, size, now);
    path_flush(own);
    unlock(own);
    return result;
}

void outlet_append(relay *own, uint64_t handle, uint8_t second, uint32_t timestamp, const uint8_t *payload,
                   size_t size, double now) {
    outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return;
    rtp_header header = {second, (uint16_t)(out->numbers.sequence + 1), timestamp, out->numbers.ssrc};
    path_send(own, out, &header, payload, size, now);
    path_flush(own);
    unlock(own);
}

uint32_t outlet_following(relay *own, uint64_t handle, uint32_t clock, double now) {
    outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return 0;
    uint32_t following = outlet_next(&out->numbers, clock, now);
    unlock(own);
    return following;
}

int outlet_fed_by(relay *own, uint64_t handle, uint64_t source, uint32_t ssrc) {
    const outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return 0;
    int fed = out->numbers.source == source && out->numbers.source_ssrc == ssrc;
    unlock(own);
    return fed;
}

int outlet_begin(relay *own, uint64_t handle, uint64_t source, uint32_t ssrc, uint32_t clock, double now,
                 uint32_t *timestamp) {
    outgoing *out = locked(own, AN_OUTLET, handle);
    if (out == NULL)
        return -1;
    outlet *numbers = &out->numbers;
    int result = numbers->busy ? -1 : 0;
    if (result == 0) {
        numbers->source = source;
        numbers->source_ssrc = ssrc;
        *timestamp = outlet_next(numbers, clock, now);
    }
    unlock(own);
    return result;
}
