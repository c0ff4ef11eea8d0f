/* A camera's rows -> rows of a network's input: converted, resized, cropped or between bars, and
 * quantised, with a few rows in memory and never the picture.
 *
 * Resizing is Pillow's bilinear filter to the bit: a triangle as wide as the scale, weights of 22
 * bits, the columns first and the rows then (Pillow, src/libImaging/Resample.c). */
#ifndef EDGEMNV2_CAMERA_ROWS_H
#define EDGEMNV2_CAMERA_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum edgemnv2_format {
    EDGEMNV2_RGB888,
    EDGEMNV2_BGR888,
    EDGEMNV2_GREY8,
    EDGEMNV2_RGB565_LITTLE, /* the low byte first */
    EDGEMNV2_RGB565_BIG,    /* the high byte first, as many sensors send it */
    EDGEMNV2_YUYV,          /* Y0 U Y1 V, full range, BT.601 (JPEG's) */
    EDGEMNV2_UYVY           /* U Y0 V Y1 */
};

enum edgemnv2_fit { EDGEMNV2_CROP, EDGEMNV2_LETTERBOX, EDGEMNV2_STRETCH };

/* What a network wants; `table` has the stored value of each byte of each channel. */
struct edgemnv2_wanted {
    int32_t width, height, channels, fit;
    int32_t element_bytes;
    const void *table;
};

#ifndef EDGEMNV2_CAMERA /* or what the artefact calls it */
#define EDGEMNV2_CAMERA edgemnv2_camera
/* A camera, and how far it has been read. All but the first members are the function's own. */
struct edgemnv2_camera {
    int32_t width, height; /* of its pictures */
    int32_t format;        /* one of EDGEMNV2_RGB888 ... */
    /* The next row of the picture, 0 first, waited for; NULL when there is none. It is looked at
     * before the next one is asked for. Rows below what the network sees are not asked for. */
    const void *(*next_row)(void *context, int32_t row);
    void *context;
    void *memory; /* aligned for int32_t */
    uint32_t memory_bytes;
    /* -- */
    int32_t resized_width, resized_height, left, top;
    int32_t across_taps, down_taps, taken;
    int32_t *across;        /* for each column: first, count, weights */
    int32_t *down;          /* weights of the row that is made */
    unsigned char *resized; /* rows of the camera at the network's width, one behind another */
};
#endif

enum { EDGEMNV2_BAR = 128, EDGEMNV2_WEIGHT_BITS = 32 - 8 - 2 };

/* Taps of Pillow's filter at most where `from` pixels become `to`, a sixteenth more for rounding.
 */
#define EDGEMNV2_TAPS(from, to) (2 * ((from) / (to) + (from) / (16 * (to)) + 2) + 1)
#define EDGEMNV2_MOST_TAPS(from_w, from_h, to_w, to_h)                                             \
    (EDGEMNV2_TAPS(from_w, to_w) > EDGEMNV2_TAPS(from_h, to_h) ? EDGEMNV2_TAPS(from_w, to_w)       \
                                                               : EDGEMNV2_TAPS(from_h, to_h))
#define EDGEMNV2_CAMERA_BYTES(from_w, from_h, to_w, to_h, channels)                                \
    (4 * (to_w) * (2 + EDGEMNV2_MOST_TAPS(from_w, from_h, to_w, to_h)) +                           \
     EDGEMNV2_MOST_TAPS(from_w, from_h, to_w, to_h) * (4 + (to_w) * (channels)))

/* Halves to the even one, as Python rounds. */
static int32_t edgemnv2_round(double value) {
    /* In memory, or a compiler fuses it with the subtraction. */
    volatile double whole = value;
    int32_t low = (int32_t)whole;
    const double over = whole - (double)low;
    if (over > 0.5 || (over == 0.5 && (low & 1)))
        low++;
    return low;
}

static double edgemnv2_filter_support(int32_t from, int32_t to) {
    const double scale = (double)from / (double)to;
    return scale < 1.0 ? 1.0 : scale;
}

static int32_t edgemnv2_taps(int32_t from, int32_t to) {
    const double support = edgemnv2_filter_support(from, to);
    const int32_t whole = (int32_t)support;
    return 2 * (whole + (support > (double)whole)) + 1;
}

/* The weights of output pixel `at`, of which there are `to`; returns how many, `first` says from
 * which pixel of `from` on. */
