/* A block of BERT (Devlin et al. 2019): what bert.c and bert_attention.c share. */
#pragma once
#include "random.h"

typedef struct {
    long tokens, rows, width, inner, heads, number; /* number: of the block in the network */
    const int64_t *starts;                          /* rows + 1; behind the last only filling */
    float eps;
    Dropout hidden, attention;
    /* weights [out][in], biases, gains; queries, keys, values, out, up, down */
    const bf16 *weight[6], *bias[6], *gain[2], *shift[2];
    /* float32, to be added to; NULL where none is wanted */
    float *to_weight[6], *to_bias[6], *to_gain[2], *to_shift[2];
    long fresh[6]; /* what stands in to_weight is written over */
    double squares[6]; /* gets the sums of the squares of what then stands in to_weight */
    /* of the pass; x and y are the block's input and output, gates the slopes of the activation */
    bf16 *x, *y, *sides, *mixed, *normed, *between, *gates, *active, *last_normed;
    float *rstd, *log_sums; /* [2][tokens], [heads][tokens] */
    /* memory for any block; slope is the gradient by y and becomes that by x */
    bf16 *packed, *made, *left, *right, *slope, *to_out, *to_sides;
    float *sums; /* [threads][3][width], zero */
    bf16 *ready[4]; /* what bert_pack packed once for all passes, or NULL; see bert.c */
    long bare;      /* states alone: no slopes are kept, and nothing is made behind the rows */
} Block;

/* Its embeddings: see bert_embed.c. */
typedef struct {
    long tokens, width;
    const int64_t *ids, *positions;
    float eps;
    Dropout dropout;
    const bf16 *words, *places, *types, *gain, *shift;
    /* float32, to be added to; NULL where none is wanted */
    float *to_words, *to_places, *to_types, *to_gain, *to_shift;
    bf16 *normed, *y, *slope; /* slope: the gradient by y; it is written over */
    float *rstd, *sums;       /* [tokens], [threads][3][width] */
    const int64_t *kinds;     /* [tokens], or NULL: all of the first kind; a forward pass alone */
} Embed;

/* Tokens for which something is made. */
INLINE long made_tokens(const Block *b) { return b->bare ? b->starts[b->rows] : b->tokens; }

/* Which dropout it is; each block has two more for its values. */
INLINE uint32_t attention_site(const Block *b, long head) {
    return (uint32_t)(b->number * (b->heads + 2) + head + 3);
}

void bert_embed(const Embed *e);
void bert_forward(const Block *b);
long bert_short(const Block *b, long row);
void bert_short_forward(const Block *b, long row, long head);
void bert_short_backward(const Block *b, const bf16 *slope, long row, long head);
void bert_add_and_norm(const Block *b, int which, const bf16 *more, bf16 *normed, bf16 *to);
void bert_attention(const Block *b);
void bert_attention_backward(const Block *b, const bf16 *slope);
