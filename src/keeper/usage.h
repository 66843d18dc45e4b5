/* What the processes of a job have used that were waited for. */

#ifndef USAGE_H
#define USAGE_H

#include "news.h"

struct usage usage_of_reaped(void);

/* As words of a record: see src/host/run_records.ts. */
void add_usage(struct text *text, const struct usage *usage);

#endif
