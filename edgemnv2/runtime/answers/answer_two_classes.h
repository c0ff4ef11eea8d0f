/* One number, how likely the second of two classes is -> both classes above a threshold. */
#ifndef EDGEMNV2_TWO_CLASSES_H
#define EDGEMNV2_TWO_CLASSES_H

#include "answer_classes.h"

/* Fills `classes`, the likelier one first and the first one among equals, and returns how many
 * there are. */
static inline int32_t edgemnv2_two_classes(const struct edgemnv2_values *score, int32_t activation,
                                           float threshold, struct EDGEMNV2_CLASS *classes,
                                           int32_t capacity) {
    const float chance = edgemnv2_chance(edgemnv2_real(score, 0), activation);
    const float chances[2] = {1.0f - chance, chance};
    const struct edgemnv2_values both = {chances, EDGEMNV2_FLOAT32, 0, 1.0f};
    return edgemnv2_best_classes(&both, 2, EDGEMNV2_AS_THEY_ARE, threshold, classes, capacity);
}

#endif
