/* Executes a command as execvp(3) does with the job's own PATH, or tells exactly why it cannot be. */

#ifndef EXECUTE_H
#define EXECUTE_H

#include <stdnoreturn.h>

/* There must be room for one word before the first of `argv`. */
noreturn void execute(char **argv, char **envp);

#endif
