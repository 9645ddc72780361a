// Constants that ordinary and Embedded Swift import as different types, for the rack and its
// clients.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static const int picket_sock_seqpacket = SOCK_SEQPACKET | SOCK_CLOEXEC;
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

static const int picket_clock_monotonic = CLOCK_MONOTONIC;
static const int picket_o_append = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
static const int picket_o_pid = O_RDWR | O_CREAT | O_CLOEXEC;

/// Orphans below this process become its children (prctl is variadic).
static inline int picket_become_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}
/// Marks the descriptor close-on-exec (fcntl is variadic).
static inline int picket_close_on_exec(int descriptor) {
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}
static inline int picket_open(const char *path, int flags, unsigned mode) {
    return open(path, flags, mode);
}
static inline char **picket_environment(void) {
    extern char **environ;
    return environ;
}
/// posix_spawn_file_actions_addclosefrom_np (a GNU extension).
int picket_spawn_close_from(posix_spawn_file_actions_t *actions, int first);
/// The process's argument at `index`, NULL beyond the last.
const char *picket_argument(int index);

// MARK: The rack's own side

/// poll(2) with nanoseconds; negative: for ever.
int picket_ppoll(struct pollfd *descriptors, int count, int64_t nanoseconds);
struct picket_process {
    pid_t id, parent, session;
};
/// The live processes of this computer, at most `room`; -1 if /proc cannot be read.
int picket_processes(struct picket_process *found, int room);
/// Starts a process as the leader of its own session: 0 or an errno.
int picket_spawn_session(
    pid_t *child, char *const *arguments, char *const *environment, int input, int output,
    int error);
/// A bound UDP socket; port 0 is replaced by the one that was taken. -1 with errno.
int picket_udp_open(uint32_t host, uint16_t *port);
ssize_t picket_udp_send(
    int descriptor, const void *bytes, size_t count, uint32_t host, uint16_t port);
/// A listening unix socket, in place of whatever was at `path`. -1 with errno.
int picket_unix_listen(const char *path, int kind);
int picket_accept(int descriptor);
int picket_unix_stream(void);
int picket_pipe(int ends[2]);
/// Gives the file's first bytes back to the disk; its size stays.
int picket_punch_hole(int descriptor, int64_t length);
static const int picket_kind_seqpacket = SOCK_SEQPACKET;
static const int picket_kind_stream = SOCK_STREAM;
/// Mounts a tmpfs with these options, such as `size=256k`; takes root. 0, or -1 with errno.
int picket_mount_small(const char *path, const char *options);
int picket_unmount(const char *path);
/// The terminal at standard input gives keys at once and unechoed; signals keep their keys. -1 if
/// there is none.
int picket_terminal_raw(void);
void picket_terminal_restore(void);
void picket_terminal_size(int *columns, int *rows);

// MARK: The lab: virtual machines beside this process

/// recvmsg(2) that also takes descriptors (SCM_RIGHTS), close-on-exec: at most `room`, their number
/// goes to `received`. Never waits.
ssize_t picket_receive_descriptors(
    int socket, void *bytes, size_t count, int *descriptors, int room, int *received);
/// Reads of the descriptor return at once (fcntl is variadic).
static inline int picket_never_wait(int descriptor) {
    return fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}
static inline int picket_duplicate_above(int descriptor, int lowest) {
    return fcntl(descriptor, F_DUPFD_CLOEXEC, lowest);
}
/// What another processor writes, and what it may read: a ring's indices in shared memory.
static inline uint16_t picket_load16(const void *place) {
    return __atomic_load_n((const uint16_t *)place, __ATOMIC_ACQUIRE);
}
static inline void picket_store16(void *place, uint16_t value) {
    __atomic_store_n((uint16_t *)place, value, __ATOMIC_RELEASE);
}
static inline void picket_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
/// A datagram socket bound at `path`, in place of whatever was there. -1 with errno.
int picket_unix_datagram(const char *path);
ssize_t picket_unix_send_to(int descriptor, const char *path, const void *bytes, size_t count);
/// No thread of the process will run an instruction of its own again: each is killed, on its way out
/// or gone. (The kernel may still be taking its memory apart, or have had no time for it yet.)
bool picket_process_ended(pid_t process);
