// A checkpoint that bitsandbytes quantised: whatever stands beside the codes, a weight that is accepted can be read.
#include "fuzz/fuzz.hpp"
#include "models/load/bnb_tensor.hpp"

namespace {

void read_whole(const ql::HfTensor & tensor) {
    const ql::Weight & w = tensor.weight();
    ql::fuzz::require(w.n_dims == 2 && w.bytes == ql_dtype_bytes(w.dtype, w.elements()), "a weight of another size");
    const ql::AlignedBytes memory = ql::aligned_bytes(w.bytes);
    if (!memory) return;
    ql::fuzz::require(tensor.read(0, w.ne[1], memory.get()).ok(), "a weight that cannot be read");
    volatile unsigned sum = ql::fuzz::touch(memory.get(), w.bytes);
    (void)sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    const auto file = ql::SafeTensorsFile::open(write("model.safetensors", data, size));
    if (!file.ok()) return 0;
    ql::SafeTensors beside;
    for (const ql::SafeTensor & tensor : file->tensors())
        if (!ql::bnb_weight_of(tensor.name).empty()) beside[tensor.name] = tensor;
    for (const ql::SafeTensor & tensor : file->tensors()) {
        if (beside.contains(tensor.name) || !ql::is_bnb_weight(tensor.name, beside)) continue;
        for (const int64_t head_dim : {0, 2}) {
            const auto made = ql::bnb_tensor("blk.0.attn_q.weight", tensor, beside, head_dim);
            if (made.ok()) read_whole(**made);
            require(made.ok() || !made.message().empty(), "a failure without words");
        }
    }
    return 0;
}
