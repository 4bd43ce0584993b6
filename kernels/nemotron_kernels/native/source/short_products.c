/* How are short weights multiplied by processors with AVX-512, its bfloat16 products and byte permutations?
 *
 * One instruction multiplies 32 pairs of bfloat16 and adds them in float32. Every format's numbers are exact in
 * bfloat16, and an input is the sum of two of them, `high` and `low`, which leaves out 2^-17 of it at most. Inputs
 * are arranged in the order in which a format's numbers come out of their bytes.
 */
#ifdef HAS_SHORT_PRODUCTS

#include "kernel.h"

#include <immintrin.h>
#include <string.h>

#define EVERY(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
#define INLINE static inline __attribute__((always_inline))

enum { VECTOR = 32, MOST_CHUNK = 128, LINE = 64, MOST_ROWS = 8, MOST_TOKENS = 6 };

/* bfloat16 of every E4M3 code without its sign, high and low bytes apart. */
static uint8_t e4m3_high[128], e4m3_low[128];

/* bfloat16 of 256 times every E2M1 code, twice, so that a fifth bit of an index changes nothing. */
static uint16_t e2m1_by_256[32];

static uint16_t bfloat16_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits >> 16;
}

__attribute__((constructor)) static void fill_tables(void) {
    static const float e2m1[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    for (int code = 0; code < 32; code++)
        e2m1_by_256[code] = bfloat16_of((code & 8 ? -256 : 256) * e2m1[code & 7]);
    for (int code = 0; code < 128; code++) {
        int exponent = code >> 3, mantissa = code & 7;
        float value = exponent ? (1 + mantissa / 8.0f) * (float)(1 << exponent) / 128 : mantissa / 512.0f;
        e4m3_high[code] = bfloat16_of(value) >> 8;
        e4m3_low[code] = bfloat16_of(value) & 255;
    }
}

/* Columns that are read together: as many as fill a vector with codes, but for BF16, which is its own code. */
static int64_t chunk_of(const weight *w) { return w->format == NVFP4 ? 128 : w->format == FP8 ? 64 : 32; }

/* Which column of a chunk stands at a place of its arranged input. */
static int column_at(const weight *w, int place) {
    int vector = place / VECTOR, word = place % VECTOR;
    switch (w->format) {
    case NVFP4: /* a word holds four codes; each shift brings another one down */
        return 4 * word + vector;
    case FP8: /* high and low bytes are joined within lanes of 16 codes */
        return word / 8 * 16 + 8 * vector + word % 8;
    default:
        return place;
    }
}

static int64_t arranged_bytes(const weight *w) {
    int64_t chunk = chunk_of(w), chunks = 0;
    for (int64_t s = 0; s < w->num_strips; s++)
        chunks += (w->strips[s].count + chunk - 1) / chunk;
    return chunks * chunk * 4;
}

/* 32 inputs as two vectors of bfloat16 whose sum they are. */
static void split(__m512 first, __m512 second, uint8_t *arranged) {
    __m512i high = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    __m512i back_first = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(high)), 16);
    __m512i back_second = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, 1)), 16);
    first = _mm512_sub_ps(first, (__m512)back_first);
    second = _mm512_sub_ps(second, (__m512)back_second);
    _mm512_storeu_si512(arranged, high);
    _mm512_storeu_si512(arranged + 64, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

static __m512 pick(const float *input, const int32_t *columns, int64_t count) {
    __m512i wanted = _mm512_loadu_si512(columns);
    __mmask16 there = _mm512_cmplt_epi32_mask(wanted, _mm512_set1_epi32(count < MOST_CHUNK ? (int)count : MOST_CHUNK));
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, wanted, input, 4);
}

static void arrange(const weight *w, const float *input, uint8_t *arranged) {
    int64_t chunk = chunk_of(w);
    int32_t columns[MOST_CHUNK];
    for (int place = 0; place < chunk; place++)
        columns[place] = column_at(w, place);
    for (int64_t s = 0; s < w->num_strips; s++) {
        int64_t count = w->strips[s].count;
        for (int64_t column = 0; column < count; column += chunk)
            for (int place = 0; place < chunk; place += VECTOR, arranged += 128)
                split(pick(input + column, columns + place, count - column),
                      pick(input + column, columns + place + 16, count - column), arranged);
        input += count;
    }
}

INLINE __m512 product(__m512 sum, __m512i weights, const uint8_t *inputs) {
    return _mm512_dpbf16_ps(sum, (__m512bh)weights, (__m512bh)_mm512_loadu_si512(inputs));
}

