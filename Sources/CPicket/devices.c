#define _GNU_SOURCE
#include "CPicket.h"
#include <ctype.h>
#include <dirent.h>
#include <gpiod.h>
#include <i2c/smbus.h>
#include <limits.h>
#include <linux/gpio.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>

static void copy(char *to, size_t room, const char *from) {
    snprintf(to, room, "%s", from ? from : "");
}

// What differs between libgpiod 1.6 and 2.x: looking at a chip and its lines, and the request.

#ifdef GPIOD_LINE_BULK_MAX_LINES // 1.x

static void look_chip(struct gpiod_chip *chip, struct picket_gpio_found *found) {
    copy(found->chip, sizeof found->chip, gpiod_chip_name(chip));
    copy(found->label, sizeof found->label, gpiod_chip_label(chip));
    found->lines = gpiod_chip_num_lines(chip);
}

static bool look_line(struct gpiod_chip *chip, unsigned offset, struct picket_gpio_found *found) {
    struct gpiod_line *line = gpiod_chip_get_line(chip, offset);
    if (!line) return false;
    found->offset = offset;
    copy(found->name, sizeof found->name, gpiod_line_name(line));
    const char *consumer = gpiod_line_consumer(line);
    bool used = gpiod_line_is_used(line);
    copy(found->consumer, sizeof found->consumer, !used ? "" : consumer ? consumer : "the kernel");
    return true;
}

static bool is_line_request(const char *descriptor) {
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/self/fd/%.20s", descriptor);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return false;
    target[length] = 0;
    return strncmp(target, "anon_inode:", 11) == 0 && strstr(target, "gpio");
}

/// Which descriptors are line requests: 1.x tells the descriptor of an event only.
static void line_requests(uint64_t *set, int words) {
    memset(set, 0, words * sizeof *set);
    DIR *all = opendir("/proc/self/fd");
    struct dirent *entry;
    while (all && (entry = readdir(all))) {
        int number = atoi(entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && number < words * 64 &&
            is_line_request(entry->d_name))
            set[number / 64] |= UINT64_C(1) << number % 64;
    }
    if (all) closedir(all);
}

static int request_line(
    struct gpiod_chip *chip, unsigned offset, const struct picket_gpio_wish *wish) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    static const int biases[] = {
        0, GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE, GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP,
        GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN};
    static const int drives[] = {
        0, GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN, GPIOD_LINE_REQUEST_FLAG_OPEN_SOURCE};
    struct gpiod_line *line = gpiod_chip_get_line(chip, offset);
    if (!line) return -errno;
    bool output = wish->kind >= picket_gpio_low;
    struct gpiod_line_request_config config = {
        .consumer = "picket", .flags = biases[wish->bias] | (output ? drives[wish->drive] : 0)};
    config.request_type = output ? GPIOD_LINE_REQUEST_DIRECTION_OUTPUT
                          : wish->kind == picket_gpio_edges ? GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES
                                                            : GPIOD_LINE_REQUEST_DIRECTION_INPUT;
    uint64_t before[16], after[16];
    pthread_mutex_lock(&one_at_a_time);
    line_requests(before, 16);
    int result = gpiod_line_request(line, &config, wish->kind == picket_gpio_high);
    if (result < 0) {
        result = -errno;
    } else {
        result = -EMFILE;
        line_requests(after, 16);
        for (int fd = 0; fd < 16 * 64 && result < 0; fd++)
            if ((after[fd / 64] & ~before[fd / 64]) >> fd % 64 & 1)
                result = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        gpiod_line_release(line); // the duplicate holds it
    }
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

#else // 2.x

static void look_chip(struct gpiod_chip *chip, struct picket_gpio_found *found) {
    struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
    if (!info) return;
    copy(found->chip, sizeof found->chip, gpiod_chip_info_get_name(info));
    copy(found->label, sizeof found->label, gpiod_chip_info_get_label(info));
    found->lines = (unsigned)gpiod_chip_info_get_num_lines(info);
    gpiod_chip_info_free(info);
}

static bool look_line(struct gpiod_chip *chip, unsigned offset, struct picket_gpio_found *found) {
    struct gpiod_line_info *info = gpiod_chip_get_line_info(chip, offset);
    if (!info) return false;
    found->offset = offset;
    copy(found->name, sizeof found->name, gpiod_line_info_get_name(info));
    const char *consumer = gpiod_line_info_get_consumer(info);
    bool used = gpiod_line_info_is_used(info);
    copy(found->consumer, sizeof found->consumer, !used ? "" : consumer ? consumer : "the kernel");
    gpiod_line_info_free(info);
    return true;
}

