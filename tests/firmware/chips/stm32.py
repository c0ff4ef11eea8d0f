"""Clock trees of four STM32 families, from their reference manuals."""

from __future__ import annotations

from dataclasses import dataclass

from tests.firmware.chips.chip import Chip, OldUsart, Ports, Usart, add_cortex_m7_caches

MHZ = 1_000_000


@dataclass
class F4orF7(Chip):
    """RCC and PWR of the F4 (RM0390 sections 5 and 6) and F7 (RM0385 sections 4 and 5).

    They are laid out alike; what differs is how fast they may be.
    """

    is_f7: bool = False
    uart: int = 0x40004400
    enable_bit: int = 17
    tx: tuple[int, int] = (0, 2)
    rx: tuple[int, int] = (0, 3)
    af: int = 7
    hse_hz: int = 8 * MHZ

    def __post_init__(self) -> None:
        rcc = 0x40023800
        self.cr = self.add(
            rcc, value=0x83, writable=0x010D00F9, on_write=self._cr, on_read=self._crs
        )
        self.pllcfgr = self.add(rcc + 0x04, value=0x24003010, on_write=self._pllcfgr)
        self.cfgr = self.add(
            rcc + 0x08, writable=0xFFFFFFF3, on_write=self._cfgr, on_read=self._sws
        )
        self.ahb1enr = self.add(rcc + 0x30, value=0x00100000)
        self.apb1enr = self.add(rcc + 0x40)
        self.acr = self.add(0x40023C00, on_write=self._acr)
        self.pwr_cr = self.add(0x40007000, value=0xC000, on_write=self._pwr)
        self.pwr_csr = self.add(0x40007004, writable=0, on_read=self._csr)
        ports = Ports(self, 0x40020000, lambda port: bool(self.ahb1enr.value >> port & 1))
        self.usart = (Usart if self.is_f7 else OldUsart)(
            self,
            self.uart,
            lambda: self.apb1_hz(),
            lambda: bool(self.apb1enr.value >> self.enable_bit & 1),
            lambda: ports.function(*self.tx) == ports.function(*self.rx) == self.af,
        )
        self.caches = add_cortex_m7_caches(self, 32, 4) if self.is_f7 else lambda: True

    # --- what the registers say
    def pll_hz(self) -> float:
        v = self.pllcfgr.value
        m, n, p = v & 63, v >> 6 & 511, 2 * (v >> 16 & 3) + 2
        source = self.hse_hz if v >> 22 & 1 else 16 * MHZ
        vco_in = source / max(m, 1)
        self.need(m >= 2 and 50 <= n <= 432 and v >> 24 & 15 >= 2, f"PLLCFGR {v:#x}: out of range")
        self.need(MHZ <= vco_in <= 2 * MHZ, f"the PLL's input has {vco_in:.0f} Hz: 1 to 2 MHz")
        self.need(100 * MHZ <= vco_in * n <= 432 * MHZ, f"the VCO has {vco_in * n:.0f} Hz")
        return vco_in * n / p

    def core_hz(self) -> float:
        runs = (16 * MHZ, self.hse_hz, self.pll_hz(), 0)[self.cfgr.value >> 2 & 3]
        hpre = self.cfgr.value >> 4 & 15
        return runs / ((1, 2, 4, 8, 16, 64, 128, 256, 512)[max(hpre - 7, 0)])

    def _apb_hz(self, shift: int) -> float:
        return self.core_hz() / (1, 2, 4, 8, 16)[max((self.cfgr.value >> shift & 7) - 3, 0)]

    def apb1_hz(self) -> float:
        return self._apb_hz(10)

    def check_speed(self) -> None:
        hz, over = self.core_hz(), self.pwr_cr.value >> 16 & 3 == 3
        most = (216 if over else 180) if self.is_f7 else (180 if over else 168)
        self.need(hz <= most * MHZ, f"{hz:.0f} Hz without the over-drive, or at all")
        waits = self.acr.value & 15
        self.need(hz <= 30 * MHZ * (waits + 1), f"{waits} wait states of the flash at {hz:.0f} Hz")
        apb1, apb2 = (54, 108) if self.is_f7 else (45, 90)
        self.need(self._apb_hz(10) <= apb1 * MHZ, f"APB1 at {self._apb_hz(10):.0f} Hz")
        self.need(self._apb_hz(13) <= apb2 * MHZ, f"APB2 at {self._apb_hz(13):.0f} Hz")
        self.need(self.pwr_cr.value >> 14 & 3 == 3 or hz <= 144 * MHZ, "the voltage is not scale 1")

    # --- what writes and reads do
    def _cr(self, old: int, new: int) -> None:
        if (old ^ new) >> 18 & 1:
            self.need(not old >> 16 & 1, "HSEBYP may change only while the HSE is off")
        if new >> 16 & 1:
            self.need(bool(new >> 18 & 1), "the board's HSE is a clock, not a crystal: HSEBYP")
        if new >> 24 & 1 and not old >> 24 & 1:
            self.pll_hz()
            self.need(
                not self.pllcfgr.value >> 22 & 1 or bool(self.cr.value >> 17 & 1),
                "the PLL was started before its source was ready",
            )

    def _crs(self) -> None:
        if self.cr.value >> 16 & 1 and self.ready("oscillator"):
            self.cr.value |= 1 << 17
        if self.cr.value >> 24 & 1 and self.ready("pll"):
            self.cr.value |= 1 << 25

    def _pllcfgr(self, old: int, new: int) -> None:
        self.need(not self.cr.value >> 24 & 1, "PLLCFGR may be written only while the PLL is off")

    def _cfgr(self, old: int, new: int) -> None:
        if new & 3 == 2:
            self.need(bool(self.cr.value >> 25 & 1), "switched to a PLL without lock")
        self.restart("switch")
        self.check_speed()

    def _sws(self) -> None:
        wanted = self.cfgr.value & 3
        if self.cfgr.value >> 2 & 3 != wanted and (wanted == 0 or self.ready("switch")):
            self.cfgr.value = self.cfgr.value & ~0xC | wanted << 2
        self.check_speed()

    def _acr(self, old: int, new: int) -> None:
        if "flash" in self.broken:
            self.acr.value = old

    def _pwr(self, old: int, new: int) -> None:
        self.need(bool(self.apb1enr.value >> 28 & 1), "PWR while its clock is off")
        if (old ^ new) >> 14 & 3:
            self.need(not self.cr.value >> 24 & 1, "VOS may change only while the PLL is off")
        if new >> 17 & 1 and not old >> 17 & 1:
            self.need(bool(self.pwr_csr.value >> 16 & 1), "ODSWEN before ODRDY")

    def _csr(self) -> None:
        if self.pwr_cr.value >> 16 & 1 and self.ready("voltage"):
            self.pwr_csr.value |= 1 << 16
        if self.pwr_cr.value >> 17 & 1 and self.ready("voltage switch"):
            self.pwr_csr.value |= 1 << 17


