/* Stored values of an output as real numbers, and the few functions of them that answers need. No
 * library is called: every toolchain has what this takes. */
#ifndef EDGEMNV2_VALUES_H
#define EDGEMNV2_VALUES_H

#include <stdint.h>
#include <string.h>

enum edgemnv2_kind { EDGEMNV2_FLOAT32, EDGEMNV2_INT8, EDGEMNV2_UINT8 };

/* One output: real = scale * (stored - zero_point), floats as they are. */
struct edgemnv2_values {
    const void *data;
    int32_t kind;
    int32_t zero_point;
    float scale;
};

static inline float edgemnv2_real(const struct edgemnv2_values *values, int32_t index) {
    int32_t stored;
    if (values->kind == EDGEMNV2_FLOAT32)
        return ((const float *)values->data)[index];
    stored = values->kind == EDGEMNV2_INT8 ? (int32_t)((const int8_t *)values->data)[index]
                                           : (int32_t)((const uint8_t *)values->data)[index];
    return (float)(stored - values->zero_point) * values->scale;
}

/* A count or a class that a network gives as a float: between 0 and `most`, 0 for no number. */
static inline int32_t edgemnv2_whole(float x, int32_t most) {
    if (!(x >= 1.0f))
        return 0;
    return x < (float)most ? (int32_t)x : most;
}

/* The best of the scores `low` to `classes - 1` from `first` on, the lowest class among equals; its
 * own score goes to `score`. */
static inline int32_t edgemnv2_best_class(const struct edgemnv2_values *scores, int32_t first,
                                          int32_t low, int32_t classes, float *score) {
    int32_t best = low, k;
    *score = edgemnv2_real(scores, first + low);
    for (k = low + 1; k < classes; k++) {
        const float other = edgemnv2_real(scores, first + k);
        if (other > *score) {
            *score = other;
            best = k;
        }
    }
    return best;
}

/* e to the power of x, to two units in the last place: Cephes' expf (Moshier). */
static inline float edgemnv2_exp(float x) {
    float r, y, power;
    int32_t n;
    uint32_t bits;
    if (!(x >= -87.0f))
        return x < -87.0f ? 0.0f : x; /* what is no number stays none */
    if (x > 88.0f)
        x = 88.0f;
    n = (int32_t)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    r = x - (float)n * 0.693359375f;
    r = r - (float)n * -2.12194440e-4f;
    y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    bits = (uint32_t)(n + 127) << 23;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

/* Written so that no power is above one. */
static inline float edgemnv2_sigmoid(float x) {
    const float power = edgemnv2_exp(x < 0.0f ? x : -x);
    return (x < 0.0f ? power : 1.0f) / (1.0f + power);
}

/* What scores are made probabilities by. */
enum edgemnv2_activation { EDGEMNV2_AS_THEY_ARE, EDGEMNV2_SOFTMAX, EDGEMNV2_SIGMOID };

/* The probability of each of `count` scores from `first` on takes what this finds of them all. */
struct edgemnv2_scale {
    float largest;
    float total;
};

static inline struct edgemnv2_scale edgemnv2_softmax_scale(const struct edgemnv2_values *values,
                                                           int32_t first, int32_t count) {
    struct edgemnv2_scale scale = {edgemnv2_real(values, first), 0.0f};
    int32_t i;
    for (i = 1; i < count; i++) {
        const float score = edgemnv2_real(values, first + i);
        if (score > scale.largest)
            scale.largest = score;
    }
    for (i = 0; i < count; i++)
        scale.total += edgemnv2_exp(edgemnv2_real(values, first + i) - scale.largest);
    return scale;
}

/* The probability that a score stands for by itself. */
static inline float edgemnv2_chance(float score, int32_t activation) {
    return activation == EDGEMNV2_SIGMOID ? edgemnv2_sigmoid(score) : score;
}

/* The probability that a score stands for; `scale` is looked at for a softmax alone. */
static inline float edgemnv2_probability(float score, int32_t activation,
                                         const struct edgemnv2_scale *scale) {
    if (activation == EDGEMNV2_SOFTMAX)
        return edgemnv2_exp(score - scale->largest) / scale->total;
    return edgemnv2_chance(score, activation);
}

#endif