static int32_t edgemnv2_weights(int32_t from, int32_t to, int32_t at, int32_t *first,
                                int32_t *weights) {
    const double scale = (double)from / (double)to;
    const double support = edgemnv2_filter_support(from, to);
    const double shrink = 1.0 / support;
    /* In memory, or a compiler fuses the product with what follows. */
    const volatile double centre = ((double)at + 0.5) * scale;
    double total = 0.0;
    int32_t low = (int32_t)(centre - support + 0.5), high = (int32_t)(centre + support + 0.5), i;
    if (centre - support + 0.5 < 0.0)
        low = 0;
    if (high > from)
        high = from;
    for (i = 0; i < 2; i++) {
        int32_t k;
        for (k = 0; k < high - low; k++) {
            volatile double x = ((double)(k + low) - centre + 0.5) * shrink;
            double weight = x < 0.0 ? 1.0 + x : 1.0 - x;
            if (weight < 0.0)
                weight = 0.0;
            if (i == 0)
                total += weight;
            else
                weights[k] = (int32_t)(0.5 + (total != 0.0 ? weight / total : weight) *
                                                 (double)((int32_t)1 << EDGEMNV2_WEIGHT_BITS));
        }
    }
    *first = low;
    return high - low;
}

static unsigned char edgemnv2_byte(int32_t sum) {
    const int32_t value = sum >> EDGEMNV2_WEIGHT_BITS;
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static unsigned char edgemnv2_clipped(int32_t value) {
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Pixel x of a row as red, green and blue. */
static void edgemnv2_pixel(int32_t format, const unsigned char *row, int32_t x,
                           unsigned char *rgb) {
    const unsigned char *pixel = row + (format <= EDGEMNV2_BGR888 ? 3 : 2) * x;
    if (format == EDGEMNV2_RGB888 || format == EDGEMNV2_BGR888) {
        const int swapped = format == EDGEMNV2_BGR888;
        rgb[0] = pixel[swapped ? 2 : 0];
        rgb[1] = pixel[1];
        rgb[2] = pixel[swapped ? 0 : 2];
    } else if (format == EDGEMNV2_GREY8) {
        rgb[0] = rgb[1] = rgb[2] = row[x];
    } else if (format == EDGEMNV2_RGB565_LITTLE || format == EDGEMNV2_RGB565_BIG) {
        const int high = format == EDGEMNV2_RGB565_BIG ? 0 : 1;
        const unsigned int word = (unsigned int)pixel[high] << 8 | pixel[1 - high];
        const unsigned int red = word >> 11, green = word >> 5 & 63u, blue = word & 31u;
        /* The high bits again below, so that white is 255. */
        rgb[0] = (unsigned char)(red << 3 | red >> 2);
        rgb[1] = (unsigned char)(green << 2 | green >> 4);
        rgb[2] = (unsigned char)(blue << 3 | blue >> 2);
    } else {
        const int first = format == EDGEMNV2_UYVY;
        const unsigned char *pair = row + 4 * (x / 2);
        const int32_t y = pair[first + 2 * (x & 1)];
        const int32_t u = (int32_t)pair[1 - first] - 128, v = (int32_t)pair[3 - first] - 128;
        /* 1.402, 0.344136, 0.714136, 1.772 in steps of 1/65536; sums are moved above zero. */
        rgb[0] = edgemnv2_clipped(((y << 16) + 91881 * v + 32768 + (256 << 16)) / 65536 - 256);
        rgb[1] = edgemnv2_clipped(
            ((y << 16) - 22553 * u - 46802 * v + 32768 + (256 << 16)) / 65536 - 256);
        rgb[2] = edgemnv2_clipped(((y << 16) + 116130 * u + 32768 + (256 << 16)) / 65536 - 256);
    }
}

/* A camera's row at the width of the resized picture, as far as the network sees it. */
static void edgemnv2_across(const struct edgemnv2_wanted *wanted,
                            const struct EDGEMNV2_CAMERA *camera, const unsigned char *row,
                            unsigned char *out) {
    int32_t column, k, c;
    for (column = 0; column < wanted->width; column++) {
        const int32_t *entry = camera->across + column * (2 + camera->across_taps);
        int32_t sums[3];
        sums[0] = sums[1] = sums[2] = (int32_t)1 << (EDGEMNV2_WEIGHT_BITS - 1);
        for (k = 0; k < entry[1]; k++) {
            unsigned char rgb[3];
            edgemnv2_pixel(camera->format, row, entry[0] + k, rgb);
            if (wanted->channels == 1)
                /* Luma as Pillow has it: 0.299, 0.587, 0.114. */
                rgb[0] = (unsigned char)(((uint32_t)rgb[0] * 19595u + (uint32_t)rgb[1] * 38470u +
                                          (uint32_t)rgb[2] * 7471u + 32768u) >>
                                         16);
            for (c = 0; c < wanted->channels; c++)
                sums[c] += (int32_t)rgb[c] * entry[2 + k];
        }
        for (c = 0; c < wanted->channels; c++)
            out[column * wanted->channels + c] = edgemnv2_byte(sums[c]);
    }
}

/* Sizes, places and weights, at the first row; 0 where the memory is too small for them. */
static int edgemnv2_start_camera(const struct edgemnv2_wanted *wanted,
                                 struct EDGEMNV2_CAMERA *camera) {
    const double wide = (double)wanted->width / (double)camera->width;
    const double high = (double)wanted->height / (double)camera->height;
    int32_t column, need;
    camera->resized_width = wanted->width;
    camera->resized_height = wanted->height;
    if ((camera->width != wanted->width || camera->height != wanted->height) &&
        wanted->fit != EDGEMNV2_STRETCH) {
        const int letterbox = wanted->fit == EDGEMNV2_LETTERBOX;
        double scale = (wide < high) == letterbox ? wide : high;
        if (!letterbox)
            scale = scale * (256.0 / 224.0);
        camera->resized_width = edgemnv2_round((double)camera->width * scale);
        camera->resized_height = edgemnv2_round((double)camera->height * scale);
        if (camera->resized_width < 1)
            camera->resized_width = 1;
        if (camera->resized_height < 1)
            camera->resized_height = 1;
    }
    /* C rounds towards zero: of a crop and of a bar alike, the smaller part comes first. */
    camera->left = (camera->resized_width - wanted->width) / 2;
    camera->top = (camera->resized_height - wanted->height) / 2;
    camera->across_taps = edgemnv2_taps(camera->width, camera->resized_width);
    camera->down_taps = edgemnv2_taps(camera->height, camera->resized_height);
    need = 4 * wanted->width * (2 + camera->across_taps) +
           camera->down_taps * (4 + wanted->width * wanted->channels);
    if (camera->memory == NULL || camera->memory_bytes < (uint32_t)need)
        return 0;
    camera->across = (int32_t *)camera->memory;
    camera->down = camera->across + wanted->width * (2 + camera->across_taps);
    camera->resized = (unsigned char *)(camera->down + camera->down_taps);
    camera->taken = 0;
    for (column = 0; column < wanted->width; column++) {
        int32_t *entry = camera->across + column * (2 + camera->across_taps);
        const int32_t at = column + camera->left;
        entry[1] = 0;
        if (at >= 0 && at < camera->resized_width)
            entry[1] =
                edgemnv2_weights(camera->width, camera->resized_width, at, &entry[0], &entry[2]);
    }
    return 1;
}

/* The stored value of a byte of channel `c` goes to element `at` of `row`. */
static void edgemnv2_store(const struct edgemnv2_wanted *wanted, unsigned char *row, int32_t at,
                           int32_t c, unsigned char byte) {
    const int32_t size = wanted->element_bytes;
    const unsigned char *from = (const unsigned char *)wanted->table + (c * 256 + byte) * size;
    int32_t i;
    for (i = 0; i < size; i++)
        row[at * size + i] = from[i];
}

/* Row `row` of the network's input, 0, 1, ... in order. Returns 0, or another number when there is
 * none: the camera has no more rows, or its memory is too small. */
static int32_t edgemnv2_camera_row(const struct edgemnv2_wanted *wanted,
                                   struct EDGEMNV2_CAMERA *camera, int32_t row, void *destination) {
    unsigned char *out = (unsigned char *)destination;
    const int32_t elements = wanted->width * wanted->channels;
    int32_t first = 0, count = 0, i, k;
    if (destination == NULL || row < 0 || row >= wanted->height)
        return 1;
    if (row == 0 && !edgemnv2_start_camera(wanted, camera))
        return 1;
    if (row + camera->top >= 0 && row + camera->top < camera->resized_height)
        count = edgemnv2_weights(camera->height, camera->resized_height, row + camera->top, &first,
                                 camera->down);
    while (camera->taken < first + count) {
        const unsigned char *pixels =
            (const unsigned char *)camera->next_row(camera->context, camera->taken);
        if (pixels == NULL)
            return 1;
        if (camera->taken >= first)
            edgemnv2_across(wanted, camera, pixels,
                            camera->resized + camera->taken % camera->down_taps * elements);
        camera->taken++;
    }
    for (i = 0; i < elements; i++) {
        const int32_t column = i / wanted->channels + camera->left;
        unsigned char byte = EDGEMNV2_BAR;
        if (count > 0 && column >= 0 && column < camera->resized_width) {
            int32_t sum = (int32_t)1 << (EDGEMNV2_WEIGHT_BITS - 1);
            for (k = 0; k < count; k++)
                sum += (int32_t)camera->resized[(first + k) % camera->down_taps * elements + i] *
                       camera->down[k];
            byte = edgemnv2_byte(sum);
        }
        edgemnv2_store(wanted, out, i, i % wanted->channels, byte);
    }
    return 0;
}

#endif