@dataclass
class H7(Chip):
    """RCC, PWR and SYSCFG of the H743: RM0433 sections 6, 8 and 12; limits of DS12110, table 23."""

    revision: int = 0x2003
    hse_hz: int = 8 * MHZ

    def __post_init__(self) -> None:
        rcc, pwr = 0x58024400, 0x58024800
        self.cr = self.add(
            rcc, value=0x25, writable=0x01050001, on_write=self._cr, on_read=self._crs
        )
        self.cfgr = self.add(
            rcc + 0x10, writable=0xFFFFFFC7, on_write=self._cfgr, on_read=self._sws
        )
        self.d1 = self.add(rcc + 0x18)
        self.d2 = self.add(rcc + 0x1C)
        self.d3 = self.add(rcc + 0x20)
        self.pllckselr = self.add(rcc + 0x28, value=0x02020200, on_write=self._pll_off)
        self.pllcfgr = self.add(rcc + 0x2C, value=0x01FF0000, on_write=self._pll_off)
        self.pll1divr = self.add(rcc + 0x30, value=0x01010280, on_write=self._pll_off)
        self.ahb4enr = self.add(rcc + 0xE0)
        self.apb1lenr = self.add(rcc + 0xE8)
        self.apb4enr = self.add(rcc + 0xF4)
        self.acr = self.add(0x52002000, value=0x37, on_write=self._acr)
        self.csr1 = self.add(pwr + 0x04, value=0x4000, writable=0, on_read=self._csr1)
        self.cr3 = self.add(pwr + 0x0C, value=0x06, on_write=self._supply)
        self.d3cr = self.add(pwr + 0x18, value=0x4000, writable=0xC000, on_write=self._vos)
        self.d3cr.on_read = self._vosrdy
        self.pwrcr = self.add(0x5800042C, on_write=self._over_drive)
        self.add(0x5C001000, value=self.revision << 16 | 0x450, writable=0)
        self.is_supplied = False
        ports = Ports(self, 0x58020000, lambda port: bool(self.ahb4enr.value >> port & 1))
        self.usart = Usart(
            self,
            0x40004800,
            lambda: self.apb1_hz(),
            lambda: bool(self.apb1lenr.value >> 18 & 1),
            lambda: ports.function(3, 8) == ports.function(3, 9) == 7,
        )
        self.caches = add_cortex_m7_caches(self, 128, 4)

    def pll_hz(self) -> float:
        source = (64 * MHZ, 4 * MHZ, self.hse_hz, 0)[self.pllckselr.value & 3]
        m = self.pllckselr.value >> 4 & 63
        n, p = (self.pll1divr.value & 511) + 1, (self.pll1divr.value >> 9 & 127) + 1
        reference = source / max(m, 1)
        low = (1, 2, 4, 8)[self.pllcfgr.value >> 2 & 3] * MHZ
        self.need(m > 0, "DIVM1 0 stops the PLL")
        self.need(low <= reference <= 2 * low, f"PLL1RGE does not say {reference:.0f} Hz")
        self.need(not self.pllcfgr.value >> 1 & 1, "the VCO is not the wide one")
        most = 960 if self.revision >= 0x2003 else 836
        self.need(192 * MHZ <= reference * n <= most * MHZ, f"the VCO has {reference * n:.0f} Hz")
        self.need(p % 2 == 0, "DIVP1 must be even")
        self.need(bool(self.pllcfgr.value >> 16 & 1), "DIVP1EN is 0: no clock of the PLL")
        return reference * n / p

    def core_hz(self) -> float:
        source = self.cfgr.value >> 3 & 7
        runs = 64 * MHZ if source == 0 else self.pll_hz() if source == 3 else 0
        return runs / self._divide(self.d1.value >> 8 & 15)

    @staticmethod
    def _divide(code: int) -> int:
        return (1, 2, 4, 8, 16, 64, 128, 256, 512)[max(code - 7, 0)]

    @staticmethod
    def _divide_apb(code: int) -> int:
        return (1, 2, 4, 8, 16)[max(code - 3, 0)]

    def bus_hz(self) -> float:
        return self.core_hz() / self._divide(self.d1.value & 15)

    def apb1_hz(self) -> float:
        return self.bus_hz() / self._divide_apb(self.d2.value >> 4 & 7)

    def check_speed(self) -> None:
        scale_1 = self.d3cr.value >> 14 & 3 == 3
        scale_0 = scale_1 and bool(self.pwrcr.value & 1) and self.revision >= 0x2003
        most = 480 if scale_0 else 400 if scale_1 else 200
        core, bus = self.core_hz(), self.bus_hz()
        self.need(core <= most * MHZ, f"the core at {core:.0f} Hz, at this voltage {most} MHz")
        self.need(bus <= most / 2 * MHZ, f"the buses at {bus:.0f} Hz")
        for name, code in (
            ("APB3", self.d1.value >> 4 & 7),
            ("APB1", self.d2.value >> 4 & 7),
            ("APB2", self.d2.value >> 8 & 7),
            ("APB4", self.d3.value >> 4 & 7),
        ):
            hz = bus / self._divide_apb(code)
            self.need(hz <= most / 4 * MHZ, f"{name} at {hz:.0f} Hz")
        # RM0433, table 17: wait states and programming delay, at VOS1 and VOS0.
        steps = ((70, 0, 0), (140, 1, 1), (185, 2, 1), (210, 2, 2), (225, 3, 2), (240, 4, 2))
        waits, delay = self.acr.value & 15, self.acr.value >> 4 & 3
        least = next((s for s in steps if bus <= s[0] * MHZ), (0, 99, 99))
        self.need(waits >= least[1] and delay >= least[2], f"flash: {waits} waits, delay {delay}")

    def _cr(self, old: int, new: int) -> None:
        if (old ^ new) >> 18 & 1:
            self.need(not old >> 16 & 1, "HSEBYP may change only while the HSE is off")
        if new >> 16 & 1:
            self.need(bool(new >> 18 & 1), "the board's HSE is a clock, not a crystal: HSEBYP")
        if new >> 24 & 1 and not old >> 24 & 1:
            self.need(bool(self.cr.value >> 17 & 1), "the PLL was started before its source")
            self.pll_hz()

    def _crs(self) -> None:
        if self.cr.value >> 16 & 1 and self.ready("oscillator"):
            self.cr.value |= 1 << 17
        if self.cr.value >> 24 & 1 and self.ready("pll"):
            self.cr.value |= 1 << 25

    def _pll_off(self, old: int, new: int) -> None:
        self.need(not self.cr.value >> 24 & 1, "PLL registers may be written while it is off only")

    def _cfgr(self, old: int, new: int) -> None:
        if new & 7 == 3:
            self.need(bool(self.cr.value >> 25 & 1), "switched to a PLL without lock")
        self.restart("switch")
        self.check_speed()

    def _sws(self) -> None:
        wanted = self.cfgr.value & 7
        if self.cfgr.value >> 3 & 7 != wanted and (wanted == 0 or self.ready("switch")):
            self.cfgr.value = self.cfgr.value & ~0x38 | wanted << 3
        self.check_speed()

    def _acr(self, old: int, new: int) -> None:
        if "flash" in self.broken:
            self.acr.value = old

    def _supply(self, old: int, new: int) -> None:
        self.need(new & 3 == 2, "the NUCLEO's supply is the LDO")
        self.is_supplied = True

    def _csr1(self) -> None:
        if self.ready("supply"):
            self.csr1.value |= 1 << 13

    def _vos(self, old: int, new: int) -> None:
        self.need(self.is_supplied, "VOS before the supply was configured has no effect")
        self.d3cr.value &= ~(1 << 13)
        self.restart("voltage")

    def _vosrdy(self) -> None:
        if self.ready("voltage"):
            self.d3cr.value |= 1 << 13

    def _over_drive(self, old: int, new: int) -> None:
        self.need(bool(self.apb4enr.value >> 1 & 1), "SYSCFG while its clock is off")
        self.need(self.d3cr.value >> 13 & 7 == 7, "ODEN before scale 1 was reached")
        self.need(self.revision >= 0x2003, "this revision has no scale 0")
        self.d3cr.value &= ~(1 << 13)
        self.restart("voltage")


