/* QEMU plugin: how often each translated block ran, and which one followed it.
 *
 *   -plugin trace_plugin.so,mark=ADDRESS,syscall=NUMBER,out=FILE
 *
 * ADDRESS (hexadecimal) is an instruction that the program executes before and after what is
 * counted. A program that is not ours makes the system call NUMBER instead (0: none). At every mark
 * `out` gets what ran since the last one:
 *
 *   D id address instructions code    a block that ran for the first time, its code hexadecimal
 *   B id executions
 *   E from to count       block `to` followed block `from` so often
 *   M                     the mark
 *
 * Of a program's threads, each has its own chain of blocks; their counts are summed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

enum { CORES_MAX = 64, INSTRUCTION_BYTES_MAX = 16 };

EXPORT int qemu_plugin_version = EDGEMNV2_PLUGIN_API;

struct block;

struct edge {
    struct block *to;
    uint64_t count;
    struct edge *next;
};

struct block {
    uint64_t address, executions;
    uint32_t id, bytes, instructions;
    int is_written;
    unsigned char *code;
    struct edge *edges;
};

static struct block **blocks;
static uint32_t block_count, block_room;
static struct block *last[CORES_MAX];
static uint64_t mark_address, mark_call;
static FILE *out;
static char busy;

static void lock(void) {
    while (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE)) {
    }
}

static void unlock(void) {
    __atomic_clear(&busy, __ATOMIC_RELEASE);
}

static void *make(size_t count, size_t size) {
    void *made = calloc(count, size);
    if (!made) {
        abort();
    }
    return made;
}

static void count_edge(struct block *from, struct block *to) {
    for (struct edge *edge = from->edges; edge; edge = edge->next) {
        if (edge->to == to) {
            edge->count++;
            return;
        }
    }
    struct edge *edge = make(1, sizeof *edge);
    edge->to = to;
    edge->count = 1;
    edge->next = from->edges;
    from->edges = edge;
}

static void at_block(unsigned int cpu, void *data) {
    struct block *block = data;
    lock();
    block->executions++;
    if (last[cpu % CORES_MAX]) {
        count_edge(last[cpu % CORES_MAX], block);
    }
    last[cpu % CORES_MAX] = block;
    unlock();
}

static void write_block(struct block *block) {
    if (!block->is_written) {
        fprintf(out, "D %u %llx %u ", block->id, (unsigned long long)block->address,
                block->instructions);
        for (uint32_t i = 0; i < block->bytes; i++) {
            fprintf(out, "%02x", block->code[i]);
        }
        fprintf(out, "\n");
        block->is_written = 1;
    }
    fprintf(out, "B %u %llu\n", block->id, (unsigned long long)block->executions);
    block->executions = 0;
    for (struct edge *edge = block->edges; edge; edge = edge->next) {
        if (edge->count) {
            fprintf(out, "E %u %u %llu\n", block->id, edge->to->id,
                    (unsigned long long)edge->count);
            edge->count = 0;
        }
    }
}

static void write_mark(void) {
    lock();
    for (uint32_t i = 0; i < block_count; i++) {
        if (blocks[i]->executions) {
            write_block(blocks[i]);
        }
    }
    fprintf(out, "M\n");
    fflush(out);
    memset(last, 0, sizeof last);
    unlock();
}

static void at_mark(unsigned int cpu, void *data) {
    (void)cpu;
    (void)data;
    write_mark();
}

static void at_call(plugin_id id, unsigned int cpu, int64_t number, uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if ((uint64_t)number == mark_call) {
        write_mark();
    }
}

/* Blocks live as long as the emulator. */
static void translate(plugin_id id, struct qemu_plugin_tb *translated) {
    (void)id;
    const size_t length = qemu_plugin_tb_n_insns(translated);
    struct block *block = make(1, sizeof *block);
    block->instructions = (uint32_t)length;
    block->code = make(length, INSTRUCTION_BYTES_MAX);
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        size_t size = qemu_plugin_insn_size(instruction);
        if (i + 1 < length) {
            /* Where a page is about to end, QEMU looks at the next instruction's first bytes and
             * counts them as this one's. */
            const uint64_t next =
                qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(translated, i + 1));
            size = next - address < size ? (size_t)(next - address) : size;
        }
        if (i == 0) {
            block->address = address;
        }
        if (size > INSTRUCTION_BYTES_MAX) {
            abort();
        }
        memcpy(block->code + block->bytes, qemu_plugin_insn_data(instruction), size);
        block->bytes += (uint32_t)size;
        if (mark_address && address == mark_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_mark, NO_REGISTERS, NULL);
        }
    }
    lock();
    if (block_count == block_room) {
        block_room = block_room ? 2 * block_room : 4096;
        blocks = realloc(blocks, block_room * sizeof *blocks);
        if (!blocks) {
            abort();
        }
    }
    block->id = block_count;
    blocks[block_count++] = block;
    unlock();
    qemu_plugin_register_vcpu_tb_exec_cb(translated, at_block, NO_REGISTERS, block);
}

static void close_file(plugin_id id, void *data) {
    (void)id;
    (void)data;
    fclose(out);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **argument);
int qemu_plugin_install(plugin_id id, const void *info, int count, char **argument) {
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(argument[i], "mark=", 5) == 0) {
            mark_address = strtoull(argument[i] + 5, NULL, 16);
        } else if (strncmp(argument[i], "syscall=", 8) == 0) {
            mark_call = strtoull(argument[i] + 8, NULL, 10);
        } else if (strncmp(argument[i], "out=", 4) == 0) {
            out = fopen(argument[i] + 4, "w");
        } else {
            return 1;
        }
    }
    if (!out || (!mark_address && !mark_call)) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, close_file, NULL);
    if (mark_call) {
        qemu_plugin_register_vcpu_syscall_cb(id, at_call);
    }
    return 0;
}
