/* A block of BERT forward and backward: two calls, no padding, and no values kept that are cheap to
 * compute again. */
#include <alloca.h>
#include <omp.h>

#include "bert.h"
#include "matmul.h"

enum { QUERY, KEY, VALUE, OUT, UP, DOWN }; /* linear layers; the first three side by side */
enum { SHIFTS, GAINS, BIASES };            /* sums of a thread */

static long outer(const Block *b, int layer) { return layer == UP ? b->inner : b->width; }

/* Addresses of every sixteen rows of `count` matrices of `many` rows. */
static void tiles(char *const *from, int count, long many, long row_bytes, const void **to) {
    for (int i = 0; i < count; i++)
        for (long row = 0; row < many; row += 16) *to++ = from[i] + row * row_bytes;
}

/* layers [out][in] from `layer` on, as the right factor of x times their transpose or of slope
 * times them */
static void pack(const Block *b, int layer, int count, long in, int transposed) {
    long many = outer(b, layer), n = many * count;
    const void **rows = alloca(n / 16 * sizeof *rows);
    tiles((char *const *)(b->weight + layer), count, many, in * 2, rows);
    if (transposed)
        pack_transposed((const bf16 *const *)rows, in, b->packed, in / 32, n, in);
    else
        pack_plain((const bf16 *const *)rows, in, b->packed, n, in);
}

/* Right factors of a forward pass: the sides together, then one each. */
enum { SIDES_READY, OUT_READY, UP_READY, DOWN_READY };
static const int first[4] = {QUERY, OUT, UP, DOWN}, together[4] = {3, 1, 1, 1};

static const bf16 *right(const Block *b, int which) {
    if (b->ready[which]) return b->ready[which];
    pack(b, first[which], together[which], which == DOWN_READY ? b->inner : b->width, 1);
    return b->packed;
}

/* Pack all right factors of forward passes into `ready`, for weights that stay as they are. */
void bert_pack(const Block *b) {
    for (int i = 0; i < 4; i++) {
        Block one = *b;
        one.packed = b->ready[i];
        pack(&one, first[i], together[i], i == DOWN_READY ? b->inner : b->width, 1);
    }
}

static const float *biases(const Block *b, int layer, int count, float *to) {
    long many = outer(b, layer);
    for (int i = 0; i < count; i++)
        for (long j = 0; j < many; j += 16)
            _mm512_storeu_ps(to + i * many + j, load(b->bias[layer + i] + j));
    return to;
}

/* Bits of a token's values for one of the block's two dropouts. */
INLINE void draw(const Block *b, long token, int which, uint32_t *bits) {
    uint32_t site = (uint32_t)(b->number * (b->heads + 2) + which + 1);
    for (long j = 0; j < b->width; j += 128)
        kept(&b->hidden, (uint32_t)(j / 128), (uint32_t)token, site, bits + j / 32);
}

INLINE __m512 dropped(const Block *b, const uint32_t *bits, long j, __m512 v) {
    __mmask16 some = (__mmask16)(bits[j / 32] >> (j & 16));
    return _mm512_maskz_mul_ps(some, v, _mm512_set1_ps(b->hidden.scale));
}

/* to = norm(more + dropout(made + bias)) gain + shift; the norm itself goes to `normed` (Ba et al.
 * 2016) */
void bert_add_and_norm(const Block *b, int which, const bf16 *more, bf16 *normed, bf16 *to) {
    const bf16 *bias = b->bias[which ? DOWN : OUT], *gain = b->gain[which], *shift = b->shift[which];
    long width = b->width, tokens = made_tokens(b);
#pragma omp parallel
    {
        float *v = alloca(width * sizeof *v);
        uint32_t *bits = alloca(width / 8 + 16);
#pragma omp for schedule(static)
        for (long t = 0; t < tokens; t++) {
            __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
            if (b->hidden.least) draw(b, t, which, bits);
            for (long j = 0; j < width; j += 16) {
                __m512 x = _mm512_add_ps(load(b->made + t * width + j), load(bias + j));
                if (b->hidden.least) x = dropped(b, bits, j, x);
                x = _mm512_add_ps(x, load(more + t * width + j));
                _mm512_storeu_ps(v + j, x);
                sum = _mm512_add_ps(sum, x);
            }
            __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
            for (long j = 0; j < width; j += 16) {
                __m512 x = _mm512_sub_ps(_mm512_loadu_ps(v + j), mean);
                squares = _mm512_fmadd_ps(x, x, squares);
            }
            float rstd = 1.0f / sqrtf(_mm512_reduce_add_ps(squares) / width + b->eps);
            b->rstd[which * b->tokens + t] = rstd;
            for (long j = 0; j < width; j += 16) {
                __m512 x = _mm512_sub_ps(_mm512_loadu_ps(v + j), mean);
                x = _mm512_mul_ps(x, _mm512_set1_ps(rstd));
                store(normed + t * width + j, x);
                store(to + t * width + j, _mm512_fmadd_ps(x, load(gain + j), load(shift + j)));
            }
        }
    }
}

