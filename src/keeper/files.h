/*
 * The files of a run, written relative to its directory. What the disk refuses is tried again every
 * second, for as long as the directory is there.
 */

#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

enum claim_result { CLAIM_MADE, CLAIM_TAKEN, CLAIM_IMPOSSIBLE };

/* False when it is gone: nobody can want to know any more. */
bool open_run(uint64_t id);

/* Written aside and linked, so that it is never seen empty and only one can win. */
enum claim_result make_claim(const char *name, const struct text *text);

/* In one write. False when the run directory is gone. */
bool write_in_run(const char *name, const struct text *text);

/* The same, aside and then renamed. */
bool replace_in_run(const char *name, const struct text *text);

/* The exit record, in one write. False when the run directory is gone. */
bool write_exit_record(uint64_t id, const struct text *text);

/* For appending, over execve(2) too; -1 when the run directory is gone. */
int open_log(const char *name);

/* Tells what there is to tell, and waits a second, or for the wish for an introduction. */
void pause_a_second(void);

#endif
