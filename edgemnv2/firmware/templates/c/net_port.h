/* What the self-test and the serial protocol need of a board. */
#ifndef EDGEMNV2_NET_PORT_H
#define EDGEMNV2_NET_PORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct net_port {
    int (*get)(void); /* the next byte, waited for */
    void (*put)(int byte);
    uint32_t clock_hz; /* of the core; 0: not known */
    /* So many bytes below the caller's frame may be overwritten to measure the stack; 0: do not. */
    uint32_t free_stack_bytes;
};

#ifdef __cplusplus
}
#endif

#endif
