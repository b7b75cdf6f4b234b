/* Causal attention within rows of any length that lie end to end, without masks or padding.
 *
 * Forward and backward as in Dao (2023, FlashAttention-2, sections 3.1.1 and 3.1.2), a strip of 32
 * queries or keys at a time. Queries, keys and values stand side by side in one matrix [tokens][ld]:
 * all query heads, then the key heads, then the value heads. That matrix and `grad` need 32 spare
 * rows at the end.
 */
#include "strips.h"

typedef struct {
    const int64_t *starts; /* rows + 1 */
    long rows, tokens, heads, kv_heads, size, ld, out_ld, slope_ld, grad_ld;
    float scale;
} Shape;

/* Probabilities of one query over `n` keys, zeros behind; returns the sum, and the log of it. */
INLINE float softmax(const float *scores, bf16 *to, long n, long wide, float scale, float *log_sum) {
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (long j = 0; j < n; j += 16) {
        __mmask16 seen = n - j < 16 ? (__mmask16)((1u << (n - j)) - 1) : 0xffff;
        most = _mm512_mask_max_ps(most, seen, most, _mm512_loadu_ps(scores + j));
    }
    float top = _mm512_reduce_max_ps(most);
    __m512 factor = _mm512_set1_ps(scale), shift = _mm512_set1_ps(top * scale);
    for (long j = 0; j < wide; j += 16) {
        __mmask16 seen = n - j >= 16 ? 0xffff : n > j ? (__mmask16)((1u << (n - j)) - 1) : 0;
        __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(scores + j), factor, shift);
        __m512 e = _mm512_maskz_mov_ps(seen, exponential(x));
        sum = _mm512_add_ps(sum, e);
        store(to + j, e);
    }
    float total = _mm512_reduce_add_ps(sum);
    *log_sum = top * scale + logf(total);
    return total;
}

static void forward_one(const Shape *s, const bf16 *qkv, bf16 *out, float *log_sums, long row,
                        long group) {
    long begin = s->starts[row], n = s->starts[row + 1] - begin, blocks = (n + 31) / 32;
    long size = s->size, wide = blocks * 32, each = s->heads / s->kv_heads;
    char *at = scratch((size_t)wide * (size * 4 + 32 * 6) + 32 * size * 4 + 64 * 8);
    bf16 *keys = cut(&at, wide * size * 2), *values = cut(&at, wide * size * 2);
    float *scores = cut(&at, 32 * wide * 4), *sums = cut(&at, 32 * size * 4), total[32];
    bf16 *p = cut(&at, 32 * wide * 2);
    const bf16 *key = qkv + begin * s->ld + (s->heads + group) * size;
    right_transposed(key, s->ld, n, size, keys);
    right_plain(key + s->kv_heads * size, s->ld, n, size, values);
    for (long head = group * each; head < (group + 1) * each; head++)
        for (long block = 0; block < blocks; block++) {
            const bf16 *query = qkv + (begin + block * 32) * s->ld + head * size;
            long some = n - block * 32 < 32 ? n - block * 32 : 32, width = (block + 1) * 32;
            for (long j = 0; j <= block; j++) {
                sums_zero();
                multiply(query, query + 16 * s->ld, s->ld, 32, keys + j * size * 32, size / 32);
                sums_store(scores + j * 32, scores + 16 * width + j * 32, width);
            }
            for (long i = 0; i < some; i++)
                total[i] = softmax(scores + i * width, p + i * width, block * 32 + i + 1, width,
                                   s->scale, log_sums + head * s->tokens + begin + block * 32 + i);
            for (long j = 0; j < size / 32; j++) {
                sums_zero();
                multiply(p, p + 16 * width, width, 32, values + j * wide * 32, block + 1);
                sums_store(sums + j * 32, sums + 16 * size + j * 32, size);
            }
            for (long i = 0; i < some; i++) {
                bf16 *to = out + (begin + block * 32 + i) * s->out_ld + head * size;
                __m512 share = _mm512_set1_ps(1.0f / total[i]);
                for (long j = 0; j < size; j += 16)
                    store(to + j, _mm512_mul_ps(_mm512_load_ps(sums + i * size + j), share));
            }
        }
}

