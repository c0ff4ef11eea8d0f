"""Sigmoid: from the source's terms to layers."""

from __future__ import annotations

import math

import numpy as np

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.sigmoid.layer import Sigmoid
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("sigmoid",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """The sigmoid of floats."""
    to.add(Sigmoid(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table, as LiteRT's LOGISTIC."""
    integer_unary(Sigmoid, site, to, _sigmoid)


def _sigmoid(x: float) -> float:
    """In LiteRT's order: each step is rounded to float32."""
    with np.errstate(over="ignore"):
        power = np.float32(math.exp(min(-x, 700.0)))
    return float(np.float32(1.0) / (np.float32(1.0) + power))
