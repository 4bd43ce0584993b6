/* How is the weight of one linear map held? */
#ifndef WEIGHT_H
#define WEIGHT_H

#include <stdint.h>

enum format { BF16, FP8, NVFP4, FLOAT32 };

/* NVFP4 shares a scale among so many columns. */
enum { BLOCK = 16 };

/* Columns `first` to `first + count` of the whole matrix; an input's strips lie end to end. */
typedef struct {
    int64_t first, count;
} strip;

/* Rows and columns of a matrix where they lie, so that a nested size reads those of the whole network.
 * Row o is numbers[o] * block_scales[o] * row_scale[o], each where it is there. */
typedef struct {
    int64_t format, num_rows, num_strips;
    const uint8_t *numbers;
    int64_t stride; /* bytes from row to row */
    const uint8_t *block_scales;
    int64_t block_stride;
    const float *row_scale;
    const int32_t *row_of; /* which row of the whole matrix each one is; NULL where they are the same */
    const strip *strips;
} weight;

static inline int64_t whole_row(const weight *w, int64_t row) { return w->row_of ? w->row_of[row] : row; }

static inline int64_t bytes_of(const weight *w, int64_t columns) {
    switch (w->format) {
    case FLOAT32:
        return 4 * columns;
    case BF16:
        return 2 * columns;
    case FP8:
        return columns;
    default:
        return columns / 2;
    }
}

#endif
