/* Cross-entropy of the vocabulary projection, some hundred words at a time: logits are never kept
 * (as in Wijmans et al. 2025, Cut Your Losses in Large-Vocabulary Language Models, section 4). The
 * forward pass finds the log of each sum, the backward pass computes the logits once more.
 *
 * Each thread has the same words in every run: sums are made in one order.
 */
#include <omp.h>

#include "common.h"

#define WORDS 8   /* blocks of words at a time */
#define TOKENS 512 /* tokens at a time */

typedef struct {
    const bf16 *hidden; /* [n][width], n a multiple of 32 */
    const bf16 *weight; /* [vocabulary][width] */
    const int64_t *targets;
    long n, width, vocabulary;
    float smoothing; /* share of each target spread evenly over the vocabulary */
} Head;

INLINE long least(long a, long b) { return a < b ? a : b; }

INLINE void words_transposed(const Head *h, long first, long blocks, bf16 *packed) {
    for (long i = 0; i < blocks * 2; i++)
        for (long j = 0; j < h->width / 32; j++) {
            __m512i r[16];
            const bf16 *from = h->weight + (first * 32 + i * 16) * h->width + j * 32;
            for (int k = 0; k < 16; k++) r[k] = _mm512_loadu_si512(from + k * h->width);
            transpose(r);
            bf16 *to = packed + ((i / 2) * (h->width / 32) + j) * BLOCK + (i & 1) * TILE;
            for (int k = 0; k < 16; k++) _mm512_store_si512(to + k * 32, r[k]);
        }
}

INLINE void words_plain(const Head *h, long first, long blocks, bf16 *packed) {
    for (long j = 0; j < blocks; j++)
        for (long i = 0; i < h->width / 16; i++)
            for (int k = 0; k < 16; k++) {
                const bf16 *from = h->weight + ((first + j) * 32 + 2 * k) * h->width + i * 16;
                bf16 *to = packed + ((i / 2) * blocks + j) * BLOCK + (i & 1) * TILE + k * 32;
                _mm512_store_si512(to, pairs(from, from + h->width));
            }
}

/* Logits of 32 tokens and some blocks of words, in lines of all of them. */
INLINE void logits(const Head *h, long token, const bf16 *packed, long blocks, float *to) {
    const bf16 *left = h->hidden + token * h->width;
    for (long j = 0; j < blocks; j++) {
        sums_zero();
        multiply(left, left + 16 * h->width, h->width, 32, packed + j * h->width * 32,
                 h->width / 32);
        sums_store(to + j * 32, to + 16 * blocks * 32 + j * 32, blocks * 32);
    }
}

INLINE void take_in(const float *line, long words, float *most, float *sum) {
    __m512 top = _mm512_set1_ps(*most), total = _mm512_setzero_ps();
    for (long j = 0; j < words; j += 16) top = _mm512_max_ps(top, _mm512_load_ps(line + j));
    float now = _mm512_reduce_max_ps(top);
    __m512 shift = _mm512_set1_ps(now);
    for (long j = 0; j < words; j += 16)
        total = _mm512_add_ps(total, exponential(_mm512_sub_ps(_mm512_load_ps(line + j), shift)));
    *sum = *sum * expf(*most - now) + _mm512_reduce_add_ps(total);
    *most = now;
}

/* Log of the sum of each token's exponentials, and the logit of its target; `most` and `sums` are
 * float32 [threads][n]. */
void head_forward(const Head *h, float *log_sums, float *chosen, float *most, float *sums) {
    long blocks = h->vocabulary / 32, parts = (blocks + WORDS - 1) / WORDS, threads = 1;
#pragma omp parallel
    {
        long thread = omp_get_thread_num();
        float *top = most + thread * h->n, *sum = sums + thread * h->n;
        for (long i = 0; i < h->n; i++) top[i] = -1e30f, sum[i] = 0;
        bf16 *packed = aligned_alloc(64, WORDS * 32 * h->width * 2);
        float lines[32 * WORDS * 32] __attribute__((aligned(64)));
        tiles_begin();
#pragma omp single
        threads = omp_get_num_threads();
#pragma omp for schedule(static)
        for (long part = 0; part < parts; part++) {
            long first = part * WORDS, many = least(WORDS, blocks - first);
            words_transposed(h, first, many, packed);
            for (long token = 0; token < h->n; token += 32) {
                logits(h, token, packed, many, lines);
                for (long i = 0; i < 32; i++) {
                    take_in(lines + i * many * 32, many * 32, top + token + i, sum + token + i);
                    long word = h->targets[token + i] - first * 32;
                    if (word >= 0 && word < many * 32) chosen[token + i] = lines[i * many * 32 + word];
                }
            }
        }
        tiles_end();
        free(packed);
    }
    for (long i = 0; i < h->n; i++) {
        float top = most[i], sum = 0;
        for (long t = 1; t < threads; t++) top = fmaxf(top, most[t * h->n + i]);
        for (long t = 0; t < threads; t++) sum += sums[t * h->n + i] * expf(most[t * h->n + i] - top);
        log_sums[i] = top + logf(sum);
    }
}

