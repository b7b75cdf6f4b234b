/* Memory of a thread, and factors for tiles made of some rows of a matrix, filled up with zeros. */
#pragma once
#include "common.h"

static __thread char *space;
static __thread size_t space_bytes;

static char *scratch(size_t bytes) { /* kept by each thread for the next call */
    if (bytes > space_bytes) {
        free(space);
        space = aligned_alloc(64, bytes);
        space_bytes = bytes;
    }
    return space;
}

INLINE void *cut(char **from, size_t bytes) {
    void *part = *from;
    *from += (bytes + 63) / 64 * 64;
    return part;
}

INLINE __m512i line(const bf16 *from, long row, long rows, long ld) {
    return row < rows ? _mm512_loadu_si512(from + row * ld) : _mm512_setzero_si512();
}

/* B = x.T for x [rows][size], zeros for rows that are missing to a multiple of 32. */
INLINE void right_transposed(const bf16 *x, long ld, long rows, long size, bf16 *packed) {
    for (long i = 0; i < (rows + 31) / 32 * 2; i++)
        for (long j = 0; j < size / 32; j++) {
            __m512i r[16];
            for (int k = 0; k < 16; k++) r[k] = line(x + j * 32, i * 16 + k, rows, ld);
            transpose(r);
            bf16 *to = packed + ((i / 2) * (size / 32) + j) * BLOCK + (i & 1) * TILE;
            for (int k = 0; k < 16; k++) _mm512_store_si512(to + k * 32, r[k]);
        }
}

static const bf16 nothing[512];

INLINE __m512i two_rows(const bf16 *x, long row, long rows, long ld) {
    const bf16 *a = row < rows ? x + row * ld : nothing;
    const bf16 *b = row + 1 < rows ? x + (row + 1) * ld : nothing;
    return pairs(a, b);
}

/* B = x. */
INLINE void right_plain(const bf16 *x, long ld, long rows, long size, bf16 *packed) {
    long blocks = (rows + 31) / 32;
    for (long j = 0; j < blocks; j++)
        for (long i = 0; i < size / 16; i++)
            for (int k = 0; k < 16; k++)
                _mm512_store_si512(packed + ((i / 2) * blocks + j) * BLOCK + (i & 1) * TILE + k * 32,
                                   two_rows(x + i * 16, j * 32 + 2 * k, rows, ld));
}

/* The left factor x.T: tiles [size / 16][blocks]. */
INLINE void left_transposed(const bf16 *x, long ld, long rows, long size, bf16 *packed) {
    long blocks = (rows + 31) / 32;
    for (long j = 0; j < blocks; j++)
        for (long i = 0; i < size / 16; i++) {
            __m512i r[16];
            for (int k = 0; k < 16; k++) r[k] = two_rows(x + i * 16, j * 32 + 2 * k, rows, ld);
            transpose(r);
            for (int k = 0; k < 16; k++)
                _mm512_store_si512(packed + (i * blocks + j) * TILE + k * 32, r[k]);
        }
}
