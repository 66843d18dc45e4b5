/* The process that becomes the job: it waits for its shim's word, takes on all that the job asks for,
 * and executes the command. */

#ifndef LEADER_H
#define LEADER_H

#include <stdnoreturn.h>

#include "start.h"

/* What jobs have that ask for no other is 0, whatever the supervisor has. */
void read_own_oom_score(void);

/* `shim`: the socket to it, which closes when the command is executed. */
noreturn void lead(const struct start *start, int shim);

#endif
