// The one C target: system headers for Swift, and only what Swift cannot import by itself
// (macros with structure, variadic functions, ioctls). No policy. Prefix: picket_.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "picket_devices.h"
#include "picket_rack.h"

/// `errno` of the calling thread (a macro that Embedded Swift does not import).
int picket_errno(void);

// Sockets: C's address family puns do not survive the import. -1 and errno on failure.
struct picket_address {
    struct sockaddr_storage storage;
    socklen_t length;
};
/// A numeric IPv4 or IPv6 address, with an optional %interface. False if it is none.
bool picket_address_parse(const char *host, uint16_t port, struct picket_address *address);
uint16_t picket_address_port(const struct picket_address *address);
/// Non-blocking; bound also while the interface has not got the address yet.
int picket_link_bind(const struct picket_address *address);
/// The address that a socket was bound to.
int picket_socket_name(int socket, struct picket_address *address);
ssize_t picket_link_send(
    int socket, const struct picket_address *to, const void *bytes, size_t count);
/// The datagram's whole length, even where it is more than `capacity` (MSG_TRUNC), and whether it
/// came from another host than the peer's. The port is not compared.
ssize_t picket_link_receive(
    int socket, const struct picket_address *peer, void *bytes, size_t capacity, bool *foreign);
/// Non-blocking stream listener with this mode; replaces nothing: the path must be free.
int picket_control_listen(const char *path, mode_t mode);
int picket_control_accept(int listener);
/// `@` begins an abstract name.
int picket_control_connect(const char *path);
/// Non-blocking: where too many wait to be accepted it fails with EAGAIN.
int picket_control_try(const char *path);
/// One datagram to a path or abstract name, never waiting.
ssize_t picket_notify(const char *path, const void *bytes, size_t count);
/// Binds a datagram socket there: what a service manager does.
int picket_notify_receiver(const char *path);
/// Who is at the other end of a unix socket; 0 where that is unknown.
pid_t picket_peer_process(int socket);
uid_t picket_peer_user(int socket);
/// Readable once this process has ended; negative where the kernel has no such thing.
int picket_process_end(pid_t process);
/// -1 where there is no such group.
int64_t picket_group_id(const char *name);
/// A user and its own group; false where there is no such user.
bool picket_user(const char *name, uid_t *user, gid_t *group);

// Polling.
int picket_epoll_create(void);
/// `operation`: picket_epoll_add, …_change or …_remove.
int picket_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token);
/// Waits at most `nanoseconds` (negative: without end).
int picket_epoll_wait(
    int epoll, uint64_t *tokens, uint32_t *events, int capacity, int64_t nanoseconds);
int picket_eventfd(void);
int picket_signalfd(const int *signals, int count);
/// The next signal that is waiting, or 0.
int picket_signal_next(int fd);
/// Blocks these signals in this thread and those that it starts, and ignores SIGPIPE.
int picket_signals_block(const int *signals, int count);

// Processes and threads.
/// A pipe whose ends close on exec, the read end non-blocking.
int picket_output_pipe(int ends[2]);
void picket_blocking(int fd);
/// Starts argv[0] (looked up in PATH) in a process group of its own, with default signals and
/// nothing open but 0, 1 and 2. Returns an errno.
int picket_spawn(
    const char *const *argv, const char *const *environment, int input, int output,
    pid_t *process);
/// Reaps this process if it has ended: 1, with its exit code or minus its signal; else 0.
int picket_reap(pid_t process, int *status);
/// No process of this group is there any more, whoever its parent is.
bool picket_group_gone(pid_t group);
// Kills the group of each process that leads its group, or is of this `group` (0: none), and whose
// environment begins with `mark`. Returns how many there were.
int picket_kill_marked(const char *mark, pid_t group);
int picket_thread(
    const char *name, size_t stack, void *(*body)(void *argument), void *argument);
int picket_lock_memory(void);
int picket_real_time(int priority);
/// Keeps the allocator to one arena, and gives back what is freed.
void picket_small_heap(void);
char *const *picket_inherited_environment(void);

/// Nanoseconds of CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_MONOTONIC.
int64_t picket_boot_time(void);
int64_t picket_wall_time(void);
int64_t picket_monotonic_time(void);
// The magic number of the file system that a path lies on (statfs(2)), or -1.
int64_t picket_file_system(const char *path);
// Whether the kernel says that its wall clock is kept right.
bool picket_clock_is_synchronised(void);
/// Kernel's text of an errno.
const char *picket_error_text(int error);
int picket_open_file(const char *path, int flags, mode_t mode);
/// Waits until `fd` can be read (or written), at most so long (negative: without end). 1 if it
/// can.
int picket_wait(int fd, bool writing, int64_t nanoseconds);
/// NULL where there is no such directory, and after its last name.
void *picket_directory_open(const char *path);
const char *picket_directory_next(void *directory);
void picket_directory_close(void *directory);
bool picket_is_socket(int fd);
int picket_file_lock(int fd);

static const int picket_epoll_add = EPOLL_CTL_ADD;
static const int picket_epoll_change = EPOLL_CTL_MOD;
static const int picket_epoll_remove = EPOLL_CTL_DEL;
static const uint32_t picket_readable = EPOLLIN;
static const uint32_t picket_writable = EPOLLOUT;
static const uint32_t picket_hung_up = EPOLLHUP | EPOLLERR;
static const int picket_read_only = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
static const int picket_read_only_no_link = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
static const int picket_write_new = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
static const int picket_append = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
static const int picket_read_write_create = O_RDWR | O_CREAT | O_CLOEXEC;
static const int picket_directory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
static const int picket_dont_wait = MSG_DONTWAIT | MSG_NOSIGNAL;

/// Tells the neighbours on `device` that this node has the address now: a gratuitous ARP request
/// (RFC 5227 §3), or an unsolicited neighbour advertisement (RFC 4861 §7.2.6). An errno, or 0.
int picket_announce(const char *device, const char *host);

/// There is no network interface of this name.
bool picket_interface_gone(const char *name);

/// Bytes that malloc has given out and that are in use.
uint64_t picket_heap_bytes(void);

/// A datagram socket that sends to this address. -1 with errno.
int picket_udp_connect(const struct picket_address *address);