/* out [tokens][out_ld], log_sums float32 [heads][tokens] */
void attention(const Shape *s, const bf16 *qkv, bf16 *out, float *log_sums) {
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic) collapse(2)
        for (long row = 0; row < s->rows; row++)
            for (long group = 0; group < s->kv_heads; group++)
                forward_one(s, qkv, out, log_sums, row, group);
        tiles_end();
    }
}

typedef struct { /* of one row and key head, and one of its query heads after the other */
    long n, blocks, wide, size;
    bf16 *key_left, *query_t, *query, *slope_t, *slope, *p, *ds, *ds_pairs;
    float *log_sum, *mean, *scores, *dp, *dq, *dk, *dv;
} Work;

static Work work_of(const Shape *s, long n) {
    Work w = {.n = n, .blocks = (n + 31) / 32, .size = s->size};
    w.wide = w.blocks * 32;
    size_t square = (size_t)w.wide * s->size;
    char *at = scratch(square * (5 * 2 + 3 * 4) + w.wide * (32 * 14 + 8) + 64 * 16);
    bf16 **packs[] = {&w.key_left, &w.query_t, &w.query, &w.slope_t, &w.slope};
    for (int i = 0; i < 5; i++) *packs[i] = cut(&at, square * 2);
    float **sums[] = {&w.dq, &w.dk, &w.dv};
    for (int i = 0; i < 3; i++) *sums[i] = cut(&at, square * 4);
    bf16 **strips[] = {&w.p, &w.ds, &w.ds_pairs};
    for (int i = 0; i < 3; i++) *strips[i] = cut(&at, w.wide * 32 * 2);
    w.scores = cut(&at, w.wide * 32 * 4);
    w.dp = cut(&at, w.wide * 32 * 4);
    w.log_sum = cut(&at, w.wide * 4);
    w.mean = cut(&at, w.wide * 4);
    return w;
}

/* Probabilities and the gradients of scores for 32 keys (lines) and the queries from them on. */
INLINE void slopes(const Work *w, long block, long width, float scale) {
    __m512 factor = _mm512_set1_ps(scale);
    const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (long i = 0; i < 32; i++)
        for (long j = 0; j < width; j += 16) {
            long at = i * width + j, query = block * 32 + j;
            __mmask16 seen = 0xffff;
            if (j < 32) seen = _mm512_cmpge_epi32_mask(count, _mm512_set1_epi32((int)(i - j)));
            if (block * 32 + i >= w->n) seen = 0;
            __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(w->scores + at), factor,
                                       _mm512_loadu_ps(w->log_sum + query));
            __m512 p = _mm512_maskz_mov_ps(seen, exponential(x));
            __m512 d = _mm512_sub_ps(_mm512_loadu_ps(w->dp + at), _mm512_loadu_ps(w->mean + query));
            store(w->p + at, p);
            store(w->ds + at, _mm512_maskz_mul_ps(seen, _mm512_mul_ps(p, factor), d));
        }
    for (long j = 0; j < width / 16; j++)
        for (int k = 0; k < 16; k++)
            _mm512_store_si512(w->ds_pairs + (j / 2) * BLOCK + (j & 1) * TILE + k * 32,
                               pairs(w->ds + 2 * k * width + j * 16,
                                     w->ds + (2 * k + 1) * width + j * 16));
}

INLINE void add_strip(const bf16 *left, long width, const bf16 *right, const Work *w, long block,
                      float *to) {
    for (long j = 0; j < w->size / 32; j++) {
        float *sums = to + block * 32 * w->size + j * 32;
        sums_load(sums, sums + 16 * w->size, w->size);
        multiply(left, left + 16 * width, width, 32, right + (j * w->blocks + block) * BLOCK,
                 width / 32);
        sums_store(sums, sums + 16 * w->size, w->size);
    }
}

