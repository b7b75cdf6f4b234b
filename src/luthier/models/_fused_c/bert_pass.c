/* From tokens to one state for each row in one call, for weights that stay as they are. */
#include "bert_int8.h"

typedef struct {
    long count, rows, tokens, mean; /* blocks; rows and their tokens; the mean of a row, or its first */
    Block *blocks;
    Embed *embed;
    const Small *small; /* of each block, or NULL */
    int64_t *positions; /* memory for those of all tokens */
    float *pooled;      /* [rows][width] */
} Pass;

static void pool(const Pass *p, const Block *b) {
    for (long row = 0; row < p->rows; row++) {
        long begin = b->starts[row], end = p->mean ? b->starts[row + 1] : begin + 1;
        __m512 share = _mm512_set1_ps((float)(end - begin));
        for (long j = 0; j < b->width; j += 16) {
            __m512 sum = _mm512_setzero_ps();
            for (long t = begin; t < end; t++) sum = _mm512_add_ps(sum, load(b->y + t * b->width + j));
            _mm512_storeu_ps(p->pooled + row * b->width + j, _mm512_div_ps(sum, share));
        }
    }
}

void bert_pass(const Pass *p, const int64_t *starts) {
    Block *last = p->blocks + p->count - 1;
    for (long row = 0; row < p->rows; row++)
        for (long t = starts[row]; t < starts[row + 1]; t++) p->positions[t] = t - starts[row];
    p->embed->tokens = starts[p->rows];
    bert_embed(p->embed);
    for (Block *b = p->blocks; b <= last; b++) {
        b->tokens = p->tokens, b->rows = p->rows, b->starts = starts;
#ifdef __AMX_INT8__
        if (p->small) {
            bert_forward_int8(b, p->small + (b - p->blocks));
            continue;
        }
#endif
        bert_forward(b);
    }
    pool(p, last);
}
