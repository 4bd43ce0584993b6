/* How is a linear map of some rows divided among threads? */
#include "linear.h"

#include <stdlib.h>

#include "threads.h"

/* So many bytes of weights stay in a core's own cache while all rows of inputs pass by. */
enum { CACHED_BYTES = 64 << 10, ROWS_TOGETHER = 8 };

typedef struct {
    const weight *weight;
    const uint8_t *arranged;
    rows out;
    int64_t rows_a_piece;
} job;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void work(void *context, int64_t piece) {
    const job *own = context;
    int64_t first = piece * own->rows_a_piece;
    kernel_for(own->weight)->multiply(own->weight, own->arranged, own->out, first, least(first + own->rows_a_piece, own->weight->num_rows));
}

static int64_t width(const weight *w) {
    int64_t total = 0;
    for (int64_t s = 0; s < w->num_strips; s++)
        total += w->strips[s].count;
    return total;
}

int64_t rows_a_piece(const weight *w, int64_t num_threads) {
    int64_t cached = CACHED_BYTES / (bytes_of(w, width(w)) + 1);
    int64_t shared = w->num_rows / (4 * num_threads);
    int64_t wanted = least(cached, shared) / ROWS_TOGETHER * ROWS_TOGETHER;
    return wanted < ROWS_TOGETHER ? ROWS_TOGETHER : wanted;
}

uint8_t *scratch(enum purpose purpose, int64_t bytes) {
    /* Kept by each thread that calls: a forward has hundreds of maps. */
    static _Thread_local uint8_t *memory[NUM_PURPOSES];
    static _Thread_local int64_t held[NUM_PURPOSES];
    if (held[purpose] < bytes) {
        free(memory[purpose]);
        held[purpose] = 2 * bytes;
        memory[purpose] = aligned_alloc(64, (2 * bytes + 63) / 64 * 64);
    }
    return memory[purpose];
}

typedef struct {
    const weight *weight;
    rows in;
    uint8_t *arranged;
} arranging;

static void arrange_row(void *context, int64_t row) {
    const arranging *own = context;
    const kernel *k = kernel_for(own->weight);
    uint8_t *to = own->arranged + row * k->arranged_bytes(own->weight);
    k->arrange(own->weight, own->in.first + row * own->in.stride, to);
}

void linear(const weight *w, rows in, rows out, int64_t num_threads) {
    uint8_t *arranged = scratch(INPUTS, kernel_for(w)->arranged_bytes(w) * in.count);
    in_parallel(arrange_row, &(arranging){w, in, arranged}, in.count, in.count < 4 ? 1 : num_threads);
    job own = {w, arranged, out, rows_a_piece(w, num_threads)};
    in_parallel(work, &own, (w->num_rows + own.rows_a_piece - 1) / own.rows_a_piece, num_threads);
}

void map_rows(const weight *w, float *in, int64_t in_stride, float *out, int64_t out_stride, int64_t count,
              int64_t num_threads) {
    linear(w, (rows){in, in_stride, count}, (rows){out, out_stride, count}, num_threads);
}
