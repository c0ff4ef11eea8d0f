/* Codes of boxes and scores for each anchor -> detections.
 *
 * Of each anchor the best class; of boxes that overlap the best one, whatever their classes, as
 * TFLite's fast non-maximum suppression does it. The caller's array holds the candidates, too: only
 * the best `capacity` of them count. */
#ifndef EDGEMNV2_BOXES_H
#define EDGEMNV2_BOXES_H

#include "answer_values.h"

#ifndef EDGEMNV2_DETECTION /* or what the artefact calls it */
#define EDGEMNV2_DETECTION edgemnv2_detection
/* A class in a box, whose ends are shares of the network's input. */
struct edgemnv2_detection {
    float top, left, bottom, right;
    int32_t class_index;
    float score;
};
#endif

/* The scores and codes of one feature map, or of all of them. */
struct edgemnv2_head {
    struct edgemnv2_values scores;
    struct edgemnv2_values boxes;
    int32_t count; /* of anchors */
};

struct edgemnv2_box_rules {
    const float *anchors; /* centre y, centre x, height, width of each */
    float scales[4];      /* what y, x, height, width were multiplied by */
    int32_t classes;
    int32_t first_class; /* 1 where class 0 is nothing */
    int32_t activation;
    float overlap; /* above which the weaker one goes */
};

static inline void edgemnv2_place_box(const struct edgemnv2_box_rules *rules,
                                      const struct edgemnv2_values *codes, int32_t code,
                                      const float *anchor, struct EDGEMNV2_DETECTION *box) {
    const float y = edgemnv2_real(codes, code) / rules->scales[0] * anchor[2] + anchor[0];
    const float x = edgemnv2_real(codes, code + 1) / rules->scales[1] * anchor[3] + anchor[1];
    const float height = edgemnv2_exp(edgemnv2_real(codes, code + 2) / rules->scales[2]);
    const float width = edgemnv2_exp(edgemnv2_real(codes, code + 3) / rules->scales[3]);
    const float half_height = height * anchor[2] / 2.0f, half_width = width * anchor[3] / 2.0f;
    box->top = y - half_height;
    box->left = x - half_width;
    box->bottom = y + half_height;
    box->right = x + half_width;
}

/* Intersection over union; 0 where one is empty. */
static inline float edgemnv2_overlap(const struct EDGEMNV2_DETECTION *a,
                                     const struct EDGEMNV2_DETECTION *b) {
    const float height =
        (a->bottom < b->bottom ? a->bottom : b->bottom) - (a->top > b->top ? a->top : b->top);
    const float width =
        (a->right < b->right ? a->right : b->right) - (a->left > b->left ? a->left : b->left);
    const float first = (a->bottom - a->top) * (a->right - a->left);
    const float second = (b->bottom - b->top) * (b->right - b->left);
    if (!(height > 0.0f && width > 0.0f && first > 0.0f && second > 0.0f))
        return 0.0f;
    return height * width / (first + second - height * width);
}

/* The place of a box of `score` in an array that is sorted by score, the earlier one among equals
 * first; -1 where there is none: it is full of better ones. */
static inline int32_t edgemnv2_make_room(struct EDGEMNV2_DETECTION *found, int32_t *size,
                                         int32_t capacity, float score) {
    int32_t at;
    if (*size == capacity && !(score > found[*size - 1].score))
        return -1;
    if (*size < capacity)
        (*size)++;
    for (at = *size - 1; at > 0 && found[at - 1].score < score; at--)
        found[at] = found[at - 1];
    return at;
}

/* The candidates of one map, into an array that is sorted by score. */
static inline int32_t edgemnv2_box_candidates(const struct edgemnv2_box_rules *rules,
                                              const struct edgemnv2_head *head,
                                              const float *anchors, float threshold,
                                              struct EDGEMNV2_DETECTION *found, int32_t size,
                                              int32_t capacity) {
    int32_t i, at;
    for (i = 0; i < head->count; i++) {
        const int32_t first = i * rules->classes;
        struct edgemnv2_scale scale = {0.0f, 0.0f};
        float score;
        const int32_t best =
            edgemnv2_best_class(&head->scores, first, rules->first_class, rules->classes, &score);
        if (rules->activation == EDGEMNV2_SOFTMAX)
            scale = edgemnv2_softmax_scale(&head->scores, first, rules->classes);
        score = edgemnv2_probability(score, rules->activation, &scale);
        /* Written so that a NaN is left out. */
        at = score >= threshold ? edgemnv2_make_room(found, &size, capacity, score) : -1;
        if (at < 0)
            continue;
        edgemnv2_place_box(rules, &head->boxes, 4 * i, anchors + 4 * i, &found[at]);
        found[at].class_index = best;
        found[at].score = score;
    }
    return size;
}

/* Fills `detections`, the best first, and returns how many there are. */
static inline int32_t edgemnv2_decode_boxes(const struct edgemnv2_box_rules *rules,
                                            const struct edgemnv2_head *heads, int32_t maps,
                                            float threshold, struct EDGEMNV2_DETECTION *detections,
                                            int32_t capacity) {
    const float *anchors = rules->anchors;
    int32_t size = 0, kept = 0, i, k;
    if (capacity < 1)
        return 0;
    for (i = 0; i < maps; i++) {
        size = edgemnv2_box_candidates(rules, &heads[i], anchors, threshold, detections, size,
                                       capacity);
        anchors += 4 * heads[i].count;
    }
    for (i = 0; i < size; i++) {
        for (k = 0; k < kept; k++) {
            if (edgemnv2_overlap(&detections[i], &detections[k]) > rules->overlap)
                break;
        }
        if (k == kept)
            detections[kept++] = detections[i];
    }
    return kept;
}

/* Where a network that decodes boxes itself has put them. `told` rows in turn are classes of one
 * box, the next of which begins `apart` rows behind it; the count is of boxes, `rows` of rows. */
struct edgemnv2_decoded {
    const float *boxes, *classes, *scores, *count;
    int32_t rows, told, apart;
};

/* All classes of these boxes that are above the threshold, the best first. */
static inline int32_t edgemnv2_take_boxes(const struct edgemnv2_decoded *decoded, float threshold,
                                          struct EDGEMNV2_DETECTION *detections, int32_t capacity) {
    const int32_t count = edgemnv2_whole(*decoded->count, decoded->rows / decoded->apart);
    int32_t size = 0, i, k, at;
    if (capacity < 1)
        return 0;
    for (i = 0; i < count; i++) {
        for (k = 0; k < decoded->told; k++) {
            const int32_t row = i * decoded->apart + k;
            const float *box = decoded->boxes + 4 * row;
            const float score = decoded->scores[row];
            at = score >= threshold ? edgemnv2_make_room(detections, &size, capacity, score) : -1;
            if (at < 0)
                continue;
            detections[at].top = box[0];
            detections[at].left = box[1];
            detections[at].bottom = box[2];
            detections[at].right = box[3];
            detections[at].class_index = edgemnv2_whole(decoded->classes[row], 1 << 24);
            detections[at].score = score;
        }
    }
    return size;
}

#endif
