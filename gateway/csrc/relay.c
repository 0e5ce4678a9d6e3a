/* The thread, and what its user asks of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "inside.h"

#define EVENTS 64
#define ROUNDS 4 /* batches of one port before the others have their turn */
#define BURST 0.002 /* s between two datagrams of a port, below which more of them are looked for at once */

static void prepare(relay *own) {
    for (int index = 0; index < BATCH; index++) {
        own->parts[index] = (struct iovec){own->buffers[index], LARGEST};
        own->messages[index].msg_hdr = (struct msghdr){
            .msg_name = &own->senders[index],
            .msg_namelen = sizeof own->senders[index],
            .msg_iov = &own->parts[index],
            .msg_iovlen = 1,
        };
    }
}

/* One datagram; whether others are close. Sound comes one at a time: to ask for a batch would cost a second look for
   each. */
static int receive_one(relay *own, port *by) {
    struct sockaddr_storage *from = &own->senders[0];
    socklen_t size = sizeof *from;
    ssize_t length = recvfrom(by->descriptor, own->buffers[0], LARGEST, MSG_DONTWAIT | MSG_TRUNC,
                              (struct sockaddr *)from, &size);
    if (length < 0)
        return 0;
    double now = path_now();
    int close = now - by->last_at < BURST;
    by->last_at = now;
    if (length <= LARGEST)
        path_received(own, by, own->buffers[0], (size_t)length, from, now);
    path_flush(own);
    return close;
}

static void receive(relay *own, port *by) {
    if (!receive_one(own, by))
        return;
    for (int round = 0; round < ROUNDS; round++) {
        int taken = recvmmsg(by->descriptor, own->messages, BATCH, MSG_DONTWAIT, NULL);
        double now = path_now();
        for (int index = 0; index < taken; index++) {
            struct msghdr *message = &own->messages[index].msg_hdr;
            if (!(message->msg_flags & MSG_TRUNC))
                path_received(own, by, own->buffers[index], own->messages[index].msg_len, &own->senders[index], now);
            message->msg_namelen = sizeof own->senders[index]; /* all that a system call changes of what goes in */
        }
        path_flush(own);
        if (taken < BATCH)
            return;
    }
}

static void *run(void *argument) {
    relay *own = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(own->epoll, events, EVENTS, -1);
        pthread_mutex_lock(&own->lock);
        for (int index = 0; index < count; index++) {
            if (!events[index].data.u64) {
                pthread_mutex_unlock(&own->lock);
                return NULL;
            }
            port *by = table_find(own->held, A_PORT, events[index].data.u64);
            if (by != NULL)
                receive(own, by);
        }
        pthread_mutex_unlock(&own->lock);
    }
}

static int start(relay *own) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
    own->held = table_new();
    own->queue = upward_new();
    own->epoll = epoll_create1(EPOLL_CLOEXEC);
    own->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (own->held == NULL || own->queue == NULL || own->epoll < 0 || own->stop < 0)
        return -1;
    if (epoll_ctl(own->epoll, EPOLL_CTL_ADD, own->stop, &event) < 0)
        return -1;
    errno = pthread_create(&own->thread, NULL, run, own);
    return errno ? -1 : 0;
}

static void discard(relay *own) {
    if (own->epoll >= 0)
        close(own->epoll);
    if (own->stop >= 0)
        close(own->stop);
    upward_free(own->queue);
    table_free(own->held);
    pthread_mutex_destroy(&own->lock);
    free(own);
}

relay *relay_new(const srtp_functions *functions) {
    relay *own = calloc(1, sizeof *own);
    if (own == NULL)
        return NULL;
    own->epoll = own->stop = -1;
    own->srtp = *functions;
    prepare(own);
    pthread_mutex_init(&own->lock, NULL);
    if (start(own) == 0)
        return own;
    int reason = errno;
    discard(own);
    errno = reason;
    return NULL;
}

void relay_free(relay *own) {
    uint64_t one = 1;
    while (write(own->stop, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    pthread_join(own->thread, NULL);
    discard(own);
}

int relay_descriptor(const relay *own) { return upward_descriptor(own->queue); }

int relay_take(relay *own, upward_item *into, int most) {
    pthread_mutex_lock(&own->lock);
    int taken = upward_take(own->queue, into, most);
    for (int index = 0; index < taken; index++) {
        leg *of = table_find(own->held, A_LEG, into[index].leg);
        if (of != NULL)
            of->waiting--;
    }
    pthread_mutex_unlock(&own->lock);
    return taken;
}

uint64_t leg_open(relay *own, int kind) {
    leg *of = calloc(1, sizeof *of);
    if (of == NULL)
        return 0;
    of->kind = kind;
    pthread_mutex_lock(&own->lock);
    uint64_t handle = of->handle = table_add(own->held, A_LEG, of);
    pthread_mutex_unlock(&own->lock);
    if (!handle)
        free(of);
    return handle;
}

void leg_close(relay *own, uint64_t handle) {
    pthread_mutex_lock(&own->lock);
    leg *of = table_remove(own->held, A_LEG, handle);
    for (unsigned index = 0; of != NULL && index < of->port_count; index++) {
        port *by = table_remove(own->held, A_PORT, of->ports[index]->handle);
        epoll_ctl(own->epoll, EPOLL_CTL_DEL, by->descriptor, NULL);
        free(by);
    }
    pthread_mutex_unlock(&own->lock);
    free(of);
}

/* Hold the port and listen to it; 0 and errno when it cannot be. */
static uint64_t add_port(relay *own, leg *of, port *by) {
    by->of = of;
    by->handle = table_add(own->held, A_PORT, by);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = by->handle};
    if (by->handle && epoll_ctl(own->epoll, EPOLL_CTL_ADD, by->descriptor, &event) < 0) {
        table_remove(own->held, A_PORT, by->handle);
        return 0;
    }
    if (by->handle)
        of->ports[of->port_count++] = by;
    return by->handle;
}

uint64_t leg_port(relay *own, uint64_t handle, int descriptor) {
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(descriptor, (struct sockaddr *)&bound, &size) < 0)
        return 0;
    port *by = calloc(1, sizeof *by);
    if (by == NULL)
        return 0;
    by->descriptor = descriptor;
    by->family = bound.ss_family;
    pthread_mutex_lock(&own->lock);
    leg *of = table_find(own->held, A_LEG, handle);
    errno = ENOSPC;
    uint64_t added = of != NULL && of->port_count < MAX_PORTS ? add_port(own, of, by) : 0;
    pthread_mutex_unlock(&own->lock);
    if (!added)
        free(by);
    return added;
}
