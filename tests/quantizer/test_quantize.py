"""A float network becomes an int8 one that every reader of the file sees alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.cli.main import main
from edgemnv2.errors import InputError, ModelError, UsageError
from edgemnv2.export.qdq_file import with_int8_ends
from edgemnv2.frontend import load_model
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.execute import outputs, run
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.passes import lower
from edgemnv2.passes.name_layers import name_layers
from edgemnv2.pipeline import CompileOptions, compile_graph, compile_model
from edgemnv2.quantizer.cache import cache_key
from edgemnv2.quantizer.convert import convert
from edgemnv2.quantizer.equalize import equalize_activations
from edgemnv2.quantizer.float_graph import expected_peaks, image_peaks
from edgemnv2.quantizer.quantize import Quantized, calibrate, quantize, split
from edgemnv2.samples.images import default_preset, load_images, random_inputs, to_nhwc, to_source
from edgemnv2.target import load_target

SMALL = "mobilenetv2-0.35-96"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model(SMALL))


@pytest.fixture(scope="module")
def samples(graph):
    return random_inputs(graph.tensors[graph.inputs[0]], 12, seed=5)


@pytest.fixture(scope="module")
def quantized(graph, samples) -> Quantized:
    return quantize(graph, samples)


def constants(graph: Graph):
    """Everything of each layer that reaches the generated code."""
    for layer in graph.layers:
        target = graph.tensor_out(layer)
        yield type(layer).__name__, target.shape, target.dtype, target.quant
        for name in ("stride", "padding", "clamp", "left_shift", "rounding"):
            yield name, getattr(layer, name, None)
        for name in ("weight", "bias", "exp_table"):
            values = getattr(layer, name, None)
            yield name, None if values is None else (values.dtype.str, values.tobytes())
        factors = getattr(layer, "rescale", None) or (getattr(layer, "requantize", None),)
        for factor in factors:
            if factor is not None:
                yield factor.multiplier.tolist(), factor.shift.tolist(), factor.single_rounding


def equalized(graph: Graph, samples) -> Graph:
    peaks = image_peaks(graph, [samples.x])
    return equalize_activations(graph, expected_peaks(graph, peaks))


@pytest.mark.parametrize("per_channel", [True, False])
def test_the_file_reads_back_to_the_same_constants(graph, samples, tmp_path, per_channel):
    equal = equalized(graph, samples)
    converted = convert(equal, samples.x[:4], per_channel=per_channel)
    path = tmp_path / "q.onnx"
    path.write_bytes(converted.file())
    back = lower(load_model(path))
    assert list(constants(back)) == list(constants(converted.graph))


def test_all_is_integer_and_every_factor_shifts_right(quantized):
    assert quantized.graph.is_integer
    for layer in quantized.graph.layers:
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            assert layer.weight.dtype == np.int8
            assert layer.weight.min() >= -127
            assert (layer.requantize.shift <= -1).all()
        if isinstance(layer, Add):
            assert quantized.graph.tensor_out(layer).dtype == "int8"


def unoptimised_session(onnx: bytes, outputs: bool = False):
    """onnxruntime on the file as it is; with `outputs`, every stored activation is an output."""
    import onnx as onnx_module
    import onnxruntime

    model = onnx_module.load_from_string(onnx)
    if outputs:
        for node in model.graph.node:
            if node.op_type == "QuantizeLinear":
                value = onnx_module.helper.make_tensor_value_info(
                    node.output[0], onnx_module.TensorProto.INT8, None
                )
                model.graph.output.append(value)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("per_channel", [True, False])
def test_onnxruntime_computes_the_same_bytes_in_every_layer(
    graph, samples, quantized, per_channel, require_module
):
    require_module("onnxruntime")
    result = quantized if per_channel else quantize(graph, samples, per_channel=False)
    session = unoptimised_session(result.onnx, outputs=True)
    spec = graph.input_specs[0]
    assert [x.name for x in session.get_inputs()] == [spec.name]
    names = [x.name for x in session.get_outputs()][1:]
    integer = result.graph
    assert len(names) == len(integer.layers) - 1
    for image in samples.x:
        ours = run(integer, image)
        _, *theirs = session.run(None, {spec.name: to_source(image[np.newaxis], spec)})
        for layer, name, stored in zip(integer.layers, names, theirs, strict=False):
            mine = ours[layer.output]
            nhwc = stored.transpose(0, 2, 3, 1) if stored.ndim == 4 else stored.reshape(mine.shape)
            np.testing.assert_array_equal(mine, nhwc, err_msg=name)


def test_optimised_onnxruntime_puts_the_same_class_first(graph, samples, quantized, require_module):
    """Its integer kernels multiply by a float32 factor, which rounds as the real one does."""
    require_module("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Else pairs of products saturate at 16 bits where the processor has no VNNI.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        quantized.onnx, options, providers=["CPUExecutionProvider"]
    )
    spec = graph.input_specs[0]
    theirs = [session.run(None, {spec.name: to_source(x[np.newaxis], spec)})[0] for x in samples.x]
    ours = outputs(quantized.graph, samples.x)
    nhwc = to_nhwc(np.concatenate(theirs), graph.output_specs[0])
    np.testing.assert_array_equal(ours.argmax(axis=-1), nhwc.argmax(axis=-1))


def test_files_with_int8_ends_compute_the_same_integers(graph, samples, quantized, tmp_path):
    path = tmp_path / "q.onnx"
    path.write_bytes(with_int8_ends(quantized.onnx))
    back = lower(load_model(path))
    inner = replace(quantized.graph, layers=quantized.graph.layers[1:-1])
    assert list(constants(back)) == list(constants(inner))
    source, result = back.tensors[back.inputs[0]], back.tensors[back.outputs[0]]
    assert (source.dtype, result.dtype) == ("int8", "int8")
    first, last = quantized.graph.layers[0], quantized.graph.layers[-1]
    assert source.quant == quantized.graph.tensor_out(first).quant
    assert result.quant == quantized.graph.tensor_in(last).quant


def test_onnxruntime_runs_files_with_int8_ends(graph, samples, quantized, require_module):
    require_module("onnxruntime")
    session = unoptimised_session(with_int8_ends(quantized.onnx))
    (source,), (result,) = session.get_inputs(), session.get_outputs()
    assert (source.type, result.type) == ("tensor(int8)", "tensor(int8)")
    values = run(quantized.graph, samples.x[:2])
    first, last = quantized.graph.layers[0], quantized.graph.layers[-1]
    spec = graph.input_specs[0]
    for index in range(2):
        stored = values[first.output][index : index + 1]
        theirs = session.run(None, {source.name: to_source(stored, spec)})[0]
        ours = values[last.inputs[0]][index].reshape(theirs.shape)
        np.testing.assert_array_equal(ours, theirs)


# Only these name what was compiled, or are hashes of what does.
NAMING_KEYS = {"model", "files", "provenance", "seal"}
REFERENCE_KEYS = {"source", "sha256"}


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("target", ["host", "mps2-an500"])
def test_the_file_compiles_to_the_same_bytes_as_the_graph_itself(graph, samples, tmp_path, target):
    equal = equalized(graph, samples)
    converted = convert(equal, samples.x[:4])
    path = tmp_path / f"{graph.name}.onnx"
    path.write_bytes(converted.file())
    threads = 1 if target == "host" else None
    options = CompileOptions(name="net", threads=threads, use_tune_logs=False)
    folders = tmp_path / "direct", tmp_path / "read"
    compile_graph(name_layers(converted.graph), load_target(target), folders[0], options)
    compile_model(path, target, folders[1], options)
    listings = [sorted(x.relative_to(f) for x in f.rglob("*") if x.is_file()) for f in folders]
    assert listings[0] == listings[1]
    different = {
        str(name)
        for name in listings[0]
        if (folders[0] / name).read_bytes() != (folders[1] / name).read_bytes()
    }
    # The reference names the source, its hash and its tensors, and so does the manifest. Its arrays
    # are equal, but some may lie in memory in another order.
    naming = {"manifest.json", "reference/graph.json", "reference/source.json"}
    assert different - {"reference/graph.npz"} == naming
    arrays = [np.load(folder / "reference" / "graph.npz") for folder in folders]
    assert arrays[0].files == arrays[1].files
    for name in arrays[0].files:
        assert arrays[0][name].dtype == arrays[1][name].dtype
        np.testing.assert_array_equal(arrays[0][name], arrays[1][name])
    for name, keys in (("manifest.json", NAMING_KEYS), ("reference/graph.json", REFERENCE_KEYS)):
        direct, read = (json.loads((folder / name).read_text()) for folder in folders)
        assert direct.keys() == read.keys()
        assert {key for key in direct if direct[key] != read[key]} <= keys


def test_layers_are_reported_worst_first_with_plain_numbers(quantized):
    record = json.loads(json.dumps(quantized.to_dict()))
    decibels = [layer["snr_db"] for layer in record["layers"]]
    assert decibels == sorted(decibels)
    assert len(decibels) == len(quantized.graph.layers) - 2
    assert min(decibels) > 5
    assert record["calibration_samples"] == 6
    assert record["evaluation_samples"] == 6
    assert record["held_out"]
    assert record["top1_float"] is None
    assert 0 <= record["agreement"] <= 100


def test_the_same_inputs_give_the_same_bytes(graph, samples, quantized):
    assert quantize(graph, samples).onnx == quantized.onnx


def test_labels_beside_the_images_change_nothing_in_the_file(graph, samples, quantized):
    labelled = replace(samples, labels=np.arange(len(samples)))
    result = quantize(graph, labelled)
    assert result.onnx == quantized.onnx
    assert result.scheme == quantized.scheme
    assert result.int8_accuracy is not None


@pytest.mark.slow(ci=True)
def test_a_classifier_gets_a_range_for_its_scores_unless_told_otherwise(graph, samples, quantized):
    assert quantized.scheme.endswith("output range for class scores")
    assert quantize(graph, samples, head="scores").onnx == quantized.onnx
    plain = quantize(graph, samples, head="values")
    assert not plain.scheme.endswith("output range for class scores")

    def scale(result: Quantized) -> float:
        return result.graph.tensor_in(result.graph.layers[-1]).quant.scale

    assert scale(quantized) < scale(plain)


def test_heads_that_cannot_be_are_refused(graph, samples):
    with pytest.raises(UsageError, match="one of auto, scores, values"):
        quantize(graph, samples, head="guess")
    (pooled,) = [x.output for x in graph.layers if isinstance(x, GlobalAveragePool)]
    with pytest.raises(UsageError, match="does not end in class scores"):
        quantize(ended_at(graph, pooled), samples, head="scores")


def ended_at(graph: Graph, name: str) -> Graph:
    """The network's first part, up to the tensor `name`."""
    count = [layer.output for layer in graph.layers].index(name) + 1
    tensor = graph.tensors[name]
    spec = replace(graph.output_specs[0], shape=(1, *tensor.shape), layout="NHWC")
    return replace(graph, layers=graph.layers[:count], outputs=(name,), output_specs=(spec,))


