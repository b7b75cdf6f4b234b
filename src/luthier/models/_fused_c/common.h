/* What all kernels share: bfloat16 in registers, tiles, the layouts of packed matrices.
 *
 * Matrices are row-major bfloat16 unless said otherwise, and their dimensions multiples of 32.
 * A packed right-hand matrix B [k][n] lies in blocks of 32 x 32, those of one column of blocks one
 * behind the other; a block is two tiles of 16 columns, whose lines hold two rows of B pair by pair,
 * as the instruction TDPBF16PS reads them.
 */
#pragma once
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t bf16;

#define INLINE static inline __attribute__((always_inline))
#define TILE 512   /* elements of a tile: 16 lines of 32 */
#define BLOCK 1024 /* elements of a block of 32 x 32 */

INLINE __m512 load(const bf16 *p) {
    __m256i raw = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16));
}

INLINE void store(bf16 *p, __m512 v) {
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(v));
}

INLINE void store2(bf16 *p, __m512 low, __m512 high) {
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* Two rows of 16, pair by pair. */
INLINE __m512i pairs(const bf16 *a, const bf16 *b) {
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)a));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)b));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

INLINE void transpose(__m512i r[16]) {
    __m512i t[16];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
        r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
    }
}

INLINE __m512 exponential(__m512 x) {
    const __m512 log2e = _mm512_set1_ps(1.44269504088896341f);
    x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x); /* in this order: what is no number stays none */
    x = _mm512_min_ps(_mm512_set1_ps(88.0f), x);
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, log2e), 0);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

INLINE __m512 sigmoid(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), x));
    return _mm512_div_ps(one, _mm512_add_ps(one, e));
}

/* x times the share of a normal distribution below x, and how steep that is at x; the share by
 * Abramowitz & Stegun (1964), formula 7.1.26. */
INLINE __m512 gelu(__m512 x, __m512 *slope) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 e = _mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f));
    e = exponential(_mm512_max_ps(_mm512_set1_ps(-75.0f), e)); /* denormal numbers are slow */
    __m512 away = _mm512_fmadd_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.2316418828f), one);
    __m512 t = _mm512_rcp14_ps(away);
    t = _mm512_mul_ps(t, _mm512_fnmadd_ps(away, t, _mm512_set1_ps(2.0f)));
    __m512 p = _mm512_set1_ps(0.5307027145f);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.7265760135f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.7107068705f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.142248368f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.127414796f));
    __m512 share = _mm512_mul_ps(_mm512_mul_ps(p, t), e); /* of what is above |x| */
    __mmask16 above = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GE_OQ);
    share = _mm512_mask_sub_ps(share, above, one, share);
    *slope = _mm512_fmadd_ps(_mm512_mul_ps(x, e), _mm512_set1_ps(0.3989422804f), share);
    return _mm512_mul_ps(x, share);
}

/* Tiles 0 to 3 are sums, 4 and 5 left, 6 and 7 right factors. */
INLINE void tiles_begin(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t lines[16];
    } shape __attribute__((aligned(64)));
    memset(&shape, 0, sizeof shape);
    shape.palette = 1;
    for (int i = 0; i < 8; i++) {
        shape.bytes[i] = 64;
        shape.lines[i] = 16;
    }
    _tile_loadconfig(&shape);
}

INLINE void tiles_end(void) { _tile_release(); }

INLINE void sums_zero(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* Sums of 32 x 32 in float32; the lower sixteen lines may lie apart. */
INLINE void sums_load(const float *upper, const float *lower, long ld) {
    _tile_loadd(0, upper, ld * 4);
    _tile_loadd(1, upper + 16, ld * 4);
    _tile_loadd(2, lower, ld * 4);
    _tile_loadd(3, lower + 16, ld * 4);
}

INLINE void sums_store(float *upper, float *lower, long ld) {
    _tile_stored(0, upper, ld * 4);
    _tile_stored(1, upper + 16, ld * 4);
    _tile_stored(2, lower, ld * 4);
    _tile_stored(3, lower + 16, ld * 4);
}

/* Add the product of 32 rows and one column of packed blocks. `left` and `lower` are the upper and
 * the lower sixteen rows, `step` the elements from one piece of 32 columns to the next. */
INLINE void multiply(const bf16 *left, const bf16 *lower, long ld, long step, const bf16 *right,
                     long blocks) {
    for (long k = 0; k < blocks; k++) {
        _tile_loadd(4, left + k * step, ld * 2);
        _tile_loadd(6, right + k * BLOCK, 64);
        _tile_loadd(7, right + k * BLOCK + TILE, 64);
        _tile_loadd(5, lower + k * step, ld * 2);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}
