/* What does every token see of its sequence?
 *
 * Each token sums over its own keys in their order, so its bits do not depend on how many came with it.
 */
#include "attention.h"

#include <math.h>

#include "lanes.h"
#include "linear.h"
#include "threads.h"

enum { ROWS_A_PIECE = 4, MOST_VECTORS = 16 };

typedef struct {
    const head_layout *layout;
    const batch *all;
    int64_t layer;
    const float *heads;
    float *out;
} job;

/* The keys, or the values, of some neighbours: `count` rows, `stride` numbers apart. */
typedef struct {
    const float *first;
    int64_t stride, count;
} places;

static int64_t row_size(const head_layout *l) { return (l->num_heads + 2 * l->num_kv_heads) * l->head_size; }

static float *cache_of(const job *own, const sequence *s, int64_t kv_head, int is_value) {
    const head_layout *l = own->layout;
    return s->caches[own->layer] + (is_value * l->num_kv_heads + kv_head) * s->capacity * l->head_size;
}

static const float *fresh(const job *own, const sequence *s, int64_t token, int64_t kv_head, int is_value) {
    const head_layout *l = own->layout;
    int64_t head = l->num_heads + is_value * l->num_kv_heads + kv_head;
    return own->heads + (s->start + token) * row_size(l) + head * l->head_size;
}

static void append(const job *own, const sequence *s) {
    int64_t size = own->layout->head_size;
    for (int64_t token = 0; token < s->length; token++)
        for (int64_t kv_head = 0; kv_head < own->layout->num_kv_heads; kv_head++)
            for (int is_value = 0; is_value < 2; is_value++)
                memcpy(cache_of(own, s, kv_head, is_value) + (s->held + token) * size,
                       fresh(own, s, token, kv_head, is_value), 4 * size);
}

/* What a token sees: places in the cache, and those of its group where it is not causal. */
static void look(const job *own, const sequence *s, int64_t token, int64_t kv_head, int is_value, places seen[2]) {
    int64_t size = own->layout->head_size, group = s->length / s->num_groups;
    int64_t held = s->held + (s->is_causal ? token + 1 : token / group);
    seen[0] = (places){cache_of(own, s, kv_head, is_value), size, held};
    seen[1] = (places){fresh(own, s, token / group * group, kv_head, is_value), row_size(own->layout),
                       s->is_causal ? 0 : group};
}

static float score(const float *query, const float *key, int64_t size) {
    lanes total = {0};
    for (int64_t i = 0; i < size; i += LANES)
        total += load_lanes(query + i) * load_lanes(key + i);
    return sum_of_lanes(total);
}

/* exp(scores - the largest), and what their sum is. */
static float weigh(float *scores, int64_t count) {
    float most = -INFINITY, total = 0;
    for (int64_t i = 0; i < count; i++)
        most = scores[i] > most ? scores[i] : most;
    for (int64_t i = count; i % LANES; i++)
        scores[i] = -INFINITY;
    lanes sums = {0};
    for (int64_t i = 0; i < count; i += LANES) {
        lanes weights = exponential(load_lanes(scores + i) - most);
        store_lanes(scores + i, weights);
        sums += weights;
    }
    total = sum_of_lanes(sums);
    return total;
}

static void attend_token(const job *own, const sequence *s, int64_t token, int64_t kv_head, float *scores) {
    const head_layout *l = own->layout;
    int64_t size = l->head_size, group = l->num_heads / l->num_kv_heads;
    float scale = 1 / sqrtf(size);
    places keys[2], values[2];
    look(own, s, token, kv_head, 0, keys);
    look(own, s, token, kv_head, 1, values);
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
        const float *query = own->heads + (s->start + token) * row_size(l) + head * size;
        int64_t count = 0;
        for (int part = 0; part < 2; part++)
            for (int64_t i = 0; i < keys[part].count; i++)
                scores[count++] = scale * score(query, keys[part].first + i * keys[part].stride, size);
        float total = weigh(scores, count);
        lanes mixed[MOST_VECTORS] = {{0}};
        const float *weight = scores;
        for (int part = 0; part < 2; part++)
            for (int64_t i = 0; i < values[part].count; i++, weight++)
                for (int64_t v = 0; v < size / LANES; v++)
                    mixed[v] += *weight * load_lanes(values[part].first + i * values[part].stride + v * LANES);
        float *out = own->out + (s->start + token) * l->num_heads * size + head * size;
        for (int64_t v = 0; v < size / LANES; v++)
            store_lanes(out + v * LANES, mixed[v] / total);
    }
}

static void work(void *context, int64_t piece) {
    const job *own = context;
    int64_t kv_head = piece % own->layout->num_kv_heads, row = piece / own->layout->num_kv_heads * ROWS_A_PIECE;
    for (int64_t end = row + ROWS_A_PIECE; row < end && row < own->all->num_rows; row++) {
        const sequence *s = own->all->first;
        while (row >= s->start + s->length)
            s++;
        float *scores = (float *)scratch(SCORES, 4 * (s->held + 2 * s->length + LANES));
        attend_token(own, s, row - s->start, kv_head, scores);
    }
}

void attend(const head_layout *layout, const batch *all, int64_t layer, const float *heads, float *out,
            int64_t num_threads) {
    job own = {layout, all, layer, heads, out};
    for (int64_t i = 0; i < all->count; i++)
        if (all->first[i].is_causal)
            append(&own, all->first + i);
    int64_t pieces = (all->num_rows + ROWS_A_PIECE - 1) / ROWS_A_PIECE;
    in_parallel(work, &own, pieces * layout->num_kv_heads, num_threads);
}