void bert_forward(const Block *b) {
    long t = b->tokens, w = b->width, some = made_tokens(b);
    float *bias = alloca((3 * w > b->inner ? 3 * w : b->inner) * sizeof *bias);
    Ending sides = {.kind = BIAS, .out = b->sides, .ld = 3 * w};
    Ending gates = {.kind = GELU, .out = b->gates, .ld = b->inner, .other = b->active};
    Ending made = {.kind = STORE, .out = b->made, .ld = w};
    if (b->bare) gates.kind = GELU_ALONE, gates.out = b->active;
    sides.bias = biases(b, QUERY, 3, bias);
    matmul_some(b->x, w, right(b, SIDES_READY), t, 3 * w, w, some, &sides);
    bert_attention(b);
    matmul_some(b->mixed, w, right(b, OUT_READY), t, w, w, some, &made);
    bert_add_and_norm(b, 0, b->x, b->normed, b->between);
    gates.bias = biases(b, UP, 1, bias);
    gates.other_ld = b->inner;
    matmul_some(b->between, w, right(b, UP_READY), t, b->inner, w, some, &gates);
    matmul_some(b->active, b->inner, right(b, DOWN_READY), t, w, b->inner, some, &made);
    bert_add_and_norm(b, 1, b->between, b->last_normed, b->y);
}

static void add_up(const Block *b, int which, float *to, long width) {
    if (!to) return;
    int threads = omp_get_max_threads();
    for (long j = 0; j < width; j += 16) {
        __m512 sum = _mm512_loadu_ps(to + j);
        for (int i = 0; i < threads; i++)
            sum = _mm512_add_ps(sum, _mm512_loadu_ps(b->sums + (i * 3 + which) * width + j));
        _mm512_storeu_ps(to + j, sum);
    }
}

/* Through the norm and dropout: slope, the gradient by the norm's output, becomes that by what was
 * added; to_out that by what was made before its bias. */
static void norm_backward(const Block *b, int which, const bf16 *normed) {
    long width = b->width;
    memset(b->sums, 0, omp_get_max_threads() * 3 * width * sizeof(float));
#pragma omp parallel
    {
        float *own = b->sums + omp_get_thread_num() * 3 * width;
        float *shifts = own + SHIFTS * width, *gains = own + GAINS * width;
        float *bias = own + BIASES * width;
        uint32_t *bits = alloca(width / 8 + 16);
#pragma omp for schedule(static)
        for (long t = 0; t < b->tokens; t++) {
            bf16 *dy = b->slope + t * width;
            const bf16 *x = normed + t * width, *gain = b->gain[which];
            __m512 sum = _mm512_setzero_ps(), along = _mm512_setzero_ps();
            if (b->hidden.least) draw(b, t, which, bits);
            for (long j = 0; j < width; j += 16) {
                __m512 d = load(dy + j), v = load(x + j), g = _mm512_mul_ps(d, load(gain + j));
                _mm512_storeu_ps(shifts + j, _mm512_add_ps(d, _mm512_loadu_ps(shifts + j)));
                _mm512_storeu_ps(gains + j, _mm512_fmadd_ps(d, v, _mm512_loadu_ps(gains + j)));
                sum = _mm512_add_ps(sum, g);
                along = _mm512_fmadd_ps(g, v, along);
            }
            __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
            __m512 share = _mm512_set1_ps(_mm512_reduce_add_ps(along) / width);
            __m512 r = _mm512_set1_ps(b->rstd[which * b->tokens + t]);
            for (long j = 0; j < width; j += 16) {
                __m512 d = _mm512_fmsub_ps(load(dy + j), load(gain + j), mean);
                d = _mm512_mul_ps(r, _mm512_fnmadd_ps(load(x + j), share, d));
                store(dy + j, d);
                if (b->hidden.least) d = dropped(b, bits, j, d);
                store(b->to_out + t * width + j, d);
                _mm512_storeu_ps(bias + j, _mm512_add_ps(d, _mm512_loadu_ps(bias + j)));
            }
        }
    }
    add_up(b, SHIFTS, b->to_shift[which], width);
    add_up(b, GAINS, b->to_gain[which], width);
    add_up(b, BIASES, b->to_bias[which ? DOWN : OUT], width);
}

