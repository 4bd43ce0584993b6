#ifndef ATTENTION_H
#define ATTENTION_H

#include <stdint.h>

/* How heads are cut out of a row: queries, then keys, then values; `head_size` is a multiple of LANES. */
typedef struct {
    int64_t num_heads, num_kv_heads, head_size, rotary_size;
} head_layout;

/* Rows `start` to `start + length` of a batch, behind `held` tokens in the caches of its layers.
 *
 * A causal one is appended. Otherwise its rows are groups of equal length, each of which sees itself and one
 * more token of the cache than the group before it; the first sees `held`. */
typedef struct {
    int64_t start, length, held, is_causal, num_groups, capacity;
    float *const *caches; /* of each layer: keys, then values, [kv heads, capacity, head_size] */
} sequence;

typedef struct {
    const sequence *first;
    int64_t count, num_rows;
} batch;

/* Append what is causal to the caches of a layer, and let every row attend: [rows, num_heads * head_size]. */
void attend(const head_layout *layout, const batch *all, int64_t layer, const float *heads, float *out,
            int64_t num_threads);

#endif
