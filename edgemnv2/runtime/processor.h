/* Whether this processor has what the kernels were compiled for: the EDGEMNV2_NEEDS_ macros name
 * it.
 *
 * Asked once. This file is compiled for the plainest processor of its instruction set, so that it
 * can refuse. On x86-64 the operating system must save the wider registers, too. */
#ifndef EDGEMNV2_PROCESSOR_H
#define EDGEMNV2_PROCESSOR_H

#if defined(__x86_64__)

#include <cpuid.h>

enum {
    /* Of XCR0: registers of 128 and 256 bits; masks and both halves of 512 bits. */
    EDGEMNV2_SAVES_YMM = 0x06,
    EDGEMNV2_SAVES_ZMM = 0xe6
};

static int edgemnv2_ask_processor(void) {
    unsigned int a, b, c, d, seven_b, seven_c, saved = 0, high;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return 0;
    }
    const unsigned int one_c = c;
    if (one_c & bit_OSXSAVE) {
        __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    }
    if (!__get_cpuid_count(7, 0, &a, &seven_b, &seven_c, &d)) {
        return 0;
    }
    int has = 1;
#ifdef EDGEMNV2_NEEDS_FMA
    has = has && (one_c & bit_FMA);
#endif
#ifdef EDGEMNV2_NEEDS_AVX2
    /* Level v3 of the psABI, which LLVM takes for granted with it. */
    const unsigned int basic = bit_AVX | bit_F16C | bit_MOVBE | bit_POPCNT;
    has = has && (one_c & basic) == basic && (seven_b & bit_AVX2) && (seven_b & bit_BMI);
    has = has && (seven_b & bit_BMI2) && (saved & EDGEMNV2_SAVES_YMM) == EDGEMNV2_SAVES_YMM;
    has = has && __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & bit_LZCNT);
#endif
#if defined(EDGEMNV2_NEEDS_AVX512VNNI) || defined(EDGEMNV2_NEEDS_AVX512VBMI)
    /* Level v4. */
    const unsigned int wide =
        bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    has = has && (seven_b & wide) == wide && (saved & EDGEMNV2_SAVES_ZMM) == EDGEMNV2_SAVES_ZMM;
#endif
#ifdef EDGEMNV2_NEEDS_AVX512VNNI
    has = has && (seven_c & bit_AVX512VNNI);
#endif
#ifdef EDGEMNV2_NEEDS_AVX512VBMI
    has = has && (seven_c & bit_AVX512VBMI);
#endif
    return has;
}

#else

/* From libc; <sys/auxv.h> is no part of C99's library. Bits: Linux, `asm/hwcap.h`. */
extern unsigned long getauxval(unsigned long type);
enum { EDGEMNV2_AT_HWCAP = 16 };

static int edgemnv2_ask_processor(void) {
    const unsigned long has = getauxval(EDGEMNV2_AT_HWCAP);
    unsigned long needs = 0;
#if defined(__aarch64__)
#ifdef EDGEMNV2_NEEDS_NEON
    needs |= 1ul << 1;
#endif
#ifdef EDGEMNV2_NEEDS_FP16
    needs |= 1ul << 10;
#endif
#ifdef EDGEMNV2_NEEDS_DOTPROD
    needs |= 1ul << 20;
#endif
#elif defined(__riscv)
#ifdef EDGEMNV2_NEEDS_V
    needs |= 1ul << ('v' - 'a');
#endif
#else
#ifdef EDGEMNV2_NEEDS_NEON
    needs |= 1ul << 12;
#endif
#ifdef EDGEMNV2_NEEDS_VFP4
    needs |= 1ul << 16;
#endif
#endif
    return (has & needs) == needs;
}

#endif

static inline int edgemnv2_has_processor(void) {
    /* 0: not asked yet. Threads that ask at once get the same answer. */
    static int answer;
    int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
    if (!known) {
        known = edgemnv2_ask_processor() ? 1 : -1;
        __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
    }
    return known > 0;
}

#endif
