/* What our plugins use of QEMU's plugin interface (QEMU's documentation, "TCG Plugins").
 *
 * Declared here, so that no header of QEMU's is needed. Only calls that exist in every version from
 * 7.0 on; EDGEMNV2_PLUGIN_API is the version that the QEMU at hand wants. */
#ifndef EDGEMNV2_QEMU_API_H
#define EDGEMNV2_QEMU_API_H

#include <stddef.h>
#include <stdint.h>

#ifndef EDGEMNV2_PLUGIN_API
#define EDGEMNV2_PLUGIN_API 1
#endif
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
typedef uint32_t memory_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translate_callback)(plugin_id, struct qemu_plugin_tb *);
typedef void (*execute_callback)(unsigned int, void *);
typedef void (*memory_callback)(unsigned int, memory_info, uint64_t, void *);
typedef void (*exit_callback)(plugin_id, void *);
typedef void (*syscall_callback)(plugin_id, unsigned int, int64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
enum { NO_REGISTERS = 0, LOADS_AND_STORES = 3 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translate_callback);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_callback);
extern void qemu_plugin_register_atexit_cb(plugin_id, exit_callback, void *);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, execute_callback, int,
                                                 void *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, execute_callback, int,
                                                   void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, memory_callback, int, int,
                                             void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern unsigned int qemu_plugin_mem_size_shift(memory_info);
extern _Bool qemu_plugin_mem_is_store(memory_info);

EXPORT int qemu_plugin_version = EDGEMNV2_PLUGIN_API;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **argument);

#endif
