// A checkpoint that GPTQ or AWQ has made integers: the first line is quantization_config, the rest a safetensors file. What
// is accepted can be read, whole and by rows with the same bytes.
#include <cstring>

#include "fuzz/fuzz.hpp"
#include "models/load/packed_tensor.hpp"

namespace {

void read_whole_and_by_rows(const ql::HfTensor & tensor) {
    const ql::Weight & w = tensor.weight();
    ql::fuzz::require(w.n_dims == 2 && w.bytes == ql_dtype_bytes(w.dtype, w.elements()), "a weight of another size");
    const ql::AlignedBytes whole = ql::aligned_bytes(w.bytes), rows = ql::aligned_bytes(w.bytes);
    if (!whole || !rows) return;
    ql::fuzz::require(tensor.read(0, w.ne[1], whole.get()).ok(), "a weight that cannot be read");
    const size_t row = w.bytes / static_cast<size_t>(w.ne[1]);
    for (int64_t i = 0; i < w.ne[1]; ++i)
        ql::fuzz::require(tensor.read(i, 1, rows.get() + static_cast<size_t>(i) * row).ok(),
                          "a row that cannot be read");
    ql::fuzz::require(std::memcmp(whole.get(), rows.get(), w.bytes) == 0, "rows that are not those of the whole");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    const void * end = size > 0 ? std::memchr(data, '\n', size) : nullptr;
    if (!end) return 0;
    const auto line = static_cast<size_t>(static_cast<const uint8_t *>(end) - data);
    const auto config = ql::JsonFile::open(write("quantize_config.json", data, line));
    if (!config.ok()) return 0;
    const auto form = ql::read_packed_integers(*config, "gptq");
    require(form.ok() || !form.message().empty(), "a failure without words");
    if (!form.ok()) return 0;
    const auto file = ql::SafeTensorsFile::open(write("model.safetensors", data + line + 1, size - line - 1));
    if (!file.ok()) return 0;
    std::map<std::string, ql::SafeTensor> beside;
    for (const ql::SafeTensor & tensor : file->tensors())
        if (!ql::packed_weight_of(tensor.name).empty()) beside[tensor.name] = tensor;
    for (const auto & [name, tensor] : beside) {
        if (!name.ends_with(".qweight")) continue;
        for (const int64_t head_dim : {0, 4}) {
            std::string why_f32;
            const std::string linear = name.substr(0, name.rfind('.'));
            const auto made = ql::packed_tensor("blk.0.attn_q.weight", linear, beside, *form, head_dim, why_f32);
            require(made.ok() || !made.message().empty(), "a failure without words");
            if (!made.ok()) continue;
            require(((*made)->weight().dtype == QL_F32) == !why_f32.empty(), "f32 without a reason");
            read_whole_and_by_rows(**made);
        }
    }
    return 0;
}