INLINE __m512i load(const uint8_t *from, int64_t bytes) {
    return bytes >= LINE ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi8((1ull << bytes) - 1, from);
}

/* 64 codes of E4M3 as two vectors of bfloat16. */
INLINE void decode_e4m3(__m512i codes, __m512i decoded[2]) {
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(e4m3_high), codes, _mm512_loadu_si512(e4m3_high + 64));
    __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(e4m3_low), codes, _mm512_loadu_si512(e4m3_low + 64));
    /* high | (codes & 0x80) */
    high = _mm512_ternarylogic_epi32(high, codes, _mm512_set1_epi8((char)0x80), 0xf8);
    decoded[0] = _mm512_unpacklo_epi8(low, high);
    decoded[1] = _mm512_unpackhi_epi8(low, high);
}

/* Up to 8 block scales, each for two neighbouring lanes, over 256: E4M3 is the top of a float16 with another bias. */
INLINE __m512 block_scales(const uint8_t *from, int64_t count) {
    __m128i codes = count >= 8 ? _mm_loadl_epi64((const __m128i *)from) : _mm_maskz_loadu_epi8((1u << count) - 1, from);
    __m256i halves = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(codes, codes)), 7);
    return _mm512_cvtph_ps(halves);
}

/* The sums of four vectors, always in the same order. */
INLINE __m128 sums(__m512 a, __m512 b, __m512 c, __m512 d) {
    __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    __m512 quarters = _mm512_add_ps((__m512)_mm512_unpacklo_pd((__m512d)ab, (__m512d)cd),
                                    (__m512)_mm512_unpackhi_pd((__m512d)ab, (__m512d)cd));
    __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_extractf32x8_ps(quarters, 1));
    return _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1));
}

/* Lines of memory that will be wanted: of rows `row` bytes apart, `step` bytes further each time.
 *
 * A processor foresees one stream of memory and not eight, which then come at a third of the speed. So the lines
 * of the next tile are asked for in the order in which they lie, as many at a time as are read of this one. Where
 * only part of each row is read, they are asked for row beside row. */
typedef struct {
    const uint8_t *first;
    int64_t row, step;
} lines;

/* Some rows of a weight; places past the last row repeat it. */
typedef struct {
    const uint8_t *numbers[MOST_ROWS], *block_scales[MOST_ROWS];
    float scale[MOST_ROWS];
    int64_t first, count;
    lines next;
} tile;

/* BF16 leaves the fewest instructions to wait behind, so its lines are asked for earlier: measured. */
static lines lines_behind(const weight *w, int64_t last, int num_rows) {
    int64_t first = last + (w->format == BF16 ? 3 * num_rows : 0);
    const uint8_t *next = w->numbers + (first < w->num_rows ? whole_row(w, first) : 0) * w->stride;
    int64_t bytes = bytes_of(w, w->strips->count);
    if (w->num_strips == 1 && !w->row_of && bytes == w->stride)
        return (lines){next, LINE, LINE * num_rows};
    return (lines){next + bytes_of(w, w->strips->first), w->stride, LINE};
}

static tile tile_at(const weight *w, int64_t first, int64_t last, int num_rows) {
    tile own = {.first = first, .count = last - first < num_rows ? last - first : num_rows};
    for (int r = 0; r < num_rows; r++) {
        int64_t row = whole_row(w, first + (r < own.count ? r : own.count - 1));
        own.numbers[r] = w->numbers + row * w->stride;
        own.block_scales[r] = w->block_scales + row * w->block_stride;
        own.scale[r] = w->row_scale ? w->row_scale[row] : 1;
    }
    own.next = lines_behind(w, first + num_rows, num_rows);
    return own;
}

INLINE void ask(lines *next, int num_rows) {
    EVERY(r, num_rows) _mm_prefetch((const char *)next->first + r * next->row, _MM_HINT_T0);
    next->first += next->step;
}

/* Four outputs of a token, from row `at` of the tile on. */
INLINE void put(const tile *own, int at, float *out, __m128 found) {
    int64_t left = own->count - at;
    __mmask8 there = left >= 4 ? 15 : left > 0 ? (1u << left) - 1 : 0;
    _mm_mask_storeu_ps(out + own->first + at, there, _mm_mul_ps(found, _mm_loadu_ps(own->scale + at)));
}

