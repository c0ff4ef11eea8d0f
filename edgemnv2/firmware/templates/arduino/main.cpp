/* Self-test of @NAME@, then its serial protocol at 115200 baud (serial_protocol.h). */
#include <Arduino.h>

#include <@NAME@.h>
#include <@NAME@_selftest.h>

static int getByte(void) {
    while (Serial.available() <= 0) {
    }
    return Serial.read();
}

static void putByte(int byte) {
    Serial.write((uint8_t)byte);
}

void setup() {
    struct @NAME@_port port = {getByte, putByte, 0, 0};
#ifdef F_CPU
    port.clock_hz = F_CPU;
#endif
    /* The network takes a few hundred bytes; every core's stack has this much left here. */
    port.free_stack_bytes = 1024;
    Serial.begin(115200);
    /* A USB port takes a moment; a board without anybody at its port must not wait for ever. */
    while (!Serial && millis() < 3000) {
    }
    @NAME@_selftest(&port);
    @NAME@_serve(&port);
}

void loop() {
}
