/* A network on a board, driven over a serial line: 115200 baud, 8N1, text.
 *
 * Commands end with `%` and take after MLPerf Tiny's: white space is ignored. Every answer is one
 * or more lines `m-...` and ends with the line `m-ready`.
 *
 *   name%          m-name-NAME-MODEL      the artefact and the first digits of its model's sha256
 *   profile%       m-input-BYTES, m-output-BYTES, m-arena-BYTES, m-clock-HERTZ (0: not known)
 *   db load N%     m-load-N               N bytes follow in `db` commands
 *   db HEX%        m-loaded-COUNT-CRC32   bytes so far, and their CRC-32 (IEEE 802.3), hexadecimal
 *   infer N W%     W inferences unmeasured, then N:  m-cycles-C for each of the N (C is 0 where the
 *                  core has no cycle counter), m-status-S
 *   results%       m-results-HEX lines, then m-crc-CRC32
 *
 * Anything else: m-error-REASON. An inference uses its input up, so load before every one whose
 * results count.
 *
 * Who may find the board at work numbers the commands, `17:name%`: the answer then lies between the
 * lines `m-for-17` and `m-ready-17`, so that one left over from before is told from it. Before
 * every inference, those of the self-test too, comes m-busy-K, K inferences to go: until the next
 * line the board hears nothing, and what is sent to it may be lost. */
#ifndef EDGEMNV2_SERIAL_PROTOCOL_H
#define EDGEMNV2_SERIAL_PROTOCOL_H

#include <stdint.h>

/* What the board brings: one byte in (waits), one byte out (waits), and its clock or 0. */
struct serial_port {
    int (*get)(void);
    void (*put)(int byte);
    uint32_t clock_hz;
};

/* Where one input or output lies. */
struct serial_end {
    unsigned char *at;
    uint32_t bytes;
};

/* What is served; `run` returns the status code of one inference. On the line the inputs are one
 * string of bytes, one behind the other, and so are the outputs. */
struct serial_network {
    const char *name;
    const char *model;
    const struct serial_end *inputs;
    uint32_t input_count;
    const struct serial_end *outputs;
    uint32_t output_count;
    uint32_t arena_bytes;
    int32_t (*run)(void);
};

enum { SERIAL_COMMAND_BYTES = 32, SERIAL_LINE_BYTES = 32, SERIAL_NUMBER_DIGITS = 9 };

static void serial_text(const struct serial_port *port, const char *text) {
    while (*text) {
        port->put(*text++);
    }
}

static void serial_number(const struct serial_port *port, const char *key, uint32_t value) {
    char text[11];
    int at = 10;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    serial_text(port, key);
    serial_text(port, text + at);
    serial_text(port, "\r\n");
}

static void serial_hex(const struct serial_port *port, uint32_t value, int digits) {
    while (digits-- > 0) {
        port->put("0123456789abcdef"[(value >> (4 * digits)) & 15]);
    }
}

