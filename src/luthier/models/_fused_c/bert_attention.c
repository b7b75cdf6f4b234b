/* Attention of every token of a row to all of them, within rows that lie end to end.
 *
 * As attention.c, for rows that are short: the scores of 32 queries with all keys stand in memory of
 * the thread; rows of up to sixteen tokens are those of bert_short.c. `sides` holds queries, keys and values side by side, [tokens + 32][3 width].
 */
#include "bert.h"
#include "strips.h"

typedef struct { /* of one row and head */
    long begin, n, blocks, wide, size, ld, words;
    float scale;
    bf16 *keys, *values, *plain, *query, *slope, *used, *ds, *turned_used, *turned_ds;
    float *scores, *dp, *dk, *dv;
    uint32_t *bits; /* [n][words] rounded up to four */
} Work;

static Work work_of(const Block *b, long row) {
    Work w = {.begin = b->starts[row], .size = b->width / b->heads, .ld = 3 * b->width};
    w.n = b->starts[row + 1] - w.begin;
    w.blocks = (w.n + 31) / 32;
    w.words = w.blocks;
    w.wide = w.blocks * 32;
    w.scale = 1.0f / sqrtf((float)w.size);
    size_t square = (size_t)w.wide * w.size, strip = 32 * (size_t)w.wide, words = w.n * w.words + 4;
    char *at = scratch(square * 14 + strip * 16 + 128 * w.size + words * 4 + 64 * 16);
    bf16 **packs[] = {&w.keys, &w.values, &w.plain};
    for (int i = 0; i < 3; i++) *packs[i] = cut(&at, square * 2);
    bf16 **strips[] = {&w.used, &w.ds, &w.turned_used, &w.turned_ds};
    for (int i = 0; i < 4; i++) *strips[i] = cut(&at, strip * 2);
    w.query = cut(&at, 64 * w.size);
    w.slope = cut(&at, 64 * w.size);
    w.scores = cut(&at, strip * 4);
    w.dp = cut(&at, strip * 4);
    w.dk = cut(&at, square * 4);
    w.dv = cut(&at, square * 4);
    w.bits = cut(&at, words * 4);
    return w;
}

static void draw(const Block *b, const Work *w, long head) {
    uint32_t site = attention_site(b, head);
    for (long i = 0; i < w->n * w->words; i += 4)
        if (b->attention.least)
            kept(&b->attention, (uint32_t)i, (uint32_t)w->begin, site, w->bits + i);
        else
            memset(w->bits + i, 255, 16);
}

/* The bits of 16 columns of a query, none behind the end of the row. */
INLINE __mmask16 chosen(const Work *w, long query, long column, __mmask16 seen) {
    return seen & (__mmask16)(w->bits[query * w->words + column / 32] >> (column & 16));
}

INLINE __mmask16 inside(const Work *w, long column) {
    long left = w->n - column;
    return left >= 16 ? 0xffff : left > 0 ? (__mmask16)((1u << left) - 1) : 0;
}

/* scores [32][wide] = 32 lines times packed columns */
INLINE void strip_of(const Work *w, const bf16 *lines, long ld, const bf16 *packed, float *scores) {
    for (long j = 0; j < w->blocks; j++) {
        sums_zero();
        multiply(lines, lines + 16 * ld, ld, 32, packed + j * w->size * 32, w->size / 32);
        sums_store(scores + j * 32, scores + 16 * w->wide + j * 32, w->wide);
    }
}

/* What a query takes from each key, before it is divided by the sum, which is returned. */
INLINE float softmax(const Work *w, long i, long query, float *log_sum) {
    const float *scores = w->scores + i * w->wide;
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (long j = 0; j < w->wide; j += 16)
        most = _mm512_mask_max_ps(most, inside(w, j), most, _mm512_load_ps(scores + j));
    float top = _mm512_reduce_max_ps(most) * w->scale;
    __m512 factor = _mm512_set1_ps(w->scale), down = _mm512_set1_ps(top);
    for (long j = 0; j < w->wide; j += 16) {
        __mmask16 seen = inside(w, j);
        __m512 e = exponential(_mm512_fmsub_ps(_mm512_load_ps(scores + j), factor, down));
        sum = _mm512_mask_add_ps(sum, seen, sum, e);
        store(w->used + i * w->wide + j, _mm512_maskz_mov_ps(chosen(w, query, j, seen), e));
    }
    float total = _mm512_reduce_add_ps(sum);
    *log_sum = top + logf(total);
    return total;
}

