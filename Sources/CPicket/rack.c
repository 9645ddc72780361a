#define _GNU_SOURCE
#include "CPicket.h"
#include <ctype.h>
#include <dirent.h>

int picket_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

static int argument_count;
static char **argument_values;

// glibc hands a constructor what it hands to main; Embedded Swift has no CommandLine.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
    argument_count = count;
    argument_values = values;
}

const char *picket_argument(int index) {
    return index < argument_count ? argument_values[index] : NULL;
}

int picket_ppoll(struct pollfd *descriptors, int count, int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return ppoll(descriptors, (nfds_t)count, nanoseconds < 0 ? NULL : &limit, NULL);
}

// Reads all of `DIRECTORY/name`; false if it is not there any more.
static bool read_of(const char *directory, const char *name, char *text, size_t room) {
    char path[96];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t length = read(file, text, room - 1);
    close(file);
    if (length <= 0) return false;
    text[length] = 0;
    return true;
}

int picket_processes(struct picket_process *found, int room) {
    DIR *processes = opendir("/proc");
    if (!processes) return -1;
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(processes)) && count < room) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        char path[64], text[512];
        snprintf(path, sizeof path, "/proc/%.20s", entry->d_name);
        if (!read_of(path, "stat", text, sizeof text)) continue;
        char *name = strrchr(text, ')'), state;
        int parent, group, session;
        if (!name || sscanf(name + 1, " %c %d %d %d", &state, &parent, &group, &session) != 4)
            continue;
        if (state == 'Z' || state == 'X') continue;
        found[count++] = (struct picket_process){(pid_t)atoi(entry->d_name), parent, session};
    }
    closedir(processes);
    return count;
}

int picket_spawn_session(
    pid_t *child, char *const *arguments, char *const *environment, int input, int output,
    int error) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, error, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int result = posix_spawn(child, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

static struct sockaddr_in udp_address(uint32_t host, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(host);
    address.sin_port = htons(port);
    return address;
}

int picket_udp_open(uint32_t host, uint16_t *port) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    struct sockaddr_in address = udp_address(host, *port);
    socklen_t length = sizeof address;
    if (bind(descriptor, (struct sockaddr *)&address, length) ||
        getsockname(descriptor, (struct sockaddr *)&address, &length)) {
        int error = errno;
        close(descriptor);
        return errno = error, -1;
    }
    *port = ntohs(address.sin_port);
    return descriptor;
}

ssize_t picket_udp_send(
    int descriptor, const void *bytes, size_t count, uint32_t host, uint16_t port) {
    struct sockaddr_in address = udp_address(host, port);
    return sendto(
        descriptor, bytes, count, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
}

int picket_unix_listen(const char *path, int kind) {
    int descriptor = socket(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    unlink(path);
    if (picket_unix_bind(descriptor, path) || listen(descriptor, 32)) {
        int error = errno;
        close(descriptor);
        return errno = error, -1;
    }
    return descriptor;
}

int picket_accept(int descriptor) {
    return accept4(descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int picket_unix_stream(void) {
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int picket_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int picket_punch_hole(int descriptor, int64_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, length);
}

#include <sys/mount.h>

int picket_mount_small(const char *path, const char *options) {
    return mount("picket-rack", path, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

int picket_unmount(const char *path) { return umount2(path, MNT_DETACH); }

#include <sys/ioctl.h>
#include <termios.h>

static struct termios terminal_before;

int picket_terminal_raw(void) {
    if (tcgetattr(0, &terminal_before)) return -1;
    struct termios raw = terminal_before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    return tcsetattr(0, TCSANOW, &raw);
}

void picket_terminal_restore(void) { tcsetattr(0, TCSANOW, &terminal_before); }

void picket_terminal_size(int *columns, int *rows) {
    struct winsize size;
    int known = ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *columns = known ? size.ws_col : 80;
    *rows = known ? size.ws_row : 24;
}

ssize_t picket_receive_descriptors(
    int socket, void *bytes, size_t count, int *descriptors, int room, int *received) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * 16)];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = sizeof control};
    *received = 0;
    ssize_t length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) return length;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
        int number = (int)((each->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < number; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(each) + sizeof(int) * (size_t)i, sizeof descriptor);
            if (*received < room) {
                descriptors[(*received)++] = descriptor;
            } else {
                close(descriptor);
            }
        }
    }
    return length;
}

int picket_unix_datagram(const char *path) {
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    unlink(path);
    if (picket_unix_bind(descriptor, path)) {
        int error = errno;
        close(descriptor);
        return errno = error, -1;
    }
    return descriptor;
}

ssize_t picket_unix_send_to(int descriptor, const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address;
    socklen_t length = picket_unix_address(&address, path);
    if (!length) return errno = ENAMETOOLONG, -1;
    return sendto(
        descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
        length);
}

static bool kill_pends(const char *status, const char *field) {
    const char *found = strstr(status, field);
    return found && strtoull(found + strlen(field), NULL, 16) >> (SIGKILL - 1) & 1;
}

// proc(5): field 9 of a thread's stat, with PF_EXITING of the kernel's sched.h. A thread for which
// SIGKILL pends does not return to its program, however long it waits for a processor.
static bool thread_ended(const char *directory) {
    char text[4096];
    if (!read_of(directory, "stat", text, sizeof text)) return true;
    char *name = strrchr(text, ')'), state;
    unsigned flags;
    if (!name || sscanf(name + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2) return false;
    if (state == 'Z' || state == 'X' || (flags & 4)) return true;
    if (!read_of(directory, "status", text, sizeof text)) return true;
    return kill_pends(text, "\nSigPnd:") || kill_pends(text, "\nShdPnd:");
}

bool picket_process_ended(pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *threads = opendir(path);
    if (!threads) return true;
    bool ended = true;
    for (struct dirent *entry; ended && (entry = readdir(threads));) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s", (int)process, entry->d_name);
        ended = thread_ended(path);
    }
    closedir(threads);
    return ended;
}

int picket_udp_connect(const struct picket_address *address) {
    const struct sockaddr *there = (const struct sockaddr *)&address->storage;
    int descriptor = socket(there->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, there, address->length)) {
        int error = errno;
        close(descriptor);
        return errno = error, -1;
    }
    return descriptor;
}
