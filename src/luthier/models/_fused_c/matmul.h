/* Products of packed matrices; see matmul.c. */
#pragma once
#include "common.h"

enum { STORE, ADD, SWIGLU, SWIGLU_BACKWARD, BIAS, GELU, GELU_ALONE, TIMES };

/* What a product ends in. */
typedef struct {
    long kind;
    bf16 *out;         /* [m][n] */
    long ld;           /* of out */
    const bf16 *add;   /* ADD: [m][n], as out */
    bf16 *other;       /* SWIGLU*, GELU: the activations, [m][n of them]; GELU: out gets its slopes */
    long other_ld;
    bf16 *gates;       /* SWIGLU_BACKWARD: gates and inputs in, their gradients out */
    const float *bias; /* BIAS, GELU*: [n] */
} Ending;

void pack_transposed(const bf16 *const *rows, long ld, bf16 *packed, long stride, long n, long k);
void pack_plain(const bf16 *const *rows, long ld, bf16 *packed, long k, long n);
void pack_left(const bf16 *a, long ld, bf16 *packed, long k, long m);
void matmul(const bf16 *a, long ld, const bf16 *packed, long m, long n, long k, const Ending *e);
void matmul_some(const bf16 *a, long ld, const bf16 *packed, long m, long n, long k, long some,
                 const Ending *e);
double matmul_sums(const bf16 *left, const bf16 *right, float *const *rows, long ld, long m, long n,
                   long k, long fresh);
