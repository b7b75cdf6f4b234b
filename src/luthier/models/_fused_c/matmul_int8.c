/* Products in eight bits on tiles: each row of the left factor has its own step, and so has each
 * output. Dimensions are multiples of 32, that over which is summed of 64. */
#include "bert_int8.h"

#ifdef __AMX_INT8__

enum { TILE8 = 1024, BLOCK8 = 2048 }; /* bytes of a tile, and of a block of 64 x 32 */

/* The right factor w.T of w [n][k]: blocks of 64 x 32, those of one column one behind the other; a
 * line of a tile holds four rows of B, as the instruction TDPBSSD reads them. */
void pack_int8(const bf16 *w, long n, long k, int8_t *packed, float *steps) {
#pragma omp parallel for schedule(static)
    for (long j = 0; j < n; j++) {
        __m512 most = _mm512_setzero_ps();
        for (long i = 0; i < k; i += 16)
            most = _mm512_max_ps(most, _mm512_abs_ps(load(w + j * k + i)));
        float step = fmaxf(_mm512_reduce_max_ps(most), 1e-12f) / 127.0f;
        steps[j] = step;
        int8_t *to = packed + (j / 32) * (k / 64) * BLOCK8 + (j % 32) / 16 * TILE8 + j % 16 * 4;
        for (long i = 0; i < k; i += 4) {
            int8_t *at = to + i / 64 * BLOCK8 + i % 64 / 4 * 64;
            for (int part = 0; part < 4; part++) {
                uint32_t raw = (uint32_t)w[j * k + i + part] << 16;
                float v;
                memcpy(&v, &raw, 4);
                at[part] = (int8_t)lrintf(v / step);
            }
        }
    }
}

void quantise_rows(const bf16 *x, long rows, long k, int8_t *to, float *steps) {
#pragma omp parallel for schedule(static)
    for (long t = 0; t < rows; t++) {
        const bf16 *from = x + t * k;
        __m512 most = _mm512_setzero_ps();
        for (long i = 0; i < k; i += 16) most = _mm512_max_ps(most, _mm512_abs_ps(load(from + i)));
        float largest = fmaxf(_mm512_reduce_max_ps(most), 1e-12f);
        __m512 times = _mm512_set1_ps(127.0f / largest);
        steps[t] = largest / 127.0f;
        for (long i = 0; i < k; i += 16) {
            __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(load(from + i), times));
            _mm_storeu_si128((__m128i *)(to + t * k + i), _mm512_cvtsepi32_epi8(whole));
        }
    }
}

INLINE __m512 whole(const int32_t *sums, float row, const float *columns) {
    __m512 steps = _mm512_mul_ps(_mm512_set1_ps(row), _mm512_loadu_ps(columns));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), steps);
}

INLINE void end_row(const Product *p, const int32_t *sums, long row, long block) {
    bf16 *to = p->out + row * p->n + block * 32;
    const float *columns = p->columns + block * 32;
    __m512 a = whole(sums, p->rows[row], columns), b = whole(sums + 16, p->rows[row], columns + 16);
    __m512 slope;
    if (p->bias) {
        a = _mm512_add_ps(a, _mm512_loadu_ps(p->bias + block * 32));
        b = _mm512_add_ps(b, _mm512_loadu_ps(p->bias + block * 32 + 16));
    }
    if (p->gelu) {
        a = gelu(a, &slope);
        b = gelu(b, &slope);
    }
    store2(to, a, b);
}

/* As matmul.c: between the steps of 32 x 32 of the result come the endings of those before. */
static void piece(const Product *p, long m0, long m1, long n0, long n1) {
    int32_t sums[2][32 * 32] __attribute__((aligned(64)));
    const int32_t *last = NULL;
    long last_m = 0, last_n = 0, rows = 0, blocks = p->k / 64, each = (32 + blocks - 1) / blocks;
    long high = (m1 - m0) / 32, wide = n1 - n0;
    for (long i = 0; i < high * wide; i++) {
        long m = m0 + i % high * 32, n = n0 + i / high, done = 0;
        const int8_t *left = p->left + m * p->k, *right = p->packed + n * blocks * BLOCK8;
        sums_zero();
        for (long j = 0; j < blocks; j++) {
            _tile_loadd(4, left + j * 64, p->k);
            _tile_loadd(6, right + j * BLOCK8, 64);
            _tile_loadd(7, right + j * BLOCK8 + TILE8, 64);
            _tile_loadd(5, left + 16 * p->k + j * 64, p->k);
            _tile_dpbssd(0, 4, 6);
            _tile_dpbssd(1, 4, 7);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
            for (long i = 0; i < BLOCK8; i += 64)
                _mm_prefetch((const char *)(right + (j + 2) * BLOCK8 + i), _MM_HINT_T0);
            for (long end = done + each; last && done < end && done < rows; done++)
                end_row(p, last + done * 32, last_m + done, last_n);
        }
        int32_t *to = sums[i & 1];
        _tile_stored(0, to, 128);
        _tile_stored(1, to + 16, 128);
        _tile_stored(2, to + 16 * 32, 128);
        _tile_stored(3, to + 16 * 32 + 16, 128);
        last = to, last_m = m, last_n = n, rows = p->some - m < 32 ? p->some - m : 32;
    }
    for (long i = 0; last && i < rows; i++) end_row(p, last + i * 32, last_m + i, last_n);
}

void matmul_int8(const Product *p) {
    long tall = 256, high = (p->m + tall - 1) / tall, wide = 8;
    long across = (p->n / 32 + wide - 1) / wide;
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic) collapse(2)
        for (long i = 0; i < high; i++)
            for (long j = 0; j < across; j++) {
                long m0 = i * tall, m1 = m0 + tall < p->m ? m0 + tall : p->m;
                long n0 = j * wide, n1 = n0 + wide < p->n / 32 ? n0 + wide : p->n / 32;
                piece(p, m0, m1, n0, n1);
            }
        tiles_end();
    }
}

#endif
