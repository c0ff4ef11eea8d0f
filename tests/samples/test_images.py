"""Images, arrays and noise become inputs of the right shape, type and range, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemnv2.errors import InputError, UsageError
from edgemnv2.model import QuantParams, TensorSpec
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.samples.images import (
    default_preset,
    load_images,
    preprocess,
    random_inputs,
    to_nhwc,
    to_source,
)
from edgemnv2.samples.inputs import load_npz

FLOAT = Tensor("x", 32, 32, 3, "float32")
UINT8 = Tensor("x", 32, 32, 3, "uint8", QuantParams(1 / 127.5, 127))
INT8 = Tensor("x", 32, 32, 3, "int8", QuantParams(0.0186, -14))


def graph_of(tensor: Tensor, spec: TensorSpec) -> Graph:
    return Graph("net", {"x": tensor}, (), ("x",), ("x",), (spec,), (spec,))


def picture(size=(32, 32), seed=0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(("b.png", "a.png", "c.png")):
        picture(seed=index).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def label(folder: Path, *lines: str) -> None:
    (folder / "labels.csv").write_text("\n".join(("file,class_index,name", *lines)) + "\n")


def test_an_image_of_the_right_size_is_taken_pixel_for_pixel():
    pixels = np.asarray(picture())
    np.testing.assert_array_equal(preprocess(picture(), UINT8, "raw"), pixels)
    np.testing.assert_array_equal(preprocess(picture(), INT8, "raw"), pixels.astype(int) - 128)
    np.testing.assert_array_equal(preprocess(picture(), FLOAT, "raw"), pixels.astype(np.float32))


def test_presets_map_the_range_of_pixels():
    white, black = Image.new("RGB", (32, 32), "white"), Image.new("RGB", (32, 32))
    assert preprocess(white, FLOAT, "keras").max() == 1.0
    assert preprocess(black, FLOAT, "keras").min() == -1.0
    np.testing.assert_allclose(
        preprocess(white, FLOAT, "torchvision")[0, 0], [2.2489, 2.4286, 2.64], atol=1e-4
    )
    np.testing.assert_allclose(
        preprocess(black, FLOAT, "torchvision")[0, 0], [-2.1179, -2.0357, -1.8044], atol=1e-4
    )


def test_a_real_preset_on_a_quantised_input_is_quantised():
    white = Image.new("RGB", (32, 32), "white")
    assert preprocess(white, INT8, "torchvision")[0, 0].tolist() == [107, 117, 127]
    assert preprocess(white, UINT8, "keras")[0, 0].tolist() == [255, 255, 255]


def test_another_size_is_resized_by_its_shorter_side_and_cropped_at_the_centre():
    image = Image.new("RGB", (200, 100), "black")
    image.paste((255, 255, 255), (100, 0, 200, 100))
    out = preprocess(image, FLOAT, "raw")
    assert out.shape == (32, 32, 3)
    # Left half black, right half white, whatever was cropped; the edge itself is blurred.
    assert out[:, :14].max() == 0
    assert out[:, 18:].min() == 255


def test_grey_models_take_grey_images():
    tensor = Tensor("x", 32, 32, 1, "uint8", QuantParams(1 / 255, 0))
    assert preprocess(picture(), tensor, "raw").shape == (32, 32, 1)


def test_defaults_follow_the_kind_of_input():
    nchw = TensorSpec("x", (1, 3, 32, 32), "float32", "NCHW")
    nhwc = TensorSpec("x", (1, 32, 32, 3), "float32", "NHWC")
    assert default_preset(graph_of(UINT8, nhwc)) == "raw"
    assert default_preset(graph_of(FLOAT, nchw)) == "torchvision"
    assert default_preset(graph_of(FLOAT, nhwc)) == "keras"


def test_without_labels_the_order_is_that_of_names_and_a_limit_takes_the_first(folder):
    samples = load_images(folder, UINT8, "raw", limit=2)
    assert samples.names == ("a.png", "b.png")
    assert samples.labels is None
    np.testing.assert_array_equal(samples.x[1], np.asarray(picture(seed=0)))


def test_labels_give_order_and_classes(folder):
    label(folder, "c.png,7,crab", "a.png,0,ant")
    samples = load_images(folder, UINT8, "raw", classes=8)
    assert samples.names == ("c.png", "a.png")
    assert samples.labels.tolist() == [7, 0]
    assert samples.select([1]).labels.tolist() == [0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.png,8,x"], r"class_index 8 is out of range .*below the model's 8 classes"),
        (["a.png,-1,x"], r"class_index -1 is out of range"),
        (["a.png,seven,x"], r"class_index 'seven' is not a whole number"),
        (["nowhere.png,1,x"], r"labels.csv: line 2: no file 'nowhere.png'"),
        ([], r"no images are listed"),
    ],
)
def test_damaged_labels_are_refused_with_their_line(folder, lines, message):
    label(folder, *lines)
    with pytest.raises(InputError, match=message):
        load_images(folder, UINT8, "raw", classes=8)


def test_labels_without_the_needed_columns_are_refused(folder):
    (folder / "labels.csv").write_text("file,class\na.png,1\n")
    with pytest.raises(InputError, match="column 'class_index' is missing"):
        load_images(folder, UINT8, "raw")
    (folder / "labels.csv").write_bytes(b"\xff\xfe\x00file")
    with pytest.raises(InputError, match="not UTF-8"):
        load_images(folder, UINT8, "raw")


def test_what_is_no_image_is_refused_by_name(folder):
    (folder / "b.png").write_bytes(b"not an image at all")
    with pytest.raises(InputError, match=r"b\.png: not a readable image \(unknown format\)"):
        load_images(folder, UINT8, "raw")
    picture().save(folder / "b.png")
    data = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"b\.png: not a readable image"):
        load_images(folder, UINT8, "raw")


def test_missing_and_empty_folders_and_empty_limits_are_refused(tmp_path, folder):
    with pytest.raises(InputError, match="no such folder"):
        load_images(tmp_path / "nowhere", UINT8, "raw")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images in this folder"):
        load_images(tmp_path / "empty", UINT8, "raw")
    with pytest.raises(UsageError, match="limit=0: expected at least 1"):
        load_images(folder, UINT8, "raw", limit=0)


def test_unknown_presets_and_strange_channel_counts_are_refused():
    with pytest.raises(InputError, match="one of torchvision, keras, raw"):
        preprocess(picture(), FLOAT, "caffe")
    with pytest.raises(InputError, match="the model takes 4"):
        preprocess(picture(), Tensor("x", 32, 32, 4, "float32"), "raw")


SPEC = TensorSpec("input", (1, 3, 4, 5), "float32", "NCHW")
GRAPH = graph_of(Tensor("x", 4, 5, 3, "float32"), SPEC)


def test_npz_arrays_are_in_the_source_layout(tmp_path):
    x = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    np.savez(tmp_path / "x.npz", input=x)
    every = load_npz(tmp_path / "x.npz", GRAPH).arrays["input"]
    np.testing.assert_array_equal(every, x.transpose(0, 2, 3, 1))
    np.savez(tmp_path / "one.npz", input=x[1])
    one = load_npz(tmp_path / "one.npz", GRAPH).arrays["input"]
    np.testing.assert_array_equal(one, every[1:])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((1, 3, 4, 5), np.float32)}, r"no array named 'input' \(found 'x'\)"),
        ({"input": np.zeros((1, 3, 4, 5))}, r"is float64 \(must be float32\)"),
        ({"input": np.zeros((1, 4, 5, 3), np.float32)}, r"must be \[N, 3, 4, 5\], NCHW"),
        ({"input": np.zeros((0, 3, 4, 5), np.float32)}, r"has shape \[0, 3, 4, 5\]"),
    ],
)
def test_npz_of_another_kind_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load_npz(tmp_path / "x.npz", GRAPH)


def test_what_is_no_npz_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_npz(tmp_path / "x.npz", GRAPH)
    (tmp_path / "t.npz").write_text("hello")
    with pytest.raises(InputError, match=r"t\.npz: not a readable \.npz file \(no zip archive\)"):
        load_npz(tmp_path / "t.npz", GRAPH)
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 but no archive")
    with pytest.raises(InputError, match=r"x\.npz: not a readable \.npz file"):
        load_npz(tmp_path / "x.npz", GRAPH)
    np.save(tmp_path / "y.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"y\.npy: not a readable \.npz file"):
        load_npz(tmp_path / "y.npy", GRAPH)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [((1, 3, 4, 5), "NCHW"), ((1, 4, 5, 3), "NHWC"), ((1, 60), "NC"), ((1, 60, 1, 1), "NCHW")],
)
def test_layouts_go_there_and_back(shape, layout):
    spec = TensorSpec("t", shape, "float32", layout)
    x = np.arange(120, dtype=np.float32).reshape(2, *shape[1:])
    nhwc = to_nhwc(x, spec)
    assert nhwc.ndim == 4
    np.testing.assert_array_equal(to_source(nhwc, spec), x)


def test_random_inputs_repeat_by_seed_and_cover_their_range():
    first, again = random_inputs(INT8, 3, seed=1), random_inputs(INT8, 3, seed=1)
    np.testing.assert_array_equal(first.x, again.x)
    assert (random_inputs(INT8, 3, seed=2).x != first.x).any()
    assert first.x.min() == -128
    assert first.x.max() == 127
    assert first.x.dtype == np.int8
    assert random_inputs(FLOAT, 2, seed=0).x.dtype == np.float32
    with pytest.raises(UsageError, match="random=0: expected at least 1"):
        random_inputs(INT8, 0, seed=1)
    with pytest.raises(UsageError, match="seed=-1: expected 0 or more"):
        random_inputs(INT8, 1, seed=-1)


def test_the_first_samples_are_taken_and_never_none_of_them():
    samples = random_inputs(INT8, 3, seed=1)
    np.testing.assert_array_equal(samples.first(2).x, samples.x[:2])
    assert len(samples.first(9)) == len(samples.first(None)) == 3
    for limit in (0, -1):
        with pytest.raises(UsageError, match=f"limit={limit}: expected at least 1"):
            samples.first(limit)


def test_real_images_of_the_models_size_are_not_touched(shared_data):
    tensor = Tensor("x", 224, 224, 3, "uint8", QuantParams(1 / 127.5, 127))
    samples = load_images(shared_data / "imagenet224", tensor, "raw", limit=2, classes=1000)
    image = Image.open(shared_data / "imagenet224" / samples.names[1])
    np.testing.assert_array_equal(samples.x[1], np.asarray(image))
    assert samples.labels.tolist() == [0, 2]


def test_gray_of_16_bits_is_the_same_picture_in_8(tmp_path: Path) -> None:
    """A camera's or scanner's PNG, and TIFF's other byte order; not white where it is above 255."""
    pixels = np.random.default_rng(3).integers(0, 256, (8, 8)).astype(np.uint8)
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(folder / "b.png")
    found = load_images(folder, Tensor("x", 8, 8, 1, "float32"), "raw").x
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("turned", range(1, 9))
def test_photographs_are_upright(turned: int, tmp_path: Path) -> None:
    """The eight orientations that EXIF knows show one picture."""
    pixels = np.random.default_rng(4).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    upright = Image.fromarray(pixels)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[turned]) if turned in undo else upright
    exif = Image.Exif()
    exif[0x0112] = turned
    folder = tmp_path / "images"
    folder.mkdir()
    stored.save(folder / "a.png", exif=exif)
    (found,) = load_images(folder, Tensor("x", 8, 8, 3, "float32"), "raw").x
    assert np.array_equal(found, pixels.astype(np.float32))


def test_pixels_that_are_no_numbers_of_16_bits_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.full((8, 8), 70000, np.int32)).save(folder / "a.png", "TIFF")
    with pytest.raises(InputError, match=r"a.png: its pixels have 32 bits"):
        load_images(folder, Tensor("x", 8, 8, 1, "float32"), "raw")
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(folder / "a.png", "TIFF")
    with pytest.raises(InputError, match=r"a.png: its pixels are floating-point"):
        load_images(folder, Tensor("x", 8, 8, 1, "float32"), "raw")
