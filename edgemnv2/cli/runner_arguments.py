"""The arguments by which every verb that runs something names the place."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemnv2.artifact import Artifact
    from edgemnv2.runners import Runner

__all__ = ["add_runner_arguments", "chosen_runner", "implied_runner"]

# Spelled here and not imported, so that --help needs no NumPy; a test compares them.
RUNNER_NAMES = ("local", "qemu-system", "qemu-user", "rpc", "serial", "ssh")


class _Rpc(argparse.Action):
    """Keeps the value, and that it was given: the environment alone does not ask for rpc."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.rpc_given = True


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """`--runner` and where the boards are."""
    group = parser.add_argument_group("where it runs (the target's own runner without)")
    group.add_argument("--runner", choices=RUNNER_NAMES, metavar="R", help=", ".join(RUNNER_NAMES))
    group.add_argument(
        "--emulate",
        action="store_true",
        help="a microcontroller's code on QEMU's board of the same core, when no board is there",
    )
    group.add_argument(
        "--ssh", metavar="USER@HOST[:PORT]", help="a Linux board: copies the bench program there"
    )
    group.add_argument(
        "--serial", metavar="DEVICE", help="a Cortex-M board's port, 115200 8N1: /dev/ttyACM0"
    )
    group.add_argument(
        "--rpc-tracker",
        action=_Rpc,
        metavar="HOST:PORT",
        default=_tracker_from_environment(),
        help="TVM's RPC tracker (TVM_TRACKER_HOST and _PORT)",
    )
    group.add_argument(
        "--rpc-key",
        action=_Rpc,
        metavar="K",
        default=os.environ.get("TVM_TRACKER_KEY"),
        help="the boards' key at the tracker (TVM_TRACKER_KEY)",
    )


def implied_runner(args: argparse.Namespace) -> str | None:
    """The runner that the arguments name, outright or by a board's address; None: neither.

    Raises UsageError for the addresses of several boards.
    """
    given = {
        "ssh": args.ssh,
        "serial": args.serial,
        "rpc": getattr(args, "rpc_given", False),
        "qemu-system": args.emulate,
    }
    implied = [name for name, value in given.items() if value]
    if args.emulate and args.runner not in (None, "qemu-system"):
        from edgemnv2.errors import UsageError

        raise UsageError(f"--emulate with --runner {args.runner}: give one of them")
    if len(implied) > 1 and not args.runner:
        from edgemnv2.errors import UsageError

        raise UsageError(f"boards by {' and '.join(implied)}: give one of them, or --runner")
    return args.runner or next(iter(implied), None)


def chosen_runner(args: argparse.Namespace, artifact: Artifact) -> Runner:
    """The runner that the arguments ask for, else the artefact's own."""
    from edgemnv2.runners import RunnerOptions, runner_for

    options = RunnerOptions(
        ssh=args.ssh,
        serial=args.serial,
        rpc_tracker=args.rpc_tracker,
        rpc_key=args.rpc_key,
        emulate=args.emulate,
    )
    return runner_for(artifact, implied_runner(args), options)


def _tracker_from_environment() -> str | None:
    host = os.environ.get("TVM_TRACKER_HOST")
    return f"{host}:{os.environ.get('TVM_TRACKER_PORT', '9190')}" if host else None
