/* Self-test of the network, and the serial protocol that verifies and measures it from outside. */
#ifndef EDGEMNV2_NET_SELFTEST_H
#define EDGEMNV2_NET_SELFTEST_H

#include <stdint.h>

#include "net.h"
#include "net_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One sample, a pointer for each input, and what the reference model has for it. */
extern const void *const net_selftest_inputs[];
extern const struct net_selftest_output {
    const char *name;
    const void *expected;
    uint32_t count;     /* elements */
    float tolerance;    /* what an element may differ by; 0 for integers */
    uint32_t near_ties; /* elements that may be any: the last bits of floats decide about them */
    enum net_selftest_type {
        NET_SELFTEST_FLOAT32,
        NET_SELFTEST_INT8,
        NET_SELFTEST_UINT8,
        NET_SELFTEST_INT16,
        NET_SELFTEST_INT32,
        NET_SELFTEST_INT64
    } type;
} net_selftest_outputs[];

#ifdef NET_HAS_DECODER
/* What the decoder shall say of the sample: the first of its answers, best or topmost first. */
enum { NET_SELFTEST_MOST_ANSWERS = 8 };
struct net_selftest_answer {
    int32_t class_index;
    float score;  /* of a mask the share of its pixels, of an embedding one of its numbers */
    float box[4]; /* top, left, bottom, right; of a centroid y, x; else zeros */
};
extern const struct net_selftest_answer net_selftest_answers[];
extern const int32_t net_selftest_answer_count;
extern const int32_t net_selftest_answers_tied; /* 1: printed only, last bits of floats decide */
extern const float net_selftest_answer_tolerance;
/* Decodes the outputs, of which a mask is overwritten; returns how many answers there are. */
int32_t net_selftest_decode(const struct net_outputs *outputs, struct net_selftest_answer *answers);
#endif

/* Runs the network twice and prints what it found; the last line starts with `Test_result: PASS` or
 * `Test_result: FAIL`. Returns 0 when it passed. Owns the arena: one call at a time. */
int32_t net_selftest(const struct net_port *port);

/* Answers the commands of serial_protocol.h for ever. */
void net_serve(const struct net_port *port);

#ifdef __cplusplus
}
#endif

#endif
