"""The drivers of bundles against models of the chips, written from the manuals.

The C is what a bundle ships, compiled for this machine; only `registers.h` is the tests' own.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.firmware.board_code import board_facts_header, chip_sources
from edgemnv2.firmware.parts import board_facts
from edgemnv2.firmware.templates import read_template
from edgemnv2.target import load_target, target_names
from tests.firmware.chips.chip import Chip
from tests.firmware.chips.nrf52840 import Nrf52840
from tests.firmware.chips.stm32 import H7, L4, F4orF7

HERE = Path(__file__).resolve().parent
READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32)
PATIENCE = "WAIT_READS = 1000000 "
FAULTS = {"oscillator": 1, "voltage": 2, "pll": 3, "flash": 4, "switch": 5}

CHIPS: dict[str, Callable[..., Any]] = {
    "nucleo-f446re": F4orF7,
    "nucleo-f429zi": lambda **more: F4orF7(
        uart=0x40004800, enable_bit=18, tx=(3, 8), rx=(3, 9), **more
    ),
    "nucleo-f746zg": lambda **more: F4orF7(
        is_f7=True, uart=0x40004800, enable_bit=18, tx=(3, 8), rx=(3, 9), **more
    ),
    "nucleo-h743zi": H7,
    "stm32l4r5": L4,
    "nano33ble": Nrf52840,
}
CLOCK_HZ = {
    "nucleo-f446re": (180e6, 16e6),
    "nucleo-f429zi": (180e6, 16e6),
    "nucleo-f746zg": (216e6, 16e6),
    "nucleo-h743zi": (480e6, 64e6),
    "stm32l4r5": (120e6, 4e6),
    "nano33ble": (64e6, 64e6),
}
"""At full speed, and after reset."""


class Driver:
    """The compiled driver of a board, every register of which is `chip`'s."""

    def __init__(self, board: str, chip: Chip, folder: Path) -> None:
        self.chip = chip
        facts = board_facts(board)
        for name in chip_sources(str(facts["chip"])):
            # As patient as a test can be.
            text = read_template(f"board/{name}").replace(PATIENCE, "WAIT_READS = 1000 ")
            (folder / name).write_text(text)
        (folder / "board.h").write_text(read_template("board/board.h"))
        (folder / "registers.h").write_text((HERE / "chips/registers.h").read_text())
        (folder / "board_facts.h").write_text(board_facts_header(board, facts))
        (folder / "model.c").write_text(
            "#include <stdint.h>\nuint32_t (*model_read)(uint32_t);\n"
            "void (*model_write)(uint32_t, uint32_t);\n"
        )
        sources = [str(folder / f"{facts['chip']}.c"), str(folder / "model.c")]
        flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run(["gcc", *flags, *sources, "-o", str(folder / "x.so")], check=True)
        self.library = ctypes.CDLL(str(folder / "x.so"))
        self._calls = READ(chip.read), WRITE(chip.write)
        for name, call in zip(("model_read", "model_write"), self._calls, strict=True):
            ctypes.c_void_p.in_dll(self.library, name).value = ctypes.cast(
                call, ctypes.c_void_p
            ).value

    def start(self) -> int:
        return int(self.library.board_start())

    def clock_hz(self) -> int:
        return int(self.library.board_clock_hz())