static int request_line(
    struct gpiod_chip *chip, unsigned offset, const struct picket_gpio_wish *wish) {
    static const enum gpiod_line_bias biases[] = {
        GPIOD_LINE_BIAS_AS_IS, GPIOD_LINE_BIAS_DISABLED, GPIOD_LINE_BIAS_PULL_UP,
        GPIOD_LINE_BIAS_PULL_DOWN};
    static const enum gpiod_line_drive drives[] = {
        GPIOD_LINE_DRIVE_PUSH_PULL, GPIOD_LINE_DRIVE_OPEN_DRAIN, GPIOD_LINE_DRIVE_OPEN_SOURCE};
    struct gpiod_line_settings *settings = gpiod_line_settings_new();
    struct gpiod_line_config *lines = gpiod_line_config_new();
    struct gpiod_request_config *config = gpiod_request_config_new();
    int result = -ENOMEM;
    if (settings && lines && config) {
        gpiod_request_config_set_consumer(config, "picket");
        gpiod_line_settings_set_bias(settings, biases[wish->bias]);
        if (wish->kind >= picket_gpio_low) {
            gpiod_line_settings_set_direction(settings, GPIOD_LINE_DIRECTION_OUTPUT);
            gpiod_line_settings_set_drive(settings, drives[wish->drive]);
            gpiod_line_settings_set_output_value(
                settings, wish->kind == picket_gpio_high ? GPIOD_LINE_VALUE_ACTIVE
                                                         : GPIOD_LINE_VALUE_INACTIVE);
        } else {
            gpiod_line_settings_set_direction(settings, GPIOD_LINE_DIRECTION_INPUT);
            if (wish->kind == picket_gpio_edges)
                gpiod_line_settings_set_edge_detection(settings, GPIOD_LINE_EDGE_BOTH);
        }
        struct gpiod_line_request *request = NULL;
        if (gpiod_line_config_add_line_settings(lines, &offset, 1, settings) == 0)
            request = gpiod_chip_request_lines(chip, config, lines);
        result = request ? fcntl(gpiod_line_request_get_fd(request), F_DUPFD_CLOEXEC, 0) : -errno;
        if (request) gpiod_line_request_release(request); // the duplicate holds it
    }
    gpiod_request_config_free(config);
    gpiod_line_config_free(lines);
    gpiod_line_settings_free(settings);
    return result;
}

#endif

static bool is_chip(const char *wanted, const char *path, const struct picket_gpio_found *chip) {
    if (!wanted || !strcmp(wanted, chip->chip) || !strcmp(wanted, chip->label)) return true;
    char real[PATH_MAX];
    return wanted[0] == '/' && realpath(wanted, real) && !strcmp(real, path);
}

/// The one line that is meant; -1, and its chip open, or minus what is wrong.
static struct gpiod_chip *find(
    const struct picket_gpio_wish *wish, struct picket_gpio_found *found, int *result) {
    struct gpiod_chip *answer = NULL;
    struct dirent *entry;
    int refused = 0, chips = 0, lines = 0;
    DIR *devices = opendir("/dev");
    while (devices && (entry = readdir(devices))) {
        if (strncmp(entry->d_name, "gpiochip", 8) || entry->d_type == DT_LNK) continue;
        char path[280];
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        struct picket_gpio_found here = {0};
        struct gpiod_chip *chip = gpiod_chip_open(path);
        if (!chip) {
            refused = errno;
            continue;
        }
        look_chip(chip, &here);
        bool taken = false;
        if (is_chip(wish->chip, path, &here)) {
            chips++;
            if (lines == 0) *found = here;
            unsigned from = wish->offset < 0 ? 0 : (unsigned)wish->offset;
            unsigned to = wish->offset < 0 ? here.lines : from + 1;
            for (; from < to && from < here.lines; from++) {
                if (!look_line(chip, from, &here)) continue;
                if (wish->offset < 0 && strcmp(here.name, wish->line)) continue;
                if (lines++ == 0) {
                    *found = here;
                    answer = chip;
                    taken = true;
                }
            }
        }
        if (!taken) gpiod_chip_close(chip);
    }
    if (devices) closedir(devices);
    *result = lines == 1                      ? 0
              : lines > 1                     ? -picket_gpio_ambiguous
              : chips == 0 && refused         ? -refused
              : chips == 0 && wish->chip      ? -picket_gpio_no_chip
              : chips == 0 || wish->offset < 0 ? -picket_gpio_no_line
                                              : -picket_gpio_beyond;
    if (*result == 0 && wish->strict && wish->line && found->name[0] &&
        strcmp(found->name, wish->line)) {
        // Another name is another language, unless the chip knows this one elsewhere.
        struct picket_gpio_found other;
        for (unsigned from = 0; from < found->lines; from++)
            if (look_line(answer, from, &other) && !strcmp(other.name, wish->line))
                *result = -picket_gpio_other_name;
    }
    return answer;
}

