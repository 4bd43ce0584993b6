/* What happens to each row between maps? Widths are multiples of LANES. */
#ifndef ROWWISE_H
#define ROWWISE_H

#include <math.h>

#include "lanes.h"

/* out = in / sqrt(mean(in^2) + epsilon) * weight. */
static inline void rms_norm(const float *in, const float *weight, float epsilon, int64_t width, float *out) {
    lanes squares = {0};
    for (int64_t i = 0; i < width; i += LANES)
        squares += load_lanes(in + i) * load_lanes(in + i);
    float factor = 1 / sqrtf(sum_of_lanes(squares) / width + epsilon);
    for (int64_t i = 0; i < width; i += LANES)
        store_lanes(out + i, load_lanes(in + i) * factor * load_lanes(weight + i));
}

static inline lanes silu(lanes a) { return a / (1.0f + exponential(-a)); }

static inline void add(float *to, const float *from, int64_t width) {
    for (int64_t i = 0; i < width; i += LANES)
        store_lanes(to + i, load_lanes(to + i) + load_lanes(from + i));
}

#endif
