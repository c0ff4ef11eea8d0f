/* QEMU plugin: bytes that a program's data accesses miss in a model of the target's caches.
 *
 *   -plugin cache_plugin.so,mark=ADDRESS,meet=ADDRESS,syscall=NUMBER,ranges=FILE,out=FILE,
 *           line=BYTES,l1=BYTES,l1_ways=N,l2=BYTES,l2_ways=N,l2_cores=N
 *
 * The program executes the instruction at `mark` (hexadecimal) before and after each inference and,
 * on every thread, the one at `meet` where all threads wait for each other (0: one thread). A
 * program that is not ours makes the system call `syscall` instead of the mark (0: none).
 * `ranges` holds lines `start end kind` (hexadecimal, end excluded, sorted, without overlap): kind
 * 0 is ignored (code and data of waiting threads), 1 .. KINDS - 2 are the caller's, everything else
 * is the last kind. For each inference `out` gets one line: for each kind from 1 on eight numbers
 * as in `enum figure`, then the number of cores and the instructions that each of them executed.
 *
 * The model: per core one L1 data cache, per `l2_cores` cores one L2; both write back, allocate on
 * writes, and replace the least recently used line; a store takes the line from all other cores.
 * No prefetcher, no write streaming, no TLB; virtual addresses stand for physical ones. Caches stay
 * warm from one inference to the next.
 *
 * Each thread's accesses are recorded and fed to the caches when the inference has ended: between
 * two meetings the thread that has made the fewest accesses goes first. So the figures do not
 * depend on how the emulator's threads happened to run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_api.h"

enum { IGNORED = 0, KINDS = 5, CORES_MAX = 64, RANGES_MAX = 16 };

/* Counts of accesses or lines, per kind of data. */
enum figure {
    LOADS,
    STORES,
    L1_LOAD_MISSES,
    L1_STORE_MISSES,
    L2_LOAD_MISSES,
    L2_STORE_MISSES,
    L1_WRITTEN_BACK,
    L2_WRITTEN_BACK,
    FIGURES
};

struct range {
    uint64_t start, end;
    int kind;
};

static struct range ranges[RANGES_MAX];
static int range_count;
static uint64_t counts[KINDS][FIGURES];
static uint64_t mark_address, meet_address, mark_call;
static uint64_t line_bytes = 64;
static FILE *out;

/* One access or several in a row to one line: line number, store, repeats. */
typedef uint64_t event;
static const event MEET = ~(event)0;
enum { REPEAT_BITS = 15 };

struct trace {
    event *events;
    size_t count, room;
    char lock;
};

static struct trace traces[CORES_MAX];
static uint64_t instructions[CORES_MAX];
static int recording;

static void lock(struct trace *trace) {
    while (__atomic_test_and_set(&trace->lock, __ATOMIC_ACQUIRE)) {
    }
}

static void unlock(struct trace *trace) {
    __atomic_clear(&trace->lock, __ATOMIC_RELEASE);
}

static void append(struct trace *trace, event what) {
    if (trace->count == trace->room) {
        trace->room = trace->room ? 2 * trace->room : (size_t)1 << 20;
        trace->events = realloc(trace->events, trace->room * sizeof *trace->events);
        if (!trace->events) {
            abort();
        }
    }
    trace->events[trace->count++] = what;
}

static int kind_of(uint64_t address) {
    for (int i = 0; i < range_count; i++) {
        if (address < ranges[i].end) {
            return ranges[i].start <= address ? ranges[i].kind : KINDS - 1;
        }
    }
    return KINDS - 1;
}

static void at_access(unsigned int cpu, memory_info info, uint64_t address, void *data) {
    (void)data;
    if (!__atomic_load_n(&recording, __ATOMIC_RELAXED) || kind_of(address) == IGNORED) {
        return;
    }
    if (cpu >= CORES_MAX) {
        abort();
    }
    struct trace *trace = &traces[cpu];
    const uint64_t last = address + ((uint64_t)1 << qemu_plugin_mem_size_shift(info)) - 1;
    lock(trace);
    for (uint64_t line = address / line_bytes; line <= last / line_bytes; line++) {
        const event what = (line << 1 | qemu_plugin_mem_is_store(info)) << REPEAT_BITS;
        event *before = trace->count ? &trace->events[trace->count - 1] : NULL;
        if (before && *before >> REPEAT_BITS == what >> REPEAT_BITS && ~*before & (event)0x7fff) {
            ++*before;
        } else {
            append(trace, what);
        }
    }
    unlock(trace);
}

static void count_block(unsigned int cpu, void *length) {
    if (__atomic_load_n(&recording, __ATOMIC_RELAXED) && cpu < CORES_MAX) {
        instructions[cpu] += (uintptr_t)length;
    }
}