int picket_gpio_request(
    const struct picket_gpio_wish *wish, bool only_look, struct picket_gpio_found *found) {
    int result;
    memset(found, 0, sizeof *found);
    struct gpiod_chip *chip = find(wish, found, &result);
    if (result == 0 && only_look) {
        result = found->consumer[0] ? -EBUSY : 0;
    } else if (result == 0) {
        result = request_line(chip, found->offset, wish);
        found->edges = result >= 0 && wish->kind == picket_gpio_edges;
        // A chip without interrupts is looked at.
        if (result < 0 && result != -EBUSY && wish->kind == picket_gpio_edges) {
            struct picket_gpio_wish plain = *wish;
            plain.kind = picket_gpio_input;
            result = request_line(chip, found->offset, &plain);
        }
    }
    if (chip) gpiod_chip_close(chip);
    return result;
}

int picket_gpio_list(int number, unsigned offset, struct picket_gpio_found *found) {
    char path[32];
    snprintf(path, sizeof path, "/dev/gpiochip%d", number);
    memset(found, 0, sizeof *found);
    struct gpiod_chip *chip = gpiod_chip_open(path);
    if (!chip) return -errno;
    look_chip(chip, found);
    int result = offset < found->lines && look_line(chip, offset, found) ? 0 : -ENXIO;
    gpiod_chip_close(chip);
    return result;
}

// A descriptor may be of either version of the kernel's interface: the library of the agent that
// requested it decides, and that may have been an older one.

int picket_gpio_set(int line, bool high) {
    struct gpiohandle_data one = {.values = {high}};
    if (ioctl(line, GPIOHANDLE_SET_LINE_VALUES_IOCTL, &one) == 0) return 0;
    if (errno != EINVAL && errno != ENOTTY) return -errno;
    struct gpio_v2_line_values values = {.bits = high, .mask = 1};
    return ioctl(line, GPIO_V2_LINE_SET_VALUES_IOCTL, &values) == 0 ? 0 : -errno;
}

int picket_gpio_get(int line) {
    struct gpiohandle_data one = {{0}};
    if (ioctl(line, GPIOHANDLE_GET_LINE_VALUES_IOCTL, &one) == 0) return one.values[0] != 0;
    if (errno != EINVAL && errno != ENOTTY) return -errno;
    struct gpio_v2_line_values values = {.mask = 1};
    return ioctl(line, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) == 0 ? (int)(values.bits & 1) : -errno;
}

bool picket_gpio_drain(int line) {
    struct pollfd one = {.fd = line, .events = POLLIN};
    uint64_t events[64];
    bool any = false;
    while (poll(&one, 1, 0) == 1 && one.revents & POLLIN && read(line, events, sizeof events) > 0)
        any = true;
    return any;
}

bool picket_gpio_is_line(int fd) {
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return false;
    target[length] = 0;
    return strstr(target, "gpio") != NULL;
}

// I2C

