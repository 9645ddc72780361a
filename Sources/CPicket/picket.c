#include "CPicket.h"

int picket_errno(void) { return errno; }
