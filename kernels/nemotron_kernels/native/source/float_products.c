/* How are short weights multiplied by processors with AVX2?
 *
 * Eight weights at a time become float32, exactly, and stay in registers while a few rows of inputs pass by.
 */
#include <immintrin.h>
#include <string.h>

#include "kernel.h"

#define EVERY(i, n) _Pragma("GCC unroll 4") for (int i = 0; i < (n); i++)
#define INLINE static inline __attribute__((always_inline))

enum { VECTOR = 8, MOST_ROWS = 4, MOST_TOKENS = 4 };

static int64_t padded(int64_t columns) { return (columns + BLOCK - 1) / BLOCK * BLOCK; }

static int64_t arranged_bytes(const weight *w) {
    int64_t columns = 0;
    for (int64_t s = 0; s < w->num_strips; s++)
        columns += padded(w->strips[s].count);
    return 4 * columns;
}

/* Two codes of NVFP4 share a byte: even columns of a block come first, then odd ones. */
static void arrange(const weight *w, const float *input, uint8_t *arranged) {
    float *to = (float *)arranged;
    for (int64_t s = 0; s < w->num_strips; s++) {
        int64_t count = w->strips[s].count;
        memset(to, 0, 4 * padded(count));
        for (int64_t column = 0; column < count; column++) {
            int64_t place = column % BLOCK;
            to[w->format == NVFP4 ? column - place + place / 2 + place % 2 * VECTOR : column] = input[column];
        }
        to += padded(count);
        input += count;
    }
}

INLINE __m256 sixteenth_bits(__m128i bits) {
    /* E4M3 is the top of a float16 with another bias: what comes out is over 256. */
    __m128i magnitude = _mm_slli_epi16(_mm_and_si128(bits, _mm_set1_epi16(0x7f)), 7);
    __m128i sign = _mm_slli_epi16(_mm_and_si128(bits, _mm_set1_epi16(0x80)), 8);
    return _mm256_cvtph_ps(_mm_or_si128(magnitude, sign));
}

INLINE float block_scale(uint8_t code) {
    return _mm256_cvtss_f32(sixteenth_bits(_mm_cvtsi32_si128(code)));
}

/* Two vectors of weights, columns `at` to `at + 16` of a row. */
INLINE void widen(int format, const uint8_t *numbers, const uint8_t *scales, int64_t at, __m256 found[2]) {
    if (format == NVFP4) {
        const __m256 values = _mm256_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6);
        __m256i pairs = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(numbers + at / 2)));
        __m256i odd = _mm256_srli_epi32(pairs, 4);
        __m256 scale = _mm256_set1_ps(block_scale(scales[at / BLOCK])), top = _mm256_set1_ps(-0.0f);
        found[0] = _mm256_permutevar8x32_ps(values, pairs);
        found[1] = _mm256_permutevar8x32_ps(values, odd);
        found[0] = _mm256_or_ps(found[0], _mm256_and_ps((__m256)_mm256_slli_epi32(pairs, 28), top));
        found[1] = _mm256_or_ps(found[1], _mm256_and_ps((__m256)_mm256_slli_epi32(odd, 28), top));
        EVERY(v, 2) found[v] = _mm256_mul_ps(found[v], scale);
        return;
    }
    EVERY(v, 2) {
        const uint8_t *from = numbers + (format == FLOAT32 ? 4 : format == BF16 ? 2 : 1) * (at + v * VECTOR);
        if (format == FLOAT32)
            found[v] = _mm256_loadu_ps((const float *)from);
        else if (format == BF16)
            found[v] = (__m256)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from)), 16);
        else
            found[v] = sixteenth_bits(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)from)));
    }
}

/* The same of the last columns of a strip, which may be the last of all memory. */
static void widen_end(const weight *w, const uint8_t *numbers, int64_t at, int64_t left, __m256 found[2]) {
    uint8_t copy[4 * BLOCK] = {0};
    memcpy(copy, numbers + bytes_of(w, at), bytes_of(w, left));
    switch (w->format) {
    case FLOAT32:
        return widen(FLOAT32, copy, NULL, 0, found);
    case BF16:
        return widen(BF16, copy, NULL, 0, found);
    default:
        return widen(FP8, copy, NULL, 0, found);
    }
}

