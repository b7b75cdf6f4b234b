// Postings: for each term the rows that have it and how often; of frequent terms a count for every
// row.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "best.h"

#define AHEAD 16  // what is needed so much later is asked of the memory now

typedef struct {
    long rows;
    long terms;
    const int64_t *starts;   // of each term's postings, and behind the last
    const int32_t *at;       // the postings' rows
    const uint8_t *counts;   // and how often
    const int32_t *places;   // of each term among the frequent ones, or -1
    const uint8_t *frequent; // their counts, a line of `rows` for each
    const int32_t *lengths;  // words of each row
    const char *names;       // of the terms, sorted, one after the other
    const int64_t *name_starts;
    const int32_t *df;       // rows that have each term
} Postings;

// The different terms of each row with their counts (at most 255), in place of its words: `tokens`
// is overwritten, `ends` gets where each row's terms end.
// Returns how many there are.
long count_terms(int32_t *tokens, const int32_t *lengths, long rows, const int32_t *term_of,
                 long terms, int64_t *marks, int32_t *df, int64_t *ends, uint8_t *counts) {
    const int32_t *read = tokens, *last = tokens;
    long made = 0;
    for (long row = 0; row < rows; row++) last += lengths[row];
    for (long t = 0; t < terms; t++) marks[t] = -1, df[t] = 0;
    for (long row = 0; row < rows; row++) {
        long first = made;
        for (long left = lengths[row]; left > 0; left--) {
            if (read + AHEAD < last) __builtin_prefetch(marks + term_of[read[AHEAD]]);
            int32_t t = term_of[*read++];
            if (marks[t] >= first) {
                uint8_t *count = counts + marks[t];
                *count = (uint8_t)(*count + (*count < 255));
            } else {
                marks[t] = made, counts[made] = 1, tokens[made++] = t;
            }
        }
        for (long i = first; i < made; i++) df[tokens[i]]++;
        ends[row] = made;
    }
    return made;
}

// Sorts them by term. `next` holds where each term's rows begin and is used up; for a frequent term,
// whose counts go into a line of `frequent`, it holds -1 - the line.
void fill_postings(const int32_t *tokens, const uint8_t *found, const int64_t *ends, long rows,
                   int64_t *next, int32_t *at, uint8_t *counts, uint8_t *frequent) {
    long i = 0, last = rows ? ends[rows - 1] : 0;
    for (long row = 0; row < rows; row++)
        for (; i < ends[row]; i++) {
            if (i + 2 * AHEAD < last) {
                __builtin_prefetch(next + tokens[i + 2 * AHEAD]);
                int64_t soon = next[tokens[i + AHEAD]];
                if (soon >= 0) __builtin_prefetch(at + soon), __builtin_prefetch(counts + soon);
            }
            int64_t *to = next + tokens[i];
            if (*to < 0) {
                frequent[(-1 - *to) * rows + row] = found[i];
            } else {
                at[*to] = (int32_t)row, counts[*to] = found[i];
                ++*to;
            }
        }
}

// How many rows that are alive have each term.
void count_alive(const Postings *p, const uint8_t *alive, int32_t *found) {
    for (long t = 0; t < p->terms; t++) {
        int32_t n = 0;
        if (p->places[t] >= 0) {
            const uint8_t *line = p->frequent + (long)p->places[t] * p->rows;
            for (long row = 0; row < p->rows; row++) n += (line[row] != 0) & alive[row];
        } else {
            for (int64_t i = p->starts[t]; i < p->starts[t + 1]; i++) n += alive[p->at[i]];
        }
        found[t] = n;
    }
}

// Length of each row's vector of what a count is worth (`worth`, of 0 to 255) times the weights of
// the terms.
void row_norms(const Postings *p, const float *weights, const float *worth, float *norms) {
    double *sums = calloc((size_t)p->rows + 1, sizeof(double));
    if (!sums) return;
    for (long t = 0; t < p->terms; t++) {
        double weight = (double)weights[t] * (double)weights[t];
        if (p->places[t] >= 0) {
            const uint8_t *line = p->frequent + (long)p->places[t] * p->rows;
            for (long row = 0; row < p->rows; row++)
                sums[row] += weight * ((double)worth[line[row]] * (double)worth[line[row]]);
        } else {
            for (int64_t i = p->starts[t]; i < p->starts[t + 1]; i++)
                sums[p->at[i]] +=
                    weight * ((double)worth[p->counts[i]] * (double)worth[p->counts[i]]);
        }
    }
    for (long row = 0; row < p->rows; row++) norms[row] = (float)sqrt(sums[row]);
    free(sums);
}

