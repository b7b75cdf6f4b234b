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
    __m512 to_a, to_b;
    a = _mm512_add_ps(a, _mm512_loadu_ps(e->bias + block * 32));
    b = _mm512_add_ps(b, _mm512_loadu_ps(e->bias + block * 32 + 16));
    if (kind == GELU_ALONE) {
        a = gelu(a, &to_a);
        b = gelu(b, &to_b);
    } else if (kind == GELU) {
        a = gelu(a, &to_a);
        b = gelu(b, &to_b);
        store2(e->other + row * e->other_ld + block * 32, a, b);
        a = to_a;
        b = to_b;
    }
    store2(e->out + row * e->ld + block * 32, a, b);
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
    } else if (kind == BIAS || kind == GELU || kind == GELU_ALONE) {
        biased(e, kind, row, block, a, b);
    } else if (kind == TIMES) {
        store2(to, _mm512_mul_ps(a, load(to)), _mm512_mul_ps(b, load(to + 16)));
    } else {
        swiglu_backward(e, row, block * 2, a);
        swiglu_backward(e, row, block * 2 + 1, b);
    }
}

typedef struct { /* 32 x 32 of the result whose ending is still to come */
    float *sums;
    long m, n, rows; /* rows: that are wanted */
} Open;

/* One 32 x 32 of the result; between its steps come the endings of the one before, so that tiles and
 * registers work at the same time. What is read after next is fetched: few rows wait for memory. */
INLINE void square(const bf16 *left, long ld, const bf16 *right, long k, const Ending *e, long kind,
                   const Open *last) {
    long done = 0, blocks = k / 32, each = (32 + blocks - 1) / blocks;
    sums_zero();
    for (long j = 0; j < blocks; j++) {
        multiply(left + j * 32, left + 16 * ld + j * 32, ld, 32, right + j * BLOCK, 1);
        for (long i = 0; i < BLOCK; i += 32)
            _mm_prefetch((const char *)(right + (j + 2) * BLOCK + i), _MM_HINT_T0);
        for (long end = done + each; last->sums && done < end && done < last->rows; done++)
            end_row(e, kind, last->m + done, last->n, _mm512_load_ps(last->sums + done * 32),
                    _mm512_load_ps(last->sums + done * 32 + 16));
    }
}

INLINE void piece(const bf16 *a, long ld, const bf16 *packed, long m0, long m1, long n0, long n1,
                  long k, long some, const Ending *e, long kind) {
    float sums[2][32 * 32] __attribute__((aligned(64)));
    Open last = {NULL, 0, 0, 0};
    long high = (m1 - m0) / 32, wide = n1 - n0;
    for (long i = 0; i < high * wide; i++) {
        /* what is used again and again stays in the first cache: 32 rows of a, or of B.T */
        long m = m0 + (k <= 512 ? i / wide : i % high) * 32;
        long n = n0 + (k <= 512 ? i % wide : i / high);
        square(a + m * ld, ld, packed + n * k * 32, k, e, kind, &last);
        last = (Open){sums[i & 1], m, n, some - m < 32 ? some - m : 32};
        sums_store(last.sums, last.sums + 16 * 32, 32);
    }
    for (long i = 0; last.sums && i < last.rows; i++)
        end_row(e, kind, last.m + i, last.n, _mm512_load_ps(last.sums + i * 32),
                _mm512_load_ps(last.sums + i * 32 + 16));
}

/* The first `some` rows of a [m][k] times a packed B [k][n]. */
void matmul_some(const bf16 *a, long ld, const bf16 *packed, long m, long n, long k, long some,
                 const Ending *e) {
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
                case STORE: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, STORE); break;
                case ADD: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, ADD); break;
                case SWIGLU: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, SWIGLU); break;
                case BIAS: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, BIAS); break;
                case GELU: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, GELU); break;
                case GELU_ALONE:
                    piece(a, ld, packed, m0, m1, n0, n1, k, some, e, GELU_ALONE);
                    break;
                case TIMES: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, TIMES); break;
                default: piece(a, ld, packed, m0, m1, n0, n1, k, some, e, SWIGLU_BACKWARD);
                }
            }
        tiles_end();
    }
}

