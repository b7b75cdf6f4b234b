/* Which values dropout keeps: bits by counter, the same whenever and by whichever thread they are
 * asked for. Philox-4x32 of seven rounds (Salmon et al. 2011, section 5). */
#pragma once
#include "common.h"

typedef struct {
    uint64_t key;
    uint32_t least; /* of 16 random bits, for a value to be kept; 0 if all are */
    float scale;    /* of what is kept */
} Dropout;

/* x times m, its lower and upper halves */
INLINE __m512i wide_product(__m512i x, uint32_t m, __m512i *upper) {
    __m512i by = _mm512_set1_epi64(m);
    __m512i even = _mm512_mul_epu32(x, by);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), by);
    *upper = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
    return _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
}

/* For 128 values, whether each is kept; number, token and site say which values they are. */
INLINE void kept(const Dropout *d, uint32_t number, uint32_t token, uint32_t site,
                 uint32_t bits[4]) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i c0 = lanes, c1 = _mm512_set1_epi32(number), c2 = _mm512_set1_epi32(token);
    __m512i c3 = _mm512_set1_epi32(site);
    uint32_t k0 = (uint32_t)d->key, k1 = (uint32_t)(d->key >> 32);
    for (int round = 0; round < 7; round++) {
        __m512i upper0, upper1;
        __m512i lower0 = wide_product(c0, 0xD2511F53u, &upper0);
        __m512i lower1 = wide_product(c2, 0xCD9E8D57u, &upper1);
        c0 = _mm512_xor_si512(_mm512_xor_si512(upper1, c1), _mm512_set1_epi32(k0));
        c2 = _mm512_xor_si512(_mm512_xor_si512(upper0, c3), _mm512_set1_epi32(k1));
        c1 = lower1;
        c3 = lower0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    __m512i least = _mm512_set1_epi16((short)d->least);
    bits[0] = _mm512_cmpge_epu16_mask(c0, least);
    bits[1] = _mm512_cmpge_epu16_mask(c1, least);
    bits[2] = _mm512_cmpge_epu16_mask(c2, least);
    bits[3] = _mm512_cmpge_epu16_mask(c3, least);
}
