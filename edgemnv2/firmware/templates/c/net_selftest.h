/* Self-test of the network, and the serial protocol that verifies and measures it from outside. */
#ifndef EDGEMNV2_NET_SELFTEST_H
#define EDGEMNV2_NET_SELFTEST_H

#include <stdint.h>

#include "net.h"
#include "net_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One input, and the output that the reference model has for it. */
extern const NET_INPUT_TYPE net_selftest_input[];
extern const NET_OUTPUT_TYPE net_selftest_expected[];
/* What an element may differ by; 0 for integers. */
extern const float net_selftest_tolerance;

/* Runs the network twice and prints what it found; the last line starts with `Test_result: PASS` or
 * `Test_result: FAIL`. Returns 0 when it passed. Owns the arena: one call at a time. */
int32_t net_selftest(const struct net_port *port);

/* Answers the commands of serial_protocol.h for ever. */
void net_serve(const struct net_port *port);

#ifdef __cplusplus
}
#endif

#endif
