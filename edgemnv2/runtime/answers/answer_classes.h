/* Scores of classes -> the best ones above a threshold. */
#ifndef EDGEMNV2_CLASSES_H
#define EDGEMNV2_CLASSES_H

#include "answer_values.h"

#ifndef EDGEMNV2_CLASS /* or what the artefact calls it */
#define EDGEMNV2_CLASS edgemnv2_class
/* A class and its probability. */
struct edgemnv2_class {
    int32_t class_index;
    float score;
};
#endif

/* Fills `classes` with the best of `count`, the best first and the lower one among equals, and
 * returns how many there are. */
static inline int32_t edgemnv2_best_classes(const struct edgemnv2_values *scores, int32_t count,
                                            int32_t activation, float threshold,
                                            struct EDGEMNV2_CLASS *classes, int32_t capacity) {
    struct edgemnv2_scale scale = {0.0f, 0.0f};
    int32_t found = 0, i, at;
    if (activation == EDGEMNV2_SOFTMAX)
        scale = edgemnv2_softmax_scale(scores, 0, count);
    for (i = 0; i < count; i++) {
        const float score = edgemnv2_probability(edgemnv2_real(scores, i), activation, &scale);
        /* Written so that a NaN is left out. */
        if (!(score >= threshold) || (found == capacity && !(score > classes[found - 1].score)))
            continue;
        if (found < capacity)
            found++;
        for (at = found - 1; at > 0 && classes[at - 1].score < score; at--)
            classes[at] = classes[at - 1];
        classes[at].class_index = i;
        classes[at].score = score;
    }
    return found;
}

#endif
