/* AdamW (Loshchilov & Hutter 2019, algorithm 2) in one pass over the weights: gradients are clipped
 * on the way, and the rounded weights go to the network. */
#include "common.h"

#define PIECE 16384 /* weights at a time */

typedef struct {
    float *weight;
    const float *slope;
    float *first, *second; /* the two moments */
    bf16 *rounded;         /* or NULL */
    long count;
    float keep, step, root; /* 1 - lr decay; lr / (1 - beta1^t); 1 / sqrt(1 - beta2^t) */
    float beta1, beta2, eps;
} Tensor;

INLINE __mmask16 some(long left) {
    return left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
}

/* Which tensor and place the pieces of all tensors begin at. */
typedef struct {
    long tensor, begin, end;
} Piece;

static Piece *pieces_of(const Tensor *tensors, long many, long *count) {
    *count = 0;
    for (long i = 0; i < many; i++) *count += (tensors[i].count + PIECE - 1) / PIECE;
    Piece *pieces = malloc((*count + 1) * sizeof *pieces);
    long at = 0;
    for (long i = 0; i < many; i++)
        for (long j = 0; j < tensors[i].count; j += PIECE) {
            long end = j + PIECE < tensors[i].count ? j + PIECE : tensors[i].count;
            pieces[at++] = (Piece){i, j, end};
        }
    return pieces;
}

static double squares(const float *x, long n) {
    __m512d low = _mm512_setzero_pd(), high = low;
    for (long i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(some(n - i), x + i);
        __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
        low = _mm512_fmadd_pd(a, a, low);
        high = _mm512_fmadd_pd(b, b, high);
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}

/* The norm of all gradients; the same whatever the number of threads. */
void gradient_norm(const Tensor *tensors, long many, double *norm) {
    long count;
    Piece *pieces = pieces_of(tensors, many, &count);
    double *sums = malloc((count + 1) * sizeof *sums), total = 0;
#pragma omp parallel for schedule(static)
    for (long i = 0; i < count; i++)
        sums[i] = squares(tensors[pieces[i].tensor].slope + pieces[i].begin,
                          pieces[i].end - pieces[i].begin);
    for (long i = 0; i < count; i++) total += sums[i];
    *norm = sqrt(total);
    free(sums);
    free(pieces);
}

INLINE void update(const Tensor *t, long i, __mmask16 seen, float factor) {
    __m512 g = _mm512_mul_ps(_mm512_maskz_loadu_ps(seen, t->slope + i), _mm512_set1_ps(factor));
    __m512 m = _mm512_maskz_loadu_ps(seen, t->first + i);
    __m512 v = _mm512_maskz_loadu_ps(seen, t->second + i);
    __m512 w = _mm512_maskz_loadu_ps(seen, t->weight + i);
    m = _mm512_fmadd_ps(_mm512_sub_ps(g, m), _mm512_set1_ps(1.0f - t->beta1), m);
    v = _mm512_mul_ps(v, _mm512_set1_ps(t->beta2));
    v = _mm512_fmadd_ps(_mm512_mul_ps(g, g), _mm512_set1_ps(1.0f - t->beta2), v);
    __m512 down = _mm512_mul_ps(_mm512_sqrt_ps(v), _mm512_set1_ps(t->root));
    down = _mm512_add_ps(down, _mm512_set1_ps(t->eps));
    w = _mm512_mul_ps(w, _mm512_set1_ps(t->keep));
    w = _mm512_fnmadd_ps(_mm512_set1_ps(t->step), _mm512_div_ps(m, down), w);
    _mm512_mask_storeu_ps(t->first + i, seen, m);
    _mm512_mask_storeu_ps(t->second + i, seen, v);
    _mm512_mask_storeu_ps(t->weight + i, seen, w);
    if (t->rounded)
        _mm256_mask_storeu_epi16(t->rounded + i, seen, (__m256i)_mm512_cvtneps_pbh(w));
}

/* Update all weights by their gradients times `factor`. */
void adamw(const Tensor *tensors, long many, float factor) {
    long count;
    Piece *pieces = pieces_of(tensors, many, &count);
#pragma omp parallel for schedule(static)
    for (long i = 0; i < count; i++) {
        const Tensor *t = tensors + pieces[i].tensor;
        for (long j = pieces[i].begin; j < pieces[i].end; j += 16)
            update(t, j, some(pieces[i].end - j), factor);
    }
    free(pieces);
}
