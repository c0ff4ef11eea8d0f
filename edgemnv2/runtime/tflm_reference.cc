// TFLM's reference kernels on a bare board, one call for each layer of a network: what its
// interpreter would execute, without the interpreter. `net.inc` has the calls, `data.s` the numbers
// that were learned; both are generated (tflm_peer.py).
#include "semihosting.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/add.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/conv.h"
#include "tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h"
#include "tensorflow/lite/kernels/internal/reference/reduce.h"

extern "C" {
extern const int8_t learned[];
__attribute__((noinline)) void edgemnv2_mark(void);
void edgemnv2_mark(void) {
    __asm__ volatile("" ::: "memory");
}
void edgemnv2_fault(uint32_t cause);
void edgemnv2_fault(uint32_t cause) {
    semihost_print("fault ");
    semihost_print_number((long)cause);
    semihost_exit(0);
}
[[noreturn]] void abort(void) {
    edgemnv2_fault(0);
    for (;;) {
    }
}
void edgemnv2_exit(int status);
void edgemnv2_exit(int status) {
    semihost_exit(status == 0);
}
}
// Destructors of shapes name it; none of these shapes has memory of its own.
void operator delete[](void *) noexcept {}

namespace {

using tflite::RuntimeShape;

RuntimeShape shape_of(int32_t n, int32_t height, int32_t width, int32_t channels) {
    const int32_t sizes[4] = {n, height, width, channels};
    return RuntimeShape(4, sizes);
}

struct Map {
    int8_t *data;
    int height, width, channels, zero_point;
    RuntimeShape shape() const {
        return shape_of(1, height, width, channels);
    }
};

// Offsets of what was learned, and the window.
struct Learned {
    int weight, bias, multiplier, shift, kernel_height, kernel_width, stride_y, stride_x, top, left;
    int low, high;
};

const int32_t *words(int offset) {
    return reinterpret_cast<const int32_t *>(learned + offset);
}

template <typename Params> Params params_of(const Map &in, const Map &out, const Learned &layer) {
    Params params = {};
    params.padding_values.width = static_cast<int16_t>(layer.left);
    params.padding_values.height = static_cast<int16_t>(layer.top);
    params.stride_width = static_cast<int16_t>(layer.stride_x);
    params.stride_height = static_cast<int16_t>(layer.stride_y);
    params.dilation_width_factor = params.dilation_height_factor = 1;
    params.input_offset = -in.zero_point;
    params.output_offset = out.zero_point;
    params.quantized_activation_min = layer.low;
    params.quantized_activation_max = layer.high;
    return params;
}

void convolve(const Map &in, const Map &out, const Learned &layer) {
    const auto params = params_of<tflite::ConvParams>(in, out, layer);
    tflite::reference_integer_ops::ConvPerChannel(
        params, words(layer.multiplier), words(layer.shift), in.shape(), in.data,
        shape_of(out.channels, layer.kernel_height, layer.kernel_width, in.channels),
        learned + layer.weight, RuntimeShape(1, out.channels), words(layer.bias), out.shape(),
        out.data);
}

void convolve_depthwise(const Map &in, const Map &out, const Learned &layer) {
    auto params = params_of<tflite::DepthwiseParams>(in, out, layer);
    params.depth_multiplier = 1;
    tflite::reference_integer_ops::DepthwiseConvPerChannel(
        params, words(layer.multiplier), words(layer.shift), in.shape(), in.data,
        shape_of(1, layer.kernel_height, layer.kernel_width, out.channels), learned + layer.weight,
        RuntimeShape(1, out.channels), words(layer.bias), out.shape(), out.data);
}

// Multipliers and shifts of both operands and of the sum.
struct Sum {
    int left_shift;
    int32_t multiplier[3];
    int shift[3];
    int low, high;
};

void add(const Map &one, const Map &two, const Map &out, const Sum &sum) {
    tflite::ArithmeticParams params = {};
    params.left_shift = sum.left_shift;
    params.input1_offset = -one.zero_point;
    params.input2_offset = -two.zero_point;
    params.output_offset = out.zero_point;
    params.input1_multiplier = sum.multiplier[0];
    params.input2_multiplier = sum.multiplier[1];
    params.output_multiplier = sum.multiplier[2];
    params.input1_shift = sum.shift[0];
    params.input2_shift = sum.shift[1];
    params.output_shift = sum.shift[2];
    params.quantized_activation_min = sum.low;
    params.quantized_activation_max = sum.high;
    tflite::reference_integer_ops::Add(params, one.shape(), one.data, two.shape(), two.data,
                                       out.shape(), out.data);
}

int32_t sums[4096];

void mean(const Map &in, const Map &out, int32_t multiplier, int shift) {
    const int dims[4] = {1, in.height, in.width, in.channels}, axes[2] = {1, 2};
    const int out_dims[4] = {1, 1, 1, in.channels};
    int index[4], resolved[4];
    tflite::reference_ops::QuantizedMeanOrSum<int8_t, int32_t>(
        in.data, in.zero_point, dims, 4, out.data, multiplier, shift, out.zero_point, out_dims, 4,
        axes, 2, true, index, resolved, sums, false);
}

#include "net.inc"

} // namespace

int main() {
    int32_t file = semihost_open("in.bin", SEMIHOST_READ_BINARY);
    semihost_read(file, IN.data, IN_BYTES);
    semihost_close(file);
    infer(); // What is first is not measured.
    edgemnv2_mark();
    infer();
    edgemnv2_mark();
    file = semihost_open("out.bin", SEMIHOST_WRITE_BINARY);
    semihost_write(file, OUT.data, OUT_BYTES);
    semihost_close(file);
    return 0;
}