/* Gradients of layers' biases: sums over the tokens. */
static void bias_gradients(const Block *b, int layer, int count, const bf16 *slope) {
    long many = outer(b, layer), ld = many * count;
#pragma omp parallel for schedule(static)
    for (long j = 0; j < ld; j += 32) {
        float *to = b->to_bias[layer + j / many];
        if (!to) continue;
        to += j % many;
        __m512 low = _mm512_loadu_ps(to), high = _mm512_loadu_ps(to + 16);
        for (long t = 0; t < b->tokens; t++) {
            low = _mm512_add_ps(low, load(slope + t * ld + j));
            high = _mm512_add_ps(high, load(slope + t * ld + j + 16));
        }
        _mm512_storeu_ps(to, low);
        _mm512_storeu_ps(to + 16, high);
    }
}

/* Gradients of layers' weights: slope [tokens][their outputs] transposed times x [tokens][in]. */
static void gradients(Block *b, int layer, int count, const bf16 *slope, const bf16 *x,
                      long in) {
    long many = outer(b, layer), t = b->tokens, ld = many * count;
    const void **rows = alloca(t / 16 * sizeof *rows);
    void **sums = alloca(many / 16 * sizeof *sums);
    char *from = (char *)x;
    int packed = 0;
    for (int i = layer; i < layer + count; i++) {
        if (!b->to_weight[i]) continue;
        if (!packed++) {
            tiles(&from, 1, t, in * 2, rows);
            pack_plain((const bf16 *const *)rows, in, b->right, t, in);
        }
        pack_left(slope + (i - layer) * many, ld, b->left, t, many);
        tiles((char *const *)(b->to_weight + i), 1, many, in * 4, (const void **)sums);
        b->squares[i] =
            matmul_sums(b->left, b->right, (float *const *)sums, in, many, in, t, b->fresh[i]);
    }
}

void bert_backward(Block *b) {
    long t = b->tokens, w = b->width;
    Ending gates = {.kind = TIMES, .out = b->gates, .ld = b->inner};
    Ending more = {.kind = ADD, .out = b->slope, .ld = w, .add = b->slope};
    Ending made = {.kind = STORE, .out = b->made, .ld = w};
    norm_backward(b, 1, b->last_normed);
    pack(b, DOWN, 1, b->inner, 0);
    matmul(b->to_out, w, b->packed, t, b->inner, w, &gates);
    gradients(b, DOWN, 1, b->to_out, b->active, b->inner);
    pack(b, UP, 1, w, 0);
    matmul(b->gates, b->inner, b->packed, t, w, b->inner, &more);
    bias_gradients(b, UP, 1, b->gates);
    gradients(b, UP, 1, b->gates, b->between, w);
    norm_backward(b, 0, b->normed);
    pack(b, OUT, 1, w, 0);
    matmul(b->to_out, w, b->packed, t, w, w, &made);
    gradients(b, OUT, 1, b->to_out, b->mixed, w);
    bert_attention_backward(b, b->made);
    pack(b, QUERY, 3, w, 0);
    matmul(b->to_sides, 3 * w, b->packed, t, w, 3 * w, &more);
    bias_gradients(b, QUERY, 3, b->to_sides);
    gradients(b, QUERY, 3, b->to_sides, b->x, w);
}
