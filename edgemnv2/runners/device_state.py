"""What a Linux device says of its clock, governor, load and throttling around a measurement.

Read from files alone (sysfs, procfs), so the same code serves this machine and one behind ssh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["STATE_FILES", "DeviceState", "local_state", "read_state", "state_notes"]

_CPUFREQ = "/sys/devices/system/cpu/cpu0/cpufreq"
# Linux kernel documentation, "CPU Performance Scaling"; the last one is Raspberry Pi firmware's
# (documentation of `vcgencmd get_throttled`).
STATE_FILES = {
    "load": "/proc/loadavg",
    "cores": "/sys/devices/system/cpu/online",
    "governor": f"{_CPUFREQ}/scaling_governor",
    "clock_khz": f"{_CPUFREQ}/scaling_cur_freq",
    "max_khz": f"{_CPUFREQ}/scaling_max_freq",
    "throttled": "/sys/devices/platform/soc/soc:firmware/get_throttled",
}
_THROTTLED_NOW = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
# More than this share of the cores busy with other work makes times doubtful.
_BUSY = 0.25


@dataclass(frozen=True)
class DeviceState:
    """One look at the device; None where it does not say."""

    load: float | None
    cores: int
    governor: str | None
    clock_hz: int | None
    max_clock_hz: int | None
    throttled_bits: int | None


def read_state(read: Callable[[str], str | None]) -> DeviceState:
    """The state, by `read(path)`: the file's text, or None where there is no such file."""
    text = {key: (read(path) or "").strip() for key, path in STATE_FILES.items()}
    bits = text["throttled"]
    return DeviceState(
        load=float(text["load"].split()[0]) if text["load"] else None,
        cores=_count_cores(text["cores"]),
        governor=text["governor"] or None,
        clock_hz=int(text["clock_khz"]) * 1000 if text["clock_khz"].isdigit() else None,
        max_clock_hz=int(text["max_khz"]) * 1000 if text["max_khz"].isdigit() else None,
        throttled_bits=int(bits, 16) if bits else None,
    )


def local_state() -> DeviceState:
    """This machine's state."""

    def read(path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    return read_state(read)


def state_notes(before: DeviceState, after: DeviceState) -> tuple[str, ...]:
    """What a reader of the figure must know, one sentence each."""
    notes = []
    if before.load is not None:
        busy = before.load > _BUSY * before.cores
        doubt = ": other work disturbs the times" if busy else ""
        notes.append(f"load {before.load:.2f} on {before.cores} cores before the start{doubt}")
    if before.governor:
        steady = before.governor == "performance"
        remedy = "" if steady else " (the governor `performance` gives steadier times)"
        notes.append(f"governor {before.governor}{remedy}")
    if after.clock_hz and after.max_clock_hz:
        notes.append(
            f"clock {after.clock_hz / 1e6:.0f} of {after.max_clock_hz / 1e6:.0f} MHz at the end"
        )
    elif before.governor is None:
        notes.append("the clock cannot be read here")
    if after.throttled_bits is not None:
        reasons = [name for bit, name in _THROTTLED_NOW.items() if after.throttled_bits >> bit & 1]
        notes.append(f"throttling: {', '.join(reasons) or 'none'}")
    return tuple(notes)


def _count_cores(text: str) -> int:
    """The number of processors in a kernel list such as `0-3,6`; 1 where it is empty."""
    count = 0
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count or 1
