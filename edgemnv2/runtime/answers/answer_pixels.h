/* Scores of classes for each pixel, or the score of one -> the map of what each pixel is, and how
 * many pixels each class has. */
#ifndef EDGEMNV2_PIXELS_H
#define EDGEMNV2_PIXELS_H

#include "answer_values.h"

/* How many classes have a pixel; `counts` may be NULL. */
static inline int32_t edgemnv2_count_classes(const uint8_t *mask, int32_t pixels, uint32_t *counts,
                                             int32_t classes) {
    uint32_t seen[8] = {0};
    int32_t present = 0, i;
    for (i = 0; counts != NULL && i < classes; i++)
        counts[i] = 0;
    for (i = 0; i < pixels; i++) {
        const uint8_t index = mask[i];
        if (counts != NULL && index < classes)
            counts[index]++;
        if ((seen[index >> 5] >> (index & 31) & 1u) == 0) {
            seen[index >> 5] |= 1u << (index & 31);
            present++;
        }
    }
    return present;
}

/* The lowest class among equals. */
static inline void edgemnv2_best_of_pixels(const struct edgemnv2_values *scores, int32_t pixels,
                                           int32_t classes, uint8_t *mask) {
    float score;
    int32_t i;
    for (i = 0; i < pixels; i++)
        mask[i] = (uint8_t)edgemnv2_best_class(scores, i * classes, 0, classes, &score);
}

/* Of a map of one channel: 1 where the probability is `threshold` or more, else 0. */
static inline void edgemnv2_foreground(const struct edgemnv2_values *scores, int32_t pixels,
                                       int32_t activation, float threshold, uint8_t *mask) {
    int32_t i;
    for (i = 0; i < pixels; i++) {
        const float score = edgemnv2_real(scores, i);
        mask[i] = edgemnv2_chance(score, activation) >= threshold;
    }
}

#endif
