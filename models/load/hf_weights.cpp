#include "models/load/hf_weights.hpp"

#include <algorithm>
#include <cstring>

#include "models/files/weight_names.hpp"
#include "models/hf/rope_order.hpp"
#include "models/load/made_weights.hpp"

namespace ql {
namespace {

/// The tensor as it lies in its file.
Result<Weight> as_weight(const SafeTensor & tensor) {
    Weight w;
    w.name = tensor.name;
    QL_ASSIGN(w.dtype, tensor.weight_dtype());
    w.n_dims = static_cast<int>(tensor.shape.size());
    if (w.n_dims < 1 || w.n_dims > 2 || tensor.elements() == 0)
        return error(QL_BAD_FILE, "tensor '%.80s' has the shape %s; one or two dimensions are possible",
                     tensor.name.c_str(), tensor.shape_text().c_str());
    std::reverse_copy(tensor.shape.begin(), tensor.shape.end(), w.ne);  // innermost first
    w.data = tensor.data;
    w.bytes = tensor.bytes;
    return w;
}

}  // namespace

Status HfWeights::add(SafeTensorsFile & file) {
    for (const SafeTensor & tensor : file.tensors())
        if (Status s = add(tensor); !s.ok()) return error(s.code(), "%s: %s", file.path().c_str(), s.message().c_str());
    parts_.maps.push_back(file.take_map());
    return {};
}

Status HfWeights::finish() {
    if (!names_.contains("output.weight") && config_.head == HfConfig::Head::separate)
        return error(QL_BAD_FILE,
                     "tensor 'lm_head.weight' is missing; config.json says that it is not tied to the embedding");
    QL_TRY(check_tied_head());
    for (int64_t layer = 0; layer < h_.n_layer(); ++layer) QL_TRY(check_biases(layer));
    QL_TRY(experts_.stack(parts_));
    return add_made_weights(parts_);
}

Status HfWeights::check_tied_head() {
    if (!tied_head_.data) return {};
    const auto embedding = std::find_if(parts_.weights.begin(), parts_.weights.end(),
                                        [](const Weight & w) { return w.name == "token_embd.weight"; });
    if (embedding == parts_.weights.end()) return {};  // which is reported as missing
    const bool same = embedding->dtype == tied_head_.dtype && embedding->bytes == tied_head_.bytes &&
                      std::memcmp(embedding->data, tied_head_.data, tied_head_.bytes) == 0;
    if (same) return {};
    return error(QL_BAD_FILE,
                 "tie_word_embeddings says that the head is the embedding, but 'lm_head.weight' is there and "
                 "differs; set it to false if the head is its own, or take the tensor out");
}

Status HfWeights::check_biases(int64_t layer) {
    for (const std::string_view linear : architecture_.linears()) {
        const std::string weight = linear_weight(layer, linear), name = bias_of(weight);
        if (!names_.contains(weight)) continue;  // a missing one is reported later
        const auto said = std::find_if(config_.biases.begin(), config_.biases.end(),
                                       [&](const HfBiases & b) { return linear.starts_with(b.linears); });
        if (said == config_.biases.end() || names_.contains(name) == said->there) continue;
        const std::string hf_name = architecture_.hf_names().hf_name(name).value_or(name);
        const char * const there = said->there ? "missing" : "there";
        if (!said->key)
            return error(QL_BAD_FILE, "tensor '%s' is %s, which a '%s' model has %s", hf_name.c_str(), there,
                         h_.arch.c_str(), said->there ? "always" : "never");
        return error(QL_BAD_FILE, "tensor '%s' is %s, but %s in config.json is %s", hf_name.c_str(), there, said->key,
                     said->there ? "true" : "false");
    }
    return {};
}

Status HfWeights::add(const SafeTensor & tensor) {
    if (is_ignored_hf_name(tensor.name)) return {};
    if (const auto expert = architecture_.hf_names().expert(tensor.name)) {
        QL_ASSIGN(const Weight matrix, as_weight(tensor));
        return experts_.add(*expert, matrix);
    }
    const auto name = architecture_.hf_names().gguf_name(tensor.name);
    if (!name)
        return error(QL_UNSUPPORTED, "tensor '%.80s' is not one that a '%s' model has", tensor.name.c_str(),
                     h_.arch.c_str());
    const bool is_tied_head = *name == "output.weight" && config_.head == HfConfig::Head::tied;
    if (!is_tied_head && !names_.insert(*name).second)
        return error(QL_BAD_FILE, "tensor '%.80s' is in two files", tensor.name.c_str());

    QL_ASSIGN(Weight w, as_weight(tensor));
    w.name = *name;
    if (is_tied_head) return tied_head_ = w, Status();  // the embedding counts
    QL_TRY(w.n_dims == 1 ? widen(w) : place(w));
    parts_.weights.push_back(std::move(w));
    return {};
}

Result<std::byte *> HfWeights::own(const Weight & w, size_t bytes) {
    AlignedBytes memory = aligned_bytes(bytes);
    if (!memory) return error(QL_NO_MEMORY, "no memory for tensor '%s', %zu bytes", w.name.c_str(), bytes);
    parts_.owned.push_back(std::move(memory));
    return parts_.owned.back().get();
}

Status HfWeights::widen(Weight & w) {
    if (has_permuted_rows(w.name)) QL_TRY(order_rows(w, w.ne[0]));
    QL_TRY(align(w));
    const bool shifted = architecture_.shifted_norms() && w.name.ends_with("norm.weight");
    if (w.dtype == QL_F32 && !shifted) return {};
    const size_t bytes = static_cast<size_t>(w.ne[0]) * sizeof(float);
    QL_ASSIGN(std::byte * const wide, own(w, bytes));
    auto * const values = reinterpret_cast<float *>(wide);
    if (const ql_status status = ql_decode(w.dtype, w.data, w.ne[0], 0, w.ne[0], values); status != QL_OK)
        return error(status, "tensor '%s': %s", w.name.c_str(), ql_error_message());
    for (int64_t i = 0; shifted && i < w.ne[0]; ++i) values[i] += 1.0f;
    w.dtype = QL_F32;
    w.data = wide;
    w.bytes = bytes;
    return {};
}

Status HfWeights::place(Weight & w) {
    return has_permuted_rows(w.name) ? order_rows(w, w.ne[1]) : align(w);
}

bool HfWeights::has_permuted_rows(const std::string & name) const {
    return architecture_.permuted(linear_of(weight_of(name)));
}

Status HfWeights::order_rows(Weight & w, int64_t rows) {
    if (rows % h_.head_dim != 0)
        return error(QL_BAD_FILE, "tensor '%s' has %lld rows, no multiple of the head length %lld", w.name.c_str(),
                     static_cast<long long>(rows), static_cast<long long>(h_.head_dim));
    QL_ASSIGN(std::byte * const ordered, own(w, w.bytes));
    rows_to_gguf_order(w.data, ordered, rows, w.bytes / static_cast<size_t>(rows), h_.head_dim);
    w.data = ordered;
    return {};
}

Status HfWeights::align(Weight & w) {
    if (reinterpret_cast<uintptr_t>(w.data) % alignof(float) == 0) return {};
    QL_ASSIGN(std::byte * const copy, own(w, w.bytes));
    std::memcpy(copy, w.data, w.bytes);
    w.data = copy;
    return {};
}

}  // namespace ql
