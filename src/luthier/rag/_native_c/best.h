// The best rows so far, as a heap whose root is the worst of them: a larger score is better, of two
// equal ones that of the smaller row.
#pragma once
#include <stdint.h>

typedef struct {
    long size, most;
    float least;  // a score must be larger than this one
    float *scores;
    int32_t *rows;
} Best;

static inline int best_worse(const Best *b, long i, long j) {
    return b->scores[i] < b->scores[j] ||
           (b->scores[i] == b->scores[j] && b->rows[i] > b->rows[j]);
}

static inline void best_swap(Best *b, long i, long j) {
    float score = b->scores[i];
    int32_t row = b->rows[i];
    b->scores[i] = b->scores[j], b->rows[i] = b->rows[j];
    b->scores[j] = score, b->rows[j] = row;
}

static inline void best_sift(Best *b, long i) {
    for (;;) {
        long child = 2 * i + 1;
        if (child >= b->size) return;
        if (child + 1 < b->size && best_worse(b, child + 1, child)) child++;
        if (!best_worse(b, child, i)) return;
        best_swap(b, i, child);
        i = child;
    }
}

// What a score must exceed to be taken; rows come in growing order, so an equal one comes too late.
static inline float best_floor(const Best *b) {
    return b->size < b->most ? b->least : b->scores[0];
}

static inline void best_put(Best *b, float score, int32_t row) {
    if (b->size == b->most) {
        b->scores[0] = score, b->rows[0] = row;
        best_sift(b, 0);
        return;
    }
    long i = b->size++;
    b->scores[i] = score, b->rows[i] = row;
    while (i > 0 && best_worse(b, i, (i - 1) / 2)) {
        best_swap(b, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

// Best first.
static inline long best_sorted(Best *b) {
    long size = b->size;
    while (b->size > 1) {
        b->size--;
        best_swap(b, 0, b->size);
        best_sift(b, 0);
    }
    return size;
}

// Takes the scores of n rows. `rows` names them, or they are from `first` on; `mask` (or NULL) says
// by row which count.
static inline void best_take(Best *b, const float *scores, long n, const int32_t *rows, long first,
                             const uint8_t *mask) {
    if (b->most < 1) return;
    float floor = best_floor(b);
    for (long at = 0; at < n; at += 64) {
        long end = at + 64 < n ? at + 64 : n;
        if (end == at + 64) {
            int any = 0;
            for (long i = at; i < at + 64; i++) any |= scores[i] > floor;
            if (!any) continue;
        }
        for (long i = at; i < end; i++) {
            if (!(scores[i] > floor)) continue;
            int32_t row = rows ? rows[i] : (int32_t)(first + i);
            if (mask && !mask[row]) continue;
            best_put(b, scores[i], row);
            floor = best_floor(b);
        }
    }
}