static float sum_of(__m256 a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

typedef struct {
    const uint8_t *numbers[MOST_ROWS], *block_scales[MOST_ROWS];
    float scale[MOST_ROWS];
    int64_t first, count;
} tile;

static tile tile_at(const weight *w, int64_t first, int64_t last, int num_rows) {
    float common = w->format == FP8 || w->format == NVFP4 ? 256 : 1;
    tile own = {.first = first, .count = last - first < num_rows ? last - first : num_rows};
    for (int r = 0; r < num_rows; r++) {
        int64_t row = whole_row(w, first + (r < own.count ? r : own.count - 1));
        own.numbers[r] = w->numbers + row * w->stride;
        own.block_scales[r] = w->block_scales + row * w->block_stride;
        own.scale[r] = common * (w->row_scale ? w->row_scale[row] : 1);
    }
    return own;
}

INLINE void float_tile(const weight *w, const tile *own, const uint8_t *arranged, int64_t bytes, rows out, int format,
                       int num_rows, int num_tokens) {
    __m256 sum[MOST_ROWS][MOST_TOKENS];
    EVERY(r, num_rows) EVERY(t, num_tokens) sum[r][t] = _mm256_setzero_ps();
    for (int64_t s = 0; s < w->num_strips; s++) {
        int64_t at = w->strips[s].first, end = at + w->strips[s].count;
        for (; at < end; at += BLOCK, arranged += 4 * BLOCK) {
            __m256 weights[MOST_ROWS][2];
            EVERY(r, num_rows) {
                if (format == NVFP4 || at + BLOCK <= end)
                    widen(format, own->numbers[r], own->block_scales[r], at, weights[r]);
                else
                    widen_end(w, own->numbers[r], at, end - at, weights[r]);
            }
            EVERY(v, 2) EVERY(t, num_tokens) {
                __m256 inputs = _mm256_loadu_ps((const float *)(arranged + t * bytes) + v * VECTOR);
                EVERY(r, num_rows) sum[r][t] = _mm256_fmadd_ps(weights[r][v], inputs, sum[r][t]);
            }
        }
    }
    EVERY(t, num_tokens) EVERY(r, num_rows) if (r < own->count)
        out.first[t * out.stride + own->first + r] = own->scale[r] * sum_of(sum[r][t]);
}

INLINE void tile_tokens(const weight *w, const tile *own, const uint8_t *arranged, int64_t bytes, rows out, int format) {
    switch (out.count) {
    case 1:
        return float_tile(w, own, arranged, bytes, out, format, 4, 1);
    case 2:
        return float_tile(w, own, arranged, bytes, out, format, 2, 2);
    case 3:
        return float_tile(w, own, arranged, bytes, out, format, 2, 3);
    default:
        return float_tile(w, own, arranged, bytes, out, format, 2, 4);
    }
}

INLINE void multiply_by(const weight *w, const uint8_t *arranged, rows out, int64_t first, int64_t last, int format) {
    int64_t bytes = arranged_bytes(w);
    int num_rows = out.count == 1 ? 4 : 2;
    for (int64_t row = first; row < last; row += num_rows) {
        tile own = tile_at(w, row, last, num_rows);
        int64_t done = 0;
        for (int64_t tiles = (out.count + MOST_TOKENS - 1) / MOST_TOKENS; tiles > 0; tiles--) {
            int64_t count = (out.count - done + tiles - 1) / tiles;
            
            rows part = {out.first + done * out.stride, out.stride, count};
            tile_tokens(w, &own, arranged + done * bytes, bytes, part, format);
            done += count;
        }
    }
}

static void multiply(const weight *w, const uint8_t *arranged, rows out, int64_t first, int64_t last) {
    switch (w->format) {
    case FLOAT32:
        return multiply_by(w, arranged, out, first, last, FLOAT32);
    case BF16:
        return multiply_by(w, arranged, out, first, last, BF16);
    case FP8:
        return multiply_by(w, arranged, out, first, last, FP8);
    default:
        return multiply_by(w, arranged, out, first, last, NVFP4);
    }
}

const kernel float_products = {arranged_bytes, arrange, multiply};
