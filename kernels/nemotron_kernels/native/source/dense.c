/* How do rows of tokens pass through all layers of a Llama-type network, in one call? */
#include "attention.h"
#include "linear.h"
#include "rowwise.h"

typedef struct {
    const weight *qkv, *output, *gate_up, *down;
    const float *attention_norm, *mlp_norm;
} dense_layer;

typedef struct {
    head_layout layout;
    int64_t num_layers, hidden_size, inner_size;
    double epsilon;
    const dense_layer *layers;
} dense_network;

/* What all layers share: of every row, the turns of its pairs as cosine and sine, and what queries are scaled by. */
typedef struct {
    const float *turns, *query_scale;
} positions;

typedef struct {
    float *normed, *heads, *attended, *added, *wide;
} memory;

static memory divide(const dense_network *n, int64_t count) {
    int64_t heads = (n->layout.num_heads + 2 * n->layout.num_kv_heads) * n->layout.head_size;
    int64_t queries = n->layout.num_heads * n->layout.head_size;
    memory own;
    own.normed = (float *)scratch(LAYERS, 4 * count * (2 * n->hidden_size + heads + queries + 2 * n->inner_size));
    own.heads = own.normed + count * n->hidden_size;
    own.attended = own.heads + count * heads;
    own.added = own.attended + count * queries;
    own.wide = own.added + count * n->hidden_size;
    return own;
}

static void turn(const head_layout *l, const positions *at, int64_t row, float *heads) {
    const float *turns = at->turns + row * l->rotary_size;
    for (int64_t head = 0; head < l->num_heads + l->num_kv_heads; head++, heads += l->head_size) {
        float scale = at->query_scale && head < l->num_heads ? at->query_scale[row] : 1;
        for (int64_t i = 0; i < l->rotary_size; i += 2) {
            float a = heads[i], b = heads[i + 1];
            heads[i] = a * turns[i] - b * turns[i + 1];
            heads[i + 1] = a * turns[i + 1] + b * turns[i];
        }
        if (scale != 1)
            for (int64_t i = 0; i < l->head_size; i++)
                heads[i] *= scale;
    }
}

/* silu(gate) * up, where the gates lie; rows stay as far apart as they are. */
static void gate(float *wide, int64_t inner) {
    for (int64_t i = 0; i < inner; i += LANES)
        store_lanes(wide + i, silu(load_lanes(wide + i)) * load_lanes(wide + inner + i));
}

static void norm(const dense_network *n, const float *weight, rows hidden, float *normed) {
    for (int64_t row = 0; row < hidden.count; row++)
        rms_norm(hidden.first + row * hidden.stride, weight, n->epsilon, n->hidden_size,
                 normed + row * n->hidden_size);
}

static void add_map(const weight *w, rows in, rows hidden, float *added, int64_t num_threads) {
    linear(w, in, (rows){added, hidden.stride, hidden.count}, num_threads);
    for (int64_t row = 0; row < hidden.count; row++)
        add(hidden.first + row * hidden.stride, added + row * hidden.stride, hidden.stride);
}

static void pass_layer(const dense_network *n, int64_t layer, const batch *all, const positions *at, float *hidden,
                       const memory *own, int64_t num_threads) {
    const dense_layer *l = n->layers + layer;
    int64_t count = all->num_rows, queries = n->layout.num_heads * n->layout.head_size;
    int64_t width = queries + 2 * n->layout.num_kv_heads * n->layout.head_size;
    rows stream = {hidden, n->hidden_size, count}, normed = {own->normed, n->hidden_size, count};
    norm(n, l->attention_norm, stream, own->normed);
    linear(l->qkv, normed, (rows){own->heads, width, count}, num_threads);
    for (int64_t row = 0; row < count; row++)
        turn(&n->layout, at, row, own->heads + row * width);
    attend(&n->layout, all, layer, own->heads, own->attended, num_threads);
    add_map(l->output, (rows){own->attended, queries, count}, stream, own->added, num_threads);
    norm(n, l->mlp_norm, stream, own->normed);
    linear(l->gate_up, normed, (rows){own->wide, 2 * n->inner_size, count}, num_threads);
    for (int64_t row = 0; row < count; row++)
        gate(own->wide + row * 2 * n->inner_size, n->inner_size);
    add_map(l->down, (rows){own->wide, 2 * n->inner_size, count}, stream, own->added, num_threads);
}

void pass_layers(const dense_network *n, const sequence *sequences, int64_t num_sequences, const float *turns,
                 const float *query_scale, float *hidden, int64_t num_rows, int64_t num_threads) {
    batch all = {sequences, num_sequences, num_rows};
    positions at = {turns, query_scale};
    memory own = divide(n, num_rows);
    for (int64_t layer = 0; layer < n->num_layers; layer++)
        pass_layer(n, layer, &all, &at, hidden, &own, num_threads);
}
