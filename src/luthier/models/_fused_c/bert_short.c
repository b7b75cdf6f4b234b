/* Attention within a row of at most sixteen tokens, in registers.
 *
 * Scores stand with the queries side by side in a register and a register for each key, so that
 * nothing has to be summed across a register. Probabilities are computed again in the backward pass.
 */
#include "bert.h"
#include "strips.h"

#define MOST 16
#define PAIRS 64 /* of two values of a head, at most */

typedef struct {
    long n, size, ld;
    uint32_t keep[MOST + 3]; /* for each key the bits of the queries */
    __mmask16 seen;          /* queries */
    float scale, more;
} Row;

typedef struct { /* one register for each key */
    __m512 p[MOST + 3];
} Keys;

INLINE Row row_of(const Block *b, long row, long head) {
    long begin = b->starts[row];
    Row r = {.n = b->starts[row + 1] - begin, .size = b->width / b->heads, .ld = 3 * b->width};
    r.seen = (__mmask16)((1u << r.n) - 1);
    r.scale = 1.0f / sqrtf((float)r.size);
    r.more = b->attention.scale;
    for (long j = 0; j < r.n; j += 4)
        if (b->attention.least)
            kept(&b->attention, (uint32_t)j, (uint32_t)begin, attention_site(b, head), r.keep + j);
        else
            memset(r.keep + j, 255, 16);
    return r;
}

/* x.T: for each pair of columns a register of all rows */
INLINE void columns(const bf16 *x, long ld, long n, long size, __m512i *to) {
    for (long j = 0; j < size / 32; j++) {
        for (int k = 0; k < 16; k++) to[j * 16 + k] = line(x + j * 32, k, n, ld);
        transpose(to + j * 16);
    }
}

INLINE __m512 add_product(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

INLINE __m512i two(const bf16 *at) {
    int32_t both;
    memcpy(&both, at, 4);
    return _mm512_set1_epi32(both);
}

/* For each row of x the products with all columns. Up to three rows behind the last are read. */
INLINE void products(const __m512i *columns, const bf16 *x, long ld, long n, long size, Keys *to) {
    for (long j = 0; j < n; j += 4) {
        __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
        const bf16 *at = x + j * ld;
        for (long k = 0; k < size / 2; k++) {
            a = add_product(a, columns[k], two(at + 2 * k));
            b = add_product(b, columns[k], two(at + ld + 2 * k));
            c = add_product(c, columns[k], two(at + 2 * ld + 2 * k));
            d = add_product(d, columns[k], two(at + 3 * ld + 2 * k));
        }
        to->p[j] = a;
        to->p[j + 1] = b;
        to->p[j + 2] = c;
        to->p[j + 3] = d;
    }
}

/* Scores become their exponentials; returns one over the sums. */
INLINE __m512 softmax(const Row *r, Keys *k) {
    __m512 top = k->p[0], sum = _mm512_setzero_ps(), scale = _mm512_set1_ps(r->scale);
    for (long j = 1; j < r->n; j++) top = _mm512_max_ps(top, k->p[j]);
    top = _mm512_mul_ps(top, scale);
    for (long j = 0; j < r->n; j++) {
        k->p[j] = exponential(_mm512_fmsub_ps(k->p[j], scale, top));
        sum = _mm512_add_ps(sum, k->p[j]);
    }
    return _mm512_div_ps(_mm512_set1_ps(1.0f), sum);
}

INLINE __m512i rounded(__m512 low, __m512 high) { /* pair by pair */
    __m512i a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
    __m512i b = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));
    return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

/* Values of keys, two keys by two, as [pairs][queries][2]. */
INLINE void by_query(const Row *r, const Keys *k, bf16 *to) {
    for (long j = 0; j < r->n; j += 2) {
        __m512 next = j + 1 < r->n ? k->p[j + 1] : _mm512_setzero_ps();
        _mm512_store_si512(to + j * 16, rounded(k->p[j], next));
    }
}

/* The same as [keys][queries], zeros behind the row. */
INLINE void by_key(const Row *r, const Keys *k, bf16 *to) {
    for (long j = 0; j < r->n; j++)
        store(to + j * 16, _mm512_maskz_mov_ps(r->seen, k->p[j]));
}

/* to [n][size] = factors times x, of whose factors the pairs lie `step` apart, those of a row
 * `next`. */
