"""Where an artefact runs, in the words of the user."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.errors import UsageError
from edgemnv2.runners import RunnerOptions, make_runner

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Where an artefact runs; without any, where its target file says.

    `runner` is "local", "qemu-user", "qemu-system", "rpc", "ssh" or "serial"; the address of a
    board implies its runner: `ssh` "user@host[:port]", `serial` a device, `rpc_tracker` and
    `rpc_key` a board behind TVM's tracker. `emulate`: a microcontroller's code on QEMU's board of
    the same core.
    """

    runner: str | None = None
    ssh: str | None = None
    serial: str | None = None
    rpc_tracker: str | None = None
    rpc_key: str | None = None
    emulate: bool = False

    @property
    def implied(self) -> str | None:
        """The runner, named outright or by an address; None: neither.

        Raises UsageError where several boards are named.
        """
        given = {
            "ssh": self.ssh,
            "serial": self.serial,
            "rpc": self.rpc_tracker is not None and self.rpc_key is not None,
            "qemu-system": self.emulate,
        }
        implied = [name for name, value in given.items() if value]
        if self.emulate and self.runner not in (None, "qemu-system"):
            raise UsageError(f"emulate=True with runner={self.runner}: give one of them")
        if len(implied) > 1 and not self.runner:
            raise UsageError(f"boards by {' and '.join(implied)}: give one of them, or runner=")
        return self.runner or next(iter(implied), None)

    def check(self) -> None:
        """UsageError for several boards, and for one whose address is missing or none."""
        if self.implied is not None:
            make_runner(self.implied, self.options)

    @property
    def options(self) -> RunnerOptions:
        """The addresses as runners take them."""
        return RunnerOptions(self.ssh, self.serial, self.rpc_tracker, self.rpc_key, self.emulate)