#define BLOCK 4096
#define TINY 1e-30f  // vanishes beside a count, and keeps 0 / 0 away

// The best rows for some terms; those below 0 count for nothing. A row's score is the sum of weight * count / (count + norm) with
// norm = flat + slope * words (BM25), or, where `norms` are given, of weight * worth over its norm.
// Sums run in the order of the terms, whatever way their rows are kept. -1: no memory.
long best_rows(const Postings *p, const int32_t *terms, const float *weights, long n, float flat,
               float slope, const float *norms, const float *worth, const uint8_t *mask, long most, float *scores,
               int32_t *rows) {
    float sum[BLOCK], norm[BLOCK];
    int64_t *next = malloc((size_t)(n + 1) * sizeof(int64_t));
    if (!next) return -1;
    for (long i = 0; i < n; i++) next[i] = terms[i] < 0 ? 0 : p->starts[terms[i]];
    Best best;
    if (best_begin(&best, most, 0.0f)) return free(next), -1;
    for (long first = 0; first < p->rows; first += BLOCK) {
        long size = p->rows - first < BLOCK ? p->rows - first : BLOCK;
        int any = 0;
        memset(sum, 0, sizeof(sum));
        for (long i = 0; i < size; i++)
            norm[i] = norms ? norms[first + i] : flat + slope * (float)p->lengths[first + i] + TINY;
        for (long k = 0; k < n; k++) {
            float weight = weights[k];
            if (terms[k] < 0) continue;
            int32_t place = p->places[terms[k]];
            if (place >= 0) {
                const uint8_t *line = p->frequent + (long)place * p->rows + first;
                any = 1;
                if (norms)
                    for (long i = 0; i < size; i++) sum[i] += weight * worth[line[i]];
                else
                    for (long i = 0; i < size; i++) {
                        float count = (float)line[i];
                        sum[i] += weight * (count / (count + norm[i]));
                    }
                continue;
            }
            int64_t at = next[k], end = p->starts[terms[k] + 1];
            for (; at < end && p->at[at] < first + size; at++) {
                long i = p->at[at] - first;
                float count = (float)p->counts[at];
                if (i < 0) continue;  // out of order: a damaged file
                sum[i] += norms ? weight * worth[p->counts[at]]
                                : weight * (count / (count + norm[i]));
                any = 1;
            }
            next[k] = at;
        }
        if (!any) continue;
        if (norms)
            for (long i = 0; i < size; i++) sum[i] = norm[i] > 0 ? sum[i] / norm[i] : 0.0f;
        best_take(&best, sum, size, NULL, first, mask);
    }
    free(next);
    return best_end(&best, scores, rows);
}

// Places of some names among sorted ones, or -1.
void find_names(const char *bytes, const int64_t *starts, long n, const char *asked,
                const int64_t *asked_starts, long count, int32_t *found) {
    for (long k = 0; k < count; k++) {
        const char *name = asked + asked_starts[k];
        long length = asked_starts[k + 1] - asked_starts[k], low = 0, high = n;
        found[k] = -1;
        while (low < high) {
            long middle = (low + high) / 2, size = starts[middle + 1] - starts[middle];
            int order = memcmp(bytes + starts[middle], name, (size_t)(size < length ? size : length));
            if (order == 0 && size == length) {
                found[k] = (int32_t)middle;
                break;
            }
            if (order < 0 || (order == 0 && size < length))
                low = middle + 1;
            else
                high = middle;
        }
    }
}

// Places of some terms, or -1, and how many rows have each by `df`, or by the postings' own.
void find_terms(const Postings *p, const int32_t *df, const char *asked,
                const int64_t *asked_starts, long count, int32_t *places, int32_t *found) {
    find_names(p->names, p->name_starts, p->terms, asked, asked_starts, count, places);
    if (!df) df = p->df;
    for (long k = 0; k < count; k++) found[k] = places[k] < 0 ? 0 : df[places[k]];
}

// Sorts the places 0..n-1 by their number below `groups`, keeping their order; `next` holds where
// each group starts, and is used up.
void group(const int32_t *numbers, long n, int64_t *next, const int32_t *rows, int32_t *out) {
    for (long i = 0; i < n; i++) out[next[numbers[i]]++] = rows ? rows[i] : (int32_t)i;
}
