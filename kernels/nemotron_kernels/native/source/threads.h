#ifndef THREADS_H
#define THREADS_H

#include <stdint.h>

/* Do the pieces 0 to `count` of some work, on at most `num_threads` threads, this one among them. */
void in_parallel(void (*work)(void *context, int64_t piece), void *context, int64_t count, int64_t num_threads);

#endif
