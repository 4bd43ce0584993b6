/* What does a Mamba 2 layer do with one token of each of several sequences, between its two projections?
 *
 * Convolution, state update, gate and group norm, with the symbols of `state_update` and `causal_conv1d`. States are
 * values: what comes out is written elsewhere than what came in.
 */
#include <math.h>

#include "linear.h"
#include "rowwise.h"
#include "threads.h"

typedef struct {
    int64_t num_heads, head_size, num_groups, state_size, num_taps; /* taps with the token's own among them */
    double epsilon;
    const float *taps, *bias, *norm, *a, *d, *dt_bias; /* taps [num_taps, channels] */
} mamba;

/* Of every row: gate, x, b, c and dt lie end to end in `projected`. */
typedef struct {
    const float *const *projected, *const *taps, *const *states;
    float *const *out, *const *new_taps, *const *new_states;
} mamba_rows;

typedef struct {
    const mamba *m;
    const mamba_rows *r;
    float *mixed;
} job;

static int64_t inner_of(const mamba *m) { return m->num_heads * m->head_size; }

static int64_t channels_of(const mamba *m) { return inner_of(m) + 2 * m->num_groups * m->state_size; }

static void convolve(const mamba *m, const float *x, const float *taps, float *new_taps, float *mixed) {
    int64_t channels = channels_of(m), held = m->num_taps - 1;
    for (int64_t i = 0; i < channels; i += LANES) {
        lanes total = m->bias ? load_lanes(m->bias + i) : (lanes){0};
        for (int64_t k = 0; k < held; k++)
            total += load_lanes(taps + k * channels + i) * load_lanes(m->taps + k * channels + i);
        total += load_lanes(x + i) * load_lanes(m->taps + held * channels + i);
        store_lanes(mixed + i, silu(total));
    }
    memcpy(new_taps, taps + channels, 4 * (held - 1) * channels);
    memcpy(new_taps + (held - 1) * channels, x, 4 * channels);
}

static float softplus(float x) { return x > 20 ? x : log1pf(expf(x)); }

/* One head of one row: its next state, and what it reads of that. */
static void update(void *context, int64_t piece) {
    const job *own = context;
    const mamba *m = own->m;
    int64_t row = piece / m->num_heads, head = piece % m->num_heads, size = m->state_size;
    int64_t inner = inner_of(m), channels = channels_of(m), group = head / (m->num_heads / m->num_groups);
    const float *mixed = own->mixed + row * channels, *x = mixed + head * m->head_size;
    const float *b = mixed + inner + group * size, *c = b + m->num_groups * size;
    float dt = softplus(own->r->projected[row][inner + channels + head] + m->dt_bias[head]);
    float decay = expf(dt * m->a[head]);
    const float *state = own->r->states[row] + head * m->head_size * size;
    float *next = own->r->new_states[row] + head * m->head_size * size;
    for (int64_t p = 0; p < m->head_size; p++, state += size, next += size) {
        lanes read = {0};
        for (int64_t i = 0; i < size; i += LANES) {
            lanes updated = decay * load_lanes(state + i) + dt * x[p] * load_lanes(b + i);
            store_lanes(next + i, updated);
            read += updated * load_lanes(c + i);
        }
        own->r->out[row][head * m->head_size + p] = sum_of_lanes(read) + m->d[head] * x[p];
    }
}

static void gate_and_norm(const mamba *m, const float *gate, float *out) {
    int64_t inner = inner_of(m), width = inner / m->num_groups;
    for (int64_t i = 0; i < inner; i += LANES)
        store_lanes(out + i, load_lanes(out + i) * silu(load_lanes(gate + i)));
    for (int64_t i = 0; i < inner; i += width)
        rms_norm(out + i, m->norm + i, m->epsilon, width, out + i);
}

void mamba_step(const mamba *m, const mamba_rows *r, int64_t count, int64_t num_threads) {
    int64_t inner = inner_of(m), channels = channels_of(m);
    job own = {m, r, (float *)scratch(LAYERS, 4 * count * channels)};
    for (int64_t row = 0; row < count; row++)
        convolve(m, r->projected[row] + inner, r->taps[row], r->new_taps[row], own.mixed + row * channels);
    in_parallel(update, &own, count * m->num_heads, num_threads);
    for (int64_t row = 0; row < count; row++)
        gate_and_norm(m, r->projected[row], r->out[row]);
}