@pytest.fixture(autouse=True)
def compiler(require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")


def check_console(driver: Driver, chip: Any) -> None:
    for byte in b"m-ready\r\n":
        driver.library.board_put(byte)
    assert chip.sent == b"m-ready\r\n"
    chip.usart.arrived.extend(b"name%")
    assert bytes(driver.library.board_get() for _ in range(5)) == b"name%"
    # Bytes that came while the board was busy are lost; those that follow are not.
    chip.usart.arrived.extend(b"abc")
    chip.usart.overrun()
    assert bytes(driver.library.board_get() for _ in range(2)) == b"ac"


def test_a_wait_takes_longer_than_a_crystal_and_has_an_end() -> None:
    assert PATIENCE in read_template("board/register_bits.h")


def test_every_board_with_a_driver_has_a_model() -> None:
    chips = {name: board_facts(name).get("chip") for name in target_names()}
    real = {name for name, chip in chips.items() if chip not in (None, "cmsdk")}
    assert real == set(CHIPS) == set(CLOCK_HZ)


@pytest.mark.parametrize("board", CHIPS)
def test_the_clock_is_the_boards_and_the_console_talks(board: str, tmp_path: Path) -> None:
    chip = CHIPS[board]()
    driver = Driver(board, chip, tmp_path)
    assert driver.start() == 0
    assert driver.clock_hz() == chip.core_hz() == CLOCK_HZ[board][0]
    assert driver.clock_hz() == load_target(board).cpu.clock_hz
    assert chip.caches(), "the caches are off"
    check_console(driver, chip)
    assert chip.errors == []


@pytest.mark.parametrize(
    ("board", "what"),
    [
        (board, what)
        for board in CHIPS
        for what in FAULTS
        if what == "oscillator" or (board != "nano33ble")
    ],
)
def test_what_never_becomes_ready_ends_in_its_code_and_the_console_talks(
    board: str, what: str, tmp_path: Path
) -> None:
    chip = CHIPS[board](broken=frozenset({what}))
    driver = Driver(board, chip, tmp_path)
    assert driver.start() == FAULTS[what]
    assert driver.clock_hz() == chip.core_hz() == CLOCK_HZ[board][1]
    check_console(driver, chip)
    assert chip.errors == []


@pytest.mark.parametrize("revision", [0x1001, 0x1003])
def test_an_early_h743_runs_at_what_it_can(revision: int, tmp_path: Path) -> None:
    chip = H7(revision=revision)
    driver = Driver("nucleo-h743zi", chip, tmp_path)
    assert driver.start() == 0
    assert driver.clock_hz() == chip.core_hz() == 400e6
    check_console(driver, chip)
    assert chip.errors == []


FACTS = [
    ("nucleo-f446re", "BOARD_FLASH_WAITS 5u", "BOARD_FLASH_WAITS 4u", "wait states of the flash"),
    ("nucleo-f446re", "BOARD_PIN_FUNCTION 7u", "BOARD_PIN_FUNCTION 8u", "pins are not its own"),
    ("nucleo-f746zg", "BOARD_CLOCK_HZ 216000000u", "BOARD_CLOCK_HZ 220000000u", "over-drive"),
    ("nucleo-f746zg", "BOARD_UART_ENABLE_BIT 18u", "BOARD_UART_ENABLE_BIT 17u", "clock is off"),
    ("nucleo-h743zi", "BOARD_CLOCK_HZ 480000000u", "BOARD_CLOCK_HZ 488000000u", "the VCO has"),
    ("stm32l4r5", "BOARD_CLOCK_HZ 120000000u", "BOARD_CLOCK_HZ 128000000u", "boost mode"),
    ("nano33ble", "BOARD_TX_PIN 3u", "BOARD_TX_PIN 4u", "TXD is not"),
]
STATEMENTS = [
    ("stm32_clock.h", "nucleo-f446re", "CFGR_APB1_BY_4 = 5u", "CFGR_APB1_BY_4 = 4u", "APB1 at"),
    ("stm32_clock.h", "nucleo-f446re", "change_register(PWR_CR, 0, CR_ODSWEN);", "", None),
    ("stm32f7.c", "nucleo-f746zg", "enable_caches();", "", None),
    ("cortex_m7_caches.h", "nucleo-f746zg", "set <= ", "set < ", "lines were invalidated"),
    ("stm32h7.c", "nucleo-h743zi", "change_register(SYSCFG_PWRCR, 0, PWRCR_ODEN);", "", "at this"),
    ("stm32h7.c", "nucleo-h743zi", "PLLCFGR_8_TO_16_MHZ |", "", "PLL1RGE does not say"),
    ("stm32l4.c", "stm32l4r5", "change_register(PWR + PWR_CR5, CR5_R1MODE, 0);", "", "boost"),
    ("stm32l4.c", "stm32l4r5", "wait < 100", "wait < 1", "less than a microsecond"),
    (
        "stm32l4.c",
        "stm32l4r5",
        "change_register(PWR + PWR_CR2, 0, CR2_IOSV);",
        "(void)0;",
        "no supply",
    ),
    ("stm32_usart.h", "stm32l4r5", "(steps + BAUD / 2) / BAUD", "steps / 9600", "baud"),
    ("stm32_gpio.h", "nucleo-h743zi", "4u * (pin >> 3)", "0", "pins are not its own"),
]


@pytest.mark.parametrize(("board", "fact", "wrong", "error"), FACTS)
def test_a_model_refuses_wrong_facts(
    board: str, fact: str, wrong: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = board_facts_header

    def spoilt(description: str, facts: Any) -> str:
        text = right(description, facts)
        assert text.count(fact + "\n") == 1
        return text.replace(fact + "\n", wrong + "\n")

    monkeypatch.setattr("tests.firmware.test_chip_drivers.board_facts_header", spoilt)
    chip = CHIPS[board]()
    Driver(board, chip, tmp_path).start()
    assert any(error in said for said in chip.errors), chip.errors


@pytest.mark.parametrize(("file", "board", "right", "wrong", "error"), STATEMENTS)
def test_a_model_refuses_a_wrong_driver(
    file: str,
    board: str,
    right: str,
    wrong: str,
    error: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = read_template

    def spoilt(path: str) -> str:
        text = original(path)
        if path == f"board/{file}":
            assert right in text
            return text.replace(right, wrong)
        return text

    monkeypatch.setattr("tests.firmware.test_chip_drivers.read_template", spoilt)
    chip = CHIPS[board]()
    fault = Driver(board, chip, tmp_path).start()
    if error is None:
        assert fault or not chip.caches()
    else:
        assert any(error in said for said in chip.errors), chip.errors