INLINE void sum_rows(const Row *r, const bf16 *factors, long next, long step, const bf16 *x, long ld,
                     bf16 *to, long to_ld, const float *scales) {
    __m512i rows[MOST / 2][2];
    for (long at = 0; at < r->size; at += 32) {
        for (long j = 0; j < r->n; j += 2)
            for (int half = 0; half < 2; half++)
                rows[j / 2][half] = two_rows(x + at + half * 16, j, r->n, ld);
        for (long i = 0; i < r->n; i++) {
            __m512 a = _mm512_setzero_ps(), b = a;
            for (long j = 0; j < (r->n + 1) / 2; j++) {
                __m512i factor = two(factors + i * next + j * step);
                a = add_product(a, rows[j][0], factor);
                b = add_product(b, rows[j][1], factor);
            }
            if (scales) {
                a = _mm512_mul_ps(a, _mm512_set1_ps(scales[i]));
                b = _mm512_mul_ps(b, _mm512_set1_ps(scales[i]));
            }
            store2(to + i * to_ld + at, a, b);
        }
    }
}

INLINE void forward(const Block *b, long row, long head, long size) {
    Row r = row_of(b, row, head);
    const bf16 *query = b->sides + b->starts[row] * r.ld + head * size, *key = query + b->width;
    bf16 used[MOST * 16] __attribute__((aligned(64)));
    float shares[16] __attribute__((aligned(64)));
    __m512i turned[PAIRS];
    Keys k;
    r.size = size; /* known to the compiler */
    columns(query, r.ld, r.n, size, turned);
    products(turned, key, r.ld, r.n, size, &k);
    __m512 share = softmax(&r, &k);
    _mm512_store_ps(shares, _mm512_mul_ps(share, _mm512_set1_ps(r.more)));
    for (long j = 0; j < r.n; j++) k.p[j] = _mm512_maskz_mov_ps((__mmask16)r.keep[j], k.p[j]);
    by_query(&r, &k, used);
    bf16 *to = b->mixed + b->starts[row] * b->width + head * size;
    sum_rows(&r, used, 2, 32, key + b->width, r.ld, to, b->width, shares);
}

INLINE void backward(const Block *b, const bf16 *given, long row, long head, long size) {
    Row r = row_of(b, row, head);
    long begin = b->starts[row], at = head * size;
    const bf16 *query = b->sides + begin * r.ld + at, *key = query + b->width;
    const bf16 *slope = given + begin * b->width + at;
    bf16 used[MOST * 16] __attribute__((aligned(64))), ds[MOST * 16] __attribute__((aligned(64)));
    __m512i turned[PAIRS];
    __m512 mean = _mm512_setzero_ps(), more = _mm512_set1_ps(r.more);
    Keys k, d;
    r.size = size;
    columns(query, r.ld, r.n, size, turned);
    products(turned, key, r.ld, r.n, size, &k);
    columns(slope, b->width, r.n, size, turned);
    products(turned, key + b->width, r.ld, r.n, size, &d);
    __m512 share = softmax(&r, &k);
    for (long j = 0; j < r.n; j++) {
        __mmask16 keep = (__mmask16)r.keep[j];
        k.p[j] = _mm512_mul_ps(k.p[j], share);
        d.p[j] = _mm512_maskz_mul_ps(keep, d.p[j], more);
        mean = _mm512_fmadd_ps(k.p[j], d.p[j], mean);
    }
    for (long j = 0; j < r.n; j++) {
        __m512 steep = _mm512_mul_ps(k.p[j], _mm512_set1_ps(r.scale));
        d.p[j] = _mm512_mul_ps(_mm512_sub_ps(d.p[j], mean), steep);
        k.p[j] = _mm512_maskz_mul_ps((__mmask16)r.keep[j], k.p[j], more);
    }
    bf16 *to = b->to_sides + begin * r.ld + at;
    by_query(&r, &d, ds);
    sum_rows(&r, ds, 2, 32, key, r.ld, to, r.ld, NULL);
    by_key(&r, &d, ds);
    sum_rows(&r, ds, 16, 2, query, r.ld, to + b->width, r.ld, NULL);
    by_key(&r, &k, used);
    sum_rows(&r, used, 16, 2, slope, b->width, to + 2 * b->width, r.ld, NULL);
}

long bert_short(const Block *b, long row) {
    return b->starts[row + 1] - b->starts[row] <= MOST && b->width / b->heads <= 2 * PAIRS;
}

void bert_short_forward(const Block *b, long row, long head) {
    long size = b->width / b->heads;
    size == 32 ? forward(b, row, head, 32) : forward(b, row, head, size);
}

void bert_short_backward(const Block *b, const bf16 *slope, long row, long head) {
    long size = b->width / b->heads;
    size == 32 ? backward(b, slope, row, head, 32) : backward(b, slope, row, head, size);
}