static void at_meet(unsigned int cpu, void *data) {
    (void)data;
    if (__atomic_load_n(&recording, __ATOMIC_RELAXED) && cpu < CORES_MAX) {
        lock(&traces[cpu]);
        append(&traces[cpu], MEET);
        unlock(&traces[cpu]);
    }
}

/* A cache: in each set the lines from the most to the least recently used one. */
struct line {
    uint64_t number; /* plus one; 0: none */
    int dirty;
};

struct cache {
    struct line *lines;
    uint64_t sets;
    int ways;
};

static struct cache l1[CORES_MAX], l2[CORES_MAX];
static uint64_t l1_bytes, l2_bytes, l1_ways, l2_ways, l2_cores = 1;

static void make_cache(struct cache *cache, uint64_t bytes, uint64_t ways) {
    cache->ways = (int)ways;
    cache->sets = bytes / (line_bytes * ways);
    cache->lines = calloc(cache->sets * ways, sizeof *cache->lines);
    if (!cache->lines) {
        abort();
    }
}

static struct line *find(struct cache *cache, uint64_t number) {
    struct line *set = cache->lines + number % cache->sets * (uint64_t)cache->ways;
    for (int way = 0; way < cache->ways; way++) {
        if (set[way].number == number + 1) {
            return &set[way];
        }
    }
    return NULL;
}

/* Makes the line the most recently used one; `hit` says whether it was there. The victim that a
 * new line pushed out, or one without a number. */
static struct line touch(struct cache *cache, uint64_t number, int dirty, int *hit) {
    struct line *set = cache->lines + number % cache->sets * (uint64_t)cache->ways;
    int way = 0;
    while (way < cache->ways - 1 && set[way].number != number + 1) {
        way++;
    }
    struct line victim = set[way];
    *hit = victim.number == number + 1;
    memmove(set + 1, set, (size_t)way * sizeof *set);
    set[0].number = number + 1;
    set[0].dirty = dirty || (*hit && victim.dirty);
    if (*hit) {
        victim.number = 0;
    }
    return victim;
}

static int kind_of_line(uint64_t number) {
    const int kind = kind_of(number * line_bytes);
    return kind == IGNORED ? KINDS - 1 : kind;
}

static void count_back(const struct line *victim, enum figure figure) {
    if (victim->number && victim->dirty) {
        counts[kind_of_line(victim->number - 1)][figure]++;
    }
}

/* A dirty line leaves an L1. */
static void write_back(int core, const struct line *victim) {
    int hit;
    count_back(victim, L1_WRITTEN_BACK);
    if (victim->number && victim->dirty) {
        const struct line next = touch(&l2[core / (int)l2_cores], victim->number - 1, 1, &hit);
        count_back(&next, L2_WRITTEN_BACK);
    }
}

/* What the other cores do about an access of `core` to a line that it does not own. */
static void snoop(int core, int cores, uint64_t number, int store) {
    for (int other = 0; other < cores; other++) {
        if (other == core) {
            continue;
        }
        struct line *held = find(&l1[other], number);
        if (held) {
            write_back(other, held);
            held->dirty = 0;
            if (store) {
                held->number = 0;
            }
        }
        if (store && other / (int)l2_cores != core / (int)l2_cores) {
            held = find(&l2[other / (int)l2_cores], number);
            if (held) {
                held->number = 0;
                held->dirty = 0;
            }
        }
    }
}

static void access_line(int core, int cores, event what) {
    const uint64_t number = what >> (REPEAT_BITS + 1);
    const int store = what >> REPEAT_BITS & 1;
    const int kind = kind_of_line(number);
    counts[kind][store ? STORES : LOADS] += (what & 0x7fff) + 1;
    if (cores > 1) {
        const struct line *mine = find(&l1[core], number);
        if (!mine || (store && !mine->dirty)) {
            snoop(core, cores, number, store);
        }
    }
    int hit;
    const struct line victim = touch(&l1[core], number, store, &hit);
    if (hit) {
        return;
    }
    counts[kind][store ? L1_STORE_MISSES : L1_LOAD_MISSES]++;
    write_back(core, &victim);
    const struct line next = touch(&l2[core / (int)l2_cores], number, 0, &hit);
    count_back(&next, L2_WRITTEN_BACK);
    if (!hit) {
        counts[kind][store ? L2_STORE_MISSES : L2_LOAD_MISSES]++;
    }
}

static void replay(int cores) {
    size_t at[CORES_MAX] = {0};
    uint64_t clock[CORES_MAX] = {0};
    for (;;) {
        int next = -1;
        for (int core = 0; core < cores; core++) {
            const struct trace *trace = &traces[core];
            if (at[core] < trace->count && trace->events[at[core]] != MEET &&
                (next < 0 || clock[core] < clock[next])) {
                next = core;
            }
        }
        if (next >= 0) {
            const event what = traces[next].events[at[next]++];
            clock[next] += (what & 0x7fff) + 1;
            access_line(next, cores, what);
            continue;
        }
        /* All have met, or have nothing more to do. */
        int more = 0;
        for (int core = 0; core < cores; core++) {
            clock[core] = 0;
            if (at[core] < traces[core].count) {
                at[core]++;
                more = 1;
            }
        }
        if (!more) {
            return;
        }
    }
}

