/* A coarse grid of class scores -> centroids of what lies in it (FOMO).
 *
 * A cell is its best class, the lowest among equals; class 0 is nothing. Cells of one class whose
 * boxes touch, if only at a corner, become one box, until none touch. */
#ifndef EDGEMNV2_GRID_H
#define EDGEMNV2_GRID_H

#include "answer_values.h"

#ifndef EDGEMNV2_CENTROID /* or what the artefact calls it */
#define EDGEMNV2_CENTROID edgemnv2_centroid
/* A class around a point, the middle of its cells weighted by their scores; all are shares of the
 * network's input. `weight` is the sum of the scores. */
struct edgemnv2_centroid {
    float y, x;
    float top, left, bottom, right;
    int32_t class_index;
    float score;
    float weight;
};
#endif

static inline int edgemnv2_cells_touch(const struct EDGEMNV2_CENTROID *a,
                                       const struct EDGEMNV2_CENTROID *b) {
    return a->class_index == b->class_index && a->top <= b->bottom && b->top <= a->bottom &&
           a->left <= b->right && b->left <= a->right;
}

static inline void edgemnv2_join_cells(struct EDGEMNV2_CENTROID *a,
                                       const struct EDGEMNV2_CENTROID *b) {
    a->top = b->top < a->top ? b->top : a->top;
    a->left = b->left < a->left ? b->left : a->left;
    a->bottom = b->bottom > a->bottom ? b->bottom : a->bottom;
    a->right = b->right > a->right ? b->right : a->right;
    a->score = b->score > a->score ? b->score : a->score;
    a->weight += b->weight;
    a->y += b->y;
    a->x += b->x;
}

/* The first one behind `from` that touches `cell`, or `size`. */
static inline int32_t edgemnv2_touching(const struct EDGEMNV2_CENTROID *found, int32_t from,
                                        int32_t size, const struct EDGEMNV2_CENTROID *cell) {
    while (from < size && !edgemnv2_cells_touch(&found[from], cell))
        from++;
    return from;
}

/* Joins until none touch; returns how many are left, in the order of their first cells. */
static inline int32_t edgemnv2_join_all(struct EDGEMNV2_CENTROID *found, int32_t size) {
    int32_t i = 0, near, k;
    while (i < size) {
        near = edgemnv2_touching(found, i + 1, size, &found[i]);
        if (near == size) {
            i++;
            continue;
        }
        edgemnv2_join_cells(&found[i], &found[near]);
        size--;
        for (k = near; k < size; k++)
            found[k] = found[k + 1];
        /* What grew may touch those before it. */
        i = 0;
    }
    return size;
}

/* Fills `found` and returns how many there are: the first `capacity`, row by row. */
static inline int32_t edgemnv2_decode_grid(const struct edgemnv2_values *scores, int32_t height,
                                           int32_t width, int32_t classes, int32_t activation,
                                           float threshold, struct EDGEMNV2_CENTROID *found,
                                           int32_t capacity) {
    int32_t size = 0, row, column, k, near;
    for (row = 0; row < height; row++) {
        for (column = 0; column < width; column++) {
            const int32_t first = (row * width + column) * classes;
            struct edgemnv2_scale scale = {0.0f, 0.0f};
            struct EDGEMNV2_CENTROID cell;
            float score;
            const int32_t best = edgemnv2_best_class(scores, first, 0, classes, &score);
            if (activation == EDGEMNV2_SOFTMAX)
                scale = edgemnv2_softmax_scale(scores, first, classes);
            score = edgemnv2_probability(score, activation, &scale);
            if (best == 0 || !(score >= threshold))
                continue;
            /* In cells, and the point as a sum, until all have been seen. */
            cell.top = (float)row;
            cell.left = (float)column;
            cell.bottom = (float)(row + 1);
            cell.right = (float)(column + 1);
            cell.class_index = best;
            cell.score = cell.weight = score;
            cell.y = score * ((float)row + 0.5f);
            cell.x = score * ((float)column + 0.5f);
            near = edgemnv2_touching(found, 0, size, &cell);
            if (near < size)
                edgemnv2_join_cells(&found[near], &cell);
            else if (size < capacity)
                found[size++] = cell;
        }
    }
    size = edgemnv2_join_all(found, size);
    for (k = 0; k < size; k++) {
        found[k].y /= found[k].weight * (float)height;
        found[k].x /= found[k].weight * (float)width;
        found[k].top /= (float)height;
        found[k].bottom /= (float)height;
        found[k].left /= (float)width;
        found[k].right /= (float)width;
    }
    return size;
}

#endif
