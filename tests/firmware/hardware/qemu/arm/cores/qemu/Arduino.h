/* The part of the Arduino language that the bundle's sketch uses, over the first UART of an MPS2.
 */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdint.h>

#ifdef __cplusplus
class HardwareSerial {
  public:
    void begin(unsigned long baud);
    int available();
    int read();
    int write(uint8_t byte);
    operator bool() {
        return true;
    }
};
extern HardwareSerial Serial;

unsigned long millis();
void setup();
void loop();
#endif

#endif
