// The kernel's interfaces to GPIO lines, I2C buses and watchdogs, as far as Swift cannot call them.
// Included by CPicket.h.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// GPIO. libgpiod (1.6 or 2.x) finds and requests a line. The result is the descriptor of the
// kernel's line request, which outlives the library, and with the service manager's help the
// process. Levels are electrical. Closing the descriptor releases the line.

enum {
    picket_gpio_input = 0,
    /// Input whose edges make the descriptor readable, where the chip has interrupts.
    picket_gpio_edges = 1,
    picket_gpio_low = 2,
    picket_gpio_high = 3,
};
struct picket_gpio_wish {
    /// A chip's name, label or path; NULL: the line is looked for on all chips.
    const char *chip;
    /// NULL: goes by the offset alone.
    const char *line;
    /// Below 0: found by its name.
    int offset;
    int kind;
    /// 0 as it is, 1 none, 2 pull-up, 3 pull-down.
    int bias;
    /// 0 push-pull, 1 open drain, 2 open source.
    int drive;
    /// The line may have no other name than `line`.
    bool strict;
};
/// What was found, also where the request failed.
struct picket_gpio_found {
    char chip[64];
    char label[64];
    unsigned lines;
    unsigned offset;
    char name[64];
    /// Who uses it; empty: nobody.
    char consumer[64];
    /// The descriptor tells of edges.
    bool edges;
};
/// Besides errnos, what a request may end in.
enum {
    picket_gpio_no_chip = 10001,
    picket_gpio_no_line = 10002,
    /// More than one chip, or line, of that name.
    picket_gpio_ambiguous = 10003,
    picket_gpio_beyond = 10004,
    picket_gpio_other_name = 10005,
};
/// Requests the line, direction and first value in one step. A descriptor, or minus an errno or
/// one of the above. With `only_look` nothing is requested, and the answer is 0, or -EBUSY.
int picket_gpio_request(
    const struct picket_gpio_wish *wish, bool only_look, struct picket_gpio_found *found);
/// What the chip /dev/gpiochipN and its line at the offset are. 0, or minus an errno.
int picket_gpio_list(int chip, unsigned offset, struct picket_gpio_found *found);
/// 0, or minus an errno.
int picket_gpio_set(int line, bool high);
/// 1, 0, or minus an errno.
int picket_gpio_get(int line);
/// Takes all edges that are waiting; true if there were any.
bool picket_gpio_drain(int line);
/// The descriptor is one of a GPIO line.
bool picket_gpio_is_line(int fd);

// I2C.

/// A descriptor of /dev/i2c-N, and whether its adapter does plain I2C; or minus an errno.
int picket_i2c_open(int bus, bool *plain);
/// Writes, then reads, in one transaction. 0, or minus an errno: -EBUSY where a driver of the
/// kernel has the address, -EOPNOTSUPP where the adapter cannot do it.
int picket_i2c_transfer(
    int bus, bool plain, uint8_t address, const uint8_t *write, int writes, uint8_t *read,
    int reads);

// Watchdogs (Linux Documentation/watchdog/watchdog-api.rst).

enum {
    picket_watchdog_get_boot_status = 2,
    picket_watchdog_keep_alive = 5,
    picket_watchdog_set_timeout = 6,
    picket_watchdog_get_timeout = 7,
    picket_watchdog_set_pretimeout = 8,
    picket_watchdog_get_time_left = 10,
};
/// One of the above; `value` in and out. 0, or minus an errno.
int picket_watchdog_call(int fd, int what, int *value);
/// `identity` of 33 bytes. 0, or minus an errno.
int picket_watchdog_support(int fd, uint32_t *options, char *identity);
static const uint32_t picket_watchdog_can_set_timeout = 0x0080;
static const uint32_t picket_watchdog_can_magic_close = 0x0100;
static const uint32_t picket_watchdog_can_pretimeout = 0x0200;
static const uint32_t picket_watchdog_can_keep_alive = 0x8000;

/// Who has this device file open: a process, or 0 where none is found.
pid_t picket_holder(const char *path, char *name, int room);
/// One datagram with a descriptor to a service manager, never waiting.
ssize_t picket_notify_descriptor(const char *path, const void *bytes, size_t count, int fd);

static const int picket_read_write = O_RDWR | O_CLOEXEC;
