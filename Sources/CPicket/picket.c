#define _GNU_SOURCE
#include "CPicket.h"

#include <malloc.h>

#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <malloc.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/vfs.h>

int picket_errno(void) { return errno; }

// Sockets

bool picket_address_parse(const char *host, uint16_t port, struct picket_address *address) {
    memset(address, 0, sizeof *address);
    struct sockaddr_in *four = (struct sockaddr_in *)&address->storage;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        address->length = sizeof *four;
        return true;
    }
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE];
    if (strlen(host) >= sizeof text) return false;
    strcpy(text, host);
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address->storage;
    char *zone = strchr(text, '%');
    if (zone) {
        *zone++ = 0;
        six->sin6_scope_id = if_nametoindex(zone);
        if (six->sin6_scope_id == 0) return false;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) return false;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    address->length = sizeof *six;
    return true;
}

uint16_t picket_address_port(const struct picket_address *address) {
    return ntohs(
        address->storage.ss_family == AF_INET
            ? ((const struct sockaddr_in *)&address->storage)->sin_port
            : ((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

static int close_keeping_errno(int fd) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int picket_link_bind(const struct picket_address *address) {
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // All three are wishes: without them the link works, later or less well.
    int yes = 1, control_traffic = 6, class_selector_6 = 0xc0;
    setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &control_traffic, sizeof control_traffic);
    if (family == AF_INET) {
        setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes);
        setsockopt(fd, IPPROTO_IP, IP_TOS, &class_selector_6, sizeof class_selector_6);
    } else {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
        setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &yes, sizeof yes);
        setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class_selector_6, sizeof class_selector_6);
    }
    if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0)
        return close_keeping_errno(fd);
    return fd;
}

int picket_socket_name(int socket, struct picket_address *address) {
    memset(address, 0, sizeof *address);
    address->length = sizeof address->storage;
    return getsockname(socket, (struct sockaddr *)&address->storage, &address->length);
}

ssize_t picket_link_send(
    int socket, const struct picket_address *to, const void *bytes, size_t count) {
    return sendto(
        socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to->storage,
        to->length);
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family) return false;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr
               == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return !memcmp(
        &((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr,
        sizeof(struct in6_addr));
}

ssize_t picket_link_receive(
    int socket, const struct picket_address *peer, void *bytes, size_t capacity, bool *foreign) {
    struct sockaddr_storage source;
    socklen_t length = sizeof source;
    memset(&source, 0, sizeof source);
    ssize_t count = recvfrom(
        socket, bytes, capacity, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&source, &length);
    *foreign = count >= 0 && !same_host(&source, &peer->storage);
    return count;
}

static socklen_t unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memcpy(address->sun_path, path, length);
    bool abstract = path[0] == '@';
    if (abstract) address->sun_path[0] = 0;
    return offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1);
}

int picket_control_listen(const char *path, mode_t mode) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // The mode of the socket's inode is that of the descriptor at bind: never open to more.
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&address, length) < 0)
        return close_keeping_errno(fd);
    if (chmod(path, mode) < 0 || listen(fd, 8) < 0) return close_keeping_errno(fd);
    return fd;
}

int picket_control_accept(int listener) {
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int control_connect(const char *path, int flags) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, length) < 0) return close_keeping_errno(fd);
    return fd;
}

int picket_control_connect(const char *path) { return control_connect(path, 0); }

int picket_control_try(const char *path) { return control_connect(path, SOCK_NONBLOCK); }

ssize_t picket_notify(const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    ssize_t sent = sendto(
        fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, length);
    close_keeping_errno(fd);
    return sent;
}

ssize_t picket_notify_descriptor(const char *path, const void *bytes, size_t count, int passed) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    struct iovec text = {(void *)bytes, count};
    union {
        char room[CMSG_SPACE(sizeof passed)];
        struct cmsghdr header;
    } control = {.header = {
        .cmsg_len = CMSG_LEN(sizeof passed), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = length, .msg_iov = &text, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof control.room};
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    close_keeping_errno(fd);
    return sent;
}

int picket_notify_receiver(const char *path) {
    struct sockaddr_un address;
    socklen_t length = unix_address(path, &address);
    if (length == 0) return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (bind(fd, (struct sockaddr *)&address, length) < 0) return close_keeping_errno(fd);
    return fd;
}

static bool peer(int socket, struct ucred *credentials) {
    socklen_t length = sizeof *credentials;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, credentials, &length) == 0;
}

pid_t picket_peer_process(int socket) {
    struct ucred credentials;
    return peer(socket, &credentials) ? credentials.pid : 0;
}

