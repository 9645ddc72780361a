#define _GNU_SOURCE
#include "CPicket.h"

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
