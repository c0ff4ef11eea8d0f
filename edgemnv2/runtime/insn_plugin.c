/* QEMU plugin: executed guest instructions from one mark to the next, in total and per function.
 *
 *   -plugin insn_plugin.so,mark=ADDRESS,ranges=FILE,out=FILE[,cores=N]
 *
 * ADDRESS (hexadecimal) is an instruction that the program executes before and after each
 * inference. `ranges` holds lines `start end` (hexadecimal, end excluded), sorted, without overlap.
 * At every mark `out` gets one line: the total since the last mark, then the count of each range;
 * with several cores, those of core 0, then those of core 1, and so on. The mark is one core's;
 * what another one does at that moment counts on either side of it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

EXPORT int qemu_plugin_version = EDGEMNV2_PLUGIN_API;

struct range {
    uint64_t start, end;
};

/* Instructions of one translated block that lie in one range; -1: in none. */
struct share {
    long range;
    uint64_t instructions;
    struct share *next;
};

static uint64_t mark_address;
static struct range *ranges;
static uint64_t *counts; /* of each core: one per range, then the total */
static long range_count;
static long core_count = 1;
static FILE *out;

static long range_of(uint64_t address) {
    long low = 0, high = range_count;
    while (low < high) {
        const long middle = (low + high) / 2;
        if (ranges[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < range_count && ranges[low].start <= address ? low : -1;
}

static uint64_t *counts_of(long core) {
    return counts + core * (range_count + 1);
}

static void count_block(unsigned int cpu, void *data) {
    uint64_t *own = counts_of((long)cpu < core_count ? (long)cpu : 0);
    for (const struct share *share = data; share; share = share->next) {
        own[range_count] += share->instructions;
        if (share->range >= 0) {
            own[share->range] += share->instructions;
        }
    }
}

static void at_mark(unsigned int cpu, void *data) {
    (void)cpu;
    (void)data;
    for (long core = 0; core < core_count; core++) {
        const uint64_t *own = counts_of(core);
        fprintf(out, "%s%llu", core > 0 ? " " : "", (unsigned long long)own[range_count]);
        for (long i = 0; i < range_count; i++) {
            fprintf(out, " %llu", (unsigned long long)own[i]);
        }
    }
    fprintf(out, "\n");
    fflush(out);
    memset(counts, 0, sizeof *counts * (size_t)(core_count * (range_count + 1)));
}

/* Blocks live as long as the emulator, so their shares are never freed. */
static void translate(plugin_id id, struct qemu_plugin_tb *block) {
    (void)id;
    struct share *first = NULL, *last = NULL;
    const size_t length = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        const long range = range_of(address);
        if (!last || last->range != range) {
            struct share *share = calloc(1, sizeof *share);
            if (!share) {
                abort();
            }
            share->range = range;
            if (last) {
                last->next = share;
            } else {
                first = share;
            }
            last = share;
        }
        last->instructions++;
        if (address == mark_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_mark, NO_REGISTERS, NULL);
        }
    }
    qemu_plugin_register_vcpu_tb_exec_cb(block, count_block, NO_REGISTERS, first);
}

static int read_ranges(const char *name) {
    FILE *file = fopen(name, "r");
    unsigned long long start, end;
    if (!file) {
        return 1;
    }
    while (fscanf(file, "%llx %llx", &start, &end) == 2) {
        struct range *more = realloc(ranges, sizeof *ranges * ((size_t)range_count + 1));
        if (!more) {
            abort();
        }
        ranges = more;
        ranges[range_count].start = start;
        ranges[range_count++].end = end;
    }
    fclose(file);
    return 0;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **argument);
int qemu_plugin_install(plugin_id id, const void *info, int count, char **argument) {
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(argument[i], "mark=", 5) == 0) {
            mark_address = strtoull(argument[i] + 5, NULL, 16);
        } else if (strncmp(argument[i], "ranges=", 7) == 0) {
            if (read_ranges(argument[i] + 7)) {
                return 1;
            }
        } else if (strncmp(argument[i], "cores=", 6) == 0) {
            core_count = strtol(argument[i] + 6, NULL, 10);
        } else if (strncmp(argument[i], "out=", 4) == 0) {
            out = fopen(argument[i] + 4, "w");
        }
    }
    if (core_count < 1) {
        return 1;
    }
    counts = calloc((size_t)(core_count * (range_count + 1)), sizeof *counts);
    if (!out || !counts) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
