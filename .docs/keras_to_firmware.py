# %% [markdown]
# # From a Keras file to firmware
#
# Run it cell by cell (VS Code, Jupyter with jupytext, Spyder) or as a whole:
#
#     python .docs/keras_to_firmware.py model.keras photos
#
# `model.keras` is any classifier built on MobileNetV2, float, as Keras 2 or 3 or Teachable Machine
# saves it; `photos` a folder of images that it should know, with a `labels.csv` (file,class_index)
# where there are labels. Pictures go into the folder `pictures`, and appear below the cell in a
# notebook.

# %%
import sys
from pathlib import Path

import edgemnv2
from edgemnv2 import Place, SampleChoice
from edgemnv2.report.document import report
from edgemnv2.report.layer_chart import layers_svg
from edgemnv2.report.memory_plot import memory_svg
from edgemnv2.report.plots import macs_svg

MODEL, PHOTOS = Path(sys.argv[1]), Path(sys.argv[2])
BOARD = "nucleo-h743zi"
PICTURES = Path("pictures")
PICTURES.mkdir(exist_ok=True)


def show(name: str, svg: str) -> None:
    """Keep a picture, and show it where this is a notebook."""
    (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")
    if "get_ipython" in globals():
        from IPython.display import SVG, display

        display(SVG(svg))


# %% [markdown]
# ## What is in the file

# %%
network = edgemnv2.load(MODEL)
for end in (*network.inputs, *network.outputs):
    print(f"{end.name}: {end.dtype} {list(end.shape)} {end.layout}")
print(f"{network.macs / 1e6:.1f} M multiply-accumulates")

# %% [markdown]
# ## Float to int8
#
# A microcontroller computes integers. Some photographs calibrate, others say what that costs.

# %%
photos = SampleChoice(images=PHOTOS, preprocess="keras")
quantized = edgemnv2.quantize(network, photos, "model_int8.onnx", io="int8")
facts = quantized.to_dict()
print(f"same class as float: {facts['agreement']:.1f} %")
if facts["top1_int8"] is not None:
    print(f"top-1: {facts['top1_float']:.1f} % float, {facts['top1_int8']:.1f} % int8")

# %% [markdown]
# ## What it needs, and where it fits

# %%
analysis = edgemnv2.analyze("model_int8.onnx", BOARD)
print(f"arena {analysis.arena_bytes / 1024:.1f} KiB")
print(f"weights {analysis.constants_bytes / 1024:.1f} KiB")
print("fits:", ", ".join(fit.target for fit in analysis.fits if fit.fits))
show("memory", memory_svg(analysis.plan))
show("work", macs_svg(analysis.plot_layers()))

# %% [markdown]
# ## Compile
#
# C99 source and a header. The arena is the only memory that it uses.

# %%
net = edgemnv2.compile("model_int8.onnx", BOARD, "net", force=True)
print(f"code {net.manifest.code_bytes / 1024:.1f} KiB, in {net.path}")

# %% [markdown]
# ## Prove it
#
# No board is needed: QEMU's board with the same core runs the same machine code.

# %%
emulated = Place(emulate=True)
checked = edgemnv2.verify(
    net, SampleChoice(images=PHOTOS, preprocess="raw", limit=4), place=emulated
)
print("every output equal to the bit" if checked.exact else checked.first_divergence)
assert checked.passed

# %% [markdown]
# ## What does it see?

# %%
seen = net.predict(SampleChoice(images=PHOTOS, preprocess="raw", limit=4), top=1, place=emulated)
for prediction in seen.predictions:
    print(f"{prediction.sample}: class {prediction.classes[0]}")

# %% [markdown]
# ## What costs what

# %%
measured = edgemnv2.bench(net, per_layer=True, place=emulated)
print(f"{measured.median / 1e6:.2f} M {measured.metric}")
shapes = {layer.name: layer.output for layer in net.manifest.layers}
bars = [
    {"name": x.name, "op": x.op, "macs": x.macs, "out": shapes[x.name], measured.metric: x.value}
    for x in measured.layers
]
show("layers", layers_svg(bars, measured.metric))

# %% [markdown]
# ## Firmware
#
# A project with the network, a test program and the commands that build and flash it; and a page
# with all of the above.

# %%
firmware = edgemnv2.bundle(net, "cmake", "firmware")
print(f"firmware/{', firmware/'.join(sorted(str(x) for x in firmware.files)[:3])}, ...")
Path("report.html").write_text(report([net.path]), encoding="utf-8")
print("report.html")
