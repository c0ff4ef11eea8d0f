"""CLOCK, NVMC and UART of the nRF52840, from its Product Specification v1.7."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tests.firmware.chips.chip import Chip


@dataclass
class Nrf52840(Chip):
    """CLOCK of section 5.4, NVMC of 4.3, UART of 6.32, GPIO of 6.9."""

    arrived: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.cache = self.add(0x4001E540)
        self.started = self.add(0x40000100, on_read=self._started)
        self.task = self.add(0x40000000)
        uart = 0x40002000
        self.start_rx = self.add(uart + 0x000)
        self.start_tx = self.add(uart + 0x008)
        self.rxdrdy = self.add(uart + 0x108, on_read=self._arrive)
        self.txdrdy = self.add(uart + 0x11C, on_read=self._sent)
        self.enable = self.add(uart + 0x500, on_write=self._enable)
        for offset in (0x508, 0x50C, 0x510, 0x514):
            self.add(uart + offset, value=0xFFFFFFFF, on_write=self._pins)
        self.add(uart + 0x518, writable=0, on_read=self._take)
        self.add(uart + 0x51C, on_write=self._send)
        self.baud = self.add(uart + 0x524, value=0x04000000)
        self.config = self.add(uart + 0x56C)
        self.cnf = {pin: self.add(0x50000A00 + 4 * pin, value=2) for pin in range(16)}
        self.outset = self.add(0x50000808)
        self.fifo: deque[int] = deque()
        self.is_sending = False
        self.usart = self
        self.caches = lambda: self.cache.value & 1 == 1

    def core_hz(self) -> float:
        return 64e6

    def _started(self) -> None:
        if self.task.value and self.ready("oscillator"):
            self.started.value = 1

    def _pins(self, old: int, new: int) -> None:
        # 6.32.2: only while the UART is disabled.
        self.need(self.enable.value == 0, "PSEL was written while the UART was on")

    def _enable(self, old: int, new: int) -> None:
        if new != 4:
            return
        uart = self.registers
        self.need(uart[0x4000250C].value == 0x23, "TXD is not P1.03")
        self.need(uart[0x40002514].value == 0x2A, "RXD is not P1.10")
        self.need(uart[0x40002508].value >> 31 == 1, "RTS is connected")
        self.need(uart[0x40002510].value >> 31 == 1, "CTS is connected")
        self.need(self.baud.value == 0x01D7E000, "the line has not 115200 baud")
        self.need(self.config.value == 0, "parity or flow control")
        self.need(self.cnf[3].value & 1 == 1, "TXD's pin is no output")
        self.need(bool(self.outset.value >> 3 & 1), "TXD does not rest high")
        self.need(self.cnf[10].value & 3 == 0, "RXD's pin is no connected input")

    def _arrive(self) -> None:
        while self.arrived and len(self.fifo) < 6:
            self.fifo.append(self.arrived.popleft())
            if len(self.fifo) == 1:
                self.rxdrdy.value = 1

    def _take(self) -> None:
        self.need(bool(self.fifo) and self.start_rx.value == 1, "RXD was read without a byte")
        if self.fifo:
            self.registers[0x40002518].value = self.fifo.popleft()
        # 6.32.6: the event comes anew for each byte that follows in the FIFO.
        if self.fifo:
            self.rxdrdy.value = 1

    def overrun(self) -> None:
        """More bytes than the FIFO holds are lost; here the second one."""
        first = self.arrived.popleft()
        self.arrived.popleft()
        self.arrived.appendleft(first)

    def _sent(self) -> None:
        if self.is_sending and self.ready("tx"):
            self.txdrdy.value = 1
            self.is_sending = False

    def _send(self, old: int, new: int) -> None:
        self.need(self.start_tx.value == 1 and self.enable.value == 4, "sent while the UART is off")
        self.need(not self.is_sending, "a byte was overwritten")
        self.sent.append(new & 0xFF)
        self.is_sending = True
        self.restart("tx")
