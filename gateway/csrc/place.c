#include <netinet/in.h>
#include <string.h>

#include "inside.h"

int place_same(const place *one, const place *other) {
    return one->family == other->family && one->port == other->port && one->family &&
           !memcmp(one->host, other->host, one->family == 4 ? 4 : 16);
}

place place_of(const struct sockaddr_storage *address) {
    place found;
    memset(&found, 0, sizeof found);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        found.family = 4;
        found.port = ntohs(four->sin_port);
        memcpy(found.host, &four->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        found.family = 6;
        found.port = ntohs(six->sin6_port);
        found.scope = six->sin6_scope_id;
        memcpy(found.host, &six->sin6_addr, 16);
    }
    return found;
}

socklen_t place_to(const place *from, int family, struct sockaddr_storage *address) {
    memset(address, 0, sizeof *address);
    if (from->family == 4 && family == AF_INET) {
        struct sockaddr_in *four = (struct sockaddr_in *)address;
        four->sin_family = AF_INET;
        four->sin_port = htons(from->port);
        memcpy(&four->sin_addr, from->host, 4);
        return sizeof *four;
    }
    if (from->family == 6 && family == AF_INET6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(from->port);
        six->sin6_scope_id = from->scope;
        memcpy(&six->sin6_addr, from->host, 16);
        return sizeof *six;
    }
    return 0;
}
