"""Gaussian error linear unit: from the source's terms to layers."""

from __future__ import annotations

import math

import numpy as np

from edgemnv2.ops.flow import Node
from edgemnv2.ops.gelu.layer import Gelu
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("gelu",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Gelu(**to.common(node), approximate=node.attrs["approximate"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    approximate = node.attrs["approximate"]
    function = _approximate if approximate else _exact
    integer_unary(Gelu, site, to, function, approximate=approximate)


def _exact(x: float) -> float:
    """In LiteRT's order: each product is rounded to float32."""
    single = np.float32(x)
    tail = np.float32(math.erfc(float(single * np.float32(-math.sqrt(0.5)))))
    return float(np.float32(0.5) * single * tail)


def _approximate(x: float) -> float:
    single = np.float32(x)
    cubic = single + np.float32(0.044715) * single * single * single
    bend = np.float32(math.tanh(float(np.float32(math.sqrt(2.0 / math.pi)) * cubic)))
    return float(np.float32(0.5) * single * (np.float32(1.0) + bend))