INLINE void put_all(const tile *own, rows out, const __m512 sum[MOST_ROWS][MOST_TOKENS], int num_rows, int num_tokens) {
    __m512 none = _mm512_setzero_ps();
    EVERY(t, num_tokens) {
        float *to = out.first + t * out.stride;
        put(own, 0, to, sums(sum[0][t], sum[1][t], num_rows > 2 ? sum[2][t] : none, num_rows > 2 ? sum[3][t] : none));
        if (num_rows > 4)
            put(own, 4, to, sums(sum[4][t], sum[5][t], sum[6][t], sum[7][t]));
    }
}

INLINE void bf16_tile(const weight *w, const tile *own, const uint8_t *arranged, int64_t bytes, rows out, int num_rows,
                      int num_tokens) {
    __m512 sum[MOST_ROWS][MOST_TOKENS], none = _mm512_setzero_ps();
    lines next = own->next;
    EVERY(r, num_rows) EVERY(t, num_tokens) sum[r][t] = none;
    for (int64_t s = 0; s < w->num_strips; s++) {
        int64_t end = 2 * (w->strips[s].first + w->strips[s].count);
        for (int64_t at = 2 * w->strips[s].first; at < end; at += LINE, arranged += 128) {
            __m512i weights[MOST_ROWS];
            ask(&next, num_rows);
            EVERY(r, num_rows) weights[r] = load(own->numbers[r] + at, end - at);
            EVERY(t, num_tokens) {
                EVERY(r, num_rows) sum[r][t] = product(sum[r][t], weights[r], arranged + t * bytes);
                EVERY(r, num_rows) sum[r][t] = product(sum[r][t], weights[r], arranged + t * bytes + 64);
            }
        }
    }
    put_all(own, out, sum, num_rows, num_tokens);
}

INLINE void fp8_token(const weight *w, const tile *own, const uint8_t *arranged, rows out) {
    __m512 sum[MOST_ROWS][MOST_TOKENS], none = _mm512_setzero_ps();
    lines next = own->next;
    EVERY(r, MOST_ROWS) sum[r][0] = none;
    for (int64_t s = 0; s < w->num_strips; s++) {
        int64_t end = w->strips[s].first + w->strips[s].count;
        for (int64_t at = w->strips[s].first; at < end; at += LINE, arranged += 256) {
            ask(&next, MOST_ROWS);
            EVERY(r, MOST_ROWS) {
                __m512i weights[2];
                decode_e4m3(load(own->numbers[r] + at, end - at), weights);
                EVERY(v, 2) {
                    sum[r][0] = product(sum[r][0], weights[v], arranged + 128 * v);
                    sum[r][0] = product(sum[r][0], weights[v], arranged + 128 * v + 64);
                }
            }
        }
    }
    put_all(own, out, sum, MOST_ROWS, 1);
}

/* Every 128 columns are summed by their codes alone, and then times their block's scale. A lane holds eight
 * neighbours, half a block. */
INLINE void nvfp4_chunk(const tile *own, const uint8_t *arranged, int64_t bytes, int64_t at, int64_t left,
                        __m512 sum[MOST_ROWS][MOST_TOKENS], int num_rows, int num_tokens) {
    __m512i codes[MOST_ROWS], weights[MOST_ROWS], values = _mm512_loadu_si512(e2m1_by_256);
    __m512 part[MOST_ROWS][MOST_TOKENS], none = _mm512_setzero_ps();
    EVERY(r, num_rows) codes[r] = load(own->numbers[r] + at / 2, left / 2);
    EVERY(v, 4) {
        EVERY(r, num_rows) weights[r] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes[r], 4 * v), values);
        EVERY(t, num_tokens) {
            const uint8_t *inputs = arranged + t * bytes + 128 * v;
            EVERY(r, num_rows) part[r][t] = product(v ? part[r][t] : none, weights[r], inputs);
            EVERY(r, num_rows) part[r][t] = product(part[r][t], weights[r], inputs + 64);
        }
    }
    EVERY(r, num_rows) {
        __m512 scales = block_scales(own->block_scales[r] + at / BLOCK, left / BLOCK);
        EVERY(t, num_tokens) sum[r][t] = _mm512_fmadd_ps(part[r][t], scales, sum[r][t]);
    }
}

