/* Features -> an embedding of length one, the similarity of two, and the nearest of many. */
#ifndef EDGEMNV2_EMBEDDING_H
#define EDGEMNV2_EMBEDDING_H

#include "answer_values.h"

/* By Newton's method, from half the exponent on. */
static inline float edgemnv2_square_root(float x) {
    uint32_t bits;
    float root;
    int i;
    if (!(x > 0.0f))
        return 0.0f;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits >> 1) + 0x1FC00000u;
    memcpy(&root, &bits, sizeof root);
    for (i = 0; i < 4; i++)
        root = 0.5f * (root + x / root);
    return root;
}

/* Zeros stay. */
static inline void edgemnv2_normalise(const struct edgemnv2_values *values, int32_t count,
                                      float *embedding) {
    float squares = 0.0f, length;
    int32_t i;
    for (i = 0; i < count; i++) {
        embedding[i] = edgemnv2_real(values, i);
        squares += embedding[i] * embedding[i];
    }
    length = edgemnv2_square_root(squares);
    for (i = 0; length > 0.0f && i < count; i++)
        embedding[i] /= length;
}

/* The cosine of the angle between two embeddings of length one. */
static inline float edgemnv2_cosine(const float *a, const float *b, int32_t count) {
    float sum = 0.0f;
    int32_t i;
    for (i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

#endif
