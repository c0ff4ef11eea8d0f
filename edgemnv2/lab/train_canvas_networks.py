"""Trains the built-in `digits-detector`, and a segmenter of the same digits, and writes them.

Needs what the package itself does not: `pip install 'edgemnv2[train]'`. Then

    python -m edgemnv2.lab.train_canvas_networks detector [--epochs N] [--seed 0] [--output FOLDER]

trains the whole network, and

    python -m edgemnv2.lab.train_canvas_networks detector --resume FILE
    python -m edgemnv2.lab.train_canvas_networks segmenter --resume FILE

take from the file of an earlier run of the detector what there is, leave its first layers as they
are, which are most of the work, and train the others: some ten minutes each on one core. Seeded
and single-threaded: the same library versions on the same kind of processor give the same file.
Canvases are made anew for every epoch, of distorted digits of the training part; fresh ones of
these choose the detector's threshold. The held-out canvases are of other digits, whose writers the
network does not know, and play no part in either.

The files that ship were made in this way from a detector that had one layer less before its scores
(`digits_detector.onnx` of commit 2dff1e0, sha256 c92f118c37bf1d05...).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import Tensor, nn
from torch.nn import functional

from edgemnv2.frontend.architecture import architecture
from edgemnv2.lab.canvas_digits import CLASSES, epoch_canvases, training_digits
from edgemnv2.lab.canvas_scores import box_scores
from edgemnv2.lab.torch_layers import Convolution, OnnxFile, Residual
from edgemnv2.runtime.vision.decode import Detection, decode
from edgemnv2.samples import digits
from edgemnv2.samples.canvases import SIZE, Canvas

WIDTH = 0.35
BATCH = 32
CANVASES_AN_EPOCH = 2048
EPOCHS = {"detector": 22, "segmenter": 2}
KEPT_BLOCKS = {"detector": 2, "segmenter": 3}
"""Behind the stem: what `--resume` leaves as it is. Maps of 24x24 follow."""
PASSES = {"detector": 1, "segmenter": 3}
"""How often `--resume` goes through the canvases of an epoch, whose features it has at hand."""
RESUMED_LEARNING_RATE = {"detector": 1.5e-3, "segmenter": 1e-3}
RISING = {"detector": 0.1, "segmenter": 0.3}
"""The share of the steps in which the learning rate rises."""
VARIANTS = ((1, (0, 1, 2)), (-1, (2, 0, 1)), (1, (1, 2, 0)), (-1, (2, 1, 0)))
"""Each canvas counts four times, in other colours: light and dark exchanged or not, and the order
of the channels. Cheaper than making it anew."""
VALIDATION_CANVASES = 400
VALIDATION_SEED = 700_000
PEAK_LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
AVERAGE_DECAY = 0.998
"""Per step, of the averaged copy of the weights that is exported."""
PRODUCER = "edgemnv2.lab.train_canvas_networks"

STEPS = (16, 32)
"""Pixels of the canvas that a cell of each map stands for."""
BOXES = ([(24, 15), (33, 21), (44, 28)], [(44, 28), (54, 36)])
"""Anchors of a cell of each map: height and width in pixels. Digits are narrower than high."""
CODER = (10.0, 10.0, 5.0, 5.0)
"""Scales of what the network says of a box: y, x, height, width; TensorFlow's own."""
POSITIVE_IOU, NEGATIVE_IOU = 0.5, 0.4
BETWEEN = 64
"""Channels between the two layers of what says which digit it is."""
LABEL_SMOOTHING = 0.05
FOCUS = 2.0
"""Exponent of the focal loss (Lin et al., arXiv 1708.02002)."""
THRESHOLDS = tuple(round(0.2 + 0.02 * i, 2) for i in range(31))
"""Of scores: those that are tried on the validation canvases."""
RARE = 0.01
"""What an untrained network takes the probability of a digit to be."""


