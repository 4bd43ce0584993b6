/* How are inputs arranged for a weight, and multiplied by it? */
#ifndef KERNEL_H
#define KERNEL_H

#include "weight.h"

/* Rows of float32, `stride` numbers apart. */
typedef struct {
    float *first;
    int64_t stride, count;
} rows;

typedef struct {
    /* Bytes of one row of inputs, once it is arranged for a weight. */
    int64_t (*arranged_bytes)(const weight *w);

    /* Arrange one row of inputs as this weight's format reads it. */
    void (*arrange)(const weight *w, const float *input, uint8_t *arranged);

    /* Outputs `first` to `last` of every row that was arranged. An output's bits depend on its own input
     * alone: however many rows there are, each is summed in the same order. */
    void (*multiply)(const weight *w, const uint8_t *arranged, rows out, int64_t first, int64_t last);
} kernel;

/* Any processor with AVX2: weights are widened to float32. */
extern const kernel float_products;

/* Any with AVX-512 and its bfloat16 products, which take two weights at a time; not for float32 weights. */
extern const kernel short_products;

static inline const kernel *kernel_for(const weight *w) {
#ifdef HAS_SHORT_PRODUCTS
    if (w->format != FLOAT32)
        return &short_products;
#endif
    (void)w;
    return &float_products;
}

#endif
