/* BERT in eight bits: what bert_int8.c and matmul_int8.c share. */
#pragma once
#include "bert.h"
#include "common.h"

/* out [m][n] = left [m][k] times a packed right factor, by the steps of rows and columns. */
typedef struct {
    const int8_t *left, *packed;
    const float *rows, *columns, *bias; /* bias [n] or NULL */
    bf16 *out;
    long m, n, k, gelu, some; /* some: rows that are wanted, the first of the m */
} Product;

/* A block's matrices (sides together, out, up, down), and memory for any block. */
typedef struct {
    int8_t *packed[4];
    float *steps[4];
    int8_t *quantised; /* [tokens][inner] */
    float *rows;       /* [tokens] */
} Small;

void pack_int8(const bf16 *w, long n, long k, int8_t *packed, float *steps);
void quantise_rows(const bf16 *x, long rows, long k, int8_t *to, float *steps);
void matmul_int8(const Product *p);
void bert_forward_int8(const Block *b, const Small *s);