class SeparableHead(nn.Module):
    """SSDLite's prediction layer: depthwise 3x3, then a pointwise one without an activation.

    With `between` there is a separable layer of so many channels before it.
    """

    def __init__(self, name: str, inputs: int, outputs: int, between: int = 0) -> None:
        super().__init__()
        layers = [Convolution(f"{name}.depthwise", (inputs, inputs, 3), groups=inputs)]
        if between:
            layers += [
                Convolution(f"{name}.between", (inputs, between, 1)),
                Convolution(f"{name}.second", (between, between, 3), groups=between),
            ]
        self.layers = nn.Sequential(*layers)
        self.pointwise = nn.Conv2d(between or inputs, outputs, 1)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """`[N, inputs, H, W]` to `[N, outputs, H, W]`."""
        y: Tensor = self.pointwise(self.layers(x))
        return y

    def onnx(self, file: OnnxFile, x: str, output: str) -> None:
        """Its nodes, the last of which makes `output`."""
        for layer in self.layers:
            assert isinstance(layer, Convolution)
            x = file.convolution(layer, x)
        pointwise(file, self.name, self.pointwise, x, output)


def pointwise(file: OnnxFile, name: str, layer: nn.Conv2d, x: str, output: str = "") -> str:
    """A pointwise convolution with a bias and nothing behind it; the name of what it makes."""
    assert layer.bias is not None
    weight = file.constant(f"{name}.weight", layer.weight.detach().numpy())
    bias = file.constant(f"{name}.bias", layer.bias.detach().numpy())
    made = file.node("Conv", name, [x, weight, bias], kernel_shape=[1, 1])
    if output:
        file.nodes[-1].output[0] = made = output
    return made