@dataclass
class L4(Chip):
    """RCC and PWR of the L4R5: RM0432 sections 5 and 6; flash of table 12."""

    def __post_init__(self) -> None:
        rcc, pwr = 0x40021000, 0x40007000
        self.cr = self.add(
            rcc, value=0x63, writable=0x01000100, on_write=self._cr, on_read=self._crs
        )
        self.cfgr = self.add(
            rcc + 0x08, writable=0xFFFFFFF3, on_write=self._cfgr, on_read=self._sws
        )
        self.pllcfgr = self.add(rcc + 0x0C, value=0x1000, on_write=self._pllcfgr)
        self.ahb2enr = self.add(rcc + 0x4C)
        self.apb1enr1 = self.add(rcc + 0x58, value=0x400)
        self.apb1enr2 = self.add(rcc + 0x5C)
        self.acr = self.add(0x40022000, value=0x600, on_write=self._acr)
        self.cr1 = self.add(pwr, value=0x200, on_write=self._pwr)
        self.cr2 = self.add(pwr + 0x04, on_write=self._pwr)
        self.sr2 = self.add(pwr + 0x14, writable=0, on_read=self._sr2)
        self.cr5 = self.add(pwr + 0x80, value=0x100, on_write=self._pwr)
        self.half_reads = 0
        ports = Ports(self, 0x48000000, lambda port: bool(self.ahb2enr.value >> port & 1))

        def pins() -> bool:
            self.need(bool(self.cr2.value >> 9 & 1), "port G without IOSV has no supply")
            return ports.function(6, 7) == ports.function(6, 8) == 8

        self.usart = Usart(
            self,
            0x40008000,
            lambda: self.core_hz(),
            lambda: bool(self.apb1enr2.value & 1),
            pins,
            steps=256,
        )
        self.caches = lambda: True

    def pll_hz(self) -> float:
        v = self.pllcfgr.value
        source = (0, 4 * MHZ, 16 * MHZ, 0)[v & 3]
        m, n, r = (v >> 4 & 15) + 1, v >> 8 & 127, 2 * (v >> 25 & 3) + 2
        self.need(2.66 * MHZ <= source / m <= 16 * MHZ, "the PLL's input is out of range")
        self.need(8 <= n <= 127 and 64 * MHZ <= source / m * n <= 344 * MHZ, "the VCO is too fast")
        self.need(bool(v >> 24 & 1), "PLLREN is 0: no clock of the PLL")
        return source / m * n / r

    def core_hz(self) -> float:
        source = self.cfgr.value >> 2 & 3
        runs = (4 * MHZ, 16 * MHZ, 0, 0)[source] if source != 3 else self.pll_hz()
        return runs / (1, 2, 4, 8, 16, 64, 128, 256, 512)[max((self.cfgr.value >> 4 & 15) - 7, 0)]

    def check_speed(self) -> None:
        hz = self.core_hz()
        boost = self.cr1.value >> 9 & 3 == 1 and not self.cr5.value >> 8 & 1
        self.need(hz <= (120 if boost else 80) * MHZ, f"{hz:.0f} Hz without the boost mode")
        waits = self.acr.value & 15
        self.need(hz <= 20 * MHZ * (waits + 1), f"{waits} wait states of the flash at {hz:.0f} Hz")

    def _cr(self, old: int, new: int) -> None:
        if new >> 24 & 1 and not old >> 24 & 1:
            self.need(bool(self.cr.value >> 10 & 1), "the PLL was started before its source")
            self.pll_hz()

    def _crs(self) -> None:
        if self.cr.value >> 8 & 1 and self.ready("oscillator"):
            self.cr.value |= 1 << 10
        if self.cr.value >> 24 & 1 and self.ready("pll"):
            self.cr.value |= 1 << 25

    def _pllcfgr(self, old: int, new: int) -> None:
        self.need(not self.cr.value >> 24 & 1, "PLLCFGR may be written only while the PLL is off")

    def _cfgr(self, old: int, new: int) -> None:
        if new & 3 == 3:
            self.need(bool(self.cr.value >> 25 & 1), "switched to a PLL without lock")
            if old & 3 != 3:
                # 5.1.8: to more than 80 MHz by half of it, at least a microsecond.
                self.need(new >> 4 & 15 == 8, "beyond 80 MHz at once, not by half of it")
                self.half_reads = 0
        if old >> 4 & 15 == 8 and new >> 4 & 15 == 0 and self.cfgr.value >> 2 & 3 == 3:
            # A read takes two cycles at the least, here of 60 MHz.
            self.need(self.half_reads >= 30, "less than a microsecond at half the clock")
        self.restart("switch")
        self.check_speed()

    def _sws(self) -> None:
        wanted = self.cfgr.value & 3
        self.half_reads += 1
        if self.cfgr.value >> 2 & 3 != wanted and (wanted == 0 or self.ready("switch")):
            self.cfgr.value = self.cfgr.value & ~0xC | wanted << 2
        self.check_speed()

    def _acr(self, old: int, new: int) -> None:
        if "flash" in self.broken:
            self.acr.value = old

    def _pwr(self, old: int, new: int) -> None:
        self.need(bool(self.apb1enr1.value >> 28 & 1), "PWR while its clock is off")

    def _sr2(self) -> None:
        self.sr2.value = 0 if self.ready("voltage") else 1 << 10
