// Nearest vectors by dot product: exactly, and by codes of eight bits.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "best.h"

#define BLOCK 1024
#define LANES 64

static float dot(const float *a, const float *b, long width) {
    float lanes[LANES] = {0}, sum = 0;
    long i = 0;
    for (; i + LANES <= width; i += LANES)
        for (long j = 0; j < LANES; j++) lanes[j] += a[i + j] * b[i + j];
    for (long half = LANES / 2; half > 0; half /= 2)
        for (long j = 0; j < half; j++) lanes[j] += lanes[j + half];
    for (; i < width; i++) sum += a[i] * b[i];
    return lanes[0] + sum;
}

// Dot products of some rows (all of the first n where `rows` is NULL) with one vector.
void dots(const float *vectors, long width, const int32_t *rows, long n, const float *asked,
          float *out) {
    for (long i = 0; i < n; i++)
        out[i] = dot(vectors + (rows ? rows[i] : i) * width, asked, width);
}

// The best of them, as in best.h. -1: no memory.
long nearest(const float *vectors, long width, const int32_t *rows, long n, const uint8_t *mask,
             const float *asked, long most, float *scores, int32_t *found) {
    float block[BLOCK];
    Best best;
    if (best_begin(&best, most, -INFINITY)) return -1;
    for (long first = 0; first < n; first += BLOCK) {
        long size = n - first < BLOCK ? n - first : BLOCK;
        dots(rows ? vectors : vectors + first * width, width, rows ? rows + first : NULL, size,
             asked, block);
        best_take(&best, block, size, rows ? rows + first : NULL, first, mask);
    }
    return best_end(&best, scores, found);
}

// Codes of vectors: code * scale is near the number; `sums` are 128 times the sum of a row's codes.
void encode_rows(const float *vectors, long width, long n, int8_t *codes, float *scales,
                 int32_t *sums) {
    for (long row = 0; row < n; row++) {
        const float *v = vectors + row * width;
        int8_t *c = codes + row * width;
        float most = 0;
        for (long i = 0; i < width; i++) most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
        float scale = most > 0 && most < INFINITY ? most / 127.0f : 0.0f;
        int32_t sum = 0;
        for (long i = 0; i < width; i++) {
            float value = scale > 0 ? rintf(v[i] / scale) : 0.0f;
            c[i] = value >= -127.0f && value <= 127.0f ? (int8_t)value : 0;
            sum += c[i];
        }
        scales[row] = scale, sums[row] = 128 * sum;
    }
}

#define AHEAD 8

static int32_t product(const int8_t *codes, const uint8_t *asked, long width) {
    int32_t sum = 0;
    for (long i = 0; i < width; i++) sum += (int32_t)asked[i] * (int32_t)codes[i];
    return sum;
}

// The best by the product of codes; `asked` holds the codes of the vector asked for, plus 128.
long nearest_codes(const int8_t *codes, const float *scales, const int32_t *sums, long width,
                   const int32_t *rows, long n, const uint8_t *mask, const uint8_t *asked,
                   long most, float *scores, int32_t *found) {
    float block[BLOCK];
    Best best;
    if (best_begin(&best, most, -INFINITY)) return -1;
    for (long first = 0; first < n; first += BLOCK) {
        long size = n - first < BLOCK ? n - first : BLOCK;
        for (long i = 0; i < size; i++) {
            long row = rows ? rows[first + i] : first + i;
            if (rows && first + i + AHEAD < n) {
                const int8_t *next = codes + (long)rows[first + i + AHEAD] * width;
                for (long j = 0; j < width; j += 64) __builtin_prefetch(next + j);
            }
            block[i] = (float)(product(codes + row * width, asked, width) - sums[row]) * scales[row];
        }
        best_take(&best, block, size, rows ? rows + first : NULL, first, mask);
    }
    return best_end(&best, scores, found);
}