uid_t picket_peer_user(int socket) {
    struct ucred credentials;
    return peer(socket, &credentials) ? credentials.uid : (uid_t)-1;
}

int picket_process_end(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int64_t picket_group_id(const char *name) {
    struct group *group = getgrnam(name);
    return group ? (int64_t)group->gr_gid : -1;
}

bool picket_user(const char *name, uid_t *user, gid_t *group) {
    struct passwd *entry = getpwnam(name);
    if (!entry) return false;
    *user = entry->pw_uid;
    *group = entry->pw_gid;
    return true;
}

// Polling

int picket_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int picket_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event);
}

#define BATCH 32

int picket_epoll_wait(
    int epoll, uint64_t *tokens, uint32_t *events, int capacity, int64_t nanoseconds) {
    static bool fine = true; // epoll_pwait2: Linux 5.11; before it, whole milliseconds
    struct epoll_event batch[BATCH];
    if (capacity > BATCH) capacity = BATCH;
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int count = -1;
#ifdef SYS_epoll_pwait2
    if (fine && sizeof(time_t) == 8) {
        count = syscall(
            SYS_epoll_pwait2, epoll, batch, capacity, nanoseconds < 0 ? NULL : &timeout, NULL, 0);
        if (count < 0 && errno == ENOSYS) fine = false;
    } else {
        fine = false;
    }
#else
    fine = false;
#endif
    if (!fine) {
        int64_t milliseconds = (nanoseconds + 999999) / 1000000;
        if (milliseconds > INT32_MAX) milliseconds = INT32_MAX;
        count = epoll_wait(epoll, batch, capacity, nanoseconds < 0 ? -1 : (int)milliseconds);
    }
    for (int i = 0; i < count; i++) {
        tokens[i] = batch[i].data.u64;
        events[i] = batch[i].events;
    }
    return count;
}

int picket_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

static sigset_t set_of(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    return set;
}

int picket_signalfd(const int *signals, int count) {
    sigset_t set = set_of(signals, count);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int picket_signal_next(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int picket_signals_block(const int *signals, int count) {
    signal(SIGPIPE, SIG_IGN);
    sigset_t set = set_of(signals, count);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

// Processes and threads

int picket_output_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

void picket_blocking(int fd) { fcntl(fd, F_SETFL, 0); }

// The kernel spares the agent when memory runs out, but not its children. Raising takes no right.
static void end_sparing(pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", process);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t written = write(file, "0", 1);
    (void)written;
    close(file);
}

int picket_spawn(
    const char *const *argv, const char *const *environment, int input, int output,
    pid_t *process) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&files);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&files);
        return error;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    if (input < 0)
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    else
        posix_spawn_file_actions_adddup2(&files, input, 0);
    posix_spawn_file_actions_adddup2(&files, output, 1);
    posix_spawn_file_actions_adddup2(&files, output, 2);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    error = posix_spawnp(
        process, argv[0], &files, &attributes, (char *const *)argv, (char *const *)environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (!error) end_sparing(*process);
    return error;
}

int picket_kill_marked(const char *mark, pid_t group) {
    size_t length = strlen(mark) + 1;
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    int found = 0;
    while (processes && (entry = readdir(processes))) {
        pid_t process = atoi(entry->d_name);
        if (process <= 0) continue;
        // Leaders of a group, as the agent makes them; a session of its own is a service's.
        pid_t own = getpgid(process);
        bool leads = own == process && getsid(process) != process;
        if (own <= 0 || (!leads && own != group)) continue;
        char name[64], start[128];
        snprintf(name, sizeof name, "/proc/%d/environ", process);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        ssize_t count = read(file, start, sizeof start);
        close(file);
        if (count < (ssize_t)length || memcmp(start, mark, length) != 0) continue;
        kill(-own, SIGKILL);
        found++;
    }
    if (processes) closedir(processes);
    return found;
}

int picket_reap(pid_t process, int *status) {
    int raw;
    pid_t reaped;
    do reaped = waitpid(process, &raw, WNOHANG);
    while (reaped < 0 && errno == EINTR);
    if (reaped != process) return 0;
    *status = WIFSIGNALED(raw) ? -WTERMSIG(raw) : WEXITSTATUS(raw);
    return 1;
}

bool picket_group_gone(pid_t group) {
    // Processes that it left behind may have become this process's own.
    int raw;
    while (waitpid(-group, &raw, WNOHANG) > 0) {}
    return kill(-group, 0) < 0 && errno == ESRCH;
}

int picket_thread(
    const char *name, size_t stack, void *(*body)(void *argument), void *argument) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error) return error;
    pthread_attr_setstacksize(&attributes, stack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    error = pthread_create(&thread, &attributes, body, argument);
    if (!error) pthread_setname_np(thread, name);
    pthread_attr_destroy(&attributes);
    return error;
}

