/*
 * The shim of one job: it outlives the keeper and the supervisor, runs the job at most once, and
 * records how it has ended. The contract is in ARCHITECTURE.md.
 */

#ifndef SHIM_H
#define SHIM_H

#include <stdnoreturn.h>

#include "identity.h"
#include "start.h"

/*
 * In a process of its own, which stands in the state directory. `line`: see open_line; `before`: since
 * when it was forked.
 */
noreturn void run_shim(const struct start *start, int line, moment before);

#endif
