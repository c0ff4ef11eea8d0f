"""All tables of the paper at once, and its first figure."""

from __future__ import annotations

from typing import Any

from edgemnv2.paper import cost, spiral, tables, tasks

__all__ = ["figure_1_svg", "paper"]


def paper(seed: int = spiral.SEED) -> dict[str, Any]:
    """Everything `edgemnv2 paper` shows, as one object of plain numbers and strings.

    Keys: `table1` (block), `table2` (architecture at 1.0/224), `table3` (channels and memory per
    size, three networks), `work` (multiply-adds and parameters over widths and resolutions),
    `table4` (the networks compared with), `table5` and `table6` (detectors), `table7` (segmenters),
    `cost` (formulas), `figure1`. Published figures stand beside ours under keys that begin with
    `published_`. `seed` is that of figure 1's matrices.
    """
    return {
        "table1": tables.block(),
        "table2": tables.architecture_table(),
        "table3": tables.table_3(),
        "work": tables.work(),
        "table4": tables.peers(),
        "table5": tasks.table_5(),
        "table6": tasks.table_6(),
        "table7": tasks.table_7(),
        "cost": cost.examples(),
        "figure1": {
            "seed": seed,
            "panels": [
                {"n": x.dimensions, "collapsed": x.collapsed, "error": x.error}
                for x in spiral.embeddings(seed)
            ],
        },
    }


def figure_1_svg(seed: int = spiral.SEED) -> str:
    """Figure 1 as an SVG document: the spiral, and what is left of it by 2 to 30 dimensions."""
    return spiral.figure_svg(spiral.embeddings(seed))
