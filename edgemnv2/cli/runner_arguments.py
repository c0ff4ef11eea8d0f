"""The arguments by which every verb that runs something names the place."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemnv2 import Place

__all__ = ["add_runner_arguments", "place_of"]

# Spelled here and not imported, so that --help needs no NumPy; a test compares them.
RUNNER_NAMES = ("local", "node", "qemu-system", "qemu-user", "rpc", "serial", "ssh")


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


def place_of(args: argparse.Namespace) -> Place:
    """The place that the arguments name; without any, the artefact's own.

    UsageError, before any work, for a place that is none.
    """
    from edgemnv2 import Place

    # A tracker that only the environment names does not ask for rpc.
    rpc = getattr(args, "rpc_given", False) or args.runner == "rpc"
    place = Place(
        runner=args.runner or ("rpc" if rpc and not (args.ssh or args.serial) else None),
        ssh=args.ssh,
        serial=args.serial,
        rpc_tracker=args.rpc_tracker if rpc else None,
        rpc_key=args.rpc_key if rpc else None,
        emulate=args.emulate,
    )
    place.check()
    return place


def _tracker_from_environment() -> str | None:
    host = os.environ.get("TVM_TRACKER_HOST")
    return f"{host}:{os.environ.get('TVM_TRACKER_PORT', '9190')}" if host else None