int picket_lock_memory(void) { return mlockall(MCL_CURRENT | MCL_FUTURE); }

int picket_real_time(int priority) {
    // Neither workers nor resources inherit it.
    struct sched_param parameters = {.sched_priority = priority};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters);
}

void picket_small_heap(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024);
}

char *const *picket_inherited_environment(void) { return environ; }

// Clocks, files, the rest

static int64_t clock_nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t picket_boot_time(void) { return clock_nanoseconds(CLOCK_BOOTTIME); }
int64_t picket_wall_time(void) { return clock_nanoseconds(CLOCK_REALTIME); }
int64_t picket_file_system(const char *path) {
    struct statfs state;
    return statfs(path, &state) ? -1 : (int64_t)(uint32_t)state.f_type;
}

bool picket_clock_is_synchronised(void) {
    struct timex state = {0}; // no modes: it is only read
    int kept = adjtimex(&state);
    return kept >= 0 && kept != TIME_ERROR && !(state.status & STA_UNSYNC);
}

int64_t picket_monotonic_time(void) { return clock_nanoseconds(CLOCK_MONOTONIC); }

const char *picket_error_text(int error) {
    const char *text = strerrordesc_np(error); // needs no buffer: safe in every thread
    return text ? text : "unknown error";
}

int picket_open_file(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int picket_wait(int fd, bool writing, int64_t nanoseconds) {
    struct pollfd one = {.fd = fd, .events = writing ? POLLOUT : POLLIN};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return ppoll(&one, 1, nanoseconds < 0 ? NULL : &limit, NULL);
}

void *picket_directory_open(const char *path) { return opendir(path); }

const char *picket_directory_next(void *directory) {
    struct dirent *entry = readdir(directory);
    return entry ? entry->d_name : NULL;
}

void picket_directory_close(void *directory) { closedir(directory); }

bool picket_is_socket(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

int picket_file_lock(int fd) { return flock(fd, LOCK_EX | LOCK_NB); }

// Announcing an address

static int announce_four(int index, const uint8_t *hardware, const struct in_addr *address) {
    struct __attribute__((packed)) {
        uint16_t hardware_type, protocol;
        uint8_t hardware_length, protocol_length;
        uint16_t operation;
        uint8_t sender[6], sender_address[4], target[6], target_address[4];
    } arp = {htons(1), htons(ETH_P_IP), 6, 4, htons(1), {0}, {0}, {0}, {0}};
    memcpy(arp.sender, hardware, 6);
    memcpy(arp.sender_address, address, 4);
    memcpy(arp.target_address, address, 4);
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = index,
        .sll_halen = 6, .sll_addr = {255, 255, 255, 255, 255, 255}};
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ARP));
    if (fd < 0) return errno;
    ssize_t sent = sendto(fd, &arp, sizeof arp, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
    int error = sent < 0 ? errno : 0;
    close(fd);
    return error;
}

static int announce_six(int index, const uint8_t *hardware, const struct in6_addr *address) {
    struct __attribute__((packed)) {
        uint8_t type, code;
        uint16_t checksum; // the kernel's
        uint32_t flags;
        struct in6_addr target;
        uint8_t option, length, hardware[6];
    } advertisement = {136, 0, 0, htonl(0x20000000), *address, 2, 1, {0}};
    memcpy(advertisement.hardware, hardware, 6);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_scope_id = index};
    inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
    struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_addr = *address};
    int hops = 255;
    int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    if (fd < 0) return errno;
    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
    bind(fd, (struct sockaddr *)&from, sizeof from);
    ssize_t sent = sendto(
        fd, &advertisement, sizeof advertisement, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
    int error = sent < 0 ? errno : 0;
    close(fd);
    return error;
}

int picket_announce(const char *device, const char *host) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    int error = ioctl(fd, SIOCGIFHWADDR, &request) < 0 ? errno : 0;
    close(fd);
    if (error) return error;
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return 0; // nobody to tell
    int index = if_nametoindex(device);
    const uint8_t *hardware = (const uint8_t *)request.ifr_hwaddr.sa_data;
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1) return announce_four(index, hardware, &four);
    if (inet_pton(AF_INET6, host, &six) == 1) return announce_six(index, hardware, &six);
    return EINVAL;
}

bool picket_interface_gone(const char *name) {
    return if_nametoindex(name) == 0 && errno == ENODEV;
}

uint64_t picket_heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
