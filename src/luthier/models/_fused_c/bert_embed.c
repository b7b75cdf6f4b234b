/* BERT's embeddings: the sum of a token's, its place's and its kind's, normed; and dropout. */
#include <alloca.h>
#include <omp.h>

#include "bert.h"

void add_rows(const bf16 *x, const int64_t *ids, float *sums, long rows, long width);

INLINE void draw(const Embed *e, long token, uint32_t *bits) {
    for (long j = 0; j < e->width; j += 128)
        if (e->dropout.least)
            kept(&e->dropout, (uint32_t)(j / 128), (uint32_t)token, 0, bits + j / 32);
        else
            memset(bits + j / 32, 255, 16);
}

INLINE __m512 dropped(const Embed *e, const uint32_t *bits, long j, __m512 v) {
    __mmask16 some = (__mmask16)(bits[j / 32] >> (j & 16));
    return _mm512_maskz_mul_ps(some, v, _mm512_set1_ps(e->dropout.scale));
}

void bert_embed(const Embed *e) {
    long width = e->width;
#pragma omp parallel
    {
        float *v = alloca(width * sizeof *v);
        uint32_t *bits = alloca(width / 8 + 16);
#pragma omp for schedule(static)
        for (long t = 0; t < e->tokens; t++) {
            const bf16 *word = e->words + e->ids[t] * width;
            const bf16 *place = e->places + e->positions[t] * width;
            const bf16 *type = e->types + (e->kinds ? e->kinds[t] : 0) * width;
            __m512 sum = _mm512_setzero_ps(), squares = sum;
            for (long j = 0; j < width; j += 16) {
                __m512 x = _mm512_add_ps(load(word + j), load(place + j));
                x = _mm512_add_ps(x, load(type + j));
                _mm512_storeu_ps(v + j, x);
                sum = _mm512_add_ps(sum, x);
            }
            __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
            for (long j = 0; j < width; j += 16) {
                __m512 x = _mm512_sub_ps(_mm512_loadu_ps(v + j), mean);
                squares = _mm512_fmadd_ps(x, x, squares);
            }
            e->rstd[t] = 1.0f / sqrtf(_mm512_reduce_add_ps(squares) / width + e->eps);
            draw(e, t, bits);
            for (long j = 0; j < width; j += 16) {
                __m512 x = _mm512_sub_ps(_mm512_loadu_ps(v + j), mean);
                x = _mm512_mul_ps(x, _mm512_set1_ps(e->rstd[t]));
                store(e->normed + t * width + j, x);
                x = _mm512_fmadd_ps(x, load(e->gain + j), load(e->shift + j));
                store(e->y + t * width + j, dropped(e, bits, j, x));
            }
        }
    }
}

INLINE void backward_one(const Embed *e, long t, float *own, uint32_t *bits) {
    long width = e->width;
    bf16 *dy = e->slope + t * width;
    const bf16 *x = e->normed + t * width;
    float *shifts = own, *gains = own + width, *kinds = own + 2 * width;
    __m512 sum = _mm512_setzero_ps(), along = sum, r = _mm512_set1_ps(e->rstd[t]);
    draw(e, t, bits);
    for (long j = 0; j < width; j += 16) {
        __m512 d = dropped(e, bits, j, load(dy + j)), v = load(x + j);
        __m512 g = _mm512_mul_ps(d, load(e->gain + j));
        _mm512_storeu_ps(shifts + j, _mm512_add_ps(d, _mm512_loadu_ps(shifts + j)));
        _mm512_storeu_ps(gains + j, _mm512_fmadd_ps(d, v, _mm512_loadu_ps(gains + j)));
        sum = _mm512_add_ps(sum, g);
        along = _mm512_fmadd_ps(g, v, along);
    }
    __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
    __m512 share = _mm512_set1_ps(_mm512_reduce_add_ps(along) / width);
    for (long j = 0; j < width; j += 16) {
        __m512 d = dropped(e, bits, j, load(dy + j));
        d = _mm512_fmsub_ps(d, load(e->gain + j), mean);
        d = _mm512_mul_ps(r, _mm512_fnmadd_ps(load(x + j), share, d));
        store(dy + j, d);
        _mm512_storeu_ps(kinds + j, _mm512_add_ps(d, _mm512_loadu_ps(kinds + j)));
    }
}

void bert_embed_backward(const Embed *e) {
    long width = e->width, threads = omp_get_max_threads();
    float *const to[3] = {e->to_shift, e->to_gain, e->to_types};
    memset(e->sums, 0, threads * 3 * width * sizeof(float));
#pragma omp parallel
    {
        float *own = e->sums + omp_get_thread_num() * 3 * width;
        uint32_t *bits = alloca(width / 8 + 16);
#pragma omp for schedule(static)
        for (long t = 0; t < e->tokens; t++) backward_one(e, t, own, bits);
    }
    for (long i = 0; i < 3 * threads * width; i++)
        if (to[i / width % 3]) to[i / width % 3][i % width] += e->sums[i];
    if (e->to_words) add_rows(e->slope, e->ids, e->to_words, e->tokens, width);
    if (e->to_places) add_rows(e->slope, e->positions, e->to_places, e->tokens, width);
}