static void backward_head(const Shape *s, const Work *w, const bf16 *key, const bf16 *value) {
    for (long block = 0; block < w->blocks; block++) {
        long width = w->wide - block * 32;
        const bf16 *k = key + block * 32 * s->ld, *v = value + block * 32 * s->ld;
        for (long j = block; j < w->blocks; j++) {
            long column = (j - block) * 32;
            sums_zero();
            multiply(k, k + 16 * s->ld, s->ld, 32, w->query_t + j * w->size * 32, w->size / 32);
            sums_store(w->scores + column, w->scores + 16 * width + column, width);
            sums_zero();
            multiply(v, v + 16 * s->ld, s->ld, 32, w->slope_t + j * w->size * 32, w->size / 32);
            sums_store(w->dp + column, w->dp + 16 * width + column, width);
        }
        slopes(w, block, width, s->scale);
        add_strip(w->p, width, w->slope, w, block, w->dv);
        add_strip(w->ds, width, w->query, w, block, w->dk);
        for (long i = 0; i < w->size / 32; i++)
            for (long j = 0; j < width / 32; j++) { /* dq.T += key.T ds.T */
                const bf16 *left = w->key_left + (2 * i * w->blocks + block) * TILE;
                float *sums = w->dq + i * 32 * w->wide + (block + j) * 32;
                sums_load(sums, sums + 16 * w->wide, w->wide);
                multiply(left, left + w->blocks * TILE, 32, 0, w->ds_pairs + j * BLOCK, 1);
                sums_store(sums, sums + 16 * w->wide, w->wide);
            }
    }
}

INLINE void prepare_head(const Shape *s, const Work *w, const bf16 *query, const bf16 *out,
                         const bf16 *slope, const float *log_sums) {
    right_transposed(query, s->ld, w->n, w->size, w->query_t);
    right_plain(query, s->ld, w->n, w->size, w->query);
    right_transposed(slope, s->slope_ld, w->n, w->size, w->slope_t);
    right_plain(slope, s->slope_ld, w->n, w->size, w->slope);
    for (long i = 0; i < w->wide; i++) {
        __m512 sum = _mm512_setzero_ps();
        for (long j = 0; i < w->n && j < w->size; j += 16)
            sum = _mm512_fmadd_ps(load(out + i * s->out_ld + j),
                                  load(slope + i * s->slope_ld + j), sum);
        w->mean[i] = _mm512_reduce_add_ps(sum);
        w->log_sum[i] = i < w->n ? log_sums[i] : 1e30f;
    }
    memset(w->dq, 0, w->wide * w->size * 4);
}

static void backward_one(const Shape *s, const bf16 *qkv, const bf16 *out, const float *log_sums,
                         const bf16 *slope, bf16 *grad, long row, long group) {
    long begin = s->starts[row], each = s->heads / s->kv_heads, size = s->size;
    Work w = work_of(s, s->starts[row + 1] - begin);
    const bf16 *key = qkv + begin * s->ld + (s->heads + group) * size;
    const bf16 *value = key + s->kv_heads * size;
    left_transposed(key, s->ld, w.n, size, w.key_left);
    memset(w.dk, 0, w.wide * size * 4);
    memset(w.dv, 0, w.wide * size * 4);
    for (long head = group * each; head < (group + 1) * each; head++) {
        prepare_head(s, &w, qkv + begin * s->ld + head * size,
                     out + begin * s->out_ld + head * size,
                     slope + begin * s->slope_ld + head * size,
                     log_sums + head * s->tokens + begin);
        backward_head(s, &w, key, value);
        bf16 *to = grad + begin * s->grad_ld + head * size;
        for (long i = 0; i < w.wide; i += 16)
            for (long j = 0; j < size; j += 16) {
                __m512i r[16];
                for (int k = 0; k < 16; k++) r[k] = _mm512_load_si512(w.dq + (j + k) * w.wide + i);
                transpose(r);
                for (long k = 0; k < 16 && i + k < w.n; k++)
                    store(to + (i + k) * s->grad_ld + j, _mm512_castsi512_ps(r[k]));
            }
    }
    bf16 *to = grad + begin * s->grad_ld + (s->heads + group) * size;
    for (long i = 0; i < w.n; i++)
        for (long j = 0; j < size; j += 16) {
            store(to + i * s->grad_ld + j, _mm512_load_ps(w.dk + i * size + j));
            store(to + i * s->grad_ld + s->kv_heads * size + j, _mm512_load_ps(w.dv + i * size + j));
        }
}

/* grad gets the gradients by queries, keys and values, side by side as they are; slope is the
 * gradient by `out`. */
void attention_backward(const Shape *s, const bf16 *qkv, const bf16 *out, const float *log_sums,
                        const bf16 *slope, bf16 *grad) {
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic) collapse(2)
        for (long row = 0; row < s->rows; row++)
            for (long group = 0; group < s->kv_heads; group++)
                backward_one(s, qkv, out, log_sums, slope, grad, row, group);
        tiles_end();
    }
}
