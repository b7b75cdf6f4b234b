/* Matrix products on tiles, with what follows them done while the result is in the cache. */
#include "matmul.h"

/* B = w.T. The rows of w come sixteen by sixteen, from `rows`; the columns of B may go on with
 * another matrix: `stride` is the number of blocks in each. */
void pack_transposed(const bf16 *const *rows, long ld, bf16 *packed, long stride, long n, long k) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < n / 16; i++)
        for (long j = 0; j < k / 32; j++) {
            __m512i r[16];
            for (int line = 0; line < 16; line++)
                r[line] = _mm512_loadu_si512(rows[i] + line * ld + j * 32);
            transpose(r);
            bf16 *to = packed + ((i / 2) * stride + j) * BLOCK + (i & 1) * TILE;
            for (int line = 0; line < 16; line++) _mm512_storeu_si512(to + line * 32, r[line]);
        }
}

/* B = w. The rows of w come sixteen by sixteen, from `rows`. */
void pack_plain(const bf16 *const *rows, long ld, bf16 *packed, long k, long n) {
#pragma omp parallel for schedule(static)
    for (long j = 0; j < k / 32; j++)
        for (long i = 0; i < n / 16; i++) {
            bf16 *to = packed + ((i / 2) * (k / 32) + j) * BLOCK + (i & 1) * TILE;
            for (int line = 0; line < 16; line++) {
                const bf16 *from = rows[2 * j + line / 8] + (line % 8) * 2 * ld + i * 16;
                _mm512_storeu_si512(to + line * 32, pairs(from, from + ld));
            }
        }
}

/* The left factor a.T: tiles [m / 16][k / 32][16][32] of a [k][m]. */
void pack_left(const bf16 *a, long ld, bf16 *packed, long k, long m) {
#pragma omp parallel for schedule(static)
    for (long j = 0; j < k / 32; j++)
        for (long i = 0; i < m / 16; i++) {
            __m512i r[16];
            for (int line = 0; line < 16; line++) {
                const bf16 *from = a + (j * 32 + 2 * line) * ld + i * 16;
                r[line] = pairs(from, from + ld);
            }
            transpose(r);
            bf16 *to = packed + (i * (k / 32) + j) * TILE;
            for (int line = 0; line < 16; line++) _mm512_storeu_si512(to + line * 32, r[line]);
        }
}

INLINE void swiglu(const Ending *e, long row, long block, __m512 gate, __m512 in) {
    store2(e->out + row * e->ld + block * 32, gate, in);
    __m512 active = _mm512_mul_ps(_mm512_mul_ps(gate, sigmoid(gate)), in);
    store(e->other + row * e->other_ld + block * 16, active);
}

INLINE void swiglu_backward(const Ending *e, long row, long block, __m512 slope) {
    bf16 *at = e->gates + row * e->ld + block * 32;
    __m512 gate = load(at), in = load(at + 16), s = sigmoid(gate);
    __m512 silu = _mm512_mul_ps(gate, s);
    store(e->other + row * e->other_ld + block * 16, _mm512_mul_ps(silu, in));
    /* d silu = s (1 + gate (1 - s)) = s + silu (1 - s) */
    __m512 steep = _mm512_add_ps(s, _mm512_fnmadd_ps(silu, s, silu));
    store2(at, _mm512_mul_ps(_mm512_mul_ps(slope, in), steep), _mm512_mul_ps(slope, silu));
}

INLINE void biased(const Ending *e, long kind, long row, long block, __m512 a, __m512 b) {
    a = _mm512_add_ps(a, _mm512_loadu_ps(e->bias + block * 32));
    b = _mm512_add_ps(b, _mm512_loadu_ps(e->bias + block * 32 + 16));
    store2(e->out + row * e->ld + block * 32, a, b);
    if (kind == GELU) {
        __m512 slope;
        store2(e->other + row * e->other_ld + block * 32, gelu(a, &slope), gelu(b, &slope));
    }
}

/* In `out` stand the inputs of the activation; they become their gradients. */
INLINE void gelu_backward(const Ending *e, long row, long block, __m512 a, __m512 b) {
    bf16 *at = e->out + row * e->ld + block * 32;
    __m512 to_a, to_b, active = gelu(load(at), &to_a), above = gelu(load(at + 16), &to_b);
    store2(e->other + row * e->other_ld + block * 32, active, above);
    store2(at, _mm512_mul_ps(a, to_a), _mm512_mul_ps(b, to_b));
}