static void forward_one(const Block *b, long row, long head) {
    Work w = work_of(b, row);
    const bf16 *query = b->sides + w.begin * w.ld + head * w.size, *key = query + b->width;
    right_transposed(key, w.ld, w.n, w.size, w.keys);
    right_plain(key + b->width, w.ld, w.n, w.size, w.values);
    draw(b, &w, head);
    float total[32], *log_sums = b->log_sums + head * b->tokens + w.begin;
    for (long first = 0; first < w.n; first += 32) {
        long some = w.n - first < 32 ? w.n - first : 32;
        strip_of(&w, query + first * w.ld, w.ld, w.keys, w.scores);
        for (long i = 0; i < some; i++)
            total[i] = softmax(&w, i, first + i, log_sums + first + i);
        for (long j = 0; j < w.size / 32; j++) {
            sums_zero();
            multiply(w.used, w.used + 16 * w.wide, w.wide, 32, w.values + j * w.wide * 32,
                     w.blocks);
            sums_store(w.dk + j * 32, w.dk + 16 * w.size + j * 32, w.size);
        }
        for (long i = 0; i < some; i++) {
            bf16 *to = b->mixed + (w.begin + first + i) * b->width + head * w.size;
            __m512 share = _mm512_set1_ps(b->attention.scale / total[i]);
            for (long j = 0; j < w.size; j += 16)
                store(to + j, _mm512_mul_ps(_mm512_load_ps(w.dk + i * w.size + j), share));
        }
    }
}

/* Zeros for what belongs to no row. */
static void clear(const Block *b, bf16 *x, long ld) {
    long end = b->starts[b->rows];
    memset(x + end * ld, 0, (b->tokens - end) * ld * sizeof *x);
}

void bert_attention(const Block *b) {
    clear(b, b->mixed, b->width);
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic, 4) collapse(2)
        for (long row = 0; row < b->rows; row++)
            for (long head = 0; head < b->heads; head++)
                if (bert_short(b, row))
                    bert_short_forward(b, row, head);
                else
                    forward_one(b, row, head);
        tiles_end();
    }
}

/* Of 32 queries: what they took, and the gradients of their scores. */
INLINE void slopes(const Block *b, const Work *w, long head, long first, const bf16 *out,
                   const bf16 *slope) {
    const float *log_sums = b->log_sums + head * b->tokens + w->begin + first;
    __m512 factor = _mm512_set1_ps(w->scale), more = _mm512_set1_ps(b->attention.scale);
    for (long i = 0; i < 32; i++) {
        long at = i * w->wide, query = first + i;
        if (query >= w->n) {
            memset(w->used + at, 0, w->wide * 2);
            memset(w->ds + at, 0, w->wide * 2);
            continue;
        }
        __m512 sum = _mm512_setzero_ps(), down = _mm512_set1_ps(log_sums[i]);
        for (long j = 0; j < w->size; j += 16)
            sum = _mm512_fmadd_ps(load(out + i * b->width + j), load(slope + i * b->width + j), sum);
        __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum));
        for (long j = 0; j < w->wide; j += 16) {
            __mmask16 seen = inside(w, j), some = chosen(w, query, j, seen);
            __m512 p = exponential(_mm512_fmsub_ps(_mm512_load_ps(w->scores + at + j), factor, down));
            __m512 d = _mm512_maskz_mul_ps(some, _mm512_load_ps(w->dp + at + j), more);
            store(w->used + at + j, _mm512_maskz_mul_ps(some, p, more));
            d = _mm512_mul_ps(_mm512_sub_ps(d, mean), _mm512_mul_ps(p, factor));
            store(w->ds + at + j, _mm512_maskz_mov_ps(seen, d));
        }
    }
}

