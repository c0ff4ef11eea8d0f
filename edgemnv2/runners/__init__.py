"""Where artefacts run: this machine, emulators, boards; one protocol (`base.Runner`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgemnv2.artifact import Artifact
from edgemnv2.errors import UsageError
from edgemnv2.runners.base import Runner, RunResult, TraceRow
from edgemnv2.target import missing_local_features

__all__ = [
    "RUNNER_NAMES",
    "RunResult",
    "Runner",
    "RunnerOptions",
    "TraceRow",
    "default_runner",
    "make_runner",
    "runner_for",
]


@dataclass(frozen=True)
class RunnerOptions:
    """Where the boards are: `user@host[:port]`, a serial device, a tracker and its key.

    `emulate`: a microcontroller's code on an emulated board of the same core.
    """

    ssh: str | None = None
    serial: str | None = None
    rpc_tracker: str | None = None
    rpc_key: str | None = None
    emulate: bool = False


def _local(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.local import LocalRunner

    return LocalRunner()


def _node(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.node import NodeRunner

    return NodeRunner()


def _qemu_user(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.qemu_user import QemuUserRunner

    return QemuUserRunner()


def _qemu_system(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.qemu_system import QemuSystemRunner

    return QemuSystemRunner(options.emulate)


def _ssh(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.ssh import SshRunner

    if options.ssh is None:
        raise UsageError("runner=ssh needs ssh=USER@HOST[:PORT]")
    return SshRunner(options.ssh)


def _serial(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.serial import SerialRunner

    if options.serial is None:
        raise UsageError("runner=serial needs serial=DEVICE, such as /dev/ttyACM0")
    return SerialRunner(options.serial)


def _rpc(options: RunnerOptions) -> Runner:
    from edgemnv2.runners.rpc import RpcRunner

    if options.rpc_tracker is None or options.rpc_key is None:
        raise UsageError("runner=rpc needs rpc_tracker=HOST:PORT and rpc_key=K")
    return RpcRunner(options.rpc_tracker, options.rpc_key)


_RUNNERS: dict[str, Callable[[RunnerOptions], Runner]] = {
    "local": _local,
    "node": _node,
    "qemu-system": _qemu_system,
    "qemu-user": _qemu_user,
    "rpc": _rpc,
    "serial": _serial,
    "ssh": _ssh,
}
RUNNER_NAMES = tuple(sorted(_RUNNERS))


def default_runner(artifact: Artifact) -> str:
    """Name of the runner of the artefact's target; `local` where this machine can run the code."""
    target = artifact.target
    if not target.is_bare_metal and not missing_local_features(target):
        return "local"
    return target.runner


def make_runner(name: str, options: RunnerOptions | None = None) -> Runner:
    """The runner of that name; UsageError for another one, or when its address is not given."""
    if name not in _RUNNERS:
        raise UsageError(f"runner={name}: expected one of {', '.join(RUNNER_NAMES)}")
    return _RUNNERS[name](options or RunnerOptions())


def runner_for(
    artifact: Artifact, name: str | None = None, options: RunnerOptions | None = None
) -> Runner:
    """The runner called `name`, or the artefact's default one."""
    return make_runner(name or default_runner(artifact), options)
