#ifndef STAND_IN_HARDWARE_SYNC_H
#define STAND_IN_HARDWARE_SYNC_H

static inline void __wfe(void) {
    __asm__ volatile("wfe" ::: "memory");
}

static inline void __sev(void) {
    __asm__ volatile("sev" ::: "memory");
}

#endif
