"""`edgemnv2 bench`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgemnv2.cli.bounded import Bounded
from edgemnv2.cli.runner_arguments import add_runner_arguments, place_of

if TYPE_CHECKING:
    from edgemnv2 import OpenArtifact, Place
    from edgemnv2.benchmark.latency import BenchResult

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 bench net
edgemnv2 bench net --runner qemu-system --per-layer
edgemnv2 bench net --runner qemu-system --record
edgemnv2 bench net --ssh pi@raspberrypi --repeat 200
edgemnv2 bench net --caches --threads 4
edgemnv2 bench net --cycles --per-layer
edgemnv2 bench net --cycles --against litert,ncnn
edgemnv2 bench net --against litert,onnxruntime,ncnn --threads 2
edgemnv2 bench net --against litert --model m.tflite
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bench`."""
    parser.add_argument("artifact", type=Path, help="the folder that `compile` made")
    parser.add_argument(
        "--repeat",
        type=int,
        action=Bounded,
        least=1,
        metavar="N",
        help="inferences to measure (50; 1 where they are exact)",
    )
    parser.add_argument(
        "--threads", type=int, action=Bounded, least=1, default=1, metavar="N", help="threads (1)"
    )
    parser.add_argument("--per-layer", action="store_true", help="one row a layer")
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the longest step, in instructions, into the artefact's manifest",
    )
    parser.add_argument(
        "--seed", type=int, action=Bounded, least=0, default=0, help="of the random input (0)"
    )
    parser.add_argument(
        "--against",
        type=lambda text: text.split(","),
        metavar="PEERS",
        help="time litert, onnxruntime, ncnn (some, with commas) in the same process; with "
        "--cycles in the emulator",
    )
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        default=[],
        help="a peer's model: .tflite, .onnx or .param; once for each format (the artefact's own "
        "network, in the peer's format)",
    )
    parser.add_argument(
        "--caches",
        action="store_true",
        help="bytes missed in a model of the target's caches, under the emulator",
    )
    parser.add_argument(
        "--cycles",
        action="store_true",
        help="an estimate of the cycles on the target's core, by QEMU and llvm-mca",
    )
    add_runner_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Measure and print; exit code 0."""
    import edgemnv2
    from edgemnv2.api import check_peers
    from edgemnv2.errors import UsageError

    place = place_of(args)
    _check_together(args, place)
    if args.record and (args.against or args.caches or args.cycles):
        raise UsageError("--record: counts steps alone (leave --against, --caches, --cycles out)")
    if args.model and not args.against:
        raise UsageError("--model: is an engine's, to be timed beside ours (name it: --against)")
    check_peers(args.against or (), args.model)
    artifact = edgemnv2.open_artifact(args.artifact)
    if args.cycles:
        return _cycles(args, artifact)
    if args.against:
        return _against(args, artifact)
    if args.caches:
        return _caches(args, artifact)
    result = edgemnv2.bench(
        artifact,
        place=place,
        repeat=args.repeat,
        threads=args.threads,
        per_layer=args.per_layer,
        record=args.record,
        seed=args.seed,
    )
    if args.json:
        print(json.dumps({**result.to_dict(), **_whose(args, artifact)}))
    else:
        print(_text(result))
    return 0


def _whose(args: argparse.Namespace, artifact: OpenArtifact) -> dict[str, str]:
    """What figures are of: by this `report` and `compare` know whose they are."""
    return {"artifact": str(args.artifact), "name": artifact.name}


def _against(args: argparse.Namespace, artifact: OpenArtifact) -> int:
    """Ours beside other engines, on this machine."""
    import edgemnv2
    from edgemnv2.cli.progress import Bar

    with Bar("bench", "round") as bar:
        result = edgemnv2.against(
            artifact,
            args.against,
            args.model,
            rounds=args.repeat,
            threads=args.threads,
            seed=args.seed,
            progress=bar.update,
        )
    if args.json:
        shared = {"metric": "seconds", "runner": "local", "samples": result.rounds}
        print(json.dumps({**shared, **result.to_dict(), **_whose(args, artifact)}))
        return 0
    print(f"target     {result.target}, threads {result.threads}, {result.rounds} rounds, in turn")
    print("\n".join(f"note       {note}" for note in result.notes))
    print(
        f"{'engine':24} {'median ms':>10} {'p95 ms':>8} {'ours / theirs':>14}  (5 % .. 95 %)"
        f"  {'max |difference|':>17}"
    )
    largest = f"of {result.max_abs_output:.3g}"
    print(f"{'edgemnv2':24} {result.median * 1e3:10.3f} {result.p95 * 1e3:8.3f} {largest:>50}")
    strangers: list[str] = []
    for name, peer in result.against.items():
        error = "other shape" if peer.max_abs_error is None else f"{peer.max_abs_error:.2e}"
        if peer.max_abs_error is None or peer.max_abs_error > result.max_abs_output:
            strangers.append(name)
        print(
            f"{name + ' ' + peer.version:24} {peer.median * 1e3:10.3f} {peer.p95 * 1e3:8.3f} "
            f"{peer.ratio:14.3f}  ({peer.ratio_p05:.3f} .. {peer.ratio_p95:.3f})"
            f"{error:>19}  {peer.model}"
        )
    for name in strangers:
        print(f"note       {name} computes something else: a ratio of two networks says nothing")
    return 0


def _caches(args: argparse.Namespace, artifact: OpenArtifact) -> int:
    """What misses in the target's caches."""
    import edgemnv2

    result = edgemnv2.caches(artifact, threads=args.threads, seed=args.seed)
    if args.json:
        shared = {"metric": "bytes", "runner": "qemu-user", "samples": 1}
        print(json.dumps({**shared, **result.to_dict(), **_whose(args, artifact)}))
    else:
        print(result.text())
    return 0


