/* How are exponentials and sums of many float32 taken at once? The compiler fits these vectors to the processor. */
#ifndef LANES_H
#define LANES_H

#include <stdint.h>
#include <string.h>

enum { LANES = 16 };

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));

static inline lanes load_lanes(const float *from) {
    lanes a;
    memcpy(&a, from, sizeof a);
    return a;
}

static inline void store_lanes(float *to, lanes a) { memcpy(to, &a, sizeof a); }

static inline lanes all(float a) { return a - (lanes){0}; }

static inline lanes choose(integers mask, lanes yes, lanes no) {
    return (lanes)((mask & (integers)yes) | (~mask & (integers)no));
}

static inline float sum_of_lanes(lanes a) {
    typedef float eight __attribute__((vector_size(32)));
    typedef float four __attribute__((vector_size(16)));
    eight halves[2];
    four quarters[2];
    memcpy(halves, &a, sizeof a);
    halves[0] += halves[1];
    memcpy(quarters, halves, sizeof quarters);
    quarters[0] += quarters[1];
    return (quarters[0][0] + quarters[0][2]) + (quarters[0][1] + quarters[0][3]);
}

/* exp(x) to two units in the last place; 0 below -87, where float32's normal numbers end. */
static inline lanes exponential(lanes x) {
    x = choose(x > all(88), all(88), x);
    lanes magic = all(12582912.0f), halvings = (x * 1.44269504f + magic) - magic;
    lanes rest = x - halvings * 0.693359375f + halvings * 2.12194440e-4f;
    lanes series = all(1.9875691500e-4f);
    series = series * rest + 1.3981999507e-3f;
    series = series * rest + 8.3334519073e-3f;
    series = series * rest + 4.1665795894e-2f;
    series = series * rest + 1.6666665459e-1f;
    series = series * rest + 5.0000001201e-1f;
    lanes grown = series * rest * rest + rest + 1.0f;
    integers exponent = __builtin_convertvector(halvings, integers);
    return choose(x < all(-87), all(0), (lanes)((integers)grown + (exponent << 23)));
}

#endif