/* Marks come in pairs. */
static void at_mark(unsigned int cpu, void *data) {
    (void)cpu;
    (void)data;
    if (!recording) {
        memset(counts, 0, sizeof counts);
        for (int core = 0; core < CORES_MAX; core++) {
            traces[core].count = 0;
            instructions[core] = 0;
        }
        __atomic_store_n(&recording, 1, __ATOMIC_RELEASE);
        return;
    }
    __atomic_store_n(&recording, 0, __ATOMIC_RELEASE);
    int cores = 1;
    for (int core = 0; core < CORES_MAX; core++) {
        lock(&traces[core]);
        cores = traces[core].count ? core + 1 : cores;
        unlock(&traces[core]);
    }
    for (int core = 0; core < cores; core++) {
        if (!l1[core].lines) {
            make_cache(&l1[core], l1_bytes, l1_ways);
        }
        if (!l2[core / (int)l2_cores].lines) {
            make_cache(&l2[core / (int)l2_cores], l2_bytes, l2_ways);
        }
    }
    replay(cores);
    for (int kind = 1; kind < KINDS; kind++) {
        for (int figure = 0; figure < FIGURES; figure++) {
            fprintf(out, "%llu ", (unsigned long long)counts[kind][figure]);
        }
    }
    fprintf(out, "%d", cores);
    for (int core = 0; core < cores; core++) {
        fprintf(out, " %llu", (unsigned long long)instructions[core]);
    }
    fprintf(out, "\n");
    fflush(out);
}

static void at_call(plugin_id id, unsigned int cpu, int64_t number, uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if ((uint64_t)number == mark_call) {
        at_mark(cpu, NULL);
    }
}

static void translate(plugin_id id, struct qemu_plugin_tb *block) {
    (void)id;
    const size_t length = qemu_plugin_tb_n_insns(block);
    if (kind_of(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0))) != IGNORED) {
        qemu_plugin_register_vcpu_tb_exec_cb(block, count_block, NO_REGISTERS,
                                             (void *)(uintptr_t)length);
    }
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        qemu_plugin_register_vcpu_mem_cb(instruction, at_access, NO_REGISTERS, LOADS_AND_STORES,
                                         NULL);
        if (mark_address && address == mark_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_mark, NO_REGISTERS, NULL);
        } else if (meet_address && address == meet_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_meet, NO_REGISTERS, NULL);
        }
    }
}

static int read_ranges(const char *name) {
    FILE *file = fopen(name, "r");
    unsigned long long start, end;
    int kind;
    if (!file) {
        return 1;
    }
    while (range_count < RANGES_MAX && fscanf(file, "%llx %llx %d", &start, &end, &kind) == 3) {
        if (kind < 0 || kind >= KINDS) {
            abort();
        }
        ranges[range_count++] = (struct range){start, end, kind};
    }
    fclose(file);
    return 0;
}

/* 1 when the text is `key=VALUE`; then `value` has it. */
static int option(const char *text, const char *key, int base, uint64_t *value) {
    const size_t length = strlen(key);
    if (strncmp(text, key, length) != 0 || text[length] != '=') {
        return 0;
    }
    *value = strtoull(text + length + 1, NULL, base);
    return 1;
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **argument) {
    (void)info;
    for (int i = 0; i < count; i++) {
        const char *text = argument[i];
        if (strncmp(text, "ranges=", 7) == 0) {
            if (read_ranges(text + 7)) {
                return 1;
            }
        } else if (strncmp(text, "out=", 4) == 0) {
            out = fopen(text + 4, "w");
        } else if (!option(text, "mark", 16, &mark_address) &&
                   !option(text, "meet", 16, &meet_address) &&
                   !option(text, "syscall", 10, &mark_call) &&
                   !option(text, "line", 10, &line_bytes) && !option(text, "l1", 10, &l1_bytes) &&
                   !option(text, "l1_ways", 10, &l1_ways) && !option(text, "l2", 10, &l2_bytes) &&
                   !option(text, "l2_ways", 10, &l2_ways) &&
                   !option(text, "l2_cores", 10, &l2_cores)) {
            return 1;
        }
    }
    if (!out || !line_bytes || !l1_bytes || !l1_ways || !l2_bytes || !l2_ways || !l2_cores) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    if (mark_call) {
        qemu_plugin_register_vcpu_syscall_cb(id, at_call);
    }
    return 0;
}
