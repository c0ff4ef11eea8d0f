"""`--input-shape`, of the verbs that read a model."""

from __future__ import annotations

import argparse

__all__ = ["add_shape_argument", "input_shapes"]


def add_shape_argument(parser: argparse.ArgumentParser) -> None:
    """What is symbolic in the shapes of the model's inputs, as numbers."""
    parser.add_argument(
        "--input-shape",
        type=_shape,
        action="append",
        metavar="NAME=1,3,224,224",
        help="the shape of an input whose file has symbols in it; once for each",
    )


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, numbers = text.rpartition("=")
    words = numbers.split(",")
    if not name or not equals or not all(word.strip().isdigit() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=1,3,224,224")
    return name, tuple(int(word) for word in words)


def input_shapes(args: argparse.Namespace) -> dict[str, tuple[int, ...]] | None:
    """Name -> shape, None where none is given."""
    return dict(args.input_shape) if args.input_shape else None
