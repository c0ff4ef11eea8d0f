// Runs the ELF of a Pico's firmware in rp2040js, its UART0 on standard input and output.
// node emulate.mjs RP2040JS_FOLDER PROGRAM.elf [BOOTROM.bin]
//
// rp2040js has one core. A second CortexM0Core on the same bus is the other: it starts when the first
// one has sent what the ROM of core 1 waits for (RP2040 datasheet, section 2.8.2), both take turns
// instruction by instruction, and SEV of the one is an event of the other.
//
// Starts at the vector table behind the second stage, 0x10000100 (RP2040 datasheet, section 2.8.1):
// the emulated flash can be executed from the start, which is what a second stage is for.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, program, bootrom] = process.argv.slice(2);
const from = (file) => import(pathToFileURL(path.resolve(folder, 'dist/esm', file)));
const { Simulator } = await from('index.js');
const { CortexM0Core } = await from('cortex-m0-core.js');
const simulator = new Simulator();
const chip = simulator.rp2040;
chip.logger = { debug() {}, info() {}, warn() {}, error() {} };
if (bootrom) {
    const bytes = fs.readFileSync(bootrom);
    chip.loadBootrom(new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 16384)));
}
chip.onBreak = (code) => {
    console.error(`break ${code} at ${chip.core.PC.toString(16)}`);
    process.exit(3);
};

const elf = fs.readFileSync(program);
const header = new DataView(elf.buffer, elf.byteOffset);
const count = header.getUint16(44, true);
for (let i = 0; i < count; i++) {
    const at = header.getUint32(28, true) + i * header.getUint16(42, true);
    const [type, offset, , address, size] = [0, 4, 8, 12, 16].map((n) => header.getUint32(at + n, true));
    if (type === 1 && size && address >= 0x10000000 && address < 0x11000000)
        chip.flash.set(elf.subarray(offset, offset + size), address - 0x10000000);
}

const VECTORS = 0x10000100;
chip.core.VTOR = VECTORS;
chip.core.SP = chip.readUint32(VECTORS);
chip.core.PC = chip.readUint32(VECTORS + 4) & ~1;

// Bytes arrive as a line of 115200 baud brings them, in the chip's time: what it does not take from
// its FIFO of 32 in time is lost.
const BYTE_NANOSECONDS = 10 * 1e9 / 115200;
const uart = chip.uart[0];
const line = [];
const next = chip.clock.createAlarm(() => {
    if (!uart.rxFIFO.full)
        uart.feedByte(line[0]);
    line.shift();
    if (line.length)
        next.schedule(BYTE_NANOSECONDS);
});
uart.onByte = (byte) => process.stdout.write(Buffer.from([byte]));
process.stdin.on('data', (data) => {
    if (!line.length)
        next.schedule(BYTE_NANOSECONDS);
    line.push(...data);
});
process.stdin.on('end', () => process.exit(0));

const SEV = 0xbf40;
const FIFO_ST = 0x50, FIFO_WR = 0x54, FIFO_RD = 0x58;
const sent = [], answers = [];
let second = null;
const other = new CortexM0Core(chip);
const { sio } = chip;
const readSio = sio.readUint32.bind(sio), writeSio = sio.writeUint32.bind(sio);
sio.readUint32 = (offset) => {
    if (offset === FIFO_ST)
        return 2 | (answers.length ? 1 : 0);
    return offset === FIFO_RD ? answers.shift() ?? 0 : readSio(offset);
};
sio.writeUint32 = (offset, value) => {
    if (offset !== FIFO_WR)
        return writeSio(offset, value);
    answers.push(value);
    sent.push(value >>> 0);
    const [zero, again, one, vectors, stack, entry] = sent.slice(-6);
    if (sent.length >= 6 && zero === 0 && again === 0 && one === 1) {
        other.VTOR = vectors;
        other.SP = stack;
        other.PC = entry & ~1;
        second = other;
        sent.length = 0;
        console.error('core 1 started');
    }
};

const CYCLE_NANOSECONDS = 1e9 / 125000000;
function turn() {
    for (let i = 0; i < 1000000; i++) {
        let cycles = 0;
        const cores = second ? [chip.core, second] : [chip.core];
        for (const core of cores) {
            if (core.waiting)
                continue;
            // rp2040js passes over SEV: there is nobody else.
            if (chip.readUint16(core.PC) === SEV) {
                for (const one of cores) {
                    one.eventRegistered = !one.waiting;
                    one.waiting = false;
                }
            }
            cycles = Math.max(cycles, core.executeInstruction());
        }
        // With both asleep time goes on to what wakes them.
        chip.clock.tick(cycles ? cycles * CYCLE_NANOSECONDS : chip.clock.nanosToNextAlarm || 1000);
    }
    setTimeout(turn, 0);
}
turn();
