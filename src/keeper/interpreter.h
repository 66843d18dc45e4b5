/* What is to run a program that cannot be executed for want of it: of `#!`, or the loader of an ELF. */

#ifndef INTERPRETER_H
#define INTERPRETER_H

#include <limits.h>
#include <stdbool.h>

/*
 * The first one on the way that is missing or cannot be executed; else the last one. False when none
 * can be read from it.
 */
bool find_interpreter(const char *path, char interpreter[PATH_MAX]);

#endif
