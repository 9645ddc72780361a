// Constants that ordinary and Embedded Swift import as different types, for the rack and its
// clients.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static const int picket_sock_seqpacket = SOCK_SEQPACKET | SOCK_CLOEXEC;
static const int picket_sock_seqpacket_listening = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
static const int picket_msg_dontwait = MSG_DONTWAIT;
static const int picket_msg_nosignal = MSG_NOSIGNAL;

/// The address of a unix socket at `path`; 0 if the path is too long, else the address's length.
static inline socklen_t picket_unix_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    if (length >= sizeof address->sun_path) return 0;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return (socklen_t)sizeof *address;
}

/// Connects to, or binds at, the unix socket `path`: 0, or -1 with errno.
static inline int picket_unix_connect(int descriptor, const char *path) {
    struct sockaddr_un address;
    socklen_t length = picket_unix_address(&address, path);
    if (!length) return errno = ENAMETOOLONG, -1;
    return connect(descriptor, (struct sockaddr *)&address, length);
}
static inline int picket_unix_bind(int descriptor, const char *path) {
    struct sockaddr_un address;
    socklen_t length = picket_unix_address(&address, path);
    if (!length) return errno = ENAMETOOLONG, -1;
    return bind(descriptor, (struct sockaddr *)&address, length);
}