/* a [m][k] times a packed B [k][n]. */
void matmul(const bf16 *a, long ld, const bf16 *packed, long m, long n, long k, const Ending *e) {
    matmul_some(a, ld, packed, m, n, k, m, e);
}

typedef struct { /* 32 x 32 that still go to the sums */
    float *from, *to[2]; /* upper and lower sixteen rows */
    long ld, over;
    __m512 squares;
} Sum;

INLINE void sum_row(Sum *s, int row) {
    float *to = s->to[row / 16] + row % 16 * s->ld;
    __m512 a = _mm512_load_ps(s->from + row * 32), b = _mm512_load_ps(s->from + row * 32 + 16);
    if (s->over) { /* past the cache: the optimizer reads them when all others have been written */
        _mm512_stream_ps(to, a);
        _mm512_stream_ps(to + 16, b);
    } else {
        a = _mm512_add_ps(a, _mm512_loadu_ps(to));
        b = _mm512_add_ps(b, _mm512_loadu_ps(to + 16));
        _mm512_storeu_ps(to, a);
        _mm512_storeu_ps(to + 16, b);
    }
    s->squares = _mm512_fmadd_ps(a, a, s->squares);
    s->squares = _mm512_fmadd_ps(b, b, s->squares);
}

/* Rows i of both factors over `many` blocks from k0 on; returns the sum of the squares of what is
 * then in the sums. */
static double sum_rows(const bf16 *left, const bf16 *right, float *const *rows, long ld, long i,
                       long n, long blocks, long k0, long many, long fresh) {
    float sums[2][32 * 32] __attribute__((aligned(64)));
    Sum last = {NULL, {rows[2 * i], rows[2 * i + 1]}, ld, fresh && !k0, _mm512_setzero_ps()};
    const bf16 *upper = left + (2 * i * blocks + k0) * TILE;
    long each = (32 + many - 1) / many;
    if ((uintptr_t)last.to[0] % 64 || (uintptr_t)last.to[1] % 64 || ld % 16) last.over = 0;
    if (fresh && !k0 && !last.over)
        for (int line = 0; line < 32; line++) memset(last.to[line / 16] + line % 16 * ld, 0, n * 4);
    for (long j = 0; j < n / 32; j++) {
        int done = 0;
        sums_zero();
        for (long k = 0; k < many; k++) {
            multiply(upper + k * TILE, upper + (blocks + k) * TILE, 32, TILE,
                     right + (j * blocks + k0 + k) * BLOCK, 1);
            for (long end = done + each; last.from && done < end && done < 32; done++)
                sum_row(&last, done);
        }
        if (last.from) last.to[0] += 32, last.to[1] += 32;
        last.from = sums[j & 1];
        sums_store(last.from, last.from + 16 * 32, 32);
    }
    for (int line = 0; line < 32; line++) sum_row(&last, line);
    return _mm512_reduce_add_ps(last.squares);
}

/* Add a.T b to float32 sums [m][n], whose rows come sixteen by sixteen: `left` packed by pack_left,
 * `right` by pack_plain, both over k rows. `fresh` sums are written over. Returns the sum of their
 * squares. */
double matmul_sums(const bf16 *left, const bf16 *right, float *const *rows, long ld, long m, long n,
                   long k, long fresh) {
    long deep = 320 * 1024 / (n * 32); /* blocks of k whose right factor stays in the cache */
    deep = deep < 4 ? 4 : deep;
    long blocks = k / 32, tall = m / 32 / 8 > 1 ? m / 32 / 8 : 1;
    long high = (m / 32 + tall - 1) / tall;
    double squares[m / 32], total = 0;
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic)
        for (long item = 0; item < high; item++)
            for (long k0 = 0; k0 < blocks; k0 += deep) {
                long many = k0 + deep < blocks ? deep : blocks - k0;
                long last = (item + 1) * tall < m / 32 ? (item + 1) * tall : m / 32;
                for (long i = item * tall; i < last; i++)
                    squares[i] = sum_rows(left, right, rows, ld, i, n, blocks, k0, many, fresh);
            }
        tiles_end();
        _mm_sfence();
    }
    for (long i = 0; i < m / 32; i++) total += squares[i];
    return total;
}

void matmul_sum(const bf16 *left, const bf16 *right, float *const *rows, long ld, long m, long n,
                long k) {
    matmul_sums(left, right, rows, ld, m, n, k, 0);
}
