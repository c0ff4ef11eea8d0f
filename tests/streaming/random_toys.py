"""Random networks with several ends: branches, joins by parts or by copies, skips, resizing."""

from __future__ import annotations

import numpy as np

from edgemnv2.program import Write
from tests.streaming.toys import Maker, Toy


def random_toy(seed: int) -> Toy:
    """The network of this seed: one to three inputs, one to four outputs."""
    random = np.random.default_rng(seed)
    m = Maker(f"random{seed}")
    height, width = (int(n) for n in random.integers(5, 15, 2))
    x = m.input("image", (height, width, int(random.integers(1, 4))))
    extra = m.input("extra", m.shapes[x]) if random.random() < 0.3 else None
    tint = m.input("tint", (1, 1, 3)) if random.random() < 0.3 else None
    x = m.convolution(x, int(random.integers(2, 6)), 3, int(random.integers(1, 3)))
    if extra is not None:
        other = m.convolution(extra, m.shapes[x][2], 3, -(-height // m.shapes[x][0]))
        x = m.concatenate([x, other]) if m.shapes[other][:2] == m.shapes[x][:2] else x
        if x != m.ops[-1].output:
            m.convolution(other, 2, into="extra head")
    if tint is not None:
        x = m.concatenate([x, m.spread(tint, *m.shapes[x][:2])])
    outputs = [name for name in ("extra head",) if name in m.shapes]
    skips = []
    for _ in range(int(random.integers(1, 5))):
        kind = int(random.integers(6))
        h, w, channels = m.shapes[x]
        if kind == 0:
            x = m.block(x, channels if random.random() < 0.6 else 4, 1, 2)
        elif kind == 1:
            x = m.block(x, int(random.integers(2, 6)), 2, 2)
        elif kind == 2 and h > 2 and w > 2:
            x = m.maximum(x)
        elif kind == 3:
            x = _parts(m, random, x)
        elif kind == 4 and 1 < h < 12 and 1 < w < 12:
            x = m.upsample(x, h * 2 - 1, w * 2 - 1)
        else:
            x = m.convolution(x, None, 3, 1, int(random.integers(1, 4)))
        for old in skips:
            if m.shapes[old] == m.shapes[x] and random.random() < 0.5 and old != x:
                x = m.add(old, x)
                break
        if random.random() < 0.5:
            skips.append(x)
        if random.random() < 0.2 and x not in outputs:
            # An output that others read again.
            outputs.append(x)
        if random.random() < 0.35:
            outputs.append(m.convolution(x, int(random.integers(1, 4)), into=f"head{len(outputs)}"))
    flattened = [name for name in dict.fromkeys(skips) if name != x]
    if len(flattened) > 1 and random.random() < 0.7:
        outputs.append(_flat(m, flattened))
    last = int(random.integers(3))
    if last == 0:
        m.product(x, 5, "last")
    elif last == 1:
        m.best_channel(x, "last", "value")
        outputs.append("value")
    else:
        m.convolution(x, 3, into="last")
    outputs.append("last")
    order = random.permutation(len(outputs))
    return m.finish(*(outputs[i] for i in order))


def _parts(m: Maker, random: np.random.Generator, x: str) -> str:
    """Two to five writers of one row, one of them a mean spread over the map."""
    height, width, _ = m.shapes[x]
    count = int(random.integers(2, 6))
    sizes = [int(n) for n in random.integers(1, 4, count)]
    joined = m.tensor(f"joined{len(m.ops)}", (height, width, sum(sizes)))
    for number in random.permutation(count):
        write = Write(
            joined,
            offset_bytes=sum(sizes[:number]),
            part_bytes=sizes[number],
            pitch_bytes=sum(sizes),
        )
        if random.random() < 0.3:
            m.spread(m.convolution(m.mean(x), sizes[number]), height, width, write)
        elif random.random() < 0.5:
            rate = int(random.integers(1, 4))
            m.convolution(m.convolution(x, None, 3, 1, rate), sizes[number], into=write)
        else:
            m.convolution(x, sizes[number], into=write)
    return joined


def _flat(m: Maker, sources: list[str]) -> str:
    """Heads of several maps one behind the other."""
    cells = [m.shapes[name][0] * m.shapes[name][1] for name in sources]
    flat = m.tensor("flat", (2 * sum(cells), 1, 3))
    at = 0
    for name, count in zip(sources, cells, strict=True):
        m.convolution(name, 6, into=Write(flat, first_row=at, rows=2 * m.shapes[name][1]))
        at += 2 * count
    return flat
