"""Two sides of figures beside each other, and which limits the second one breaks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgemnv2.errors import InputError, UsageError
from edgemnv2.report.figures import COSTS, FIGURES, NetworkFigures, read_figures

__all__ = ["Change", "Comparison", "LayerChange", "Limit", "Pair", "compare", "limit"]

LAYER = "layer"
"""The name of the limit on every layer's cost."""
_LIMIT = re.compile(r"([+-]?)(\d+(?:\.\d+)?)\s*([KMG]?)(%?)")
_FACTORS = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30}


@dataclass(frozen=True)
class Limit:
    """How much a figure may be: at most `amount` more than before, or `amount` outright.

    `share`: `amount` is a share of the figure before. For figures of which more is better, the
    amount is what may be lost.
    """

    text: str
    amount: float
    share: bool
    relative: bool

    def allowed(self, before: float, larger_is_worse: bool) -> float:
        """The figure that is just allowed."""
        if not self.relative:
            return self.amount
        change = abs(before) * self.amount if self.share else self.amount
        return before + change if larger_is_worse else before - change


def limit(figure: str, text: str) -> Limit:
    """A limit as the user writes it: `+0`, `+1%`, `+2K`, `-5%` (must shrink), `256K` (outright).

    K, M, G are 2^10, 2^20, 2^30 where bytes are counted, else 10^3, 10^6, 10^9. Raises UsageError.
    """
    found = _LIMIT.fullmatch(text.strip())
    if found is None or (found[3] and found[4]) or (found[4] and not found[1]):
        raise UsageError(
            f"max_{figure}={text}: expected a change such as +0, +1% or +2K, or a limit such as "
            "256K"
        )
    sign = -1.0 if found[1] == "-" else 1.0
    factor = _FACTORS[found[3]]
    if factor > 1 and figure != LAYER and FIGURES[figure].unit != "bytes":
        factor = 1000.0 ** ("KMG".index(found[3]) + 1)
    amount = sign * float(found[2]) * (0.01 if found[4] else factor)
    return Limit(text, amount, bool(found[4]), bool(found[1]))


@dataclass(frozen=True)
class Change:
    """One figure before and after, None where a side does not have it."""

    figure: str
    before: float | None
    after: float | None
    limit: str | None = None
    exceeded: bool = False

    @property
    def difference(self) -> float | None:
        """After less before."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


@dataclass(frozen=True)
class LayerChange:
    """One layer whose cost or schedule is another; costs in the pair's metric."""

    layer: str
    before: float | None
    after: float | None
    schedule_before: str | None
    schedule_after: str | None
    exceeded: bool = False

    @property
    def difference(self) -> float:
        """After less before; what one side does not have counts as nothing."""
        return (self.after or 0.0) - (self.before or 0.0)


@dataclass(frozen=True)
class Pair:
    """One network on both sides; `metric` is what the layers' costs are counted in."""

    before: str
    after: str
    changes: tuple[Change, ...]
    metric: str | None
    layers: tuple[LayerChange, ...]
    failed_verification: bool

    @property
    def exceeded(self) -> bool:
        """Whether any limit is broken."""
        wrong = any(x.exceeded for x in self.changes) or any(x.exceeded for x in self.layers)
        return self.failed_verification or wrong


@dataclass(frozen=True)
class Comparison:
    """All networks of both sides; those of one side alone by their labels.

    A network that is gone breaks the limits, where there are any.
    """

    before: str
    after: str
    pairs: tuple[Pair, ...]
    gone: tuple[str, ...]
    added: tuple[str, ...]
    limits: Mapping[str, str]

    @property
    def exceeded(self) -> bool:
        """Whether a limit is broken, or what the second side computes is not right."""
        return any(x.exceeded for x in self.pairs) or bool(self.limits and self.gone)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        facts = asdict(self)
        for pair, entry in zip(self.pairs, facts["pairs"], strict=True):
            entry["exceeded"] = pair.exceeded
        return {**facts, "exceeded": self.exceeded}


