"""A chip as a driver sees it: registers with the rules that its manual states about them.

A model is written from the manual's text and knows nothing of the driver. Every access is held
against the rules; what breaks one is noted in `errors`. `broken` names what never becomes ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

READS_UNTIL_READY = 5
"""How often a state is asked for before it comes."""


@dataclass
class Register:
    """One register: value, bits that a write reaches, and what a write or a read does."""

    value: int = 0
    writable: int = 0xFFFFFFFF
    on_write: Callable[[int, int], None] | None = None
    on_read: Callable[[], None] | None = None


@dataclass
class Chip:
    """Registers by address, and everything that went wrong."""

    broken: frozenset[str] = frozenset()
    registers: dict[int, Register] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    sent: bytearray = field(default_factory=bytearray)
    _waiting: dict[str, int] = field(default_factory=dict)

    def add(self, address: int, **options: object) -> Register:
        """A register of the chip."""
        self.registers[address] = Register(**options)  # type: ignore[arg-type]
        return self.registers[address]

    def fail(self, what: str) -> None:
        """Note a broken rule, once."""
        if what not in self.errors:
            self.errors.append(what)

    def need(self, holds: bool, what: str) -> None:
        """Note `what` unless the rule holds."""
        if not holds:
            self.fail(what)

    def read(self, address: int) -> int:
        """What the core reads at `address`."""
        register = self.registers.get(address)
        if register is None:
            self.fail(f"read of {address:#010x}, where the manual has nothing that is needed")
            return 0
        if register.on_read:
            register.on_read()
        return register.value

    def write(self, address: int, value: int) -> None:
        """The core writes `value` to `address`."""
        register = self.registers.get(address)
        if register is None:
            self.fail(f"write to {address:#010x}, where the manual has nothing that is needed")
            return
        old = register.value
        register.value = (old & ~register.writable) | (value & register.writable)
        if register.on_write:
            register.on_write(old, value)

    def ready(self, name: str) -> bool:
        """Whether `name` has become ready: after some reads, or never."""
        if name in self.broken:
            return False
        self._waiting[name] = self._waiting.get(name, 0) + 1
        return self._waiting[name] > READS_UNTIL_READY

    def restart(self, name: str) -> None:
        """`name` takes its time once more."""
        self._waiting[name] = 0


@dataclass
class Usart:
    """The USART of F7, H7 and L4 (or an LPUART, with 256ths of a clock in BRR).

    RM0385 section 31.8, RM0433 section 48.7, RM0432 section 51.7.
    """

    chip: Chip
    base: int
    clock_hz: Callable[[], float]
    is_enabled: Callable[[], bool]
    pins_are_right: Callable[[], bool]
    steps: int = 1
    arrived: deque[int] = field(default_factory=deque)

    CR1, BRR, ISR, ICR, RDR, TDR = 0x00, 0x0C, 0x1C, 0x20, 0x24, 0x28
    RXNE_BIT, TXE_BIT, ORE_BIT = 1 << 5, 1 << 7, 1 << 3

    def __post_init__(self) -> None:
        add, base = self.chip.add, self.base
        add(base + self.CR1, on_write=self._control)
        add(base + self.BRR, on_write=self._baud)
        self.state = add(base + self.ISR, value=0x0200C0, writable=0, on_read=self._tick)
        add(base + self.ICR, on_write=self._clear)
        self.received = add(base + self.RDR, writable=0, on_read=self._taken)
        add(base + self.TDR, on_write=self._send)

    def _on(self, what: str) -> None:
        self.chip.need(self.is_enabled(), f"{what} of the USART while its clock is off")

    def _control(self, old: int, new: int) -> None:
        self._on("CR1")
        if new & 1:
            self.chip.need(self.pins_are_right(), "the USART is on, its pins are not its own")
            got = (
                self.clock_hz()
                * self.steps
                / max(self.chip.registers[self.base + self.BRR].value, 1)
            )
            self.chip.need(abs(got / 115200 - 1) < 0.01, f"the line has {got:.0f} baud")
            self.chip.need(new & 0b1100 == 0b1100, "the USART is on, not both of its directions")
            self.chip.need(not new & ~0b1101, f"CR1 {new:#x}: not 8 bits without parity")

    def _baud(self, old: int, new: int) -> None:
        self._on("BRR")
        enabled = self.chip.registers[self.base + self.CR1].value & 1
        self.chip.need(not enabled, "BRR may be written only while UE is 0")
        low, high = (0x300, 0xFFFFF) if self.steps > 1 else (16, 0xFFFF)
        self.chip.need(low <= new <= high, f"BRR {new:#x} is out of range")

    def _tick(self) -> None:
        self._on("ISR")
        if not self.state.value & self.TXE_BIT and self.chip.ready("tx"):
            self.state.value |= self.TXE_BIT
        if self.arrived and not self.state.value & (self.RXNE_BIT | self.ORE_BIT):
            self.received.value = self.arrived.popleft()
            self.state.value |= self.RXNE_BIT

    def overrun(self) -> None:
        """Bytes came and nobody read."""
        self.received.value = self.arrived.popleft()
        self.arrived.popleft()
        self.state.value |= self.RXNE_BIT | self.ORE_BIT

    def _clear(self, old: int, new: int) -> None:
        self.state.value &= ~(new & self.ORE_BIT)

    def _taken(self) -> None:
        self.chip.need(bool(self.state.value & self.RXNE_BIT), "RDR was read without RXNE")
        self.state.value &= ~self.RXNE_BIT

    def _send(self, old: int, new: int) -> None:
        self.chip.need(bool(self.state.value & self.TXE_BIT), "a byte was overwritten: no TXE")
        self.chip.sent.append(new & 0xFF)
        self.state.value &= ~self.TXE_BIT
        self.chip.restart("tx")


@dataclass
class OldUsart:
    """The USART of the F4: RM0390 section 25.6."""

    chip: Chip
    base: int
    clock_hz: Callable[[], float]
    is_enabled: Callable[[], bool]
    pins_are_right: Callable[[], bool]
    arrived: deque[int] = field(default_factory=deque)

    RXNE_BIT, TXE_BIT, ORE_BIT = 1 << 5, 1 << 7, 1 << 3

    def __post_init__(self) -> None:
        add, base = self.chip.add, self.base
        self.state = add(base + 0x00, value=0xC0, writable=0, on_read=self._tick)
        self.data = add(base + 0x04, on_write=self._send, on_read=self._taken)
        add(base + 0x08, on_write=self._baud)
        add(base + 0x0C, on_write=self._control)
        self._held = 0

    def _on(self, what: str) -> None:
        self.chip.need(self.is_enabled(), f"{what} of the USART while its clock is off")

    def _control(self, old: int, new: int) -> None:
        self._on("CR1")
        self.chip.need(new == 1 << 13 | 0b1100, f"CR1 {new:#x}: not on, or not both directions")
        self.chip.need(self.pins_are_right(), "the USART is on, its pins are not its own")
        # 25.4.4: fCK / (16 x USARTDIV), and BRR holds USARTDIV in sixteenths.
        got = self.clock_hz() / max(self.chip.registers[self.base + 0x08].value, 1)
        self.chip.need(abs(got / 115200 - 1) < 0.01, f"the line has {got:.0f} baud")

    def _baud(self, old: int, new: int) -> None:
        self._on("BRR")
        self.chip.need(16 <= new <= 0xFFFF, f"BRR {new:#x} is out of range")

    def _tick(self) -> None:
        self._on("SR")
        if not self.state.value & self.TXE_BIT and self.chip.ready("tx"):
            self.state.value |= self.TXE_BIT
        if self.arrived and not self.state.value & (self.RXNE_BIT | self.ORE_BIT):
            self._held = self.arrived.popleft()
            self.state.value |= self.RXNE_BIT

    def overrun(self) -> None:
        """Bytes came and nobody read."""
        self._held = self.arrived.popleft()
        self.arrived.popleft()
        self.state.value |= self.RXNE_BIT | self.ORE_BIT

    def _taken(self) -> None:
        self.chip.need(bool(self.state.value & self.RXNE_BIT), "DR was read without RXNE")
        self.data.value = self._held
        # Reading SR and then DR clears both.
        self.state.value &= ~(self.RXNE_BIT | self.ORE_BIT)

    def _send(self, old: int, new: int) -> None:
        self.chip.need(bool(self.state.value & self.TXE_BIT), "a byte was overwritten: no TXE")
        self.chip.sent.append(new & 0xFF)
        self.state.value &= ~self.TXE_BIT
        self.chip.restart("tx")


class Ports:
    """GPIO ports A to K of an STM32, 0x400 apart: RM0390 section 7.4 and its likes."""

    def __init__(self, chip: Chip, base: int, is_enabled: Callable[[int], bool]) -> None:
        self.chip, self.base = chip, base
        for port in range(11):
            for offset in (0x00, 0x04, 0x08, 0x0C, 0x20, 0x24):

                def check(old: int, new: int, port: int = port) -> None:
                    chip.need(
                        is_enabled(port), f"port {'ABCDEFGHIJK'[port]} while its clock is off"
                    )

                chip.add(base + 0x400 * port + offset, on_write=check)

    def function(self, port: int, pin: int) -> int | None:
        """The alternate function that the pin has; None: it is no peripheral's."""
        at = self.base + 0x400 * port
        if self.chip.registers[at].value >> 2 * pin & 3 != 2:
            return None
        return self.chip.registers[at + 0x20 + 4 * (pin // 8)].value >> 4 * (pin % 8) & 15


def add_cortex_m7_caches(chip: Chip, sets: int, ways: int) -> Callable[[], bool]:
    """The cache registers of a Cortex-M7 (DDI 0403, B3.2 and B2.2.7); whether both are in use.

    Undefined after reset: each set and way of the data cache must be invalidated, and the whole
    instruction cache, before they are switched on.
    """
    invalid: set[tuple[int, int]] = set()
    cleared = []
    chip.add(0xE000ED84)
    chip.add(0xE000ED80, value=0xF0000000 | (sets - 1) << 13 | (ways - 1) << 3 | 1, writable=0)
    chip.add(0xE000EF50, on_write=lambda old, new: cleared.append(new))
    way_shift = 32 - (ways - 1).bit_length()

    def by_set_and_way(old: int, new: int) -> None:
        invalid.add((new >> way_shift, new >> 5 & (sets - 1)))
        chip.need(new >> 5 & ((1 << way_shift - 5) - 1) < sets, f"DCISW {new:#x}: no such set")

    def control(old: int, new: int) -> None:
        chip.need(bool(cleared), "the instruction cache was not invalidated")
        chip.need(len(invalid) == sets * ways, f"{len(invalid)} lines were invalidated")

    chip.add(0xE000EF60, on_write=by_set_and_way)
    ccr = chip.add(0xE000ED14, value=0x00040200, on_write=control)
    return lambda: ccr.value >> 16 & 3 == 3 and bool(ccr.value & 0x00040200)