@pytest.mark.slow(ci=True)
def test_calibration_is_kept_by_hash_and_damage_is_noticed(graph, samples, tmp_path):
    few = samples.select([0, 1])
    first = quantize(graph, few, cache=tmp_path)
    again = quantize(graph, few, cache=tmp_path)
    assert not first.from_cache
    assert again.from_cache
    assert again.onnx == first.onnx
    assert again.layers == first.layers
    other = replace(few, x=few.x + np.float32(0.01))
    assert not quantize(graph, other, cache=tmp_path).from_cache
    for path in tmp_path.rglob("*.onnx"):
        path.write_bytes(path.read_bytes()[:-1])
    assert not quantize(graph, few, cache=tmp_path).from_cache


def test_the_cache_knows_the_scheme(samples):
    keys = {
        cache_key(model, {"x": samples.x[:count]}, scheme)
        for model in ("a", "b")
        for count in (1, 2)
        for scheme in ("per channel", "per layer")
    }
    assert len(keys) == 8


def test_a_cache_that_cannot_be_written_is_no_error(graph, samples, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert not quantize(graph, samples.select([0]), cache=tmp_path / "file").from_cache


@pytest.mark.parametrize(
    ("count", "calibrated"), [(3, 3), (9, 9), (10, 5), (100, 50), (500, 100), (1000, 100)]
)
def test_at_most_a_hundred_and_at_most_half_calibrate(count, calibrated):
    chosen, others = split(count)
    assert len(chosen) == calibrated
    if count >= 10:
        assert sorted(chosen + others) == list(range(count))
    else:
        assert chosen == others
    if count == 500:
        assert chosen == list(range(0, 500, 5))


@pytest.mark.parametrize("every", [1, 2, 5, 40])
def test_every_kth_sample_calibrates_and_the_others_evaluate(every):
    chosen, others = split(12, every)
    assert chosen == list(range(0, 12, every))
    assert others == (chosen if every == 1 else [i for i in range(12) if i not in chosen])


@pytest.mark.parametrize(("count", "every"), [(5, 0), (5, -1), (1, 2)])
def test_a_split_that_leaves_nothing_is_refused(count, every):
    with pytest.raises(UsageError, match=f"every={every}: expected at least 1"):
        split(count, every)


def with_weight(graph: Graph, value: float) -> Graph:
    stem = graph.layers[0]
    weight = stem.weight.copy()
    weight[0, 0, 0, 0] = value
    return replace(graph, layers=(replace(stem, weight=weight), *graph.layers[1:]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(graph, samples, value):
    with pytest.raises(ModelError, match="'stem': 1 of 432 weight values are NaN or infinite"):
        quantize(with_weight(graph, value), samples)


def test_values_that_overflow_on_the_way_are_refused(graph, samples):
    last = graph.layers[-1]
    huge = replace(last, weight=np.full_like(last.weight, 3e38))
    broken = replace(graph, layers=(*graph.layers[:-1], huge))
    with np.errstate(all="ignore"), pytest.raises(ModelError, match="gives NaN or infinite values"):
        quantize(broken, samples.select([0]))


def test_inputs_that_are_no_numbers_are_refused(graph, samples):
    broken = replace(samples, x=np.full_like(samples.x, np.nan))
    with pytest.raises(InputError, match=r"the first is random\[0\], seed 5"):
        quantize(graph, broken)


def test_a_quantised_model_is_refused(samples, quantized):
    with pytest.raises(ModelError, match="is quantised already"):
        quantize(quantized.graph, samples)


def test_an_unknown_method_is_refused(graph, samples):
    with pytest.raises(UsageError, match="one of error, min-max, percentile"):
        quantize(graph, samples, method="guess")


# -- the verb --------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEMNV2_CACHE", str(tmp_path / "cache"))


def test_the_verb_writes_the_file_the_report_and_the_agreed_keys(tmp_path, capsys, own_cache):
    output, page, picture = tmp_path / "q.onnx", tmp_path / "q.html", tmp_path / "q.svg"
    words = ["quantize", SMALL, "--random", "4", "-o", str(output)]
    assert main([*words, "--report", str(page), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    wanted = {"model", "scheme", "calibration_samples", "top1_float", "top1_int8", "agreement"}
    assert wanted <= set(record)
    assert not record["held_out"]
    assert lower(load_model(output)).is_integer
    text = page.read_text()
    assert "<svg" in text
    assert text.count("<tr") > 60
    assert "block17.project" in text
    assert main([*words, "--report", str(picture)]) == 0
    assert picture.read_text().startswith("<svg")
    assert "agreement" in capsys.readouterr().out
    assert (tmp_path / "cache").is_dir()


@pytest.mark.parametrize(
    ("words", "ends", "said"),
    [
        ([], "float32", "for a microcontroller give --target or --io int8"),
        (["--target", "mps2-an500"], "int8", "int8 (suits mps2-an500)"),
        (["--target", "rpi4"], "float32", "float32 (suits rpi4)"),
        (["--target", "mps2-an500", "--io", "float32"], "float32", "ends         float32\n"),
    ],
)
def test_the_ends_suit_the_target_and_are_said(words, ends, said, tmp_path, capsys, own_cache):
    output = tmp_path / "q.onnx"
    assert main(["quantize", SMALL, "--random", "2", "-o", str(output), *words]) == 0
    printed = capsys.readouterr().out
    assert said in printed
    assert ("hint" in printed) == (not words)
    back = lower(load_model(output))
    assert back.tensors[back.inputs[0]].dtype == ends


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--images", "EMPTY", "-o", "q.onnx"], 1, "no images in this folder"),
        (["--images", "NOWHERE", "-o", "q.onnx"], 1, "no such folder"),
        (["--random", "0", "-o", "q.onnx"], 2, "--random 0: expected at least 1"),
        (["--random", "2", "-o", "q.tflite"], 2, "expected a name that ends in .onnx"),
        (["--random", "2", "-o", "nowhere/q.onnx"], 2, "no such folder; make it first"),
        (["--random", "2", "-o", "q.onnx", "--report", "r.pdf"], 2, ".html, .svg or .json"),
        (["--inputs", "wrong.npz", "-o", "q.onnx"], 1, "must be [N, 3, 96, 96], NCHW"),
    ],
)
def test_the_verb_refuses_in_one_line(
    words, code, message, tmp_path, monkeypatch, capsys, own_cache, graph
):
    (tmp_path / "EMPTY").mkdir()
    spec = graph.input_specs[0]
    np.savez(tmp_path / "wrong.npz", **{spec.name: np.zeros((1, 3, 95, 96), np.float32)})
    if spec.layout == "NHWC":
        message = message.replace("[N, 3, 96, 96], NCHW", "[N, 96, 96, 3], NHWC")
    monkeypatch.chdir(tmp_path)
    assert main(["quantize", SMALL, *words]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.glob("*.onnx"))


# -- real models -----------------------------------------------------------------------------------


@pytest.mark.slow(ci=True)
def test_a_keras_model_with_softmax_keeps_its_classes(shared_data: Path):
    path = shared_data / "models" / "st_mobilenet_v2_0.35_128_tfs_channel_first.onnx"
    graph = lower(load_model(path))
    tensor = graph.tensors[graph.inputs[0]]
    samples = load_images(shared_data / "imagenet224", tensor, "keras", limit=40)
    # ImageNet's labels are not this model's.
    result = quantize(graph, replace(samples, labels=None))
    assert result.graph.is_integer
    assert result.agreement >= 90
    assert all(layer.snr_db > 5 for layer in result.layers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_channel", "least_top1", "least_agreement"), [(True, 82.05, 95.0), (False, 81.25, 95.0)]
)
def test_torchvision_keeps_its_accuracy(shared_data, per_channel, least_top1, least_agreement):
    graph = lower(load_model(shared_data / "models" / "mobilenet_v2_torchvision.onnx"))
    assert default_preset(graph) == "torchvision"
    tensor = graph.tensors[graph.inputs[0]]
    samples = load_images(shared_data / "imagenet224", tensor, "torchvision")
    result = quantize(graph, samples, per_channel=per_channel)
    assert (result.calibration_samples, result.evaluation_samples) == (100, 400)
    assert result.float_accuracy.top1 == 82.25
    assert result.int8_accuracy.top1 >= least_top1
    assert result.agreement >= least_agreement


def test_few_pictures_calibrate_from_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file from them as from them and their mirrored copies, which are no longer few."""
    monkeypatch.setattr("edgemnv2.quantizer.quantize.MOST_CALIBRATION_SAMPLES", 6)
    graph = lower(load_model("mobilenetv2-0.35-32"))
    x = random_inputs(graph.tensors[graph.inputs[0]], 3, seed=1).x
    both = np.concatenate([x, x[:, :, ::-1]])
    assert calibrate(graph, x).onnx == calibrate(graph, both).onnx


def test_what_is_no_picture_is_not_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = lower(load_model("digits"))
    x = random_inputs(graph.tensors[graph.inputs[0]], 3, seed=1).x
    taken = calibrate(graph, x).onnx
    monkeypatch.setattr("edgemnv2.quantizer.quantize.MOST_CALIBRATION_SAMPLES", 1)
    assert calibrate(graph, x).onnx == taken
