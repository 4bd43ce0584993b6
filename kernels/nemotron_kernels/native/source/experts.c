/* How do rows pass through the experts that they visit, in one call?
 *
 * Visits are sorted by expert, so that an expert's weights are read once for all of its rows. What a token gets is
 * summed in the order of the experts, alone and among others.
 */
#include <stdlib.h>
#include <string.h>

#include "linear.h"
#include "threads.h"

/* A weight for every expert: the first one, and how far it is to the next. */
typedef struct {
    weight first;
    int64_t numbers_step, scales_step, row_scale_step;
} stack;

/* Rows `begin` to `end` of the sorted visits, all to one expert. */
typedef struct {
    int64_t expert, begin, end;
} run;

typedef struct {
    const stack *experts;
    const run *runs;
    const uint8_t *arranged;
    float *out;
    int64_t rows_a_piece, pieces_a_run;
} job;

static weight expert_of(const stack *experts, int64_t expert) {
    weight own = experts->first;
    own.numbers += expert * experts->numbers_step;
    own.block_scales += expert * experts->scales_step;
    if (own.row_scale)
        own.row_scale += expert * experts->row_scale_step;
    return own;
}

static void work(void *context, int64_t piece) {
    const job *own = context;
    const run *visits = own->runs + piece / own->pieces_a_run;
    const kernel *k = kernel_for(&own->experts->first);
    weight w = expert_of(own->experts, visits->expert);
    int64_t first = piece % own->pieces_a_run * own->rows_a_piece, last = first + own->rows_a_piece;
    rows out = {own->out + visits->begin * w.num_rows, w.num_rows, visits->end - visits->begin};
    k->multiply(&w, own->arranged + visits->begin * k->arranged_bytes(&w), out, first,
                last < w.num_rows ? last : w.num_rows);
}

static void map_runs(const stack *experts, const run *runs, int64_t num_runs, const uint8_t *arranged, float *out,
                     int64_t num_threads) {
    job own = {experts, runs, arranged, out, rows_a_piece(&experts->first, num_threads), 0};
    own.pieces_a_run = (experts->first.num_rows + own.rows_a_piece - 1) / own.rows_a_piece;
    in_parallel(work, &own, num_runs * own.pieces_a_run, num_threads);
}

/* The visits in the order of their experts, those to one expert in their own order; returns how many runs. */
static int64_t sort(const int64_t *experts, int64_t num_visits, int64_t *sorted, run *runs) {
    int64_t num_runs = 0, most = 0;
    for (int64_t v = 0; v < num_visits; v++)
        most = experts[v] > most ? experts[v] : most;
    int64_t *place = calloc(most + 2, sizeof(int64_t));
    for (int64_t v = 0; v < num_visits; v++)
        place[experts[v] + 1]++;
    for (int64_t e = 0; e <= most; e++) {
        if (place[e + 1])
            runs[num_runs++] = (run){e, place[e], place[e] + place[e + 1]};
        place[e + 1] += place[e];
    }
    for (int64_t v = 0; v < num_visits; v++)
        sorted[place[experts[v]]++] = v;
    free(place);
    return num_runs;
}

typedef struct {
    int64_t *sorted;
    run *runs;
    uint8_t *inputs, *visiting, *between;
    float *wide, *narrow;
} memory;

static memory divide(const stack *up, const stack *down, int64_t num_tokens, int64_t num_visits) {
    int64_t in = kernel_for(&up->first)->arranged_bytes(&up->first);
    int64_t inner = kernel_for(&down->first)->arranged_bytes(&down->first);
    int64_t wide = 4 * up->first.num_rows * num_visits, narrow = 4 * down->first.num_rows * num_visits;
    memory own;
    own.inputs = scratch(VISITS, in * (num_tokens + num_visits) + inner * num_visits + wide + narrow + 32 * num_visits);
    own.visiting = own.inputs + in * num_tokens;
    own.between = own.visiting + in * num_visits;
    own.runs = (run *)(own.between + inner * num_visits);
    own.sorted = (int64_t *)(own.runs + num_visits);
    own.wide = (float *)(own.sorted + num_visits);
    own.narrow = own.wide + wide / 4;
    return own;
}

/* relu(wide)^2 times the weight of its visit, arranged for the map down. */
static void pass_between(const stack *down, const memory *own, float weight_of_visit, int64_t place, int64_t width) {
    float *wide = own->wide + place * width;
    for (int64_t i = 0; i < width; i++) {
        float positive = wide[i] > 0 ? wide[i] : 0;
        wide[i] = positive * positive * weight_of_visit;
    }
    const kernel *k = kernel_for(&down->first);
    k->arrange(&down->first, wide, own->between + place * k->arranged_bytes(&down->first));
}

/* out [tokens, in] of x [tokens, in], whose visits are experts and weights [tokens, chosen]. */
void grouped_experts(const stack *up, const stack *down, const float *x, int64_t x_stride, int64_t num_tokens,
                     const int64_t *experts, const float *weights, int64_t num_chosen, float *out,
                     int64_t num_threads) {
    int64_t num_visits = num_tokens * num_chosen, width = down->first.num_rows, inner = up->first.num_rows;
    memory own = divide(up, down, num_tokens, num_visits);
    const kernel *k = kernel_for(&up->first);
    int64_t bytes = k->arranged_bytes(&up->first);
    int64_t num_runs = sort(experts, num_visits, own.sorted, own.runs);
    for (int64_t t = 0; t < num_tokens; t++)
        k->arrange(&up->first, x + t * x_stride, own.inputs + t * bytes);
    for (int64_t v = 0; v < num_visits; v++)
        memcpy(own.visiting + v * bytes, own.inputs + own.sorted[v] / num_chosen * bytes, bytes);
    map_runs(up, own.runs, num_runs, own.visiting, own.wide, num_threads);
    for (int64_t v = 0; v < num_visits; v++)
        pass_between(down, &own, weights[own.sorted[v]], v, inner);
    map_runs(down, own.runs, num_runs, own.between, own.narrow, num_threads);
    memset(out, 0, 4 * width * num_tokens);
    for (int64_t v = 0; v < num_visits; v++) {
        float *to = out + own.sorted[v] / num_chosen * width, *from = own.narrow + v * width;
        for (int64_t i = 0; i < width; i++)
            to[i] += from[i];
    }
}