INLINE void end_row(const Ending *e, long kind, long row, long block, __m512 a, __m512 b) {
    bf16 *to = e->out + row * e->ld + block * 32;
    if (kind == STORE) {
        store2(to, a, b);
    } else if (kind == ADD) {
        const bf16 *more = e->add + row * e->ld + block * 32;
        store2(to, _mm512_add_ps(a, load(more)), _mm512_add_ps(b, load(more + 16)));
    } else if (kind == SWIGLU) {
        swiglu(e, row, block, a, b);
    } else if (kind == BIAS || kind == GELU) {
        biased(e, kind, row, block, a, b);
    } else if (kind == GELU_BACKWARD) {
        gelu_backward(e, row, block, a, b);
    } else {
        swiglu_backward(e, row, block * 2, a);
        swiglu_backward(e, row, block * 2 + 1, b);
    }
}

INLINE void piece(const bf16 *a, long ld, const bf16 *packed, long m0, long m1, long n0, long n1,
                  long k, const Ending *e, long kind) {
    float sums[32 * 32] __attribute__((aligned(64)));
    for (long n = n0; n < n1; n++)
        for (long m = m0; m < m1; m += 32) {
            const bf16 *left = a + m * ld;
            sums_zero();
            multiply(left, left + 16 * ld, ld, 32, packed + n * k * 32, k / 32);
            sums_store(sums, sums + 16 * 32, 32);
            for (int i = 0; i < 32; i++)
                end_row(e, kind, m + i, n, _mm512_load_ps(sums + i * 32),
                        _mm512_load_ps(sums + i * 32 + 16));
        }
}

/* a [m][k] times a packed B [k][n]. */
void matmul(const bf16 *a, long ld, const bf16 *packed, long m, long n, long k, const Ending *e) {
    long tall = k > 768 ? 128 : 256, high = (m + tall - 1) / tall;
    long wide = (n / 32 + 3) / 4 > 8 ? (n / 32 + 3) / 4 : 8, across = (n / 32 + wide - 1) / wide;
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic) collapse(2)
        for (long i = 0; i < high; i++)
            for (long j = 0; j < across; j++) {
                long m0 = i * tall, m1 = m0 + tall < m ? m0 + tall : m;
                long n0 = j * wide, n1 = n0 + wide < n / 32 ? n0 + wide : n / 32;
                switch (e->kind) { /* one compiled loop for each */
                case STORE: piece(a, ld, packed, m0, m1, n0, n1, k, e, STORE); break;
                case ADD: piece(a, ld, packed, m0, m1, n0, n1, k, e, ADD); break;
                case SWIGLU: piece(a, ld, packed, m0, m1, n0, n1, k, e, SWIGLU); break;
                case BIAS: piece(a, ld, packed, m0, m1, n0, n1, k, e, BIAS); break;
                case GELU: piece(a, ld, packed, m0, m1, n0, n1, k, e, GELU); break;
                case GELU_BACKWARD: piece(a, ld, packed, m0, m1, n0, n1, k, e, GELU_BACKWARD); break;
                default: piece(a, ld, packed, m0, m1, n0, n1, k, e, SWIGLU_BACKWARD);
                }
            }
        tiles_end();
    }
}

/* Add a.T b to float32 sums [m][n], whose rows come sixteen by sixteen: `left` packed by pack_left,
 * `right` by pack_plain, both over k rows. `fresh` sums are written over. */
void matmul_sums(const bf16 *left, const bf16 *right, float *const *rows, long ld, long m, long n,
                 long k, long fresh) {
    long deep = 320 * 1024 / (n * 32); /* blocks of k whose right factor stays in the cache */
    deep = deep < 4 ? 4 : deep;
    long blocks = k / 32, tall = m / 32 / 8 > 1 ? m / 32 / 8 : 1;
    long high = (m / 32 + tall - 1) / tall;
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic)
        for (long item = 0; item < high; item++)
            for (long k0 = 0; k0 < blocks; k0 += deep) {
                long many = k0 + deep < blocks ? deep : blocks - k0;
                long last = (item + 1) * tall < m / 32 ? (item + 1) * tall : m / 32;
                for (long i = item * tall; i < last; i++)
                    for (long j = 0; j < n / 32; j++) {
                        const bf16 *upper = left + (2 * i * blocks + k0) * TILE;
                        float *to = rows[2 * i] + j * 32, *below = rows[2 * i + 1] + j * 32;
                        if (fresh && !k0)
                            sums_zero();
                        else
                            sums_load(to, below, ld);
                        multiply(upper, upper + blocks * TILE, 32, TILE,
                                 right + (j * blocks + k0) * BLOCK, many);
                        sums_store(to, below, ld);
                    }
            }
        tiles_end();
    }
}

void matmul_sum(const bf16 *left, const bf16 *right, float *const *rows, long ld, long m, long n,
                long k) {
    matmul_sums(left, right, rows, ld, m, n, k, 0);
}
