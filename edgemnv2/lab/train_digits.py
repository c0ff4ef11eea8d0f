"""Trains the built-in `digits` model and writes it, with its held-out images, into this folder.

Needs what the package itself does not: `pip install 'edgemnv2[train]' onnx pillow`. Then

    python -m edgemnv2.lab.train_digits [--epochs 200] [--seed 0] [--output FOLDER]

takes about five minutes on one core. Seeded and single-threaded: the same library versions on the
same kind of processor give the same file. The held-out images play no part in it: the number of
epochs was chosen with `--validate`, on a fifth of the training part (80: 94.1 %, 200: 99.3 %).
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from edgemnv2.frontend.architecture import architecture
from edgemnv2.lab.torch_layers import Convolution, OnnxFile, Residual
from edgemnv2.samples import digits

BATCH = 64
PEAK_LEARNING_RATE = 4e-3
WEIGHT_DECAY = 2e-2
LABEL_SMOOTHING = 0.05
DROPOUT = 0.2
AVERAGE_DECAY = 0.995
"""Per step, of the averaged copy of the weights that is exported."""
SHOWN_PER_CLASS = (2, 2, 1, 1, 1, 1, 1, 1, 1, 1)
"""How many held-out images of each class go to `digits_images/`: twelve in all."""


class MobileNetV2(nn.Module):
    """The paper's network at `digits.WIDTH`, for one input channel."""

    def __init__(self) -> None:
        super().__init__()
        table = architecture(digits.WIDTH, digits.RESOLUTION, digits.CLASSES, 1)
        self.stem = Convolution("stem", (1, table.stem_channels, 3), 2)
        self.blocks = nn.Sequential(*(Residual(block) for block in table.blocks))
        self.head = Convolution("head", (table.blocks[-1].output_channels, table.head_channels, 1))
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(table.head_channels, digits.CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 1, 32, 32]` to logits `[N, 10]`."""
        x = self.head(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return logits


def normalise(images: np.ndarray) -> Tensor:
    """`[N, 1, 32, 32]` float32 in -1..1 from grey images `[N, 32, 32]`."""
    return torch.from_numpy(images[:, np.newaxis].astype(np.float32)) / 127.5 - 1


def distorted(images: Tensor) -> Tensor:
    """A random shift, turn, shear and scale of each image; what comes into view is background."""
    count = len(images)

    def uniform(bound: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * bound

    angle, shear = uniform(math.radians(12)), uniform(0.15)
    wide, high = 1 + uniform(0.12), 1 + uniform(0.12)
    across, down = uniform(0.12), uniform(0.12)
    first = torch.stack([wide * torch.cos(angle), shear - torch.sin(angle), across], 1)
    second = torch.stack([torch.sin(angle), high * torch.cos(angle), down], 1)
    grid = functional.affine_grid(torch.stack([first, second], 1), list(images.shape), False)
    # Outside the image the sampler gives 0, so the background (-1) is moved there and back.
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1


def batches(count: int) -> Iterator[Tensor]:
    """Shuffled indices in full batches; the rest waits for the next epoch."""
    order = torch.randperm(count)
    for start in range(0, count - BATCH + 1, BATCH):
        yield order[start : start + BATCH]


def train(images: Tensor, labels: Tensor, epochs: int) -> MobileNetV2:
    """The averaged network after `epochs` passes, in evaluation mode."""
    model = MobileNetV2()
    average = torch.optim.swa_utils.AveragedModel(
        model,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_DECAY),
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_LEARNING_RATE, epochs * (len(images) // BATCH)
    )
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for chosen in batches(len(images)):
            loss = functional.cross_entropy(
                model(distorted(images[chosen])), labels[chosen], label_smoothing=LABEL_SMOOTHING
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(model)
            total += loss.item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: mean loss {total / (len(images) // BATCH):.4f}", flush=True)
    trained = average.module
    assert isinstance(trained, MobileNetV2)
    return trained.eval()


def to_onnx(model: MobileNetV2) -> onnx.ModelProto:
    """Plain ONNX: Conv, Clip, Add, GlobalAveragePool, Flatten, Gemm; normalisation folded."""
    file = OnnxFile()
    x = file.convolution(model.stem, "input")
    for block in model.blocks:
        assert isinstance(block, Residual)
        x = file.residual(block, x)
    x = file.convolution(model.head, x)
    x = file.node("GlobalAveragePool", "pool", [x])
    x = file.node("Flatten", "flatten", [x], axis=1)
    gemm = [
        x,
        file.constant("classifier.weight", model.classifier.weight.detach().numpy()),
        file.constant("classifier.bias", model.classifier.bias.detach().numpy()),
    ]
    file.nodes.append(helper.make_node("Gemm", gemm, ["logits"], "classifier", transB=1))
    size = [1, 1, digits.RESOLUTION, digits.RESOLUTION]
    return file.model("digits", size, {"logits": [1, digits.CLASSES]}, "edgemnv2.lab.train_digits")


def write_images(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """The first few held-out images of each class as PNG files, and their `labels.csv`."""
    folder.mkdir(exist_ok=True)
    chosen = [
        int(index)
        for digit, count in enumerate(SHOWN_PER_CLASS)
        for index in np.flatnonzero(labels == digit)[:count]
    ]
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["file", "class_index", "name"])
        for index in sorted(chosen):
            name = f"heldout_{index:03d}.png"
            Image.fromarray(images[index]).save(folder / name, optimize=True)
            table.writerow([name, int(labels[index]), str(labels[index])])


def main() -> None:
    """Trains, writes `digits.onnx`, `digits_heldout.npz`, `digits_images/`, prints the accuracy."""
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.lab.train_digits", description=main.__doc__
    )
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--validate",
        action="store_true",
        help="write nothing; train on four fifths of the training part, measure on the other fifth",
    )
    parser.add_argument("--output", type=Path, default=digits.MODEL.parent)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    data = load_digits()
    small, labels = data.images.astype(np.uint8), data.target
    images = digits.enlarge(small)
    split = digits.TRAINING_COUNT
    if options.validate:
        images, labels, split = images[:split], labels[:split], split * 4 // 5
    model = train(normalise(images[:split]), torch.from_numpy(labels[:split]), options.epochs)

    if not options.validate:
        made = to_onnx(model)
        onnx.helper.set_model_props(made, digits.meaning(digits.PREPROCESS))
        onnx.save(made, options.output / digits.MODEL.name)
        np.savez_compressed(
            options.output / digits.HELDOUT.name,
            digits=small[split:],
            labels=labels[split:].astype(np.uint8),
        )
        write_images(options.output / digits.IMAGES.name, images[split:], labels[split:])

    with torch.no_grad():
        predicted = model(normalise(images[split:])).argmax(1).numpy()
    right = int((predicted == labels[split:]).sum())
    part = "validation" if options.validate else "held out"
    print(f"{part}: {right} of {len(predicted)} right, {100 * right / len(predicted):.2f} %")


if __name__ == "__main__":
    main()
