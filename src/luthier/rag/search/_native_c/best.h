// The best rows so far: a larger score is better, of two equal ones that of the smaller row. They are
// kept as numbers whose order says so, some more than are wanted; when there is no more room the
// worst are dropped.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t *keys;
    long size, most, room;
    float floor;  // a score must be larger to be one of the best
} Best;

static inline uint64_t best_key(float score, int32_t row) {
    uint32_t bits;
    memcpy(&bits, &score, 4);
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (uint32_t)~row;
}

static inline float best_score(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits = bits >> 31 ? bits & 0x7fffffffu : ~bits;
    memcpy(&score, &bits, 4);
    return score;
}

static inline void best_swap(uint64_t *a, uint64_t *b) {
    uint64_t c = *a;
    *a = *b, *b = c;
}

// Orders keys so that the first `most` are the largest, and sorts those if `sorted`.
static void best_order(uint64_t *keys, long size, long most, int sorted) {
    long low = 0, high = size;
    while (high - low > 12) {
        uint64_t a = keys[low], b = keys[(low + high) / 2], c = keys[high - 1];
        uint64_t middle = a > b ? (b > c ? b : a > c ? c : a) : (a > c ? a : b > c ? c : b);
        long i = low, j = high - 1;
        while (i <= j) {
            while (keys[i] > middle) i++;
            while (keys[j] < middle) j--;
            if (i <= j) best_swap(keys + i++, keys + j--);
        }
        if (sorted && low < most) best_order(keys + low, j + 1 - low, most - low, 1);
        if (sorted) {
            low = i;  // what lies between is in its place
            if (low >= most) return;
        } else if (most <= j + 1) {
            high = j + 1;
        } else if (most >= i) {
            low = i;
        } else {
            return;
        }
    }
    for (long i = low + 1; i < high; i++) {
        uint64_t key = keys[i];
        long j = i;
        for (; j > low && keys[j - 1] < key; j--) keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

// `least`: what a score must exceed from the first. -1: no memory.
static int best_begin(Best *b, long most, float least) {
    b->most = most, b->size = 0, b->floor = least;
    b->room = 4 * most + 256;
    b->keys = malloc((size_t)b->room * sizeof(uint64_t));
    return b->keys ? 0 : -1;
}

static void best_cut(Best *b) {
    if (b->size <= b->most) return;
    best_order(b->keys, b->size, b->most, 0);
    b->size = b->most;
    uint64_t worst = b->keys[0];
    for (long i = 1; i < b->size; i++) worst = b->keys[i] < worst ? b->keys[i] : worst;
    b->floor = best_score(worst);
}

// Takes the scores of n rows. `rows` names them, growing, or they are from `first` on; `mask` (or
// NULL) says by row which count. As rows grow, one whose score equals the worst comes too late.
static void best_take(Best *b, const float *scores, long n, const int32_t *rows, long first,
                      const uint8_t *mask) {
    for (long at = 0; at < n; at += 64) {
        long end = at + 64 < n ? at + 64 : n;
        if (end == at + 64) {
            int any = 0;
            for (long i = at; i < at + 64; i++) any |= scores[i] > b->floor;
            if (!any) continue;
        }
        if (b->size + 64 > b->room) best_cut(b);
        for (long i = at; i < end; i++) {
            int32_t row = rows ? rows[i] : (int32_t)(first + i);
            b->keys[b->size] = best_key(scores[i], row);
            b->size += (scores[i] > b->floor) & (!mask || mask[row]);
        }
    }
}

// Writes the best, best first, and returns how many there are.
static long best_end(Best *b, float *scores, int32_t *rows) {
    long size = b->size < b->most ? b->size : b->most;
    best_order(b->keys, b->size, size, 1);
    for (long i = 0; i < size; i++) {
        scores[i] = best_score(b->keys[i]);
        rows[i] = (int32_t)~(uint32_t)b->keys[i];
    }
    free(b->keys);
    return size;
}