/* to [wide][size] += left.T right, both of 32 queries */
INLINE void add_strip(const Work *w, const bf16 *left, const bf16 *right, float *to) {
    for (long i = 0; i < w->blocks; i++)
        for (long j = 0; j < w->size / 32; j++) {
            float *sums = to + i * 32 * w->size + j * 32;
            sums_load(sums, sums + 16 * w->size, w->size);
            multiply(left + 2 * i * TILE, left + (2 * i + 1) * TILE, 32, 0, right + j * BLOCK, 1);
            sums_store(sums, sums + 16 * w->size, w->size);
        }
}

static void backward_one(const Block *b, const bf16 *given, long row, long head) {
    Work w = work_of(b, row);
    const bf16 *query = b->sides + w.begin * w.ld + head * w.size, *key = query + b->width;
    const bf16 *slope = given + w.begin * b->width + head * w.size;
    const bf16 *out = b->mixed + w.begin * b->width + head * w.size;
    bf16 *to = b->to_sides + w.begin * w.ld + head * w.size;
    right_transposed(key, w.ld, w.n, w.size, w.keys);
    right_transposed(key + b->width, w.ld, w.n, w.size, w.values);
    right_plain(key, w.ld, w.n, w.size, w.plain);
    draw(b, &w, head);
    memset(w.dk, 0, w.wide * w.size * 4);
    memset(w.dv, 0, w.wide * w.size * 4);
    for (long first = 0; first < w.n; first += 32) {
        long some = w.n - first < 32 ? w.n - first : 32;
        const bf16 *from = query + first * w.ld, *by = slope + first * b->width;
        strip_of(&w, from, w.ld, w.keys, w.scores);
        strip_of(&w, by, b->width, w.values, w.dp);
        slopes(b, &w, head, first, out + first * b->width, by);
        left_transposed(w.used, w.wide, 32, w.wide, w.turned_used);
        left_transposed(w.ds, w.wide, 32, w.wide, w.turned_ds);
        right_plain(from, w.ld, some, w.size, w.query);
        right_plain(by, b->width, some, w.size, w.slope);
        add_strip(&w, w.turned_used, w.slope, w.dv);
        add_strip(&w, w.turned_ds, w.query, w.dk);
        for (long j = 0; j < w.size / 32; j++) {
            sums_zero();
            multiply(w.ds, w.ds + 16 * w.wide, w.wide, 32, w.plain + j * w.wide * 32, w.blocks);
            sums_store(w.scores, w.scores + 16 * 32, 32);
            for (long i = 0; i < some; i++)
                store2(to + (first + i) * w.ld + j * 32, _mm512_load_ps(w.scores + i * 32),
                       _mm512_load_ps(w.scores + i * 32 + 16));
        }
    }
    for (long i = 0; i < w.n; i++)
        for (long j = 0; j < w.size; j += 16) {
            bf16 *at = to + i * w.ld + b->width + j;
            store(at, _mm512_load_ps(w.dk + i * w.size + j));
            store(at + b->width, _mm512_load_ps(w.dv + i * w.size + j));
        }
}

/* to_sides gets the gradients by queries, keys and values; slope is the gradient by `mixed`, with
 * 32 spare rows. */
void bert_attention_backward(const Block *b, const bf16 *slope) {
    clear(b, b->to_sides, 3 * b->width);
#pragma omp parallel
    {
        tiles_begin();
#pragma omp for schedule(dynamic, 4) collapse(2)
        for (long row = 0; row < b->rows; row++)
            for (long head = 0; head < b->heads; head++)
                if (bert_short(b, row))
                    bert_short_backward(b, slope, row, head);
                else
                    backward_one(b, slope, row, head);
        tiles_end();
    }
}