typedef struct { /* of one thread */
    bf16 *transposed, *plain, *p, *left;
    float *lines;
} Own;

/* Gradients of the losses by the logits, bfloat16 [tokens][words], also as a left factor. */
INLINE void slopes(const Head *h, const Own *own, long begin, long end, long first, long many,
                   const float *log_sums, const float *factor) {
    long words = many * 32, tokens = (end - begin) / 32;
    __m512 even = _mm512_set1_ps(h->smoothing / h->vocabulary);
    for (long token = begin; token < end; token += 32) {
        logits(h, token, own->transposed, many, own->lines);
        for (long i = 0; i < 32; i++) {
            float *line = own->lines + i * words;
            __m512 shift = _mm512_set1_ps(log_sums[token + i]);
            __m512 by = _mm512_set1_ps(factor[token + i]);
            for (long j = 0; j < words; j += 16) {
                __m512 e = exponential(_mm512_sub_ps(_mm512_load_ps(line + j), shift));
                _mm512_store_ps(line + j, _mm512_mul_ps(by, _mm512_sub_ps(e, even)));
            }
            long word = h->targets[token + i] - first * 32;
            if (word >= 0 && word < words) line[word] -= factor[token + i] * (1 - h->smoothing);
            bf16 *to = own->p + (token - begin + i) * words;
            for (long j = 0; j < words; j += 32)
                store2(to + j, _mm512_load_ps(line + j), _mm512_load_ps(line + j + 16));
        }
        for (long i = 0; i < many * 2; i++) {
            __m512i r[16];
            const bf16 *from = own->p + (token - begin) * words + i * 16;
            for (int k = 0; k < 16; k++)
                r[k] = pairs(from + 2 * k * words, from + (2 * k + 1) * words);
            transpose(r);
            bf16 *to = own->left + (i * tokens + (token - begin) / 32) * TILE;
            for (int k = 0; k < 16; k++) _mm512_store_si512(to + k * 32, r[k]);
        }
    }
}

INLINE void to_hidden(const Head *h, const Own *own, long begin, long end, long many, float *sums) {
    long words = many * 32, width = h->width;
    for (long token = begin; token < end; token += 32)
        for (long j = 0; j < width / 32; j++) {
            const bf16 *left = own->p + (token - begin) * words;
            float *to = sums + token * width + j * 32;
            sums_load(to, to + 16 * width, width);
            multiply(left, left + 16 * words, words, 32, own->plain + j * many * BLOCK, many);
            sums_store(to, to + 16 * width, width);
        }
}

INLINE void to_weight(const Head *h, const Own *own, long begin, long end, long first, long many,
                      const bf16 *right, float *sums) {
    long tokens = (end - begin) / 32, width = h->width;
    for (long i = 0; i < many; i++)
        for (long j = 0; j < width / 32; j++) {
            const bf16 *left = own->left + 2 * i * tokens * TILE;
            float *to = sums + (first + i) * 32 * width + j * 32;
            sums_load(to, to + 16 * width, width);
            multiply(left, left + tokens * TILE, 32, TILE,
                     right + (j * (h->n / 32) + begin / 32) * BLOCK, tokens);
            sums_store(to, to + 16 * width, width);
        }
}

/* Gradients of factor * loss of each token: by the hidden states, float32 [threads][n][width] to be
 * summed over threads, zeros before; and by the weight, added to float32 sums if there are any.
 * `right` is `hidden` packed by pack_plain. */
void head_backward(const Head *h, const float *log_sums, const float *factor, const bf16 *right,
                   float *hidden_sums, float *weight_sums) {
    long blocks = h->vocabulary / 32, parts = (blocks + WORDS - 1) / WORDS;
#pragma omp parallel
    {
        size_t pack = WORDS * 32 * h->width * 2, square = TOKENS * WORDS * 32 * 2;
        char *space = aligned_alloc(64, 2 * pack + 2 * square + 32 * WORDS * 32 * 4);
        Own own = {(bf16 *)space, (bf16 *)(space + pack), (bf16 *)(space + 2 * pack),
                   (bf16 *)(space + 2 * pack + square), (float *)(space + 2 * (pack + square))};
        float *mine = hidden_sums + omp_get_thread_num() * h->n * h->width;
        tiles_begin();
#pragma omp for schedule(static)
        for (long part = 0; part < parts; part++) {
            long first = part * WORDS, many = least(WORDS, blocks - first);
            words_transposed(h, first, many, own.transposed);
            words_plain(h, first, many, own.plain);
            for (long begin = 0; begin < h->n; begin += TOKENS) {
                long end = least(begin + TOKENS, h->n);
                slopes(h, &own, begin, end, first, many, log_sums, factor);
                to_hidden(h, &own, begin, end, many, mine);
                if (weight_sums) to_weight(h, &own, begin, end, first, many, right, weight_sums);
            }
        }
        tiles_end();
        free(space);
    }
}