def _check_together(args: argparse.Namespace, place: Place) -> None:
    """UsageError for what a kind of measurement does not heed."""
    from edgemnv2.errors import UsageError

    elsewhere = place.runner or place.ssh or place.serial
    if args.cycles:
        what = "--cycles: estimates one inference on one thread, emulated"
        flags = {
            "--caches": args.caches,
            "--threads": args.threads != 1,
            "--repeat": args.repeat is not None,
            "--runner": elsewhere,
        }
    elif args.against:
        what = "--against: times whole inferences on this machine"
        flags = {
            "--caches": args.caches,
            "--per-layer": args.per_layer,
            "--runner": elsewhere,
            "--emulate": args.emulate,
        }
    elif args.caches:
        what = "--caches: counts the misses of one inference, emulated"
        flags = {
            "--per-layer": args.per_layer,
            "--repeat": args.repeat is not None,
            "--runner": elsewhere,
        }
    else:
        return
    for flag, given in flags.items():
        if given:
            said = next((x for x in ("--ssh", "--serial") if getattr(args, x[2:])), flag)
            raise UsageError(f"{what} (leave {said if flag == '--runner' else flag} out)")


def _cycles(args: argparse.Namespace, artifact: OpenArtifact) -> int:
    """What the target's core is estimated to need, and other engines on it."""
    import edgemnv2

    result = edgemnv2.cycles(artifact, args.against or (), args.model, seed=args.seed)
    if args.json:
        print(json.dumps({**result.to_dict(), **_whose(args, artifact)}))
    else:
        print(result.text(args.per_layer))
    return 0


def _figure(value: float, metric: str) -> str:
    """A figure with its unit; an instruction count never looks like a time."""
    if metric == "seconds":
        return f"{value * 1e3:.3f} ms"
    return f"{value / 1e6:.3f} M {metric}"


def _text(result: BenchResult) -> str:
    lines = [
        f"target     {result.target}",
        f"runner     {result.runner}, threads {result.threads}, samples {result.samples}",
        f"median     {_figure(result.median, result.metric)}",
    ]
    if result.samples > 1:
        lines.append(f"p95        {_figure(result.p95, result.metric)}")
        lines.append(f"minimum    {_figure(result.minimum, result.metric)}")
    if result.metric != "seconds" and result.macs:
        lines.append(f"per MAC    {result.median / result.macs:.3f} {result.metric}")
    lines.append(f"arena      {result.arena_bytes} bytes")
    if result.stack_bytes is not None:
        lines.append(f"stack      {result.stack_bytes} bytes")
    if result.peak_rss_bytes is not None:
        lines.append(f"peak RSS   {result.peak_rss_bytes / 1024:.0f} KiB of the C program")
    if result.longest_step is not None:
        step = result.longest_step
        lines.append(f"step       {step.instructions} instructions at most, of {step.layer}")
    lines += [f"note       {note}" for note in result.notes]
    return "\n".join([*lines, *_layer_table(result)])


def _layer_table(result: BenchResult) -> list[str]:
    """One row a layer, and one a kind of layer."""
    if not result.layers:
        return []
    names = [_with_fused(layer.name, layer.fuses) for layer in result.layers]
    width = max(map(len, names))
    unit = "us" if result.metric == "seconds" else "k"
    scale = 1e6 if result.metric == "seconds" else 1e-3
    per_mac = result.metric != "seconds"
    head = f"{'layer':{width}}  {'kind':10}  {unit:>10}  {'share':>6}"
    rows = ["", head + (f"  {'per MAC':>7}" if per_mac else "")]
    kinds: dict[str, tuple[float, float, int]] = {}
    for layer, name in zip(result.layers, names, strict=True):
        rows.append(_row(name, layer.op, layer.value, layer.share, layer.macs, width, scale))
        value, share, macs = kinds.get(layer.op, (0.0, 0.0, 0))
        kinds[layer.op] = value + layer.value, share + layer.share, macs + layer.macs
    rows.append("")
    for op, (value, share, macs) in sorted(kinds.items(), key=lambda item: -item[1][0]):
        rows.append(_row("all", op, value, share, macs, width, scale))
    return rows


def _with_fused(name: str, fuses: tuple[str, ...]) -> str:
    """A layer with those whose work its kernel does: `block1.project (with depthwise)`."""
    block = name.rpartition(".")[0]
    short = [x.removeprefix(f"{block}.") if block else x for x in fuses]
    return f"{name} (with {', '.join(short)})" if short else name


def _row(
    name: str, op: str, value: float, share: float, macs: int, width: int, scale: float
) -> str:
    text = f"{name:{width}}  {op:10}  {value * scale:10.1f}  {share:6.1%}"
    # A time per MAC would be a number with nine zeros.
    return text + (f"  {value / macs:7.2f}" if macs and scale < 1 else "")