def compare(before: Path, after: Path, limits: Mapping[str, str] | None = None) -> Comparison:
    """The figures of two paths (see `read_figures`), and which of `limits` the second breaks.

    `limits` are texts by the names of `FIGURES`, and "layer" for the cost of every single layer.
    One network on each side makes a pair whatever their names. Raises UsageError for a limit that
    is none, InputError where the sides have no network in common, and where a limit is on a figure
    that a side does not have: a check that checks nothing is no check.
    """
    wanted = {name: limit(name, text) for name, text in (limits or {}).items()}
    old, new = read_figures(before), read_figures(after)
    gone: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    if len(old) == len(new) == 1:
        pairs = [(old[0], new[0])]
    else:
        ours = {(x.name, x.target): x for x in new}
        known = {(x.name, x.target) for x in old}
        pairs = [(x, ours[x.name, x.target]) for x in old if (x.name, x.target) in ours]
        gone = tuple(x.label for x in old if (x.name, x.target) not in ours)
        added = tuple(x.label for x in new if (x.name, x.target) not in known)
    if not pairs:
        raise InputError(
            f"{before} and {after} have no network and target in common "
            f"({', '.join(gone)}; {', '.join(added)})"
        )
    made = tuple(_pair(a, b, wanted) for a, b in pairs)
    _check_limits(made, wanted, before, after)
    texts = {name: x.text for name, x in wanted.items()}
    return Comparison(str(before), str(after), made, gone, added, texts)


def _pair(a: NetworkFigures, b: NetworkFigures, limits: Mapping[str, Limit]) -> Pair:
    changes = []
    for name, kind in FIGURES.items():
        before, after = a.values.get(name), b.values.get(name)
        if before is None and after is None and name not in limits:
            continue
        found = limits.get(name)
        exceeded = False
        if found is not None and before is not None and after is not None:
            allowed = found.allowed(before, kind.larger_is_worse)
            exceeded = after > allowed if kind.larger_is_worse else after < allowed
        changes.append(Change(name, before, after, found.text if found else None, exceeded))
    metric, layers = _layers(a, b, limits.get(LAYER))
    return Pair(a.label, b.label, tuple(changes), metric, layers, b.passed is False)


def _layers(
    a: NetworkFigures, b: NetworkFigures, wanted: Limit | None
) -> tuple[str | None, tuple[LayerChange, ...]]:
    """The metric that both sides have, and the layers that are not the same, largest change first.

    The first of `COSTS`: a count before a time.
    """
    both = [
        metric
        for metric in COSTS
        if all(any(metric in layer.costs for layer in x.layers.values()) for x in (a, b))
    ]
    metric = both[0] if both else None
    found = []
    for name in dict.fromkeys([*a.layers, *b.layers]):
        x, y = a.layers.get(name), b.layers.get(name)
        before = x.costs.get(metric) if x is not None and metric else None
        after = y.costs.get(metric) if y is not None and metric else None
        schedules = x.schedule if x else None, y.schedule if y else None
        told = None not in schedules and schedules[0] != schedules[1]
        if before == after and not told:
            continue
        exceeded = (
            wanted is not None
            and after is not None
            and after > wanted.allowed(before or 0.0, larger_is_worse=True)
        )
        found.append(LayerChange(name, before, after, *schedules, exceeded))
    return metric, tuple(sorted(found, key=lambda x: -abs(x.difference)))


def _check_limits(
    pairs: Sequence[Pair], limits: Mapping[str, Limit], before: Path, after: Path
) -> None:
    """InputError for a limit on what a side does not have."""
    for name in limits:
        for pair in pairs:
            if name == LAYER:
                if pair.metric is None:
                    raise InputError(
                        f"max_layer={limits[name].text}: {before} or {after} has no cost of single "
                        f"layers of {pair.after} (bench it with per_layer=True)"
                    )
                continue
            change = next(x for x in pair.changes if x.figure == name)
            for side, label, value in (
                (before, pair.before, change.before),
                (after, pair.after, change.after),
            ):
                if value is None:
                    verb = "verify" if FIGURES[name].unit == "percent" else "bench"
                    raise InputError(
                        f"max_{name}={limits[name].text}: {side} does not say the "
                        f"{FIGURES[name].words} of {label} (give the JSON of {verb} as well, in "
                        "one folder)"
                    )