int picket_i2c_open(int bus, bool *plain) {
    char path[32];
    snprintf(path, sizeof path, "/dev/i2c-%d", bus);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return -errno;
    unsigned long functions = 0;
    if (ioctl(fd, I2C_FUNCS, &functions) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *plain = functions & I2C_FUNC_I2C;
    return fd;
}

/// The same bytes on the wire, by an adapter that knows only SMBus.
static int smbus(
    int bus, const uint8_t *write, int writes, uint8_t *read, int reads) {
    int value = -EOPNOTSUPP;
    if (reads == 0 && writes == 1) return i2c_smbus_write_byte(bus, write[0]);
    if (reads == 0 && writes == 2) return i2c_smbus_write_byte_data(bus, write[0], write[1]);
    if (reads == 0 && writes == 3)
        return i2c_smbus_write_word_data(bus, write[0], (uint16_t)(write[1] | write[2] << 8));
    if (reads == 0 && writes > 3 && writes <= 33)
        return i2c_smbus_write_i2c_block_data(bus, write[0], (uint8_t)(writes - 1), write + 1);
    if (reads == 1 && writes == 0) value = i2c_smbus_read_byte(bus);
    if (reads == 1 && writes == 1) value = i2c_smbus_read_byte_data(bus, write[0]);
    if (reads == 2 && writes == 1) value = i2c_smbus_read_word_data(bus, write[0]);
    if (reads > 2 && reads <= 32 && writes == 1) {
        value = i2c_smbus_read_i2c_block_data(bus, write[0], (uint8_t)reads, read);
        return value < 0 ? value : value == reads ? 0 : -EREMOTEIO;
    }
    if (value < 0) return value;
    read[0] = (uint8_t)value;
    if (reads == 2) read[1] = (uint8_t)(value >> 8);
    return 0;
}

int picket_i2c_transfer(
    int bus, bool plain, uint8_t address, const uint8_t *write, int writes, uint8_t *read,
    int reads) {
    // Refuses an address that a driver of the kernel has, which I2C_RDWR alone does not.
    if (ioctl(bus, I2C_SLAVE, (unsigned long)address) < 0) return -errno;
    if (!plain) return smbus(bus, write, writes, read, reads);
    struct i2c_msg messages[2];
    unsigned count = 0;
    if (writes > 0 || reads == 0)
        messages[count++] = (struct i2c_msg){
            .addr = address, .len = (uint16_t)writes, .buf = (uint8_t *)write};
    if (reads > 0)
        messages[count++] = (struct i2c_msg){
            .addr = address, .flags = I2C_M_RD, .len = (uint16_t)reads, .buf = read};
    struct i2c_rdwr_ioctl_data transaction = {messages, count};
    int done = ioctl(bus, I2C_RDWR, &transaction);
    // Some adapters tell how many messages were acknowledged, and nothing else.
    return done < 0 ? -errno : (unsigned)done == count ? 0 : -ENXIO;
}

// Watchdogs

int picket_watchdog_call(int fd, int what, int *value) {
    static const unsigned long requests[] = {
        0, 0, WDIOC_GETBOOTSTATUS, 0, 0, WDIOC_KEEPALIVE, WDIOC_SETTIMEOUT, WDIOC_GETTIMEOUT,
        WDIOC_SETPRETIMEOUT, WDIOC_GETPRETIMEOUT, WDIOC_GETTIMELEFT};
    return ioctl(fd, requests[what], value) < 0 ? -errno : 0;
}

int picket_watchdog_support(int fd, uint32_t *options, char *identity) {
    struct watchdog_info info = {0};
    if (ioctl(fd, WDIOC_GETSUPPORT, &info) < 0) return -errno;
    *options = info.options;
    memcpy(identity, info.identity, 32);
    identity[32] = 0;
    return 0;
}

// The rest

pid_t picket_holder(const char *path, char *name, int room) {
    struct stat wanted;
    if (stat(path, &wanted) < 0) return 0;
    DIR *processes = opendir("/proc");
    struct dirent *process;
    pid_t holder = 0;
    while (processes && !holder && (process = readdir(processes))) {
        if (!isdigit((unsigned char)process->d_name[0])) continue;
        char file[64];
        snprintf(file, sizeof file, "/proc/%.20s/fd", process->d_name);
        DIR *descriptors = opendir(file);
        struct dirent *one;
        while (descriptors && !holder && (one = readdir(descriptors))) {
            struct stat status;
            if (fstatat(dirfd(descriptors), one->d_name, &status, 0) == 0 &&
                S_ISCHR(status.st_mode) && status.st_rdev == wanted.st_rdev)
                holder = atoi(process->d_name);
        }
        if (descriptors) closedir(descriptors);
    }
    if (processes) closedir(processes);
    if (holder) {
        char file[64];
        snprintf(file, sizeof file, "/proc/%d/comm", holder);
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? 0 : read(fd, name, (size_t)room - 1);
        if (fd >= 0) close(fd);
        if (length > 0 && name[length - 1] == '\n') length--;
        name[length > 0 ? length : 0] = 0;
    }
    return holder;
}
