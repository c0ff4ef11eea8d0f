"""Many networks in one firmware: their sources as they ship, one boot of an emulated board.

The program writes all outputs, one behind the other, to `out.bin`, and says so.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.codegen.emit import runtime_file
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.codegen.toolchain import compile_object, link_executable
from edgemnv2.runners.qemu_system import find_qemu_system
from edgemnv2.target import Target
from tests.streaming.native_networks import NAME, Prepared, include_flags, write_sources

START = {"thumb": "startup.c", "riscv32": "startup_riscv.c"}
BOOT_SECONDS = 300

CASE = """\
#define {name}_run {name}{index}_run
#include "net{index}.h"
static const uint64_t image[{words}] = {{{values}}};
int32_t case{index}(void *output, void *arena);
int32_t case{index}(void *output, void *arena) {{
    const struct {name}_inputs inputs = {{(const void *)image}};
    const struct {name}_outputs outputs = {{output}};
    return {name}_run(&inputs, &outputs, arena);
}}
"""
MAIN = """\
#include <stdint.h>
#include "semihosting.h"

#define FENCE 64
static unsigned char arena[ARENA_BYTES + 2 * FENCE] __attribute__((section(".arena"), aligned(64)));
static unsigned char output[OUTPUT_BYTES] __attribute__((section(".arena"), aligned(64)));

void edgemnv2_fault(uint32_t cause);
void edgemnv2_fault(uint32_t cause) {
    semihost_print("fault ");
    semihost_print_number((long)cause);
    semihost_exit(0);
}
void edgemnv2_exit(int status);
void edgemnv2_exit(int status) { semihost_exit(status == 0); }

PROTOTYPES
struct one { int32_t (*run)(void *output, void *arena); uint32_t arena_bytes, output_bytes; };
static const struct one all[] = {
CASES
};

int main(void) {
    const int32_t file = semihost_open("out.bin", SEMIHOST_WRITE_BINARY);
    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct one *one = &all[i];
        int broken = 0;
        for (uint32_t at = 0; at < one->arena_bytes + 2 * FENCE; at++)
            arena[at] = 0xA5;
        const int32_t status = one->run(output, arena + FENCE);
        for (uint32_t at = 0; at < FENCE; at++)
            broken |= arena[at] != 0xA5 || arena[FENCE + one->arena_bytes + at] != 0xA5;
        if (status != 0 || broken) {
            semihost_print(broken ? "fence of " : "status of ");
            semihost_print_number((long)i);
            return 1;
        }
        semihost_write(file, output, one->output_bytes);
    }
    semihost_close(file);
    semihost_print("all done");
    return 0;
}
"""


def run_on_board(
    networks: Sequence[Prepared], inputs: Sequence[Any], target: Target, folder: Path
) -> list[Any]:
    """The output `[H, W, C]` of every network for its input, from one boot of `target`'s board."""
    write_sources(networks, folder)
    outs = [n.graph.tensors[n.graph.outputs[0]] for n in networks]
    lines, prototypes = [], []
    for index, (network, x, out) in enumerate(zip(networks, inputs, outs, strict=True)):
        data = np.ascontiguousarray(x).tobytes()
        words = np.frombuffer(data + bytes(-len(data) % 8), "<u8")
        values = ",".join(f"{int(word):#x}u" for word in words)
        text = CASE.format(name=NAME, index=index, words=len(words), values=values)
        (folder / f"case{index}.c").write_text(text)
        prototypes.append(f"int32_t case{index}(void *output, void *arena);")
        arena = network.parts.interface.arena_bytes
        lines.append(f"    {{case{index}, {arena}u, {out.size_bytes}u}},")
    largest = max(network.parts.interface.arena_bytes for network in networks)
    most = max(out.size_bytes for out in outs)
    main = MAIN.replace("PROTOTYPES", "\n".join(prototypes)).replace("CASES", "\n".join(lines))
    main = main.replace("ARENA_BYTES", str(largest)).replace("OUTPUT_BYTES", str(most))
    (folder / "main.c").write_text(main)
    (folder / "board.ld").write_text(linker_script(target), encoding="ascii")
    sources = [*sorted(folder.glob("*.c")), runtime_file(START[target.cpu.isa])]
    objects = [folder / f"{number}.o" for number in range(len(sources))]
    flags = [*include_flags(folder), "-O2", "-Wall", "-Werror", "-Wno-unused-function", "-fwrapv"]
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda job: compile_object(target, *job, flags), zip(sources, objects, strict=True)
            )
        )
    program = folder / "board.elf"
    link_executable(target, objects, program, linker_script=folder / "board.ld")
    command = [find_qemu_system(target.cpu.isa), "-M", target.machine, "-nographic"]
    command += ["-bios", "none"] if target.cpu.isa == "riscv32" else []
    command += ["-monitor", "none", "-serial", "none", "-kernel", str(program)]
    command += ["-chardev", "stdio,id=console", "-semihosting-config"]
    command += ["enable=on,target=native,chardev=console"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BOOT_SECONDS)
    assert done.stdout.endswith("all done"), done.stdout[-300:] + done.stderr[-300:]
    data, at, results = (folder / "out.bin").read_bytes(), 0, []
    for out in outs:
        results.append(np.frombuffer(data[at : at + out.size_bytes], out.dtype).reshape(out.shape))
        at += out.size_bytes
    assert at == len(data)
    return results