class Detector(nn.Module):
    """SSDLite on MobileNetV2 up to block 14: maps of 6x6 (its expansion) and 3x3 (its output)."""

    def __init__(self) -> None:
        super().__init__()
        table = architecture(WIDTH, SIZE, CLASSES, 3)
        self.stem = Convolution("stem", (3, table.stem_channels, 3), 2)
        self.blocks = nn.Sequential(*(Residual(block) for block in table.blocks[:14]))
        self.threshold = 0.5
        last = table.blocks[13]
        channels = (last.expanded_channels, last.output_channels)
        self.scores = nn.ModuleList(
            SeparableHead(f"scores{i}", c, CLASSES * len(BOXES[i]), BETWEEN)
            for i, c in enumerate(channels)
        )
        self.boxes = nn.ModuleList(
            SeparableHead(f"boxes{i}", c, 4 * len(BOXES[i])) for i, c in enumerate(channels)
        )
        _initialise(self)
        for head in self.scores:
            nn.init.constant_(head.pointwise.bias, -math.log(1 / RARE - 1))

    def first(self, x: Tensor) -> Tensor:
        """The layers that `--resume` keeps: `[N, 3, 96, 96]` to `[N, 8, 24, 24]`."""
        y: Tensor = self.blocks[: KEPT_BLOCKS["detector"]](self.stem(x))
        return y

    def maps(self, x: Tensor) -> list[Tensor]:
        """What the heads look at, from what `first` makes."""
        x = self.blocks[KEPT_BLOCKS["detector"] : 13](x)
        return [self.blocks[13].expanded(x), self.blocks[13](x)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[N, 3, 96, 96]` to logits `[N, anchors, 10]` and codes of boxes `[N, anchors, 4]`."""
        return self.rest(self.first(x))

    def rest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`forward` from what `first` makes."""
        maps = self.maps(x)

        def flat(heads: nn.ModuleList, last: int) -> Tensor:
            found = [head(m).permute(0, 2, 3, 1) for head, m in zip(heads, maps, strict=True)]
            return torch.cat([f.reshape(len(x), -1, last) for f in found], 1)

        return flat(self.scores, CLASSES), flat(self.boxes, 4)

    @staticmethod
    def targets(canvases: list[Canvas]) -> tuple[Tensor, ...]:
        """Of each canvas: what each anchor's class and box are."""
        found = [assigned(one) for one in canvases]
        return torch.stack([x[0] for x in found]), torch.stack([x[1] for x in found])

    def loss(self, x: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """From what `first` makes, by the number of positives: focal loss, smooth L1 of the
        boxes, and which digit it is.

        The focal loss alone tells digits from clutter soon and one digit from another late: most
        of what it weighs is clutter. So the class of what is a digit has a cross entropy too.
        """
        scores, codes = self.rest(x)
        wanted, boxes = targets
        positive, counted = wanted >= 0, wanted > -2
        one_hot = functional.one_hot(wanted.clamp(min=0), CLASSES) * positive[..., None]
        plain = functional.binary_cross_entropy_with_logits(
            scores, one_hot.float(), reduction="none"
        )
        sure = torch.exp(-plain)
        focal = ((1 - sure) ** FOCUS * plain * counted[..., None]).sum()
        near = functional.smooth_l1_loss(codes[positive], boxes[positive], reduction="sum")
        which = functional.cross_entropy(
            scores[positive], wanted[positive], reduction="sum", label_smoothing=LABEL_SMOOTHING
        )
        return (focal + 0.5 * near + which) / positive.sum().clamp(min=1)

    def task(self) -> dict[str, object]:
        """What the package's own decoder needs to know of `forward`'s outputs."""
        return {
            "kind": "detector",
            "roles": {"scores": ["scores"], "boxes": ["boxes"]},
            "classes": CLASSES,
            "scores": "sigmoid",
            "background": False,
            "anchors": ANCHORS,
            "scales": CODER,
        }

    def found(self, canvases: list[Canvas]) -> list[tuple[Detection, ...]]:
        """Boxes of each canvas, down to the least threshold that is tried."""
        records = [{"name": "scores"}, {"name": "boxes"}]
        boxes = []
        for start in range(0, len(canvases), BATCH):
            chosen = canvases[start : start + BATCH]
            with torch.no_grad():
                made = [y.numpy() for y in self(as_input(np.stack([x.pixels for x in chosen])))]
            for index in range(len(chosen)):
                one = {"scores": made[0][index], "boxes": made[1][index]}
                boxes.append(decode(self.task(), records, one, THRESHOLDS[0]).detections)
        return boxes

    def onnx(self) -> onnx.ModelProto:
        """Scores and boxes of each map, as they come."""
        file = OnnxFile()
        x = file.convolution(self.stem, "input")
        for block in self.blocks[:13]:
            assert isinstance(block, Residual)
            x = file.residual(block, x)
        layers = list(self.blocks[13].layers)
        first = file.convolution(layers[0], x)
        second = file.convolution(layers[2], file.convolution(layers[1], first))
        outputs = {}
        for index, (value, step) in enumerate(((first, STEPS[0]), (second, STEPS[1]))):
            for kind, heads, last in (("scores", self.scores, CLASSES), ("boxes", self.boxes, 4)):
                heads[index].onnx(file, value, f"{kind}{index}")
                channels = last * len(BOXES[index])
                outputs[f"{kind}{index}"] = [1, channels, SIZE // step, SIZE // step]
        meaning = {
            "labels": [str(digit) for digit in range(CLASSES)],
            "preprocess": "keras",
            "anchors": {
                "maps": [
                    [SIZE // step, SIZE // step, [[h / SIZE, w / SIZE] for h, w in sizes]]
                    for step, sizes in zip(STEPS, BOXES, strict=True)
                ],
                "scales": list(CODER),
            },
            "scores": "sigmoid",
            "threshold": self.threshold,
        }
        return file.model(
            "digits_detector",
            [1, 3, SIZE, SIZE],
            outputs,
            PRODUCER,
            metadata={"edgemnv2": json.dumps(meaning)},
        )


class Segmenter(nn.Module):
    """DeepLabv3 on MobileNetV2 up to block 10 at output stride 8, with the pooled branch."""

    def __init__(self) -> None:
        super().__init__()
        table = architecture(WIDTH, SIZE, CLASSES, 3)
        self.stem = Convolution("stem", (3, table.stem_channels, 3), 2)
        blocks = []
        for block in table.blocks[:10]:
            # Block 7 has the stride that is taken out; what follows looks twice as far.
            stride = 1 if block.index == 7 else block.stride
            blocks.append(Residual(block, stride, 2 if block.index > 7 else 1))
        self.blocks = nn.Sequential(*blocks)
        channels, inner = table.blocks[9].output_channels, 48
        self.local = Convolution("aspp.local", (channels, inner, 1))
        self.pooled = Convolution("aspp.pooled", (channels, inner, 1))
        self.joined = Convolution("aspp.joined", (2 * inner, inner, 1))
        self.logits = nn.Conv2d(inner, CLASSES + 1, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 3, 96, 96]` to logits `[N, 11, 96, 96]`."""
        return upsampled(self.rest(self.first(x)), SIZE)

    def first(self, x: Tensor) -> Tensor:
        """The layers that `--resume` keeps, which are the detector's."""
        y: Tensor = self.blocks[: KEPT_BLOCKS["segmenter"]](self.stem(x))
        return y

    def rest(self, x: Tensor) -> Tensor:
        """Logits `[N, 11, 12, 12]` from what `first` makes."""
        x = self.blocks[KEPT_BLOCKS["segmenter"] :](x)
        whole = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        y: Tensor = self.logits(self.joined(torch.cat([self.local(x), whole], 1)))
        return y

    @staticmethod
    def targets(canvases: list[Canvas]) -> tuple[Tensor, ...]:
        """The class of each pixel of each canvas."""
        return (torch.from_numpy(np.stack([one.mask for one in canvases])),)

    def loss(self, x: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Cross entropy of every second pixel both ways, a digit's counting twice.

        Which ones varies: what is sampled between four pixels is held against any of them.
        """
        weight = torch.full((CLASSES + 1,), 2.0)
        weight[0] = 1.0
        down, across = (int(torch.randint(2, (1,))) for _ in range(2))
        masks = targets[0][:, down::2, across::2].long()
        return functional.cross_entropy(upsampled(self.rest(x), SIZE // 2), masks, weight)

    def onnx(self) -> onnx.ModelProto:
        """With the largest class of each pixel at the end."""
        file = OnnxFile()
        x = file.convolution(self.stem, "input")
        for block in self.blocks:
            assert isinstance(block, Residual)
            x = file.residual(block, x)
        local = file.convolution(self.local, x)
        pooled = file.convolution(self.pooled, file.node("GlobalAveragePool", "aspp.mean", [x]))
        side = SIZE // 8
        pooled = self._resized(file, "aspp.spread", pooled, side, "nearest", 48)
        joined = file.node("Concat", "aspp.concat", [local, pooled], axis=1)
        joined = file.convolution(self.joined, joined)
        logits = pointwise(file, "logits", self.logits, joined)
        whole = self._resized(file, "upsample", logits, SIZE, "linear", CLASSES + 1)
        file.node("ArgMax", "classes", [whole], axis=1, keepdims=0)
        file.nodes[-1].output[0] = "mask"
        meaning = {
            "labels": ["background", *(str(digit) for digit in range(CLASSES))],
            "preprocess": "keras",
        }
        return file.model(
            "digits_segmenter",
            [1, 3, SIZE, SIZE],
            {"mask": [1, SIZE, SIZE]},
            PRODUCER,
            TensorProto.INT64,
            {"edgemnv2": json.dumps(meaning)},
        )

    @staticmethod
    def _resized(file: OnnxFile, name: str, x: str, side: int, mode: str, channels: int) -> str:
        sizes = file.constant(f"{name}.sizes", np.array([1, channels, side, side]), np.int64)
        more = {"nearest_mode": "floor"} if mode == "nearest" else {}
        way = "asymmetric" if mode == "nearest" else "half_pixel"
        return file.node(
            "Resize",
            name,
            [x, "", "", sizes],
            mode=mode,
            coordinate_transformation_mode=way,
            **more,
        )


def upsampled(x: Tensor, size: int) -> Tensor:
    """`[N, C, H, W]` to `[N, C, size, size]`, bilinear with half-pixel centres."""
    return functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    for module in model.modules():
        if isinstance(module, SeparableHead):
            nn.init.normal_(module.pointwise.weight, std=0.01)
            assert module.pointwise.bias is not None
            nn.init.zeros_(module.pointwise.bias)


def anchors() -> np.ndarray:
    """`[anchors, 4]`: centre y, x, height, width as shares of the canvas, in the heads' order."""
    found = []
    for step, sizes in zip(STEPS, BOXES, strict=True):
        side = SIZE // step
        for row in range(side):
            for column in range(side):
                for high, wide in sizes:
                    middle = (row + 0.5) / side, (column + 0.5) / side
                    found.append((*middle, high / SIZE, wide / SIZE))
    return np.array(found, np.float64)


ANCHORS = anchors()


def assigned(one: Canvas) -> tuple[Tensor, Tensor]:
    """What each anchor shall say: the class (-1 nothing, -2 no matter) and the code of the box."""
    wanted = np.full(len(ANCHORS), -1, np.int64)
    codes = np.zeros((len(ANCHORS), 4), np.float32)
    if not len(one.boxes):
        return torch.from_numpy(wanted), torch.from_numpy(codes)
    boxes = one.boxes.astype(np.float64)
    low, high = ANCHORS[:, :2] - ANCHORS[:, 2:] / 2, ANCHORS[:, :2] + ANCHORS[:, 2:] / 2
    across = np.minimum(high[:, None], boxes[None, :, 2:]) - np.maximum(
        low[:, None], boxes[None, :, :2]
    )
    inner = across.clip(0).prod(2)
    sizes = boxes[:, 2:] - boxes[:, :2]
    iou = inner / (ANCHORS[:, 2:].prod(1)[:, None] + sizes.prod(1)[None] - inner)
    # The two best anchors of a digit are its own, however little they overlap.
    forced = iou.copy()
    for digit in range(len(boxes)):
        forced[np.argsort(-iou[:, digit])[:2], digit] += 1
    best = forced.argmax(1)
    value = forced[np.arange(len(ANCHORS)), best]
    wanted[(value >= NEGATIVE_IOU) & (value < POSITIVE_IOU)] = -2
    positive = value >= POSITIVE_IOU
    wanted[positive] = one.classes[best[positive]]
    middle = (boxes[best, :2] + boxes[best, 2:]) / 2
    codes[:, :2] = (middle - ANCHORS[:, :2]) / ANCHORS[:, 2:] * CODER[:2]
    codes[:, 2:] = np.log(sizes[best] / ANCHORS[:, 2:]) * CODER[2:]
    return torch.from_numpy(wanted), torch.from_numpy(codes)


def train(
    model: Detector | Segmenter, epochs: int, seed: int, kept: Path, whole: bool = True
) -> Detector | Segmenter:
    """The averaged network after `epochs`, in evaluation mode, written to `kept`.

    Without `whole` its first layers stay, and what they make is computed once an epoch.
    """
    sprites, labels = training_digits()
    average = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_DECAY),
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    samples = len(VARIANTS) * CANVASES_AN_EPOCH
    task = "detector" if isinstance(model, Detector) else "segmenter"
    steps = samples // BATCH * (1 if whole else PASSES[task])
    peak = PEAK_LEARNING_RATE if whole else RESUMED_LEARNING_RATE[task]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peak, epochs * steps, pct_start=RISING[task]
    )
    begun = time.monotonic()
    trained = average.module
    assert isinstance(trained, Detector | Segmenter)
    for epoch in range(epochs):
        first = 1_000_000 * (seed + 1) + epoch * CANVASES_AN_EPOCH
        canvases = epoch_canvases(sprites, labels, first, CANVASES_AN_EPOCH)
        pixels = torch.from_numpy(np.stack([one.pixels for one in canvases]))
        targets = model.targets(canvases)
        features = None if whole else first_features(model, pixels)
        model.train()
        total = 0.0
        for step in range(steps):
            if step * BATCH % samples == 0:
                order = torch.randperm(samples)
            chosen = order[step * BATCH % samples :][:BATCH]
            if features is None:
                x = model.first(in_colours(pixels, chosen))
            else:
                x = features[chosen].float().contiguous(memory_format=torch.channels_last)
            loss = model.loss(x, [one[chosen % CANVASES_AN_EPOCH] for one in targets])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(model)
            total += loss.item()
        spent, used = time.monotonic() - begun, time.process_time()
        said = (
            f"epoch {epoch + 1}: loss {total / steps:.4f}, {spent:.0f} s, {used:.0f} s of one core"
        )
        if isinstance(trained, Detector) and (epoch % 5 == 4 or epoch == epochs - 1):
            trained.threshold, f1 = best_threshold(trained.eval())
            said += f", validation F1 {f1:.4f} at threshold {trained.threshold}"
        print(said, flush=True)
        onnx.save(trained.eval().onnx(), kept)
    return trained