INLINE void nvfp4_tile(const weight *w, const tile *own, const uint8_t *arranged, int64_t bytes, rows out, int num_rows,
                       int num_tokens) {
    __m512 sum[MOST_ROWS][MOST_TOKENS], none = _mm512_setzero_ps();
    lines next = own->next;
    EVERY(r, num_rows) EVERY(t, num_tokens) sum[r][t] = none;
    for (int64_t s = 0; s < w->num_strips; s++) {
        int64_t at = w->strips[s].first, end = at + w->strips[s].count;
        for (; at + 128 <= end; at += 128, arranged += 512) {
            ask(&next, num_rows);
            nvfp4_chunk(own, arranged, bytes, at, 128, sum, num_rows, num_tokens);
        }
        if (at < end) {
            ask(&next, num_rows);
            nvfp4_chunk(own, arranged, bytes, at, end - at, sum, num_rows, num_tokens);
            arranged += 512;
        }
    }
    put_all(own, out, sum, num_rows, num_tokens);
}

/* A tile's codes of E4M3 as bfloat16, in the order of its inputs; decoded once for all of them. */
static void widen(const weight *w, tile *own, uint16_t *memory, int64_t width) {
    for (int r = 0; r < own->count; r++) {
        uint16_t *to = memory + r * width;
        for (int64_t s = 0; s < w->num_strips; s++) {
            const uint8_t *from = own->numbers[r] + w->strips[s].first;
            for (int64_t column = 0; column < w->strips[s].count; column += LINE, to += LINE) {
                __m512i decoded[2];
                decode_e4m3(load(from + column, w->strips[s].count - column), decoded);
                _mm512_storeu_si512(to, decoded[0]);
                _mm512_storeu_si512(to + VECTOR, decoded[1]);
            }
        }
        own->numbers[r] = (const uint8_t *)(memory + r * width);
    }
}

/* How many rows a tile has: registers hold a sum for each row and token, NVFP4 two. */
static int rows_of(const weight *w, int64_t num_tokens) {
    if (w->format == BF16)
        return 4;
    return num_tokens == 1 ? MOST_ROWS : w->format == NVFP4 ? 2 : 4;
}

static void tile_tokens(const weight *w, const tile *own, const uint8_t *arranged, int64_t bytes, rows out) {
    switch (out.count + 8 * (w->format == NVFP4)) {
    case 9:
        return nvfp4_tile(w, own, arranged, bytes, out, MOST_ROWS, 1);
    case 1:
        return bf16_tile(w, own, arranged, bytes, out, 4, 1);
#define CASE(t)                                                                                                        \
    case t:                                                                                                            \
        return bf16_tile(w, own, arranged, bytes, out, 4, t);                                                          \
    case 8 + t:                                                                                                        \
        return nvfp4_tile(w, own, arranged, bytes, out, 2, t);
        CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#undef CASE
    }
}

/* All tokens in tiles of about equal length. */
static void tile_rows(const weight *w, const tile *own, const uint8_t *arranged, int64_t bytes, rows out) {
    for (int64_t tiles = (out.count + MOST_TOKENS - 1) / MOST_TOKENS; tiles > 0; tiles--) {
        rows part = {out.first, out.stride, (out.count + tiles - 1) / tiles};
        tile_tokens(w, own, arranged, bytes, part);
        arranged += part.count * bytes;
        out.first += part.count * out.stride;
        out.count -= part.count;
    }
}

static void multiply_fp8(const weight *w, const uint8_t *arranged, rows out, int64_t first, int64_t last) {
    int64_t bytes = arranged_bytes(w), width = bytes / 4;
    int num_rows = rows_of(w, out.count);
    uint16_t *memory = out.count > 1 ? __builtin_alloca_with_align(2 * width * num_rows, 512) : NULL;
    strip whole = {0, width};
    weight wide = {.format = BF16, .num_strips = 1, .strips = &whole};
    for (int64_t row = first; row < last; row += num_rows) {
        tile own = tile_at(w, row, last, num_rows);
        if (out.count == 1) {
            fp8_token(w, &own, arranged, out);
        } else {
            widen(w, &own, memory, width);
            tile_rows(&wide, &own, arranged, bytes, out);
        }
    }
}

static void multiply(const weight *w, const uint8_t *arranged, rows out, int64_t first, int64_t last) {
    if (w->format == FP8)
        return multiply_fp8(w, arranged, out, first, last);
    int64_t bytes = arranged_bytes(w);
    int num_rows = rows_of(w, out.count);
    for (int64_t row = first; row < last; row += num_rows) {
        tile own = tile_at(w, row, last, num_rows);
        tile_rows(w, &own, arranged, bytes, out);
    }
}

const kernel short_products = {arranged_bytes, arrange, multiply};

#endif