static uint32_t serial_crc(uint32_t crc, const unsigned char *data, uint32_t bytes) {
    crc = ~crc;
    for (uint32_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static uint32_t serial_size(const struct serial_end *ends, uint32_t count) {
    uint32_t bytes = 0;
    while (count-- > 0) {
        bytes += (ends++)->bytes;
    }
    return bytes;
}

/* Where byte `index` of the ends' string lies; it is there. */
static unsigned char *serial_byte(const struct serial_end *ends, uint32_t index) {
    while (index >= ends->bytes) {
        index -= (ends++)->bytes;
    }
    return ends->at + index;
}

/* Of the first `bytes` bytes of the ends' string. */
static uint32_t serial_ends_crc(const struct serial_end *ends, uint32_t bytes) {
    uint32_t crc = 0;
    while (bytes > 0) {
        const uint32_t here = bytes < ends->bytes ? bytes : ends->bytes;
        crc = serial_crc(crc, (ends++)->at, here);
        bytes -= here;
    }
    return crc;
}

/* The core's cycle counter; 0 where there is none. Armv7-M ARM, C1.8 (DWT). */
#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__) ||      \
    defined(__ARM_ARCH_8_1M_MAIN__)
#define SERIAL_DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define SERIAL_DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define SERIAL_DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define SERIAL_DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
static void serial_start_cycles(void) {
    SERIAL_DEMCR |= 1u << 24;     /* TRCENA */
    SERIAL_DWT_LAR = 0xC5ACCE55u; /* Cortex-M7 locks the unit; others ignore the write */
    SERIAL_DWT_CYCCNT = 0;
    SERIAL_DWT_CTRL |= 1u; /* CYCCNTENA */
}
static uint32_t serial_cycles(void) {
    return SERIAL_DWT_CYCCNT;
}
#elif defined(__riscv)
/* Privileged Architecture, 3.1.10 (mcycle): it counts from the start, in machine mode. */
static void serial_start_cycles(void) {}
static uint32_t serial_cycles(void) {
    uint32_t count;
    __asm__ volatile(".option push\n\t.option arch, +zicsr\n\tcsrr %0, mcycle\n\t.option pop"
                     : "=r"(count));
    return count;
}
#elif defined(__XTENSA__)
/* Xtensa Instruction Set Architecture, 4.4.6 (timer option). */
static void serial_start_cycles(void) {}
static uint32_t serial_cycles(void) {
    uint32_t count;
    __asm__ volatile("rsr.ccount %0" : "=r"(count));
    return count;
}
#else
static void serial_start_cycles(void) {}
static uint32_t serial_cycles(void) {
    return 0;
}
#endif

static int serial_nibble(int byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20; /* lower case */
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Whether `command` starts with `word`; the rest of it goes to `rest`. */
static int serial_is(const char *command, const char *word, const char **rest) {
    while (*word) {
        if (*command++ != *word++) {
            return 0;
        }
    }
    *rest = command;
    return 1;
}

/* The next number. */
static uint32_t serial_parse(const char **text) {
    uint32_t value = 0;
    while (**text == ' ') {
        (*text)++;
    }
    while (**text >= '0' && **text <= '9') {
        value = 10 * value + (uint32_t)(*(*text)++ - '0');
    }
    return value;
}

static void serial_infer(const struct serial_port *port, const struct serial_network *network,
                         const char *rest) {
    const uint32_t measured = serial_parse(&rest);
    const uint32_t warmup = serial_parse(&rest);
    int32_t status = 0;
    serial_start_cycles();
    for (uint32_t i = 0; i < warmup && status == 0; i++) {
        serial_number(port, "m-busy-", warmup - i + measured);
        status = network->run();
    }
    for (uint32_t i = 0; i < measured && status == 0; i++) {
        serial_number(port, "m-busy-", measured - i);
        const uint32_t start = serial_cycles();
        status = network->run();
        const uint32_t cycles = serial_cycles() - start;
        if (status == 0) {
            serial_number(port, "m-cycles-", cycles);
        }
    }
    serial_number(port, status < 0 ? "m-status--" : "m-status-",
                  (uint32_t)(status < 0 ? -status : status));
}

static void serial_results(const struct serial_port *port, const struct serial_network *network) {
    const uint32_t bytes = serial_size(network->outputs, network->output_count);
    for (uint32_t start = 0; start < bytes; start += SERIAL_LINE_BYTES) {
        serial_text(port, "m-results-");
        for (uint32_t i = start; i < bytes && i < start + SERIAL_LINE_BYTES; i++) {
            serial_hex(port, *serial_byte(network->outputs, i), 2);
        }
        serial_text(port, "\r\n");
    }
    serial_text(port, "m-crc-");
    serial_hex(port, serial_ends_crc(network->outputs, bytes), 8);
    serial_text(port, "\r\n");
}

/* Reads the HEX of a `db` command up to its `%`; `loaded` bytes are there already. */
static uint32_t serial_load(const struct serial_port *port, const struct serial_network *network,
                            uint32_t loaded, uint32_t expected, int first) {
    int byte = first, high = -1, bad = 0;
    while (byte != '%') {
        const int nibble = serial_nibble(byte);
        if (nibble >= 0 && high < 0) {
            high = nibble;
        } else if (nibble >= 0) {
            if (loaded < expected) {
                *serial_byte(network->inputs, loaded++) = (unsigned char)(high << 4 | nibble);
            } else {
                bad = 1;
            }
            high = -1;
        } else if (byte > ' ') {
            bad = 1;
        }
        byte = port->get();
    }
    if (bad || high >= 0) {
        serial_text(port, "m-error-data\r\n");
    }
    serial_text(port, "m-loaded-");
    serial_hex(port, loaded, 8);
    serial_text(port, "-");
    serial_hex(port, serial_ends_crc(network->inputs, loaded), 8);
    serial_text(port, "\r\n");
    return loaded;
}

/* Whether `command` is digits alone: the number of the command that follows. */
static int serial_is_number(const char *command, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) {
        if (command[i] < '0' || command[i] > '9') {
            return 0;
        }
    }
    return length > 0 && length <= SERIAL_NUMBER_DIGITS;
}

/* Serves the network for ever. */
static void serial_serve(const struct serial_port *port, const struct serial_network *network) {
    const uint32_t input_bytes = serial_size(network->inputs, network->input_count);
    char command[SERIAL_COMMAND_BYTES + 1];
    uint32_t loaded = 0, expected = 0;
    serial_text(port, "m-ready\r\n");
    for (;;) {
        uint32_t length = 0, number = 0;
        int byte, is_numbered = 0;
        const char *rest;
        while ((byte = port->get()) != '%') {
            if (length == 2 && command[0] == 'd' && command[1] == 'b' && serial_nibble(byte) >= 0) {
                break; /* data, which is read as it comes */
            }
            if (length == 2 && byte == ' ') {
                continue; /* `db load` and `db HEX`; other spaces part numbers */
            }
            if (byte == ':' && serial_is_number(command, length)) {
                command[length] = 0;
                rest = command;
                number = serial_parse(&rest);
                is_numbered = 1;
                length = 0;
            } else if (byte >= ' ' && length < SERIAL_COMMAND_BYTES) {
                command[length++] = (char)byte;
            }
        }
        command[length] = 0;
        if (is_numbered) {
            serial_number(port, "m-for-", number);
        }
        if (byte != '%') {
            loaded = serial_load(port, network, loaded, expected, byte);
        } else if (serial_is(command, "name", &rest)) {
            serial_text(port, "m-name-");
            serial_text(port, network->name);
            serial_text(port, "-");
            serial_text(port, network->model);
            serial_text(port, "\r\n");
        } else if (serial_is(command, "profile", &rest)) {
            serial_number(port, "m-input-", input_bytes);
            serial_number(port, "m-output-", serial_size(network->outputs, network->output_count));
            serial_number(port, "m-arena-", network->arena_bytes);
            serial_number(port, "m-clock-", port->clock_hz);
        } else if (serial_is(command, "dbload", &rest)) {
            loaded = 0;
            expected = serial_parse(&rest);
            if (expected > input_bytes) {
                expected = 0;
                serial_text(port, "m-error-size\r\n");
            }
            serial_number(port, "m-load-", expected);
        } else if (serial_is(command, "infer", &rest)) {
            serial_infer(port, network, rest);
        } else if (serial_is(command, "results", &rest)) {
            serial_results(port, network);
        } else if (length > 0) {
            serial_text(port, "m-error-command\r\n");
        }
        if (is_numbered) {
            serial_number(port, "m-ready-", number);
        } else {
            serial_text(port, "m-ready\r\n");
        }
    }
}

#endif