def in_colours(pixels: Tensor, chosen: Tensor) -> Tensor:
    """Input of the samples `chosen`: canvas by canvas in the first colours, then in the others."""
    made = []
    for number in chosen.tolist():
        sign, channels = VARIANTS[number // CANVASES_AN_EPOCH]
        made.append(
            sign * as_input(pixels[number % CANVASES_AN_EPOCH].numpy()[None][..., channels])
        )
    return torch.cat(made)


def first_features(model: Detector | Segmenter, pixels: Tensor) -> Tensor:
    """What the first layers make of all samples, in half precision."""
    model.eval()
    every = torch.arange(len(VARIANTS) * CANVASES_AN_EPOCH).split(BATCH)
    with torch.no_grad():
        return torch.cat([model.first(in_colours(pixels, chosen)).half() for chosen in every])


def best_threshold(model: Detector) -> tuple[float, float]:
    """The threshold with the best F1 on fresh canvases of digits as others write them, and it."""
    state = torch.get_rng_state()
    torch.manual_seed(VALIDATION_SEED)
    canvases = epoch_canvases(*training_digits(), VALIDATION_SEED, VALIDATION_CANVASES)
    torch.set_rng_state(state)
    found = model.found(canvases)
    scored = {
        threshold: box_scores([[x for x in y if x.score >= threshold] for y in found], canvases)[2]
        for threshold in THRESHOLDS
    }
    best = max(scored, key=lambda threshold: scored[threshold])
    return best, scored[best]


def resume(model: Detector | Segmenter, file: Path) -> None:
    """Give a new model what weights of its layers there are in the file of an earlier run.

    Normalisation is folded into them, and these layers go on without it: what it is for is done,
    and it takes a third of a step.
    """
    stored = {x.name: onnx.numpy_helper.to_array(x) for x in onnx.load(file).graph.initializer}
    for module in model.modules():
        layer = module.conv if isinstance(module, Convolution) else None
        layer = module.pointwise if isinstance(module, SeparableHead) else layer
        if layer is not None and f"{module.name}.weight" in stored:
            weight, bias = (stored[f"{module.name}.{x}"].copy() for x in ("weight", "bias"))
            if weight.shape != layer.weight.shape:
                continue
            layer.weight = nn.Parameter(torch.from_numpy(weight))
            layer.bias = nn.Parameter(torch.from_numpy(bias))
            if isinstance(module, Convolution):
                module.norm = nn.Identity()


def as_input(pixels: np.ndarray) -> Tensor:
    """Pixels `[N, H, W, 3]` as the network takes them; in memory channels stay last: faster."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def main() -> None:
    """Trains one of the two and writes it."""
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.lab.train_canvas_networks", description=main.__doc__
    )
    parser.add_argument("task", choices=("detector", "segmenter"))
    parser.add_argument(
        "--epochs", type=int, help="default 22 for the detector, 2 for the segmenter"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="begin with what an earlier run wrote, and leave its first layers as they are",
    )
    parser.add_argument("--output", type=Path, default=digits.MODEL.parent)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = Detector() if options.task == "detector" else Segmenter()
    model = model.to(memory_format=torch.channels_last)
    if options.resume is not None:
        resume(model, options.resume)
    kept = options.output / f"digits_{options.task}.onnx"
    epochs = options.epochs or EPOCHS[options.task]
    train(model, epochs, options.seed, kept, whole=options.resume is None)


if __name__ == "__main__":
    main()
