/* A block of BERT forward with its four products in eight bits; attention and norms as bert.c. */
#include <alloca.h>

#include "bert_int8.h"

#ifdef __AMX_INT8__

enum { QUERY, KEY, VALUE, OUT, UP, DOWN };

/* Pack a block's matrices; weights and sizes are those of `b`. */
void bert_pack_int8(const Block *b, const Small *s) {
    long w = b->width, in = b->inner;
    for (int i = 0; i < 3; i++)
        pack_int8(b->weight[QUERY + i], w, w, s->packed[0] + i * w * w, s->steps[0] + i * w);
    pack_int8(b->weight[OUT], w, w, s->packed[1], s->steps[1]);
    pack_int8(b->weight[UP], in, w, s->packed[2], s->steps[2]);
    pack_int8(b->weight[DOWN], w, in, s->packed[3], s->steps[3]);
}

static void product(const Block *b, const Small *s, int which, const bf16 *x, long k, long n,
                    const float *bias, long gelu, bf16 *out) {
    Product p = {.left = s->quantised, .packed = s->packed[which], .rows = s->rows,
                 .columns = s->steps[which], .bias = bias, .out = out, .m = b->tokens, .n = n,
                 .k = k, .gelu = gelu, .some = made_tokens(b)};
    quantise_rows(x, p.some, k, s->quantised, s->rows);
    matmul_int8(&p);
}

static const float *biases(const Block *b, int layer, int count, long many, float *to) {
    for (int i = 0; i < count; i++)
        for (long j = 0; j < many; j += 16)
            _mm512_storeu_ps(to + i * many + j, load(b->bias[layer + i] + j));
    return to;
}

void bert_forward_int8(const Block *b, const Small *s) {
    long w = b->width, in = b->inner;
    float *bias = alloca((3 * w > in ? 3 * w : in) * sizeof *bias);
    product(b, s, 0, b->x, w, 3 * w, biases(b, QUERY, 3, w, bias), 0, b->sides);
    bert_attention(b);
    product(b, s, 1, b->mixed, w, w, NULL, 0, b->made);
    bert_add_and_norm(b, 0, b->x, b->normed, b->between);
    product(b, s, 2, b->between, w, in, biases(b, UP, 1, in, bias), 1, b->active);
    product(b, s, 3, b->active, in, w, NULL, 0, b->made);
    bert_add_and_norm(b, 1, b->between, b->last_normed, b->y);
}

#endif
