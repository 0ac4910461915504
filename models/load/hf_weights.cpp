#include "models/load/hf_weights.hpp"

#include <algorithm>
#include <cstring>

#include "models/files/weight_names.hpp"
#include "models/load/made_weights.hpp"
#include "models/load/packed_tensor.hpp"

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
    for (const SafeTensor & tensor : file.tensors()) {
        if (config_.bitsandbytes || is_packed()) {
            const std::string weight = is_packed() ? packed_weight_of(tensor.name) : bnb_weight_of(tensor.name);
            if (weight.empty())
                waiting_.push_back(tensor);
            else
                beside_[tensor.name] = tensor;
            continue;
        }
        if (Status s = add(tensor); !s.ok()) return error(s.code(), "%s: %s", file.path().c_str(), s.message().c_str());
    }
    parts_.maps.push_back(file.take_map());
    return {};
}

Status HfWeights::add_quantised() {
    for (const SafeTensor & tensor : waiting_)
        if (!is_bnb_weight(tensor.name, beside_)) QL_TRY(add(tensor));
    std::set<std::string> weights;
    for (const SafeTensor & tensor : waiting_) {
        if (!is_bnb_weight(tensor.name, beside_)) continue;
        weights.insert(tensor.name);
        QL_ASSIGN(const std::string name, new_name(tensor.name));
        QL_ASSIGN(auto made, bnb_tensor(name, tensor, beside_, head_dim_of(name)));
        tensors_.push_back(std::move(made));
    }
    for (const auto & [name, tensor] : beside_)
        if (!weights.contains(bnb_weight_of(name)))
            return error(QL_BAD_FILE, "tensor '%.80s' is there, but not the quantised weight that it belongs to",
                         name.c_str());
    return {};
}

Result<std::string> HfWeights::new_name(const std::string & hf_name) {
    const auto name = architecture_.hf_names().gguf_name(hf_name);
    if (name && names_.insert(*name).second) return *name;
    return error(QL_UNSUPPORTED, "quantised tensor '%.80s' is not one that a '%s' model has, or is in two files",
                 hf_name.c_str(), h_.arch.c_str());
}

bool HfWeights::is_empty_bias(const SafeTensor & tensor) const {
    constexpr std::string_view kBias = ".bias";
    if (!tensor.name.ends_with(kBias)) return false;
    const std::string linear = tensor.name.substr(0, tensor.name.size() - kBias.size());
    const auto name = architecture_.hf_names().gguf_name(linear + ".weight");
    if (!name || !beside_.contains(linear + ".qweight")) return false;
    const std::string_view gguf = linear_of(*name);
    for (const HfBiases & b : config_.biases)
        if (gguf.starts_with(b.linears) && b.there) return false;
    const auto values = read_f32(tensor);
    return values.ok() && std::all_of(values->begin(), values->end(), [](float v) { return v == 0; });
}

Status HfWeights::add_packed() {
    for (const SafeTensor & tensor : waiting_)
        if (!is_empty_bias(tensor)) QL_TRY(add(tensor));
    std::map<std::string, int> in_f32;  // by the reason
    for (const auto & [name, tensor] : beside_) {
        const std::string weight = packed_weight_of(name), linear = weight.substr(0, weight.rfind('.'));
        if (!beside_.contains(linear + ".qweight"))
            return error(QL_BAD_FILE, "tensor '%.80s' is there, but not the codes that it belongs to", name.c_str());
        if (name != linear + ".qweight") continue;
        QL_ASSIGN(const std::string gguf, new_name(weight));
        std::string why_f32;
        QL_ASSIGN(auto made, packed_tensor(gguf, linear, beside_, config_.integers, head_dim_of(gguf), why_f32));
        tensors_.push_back(std::move(made));
        if (!why_f32.empty()) ++in_f32[why_f32];
    }
    for (const auto & [why, n] : in_f32)
        parts_.notes.push_back(format("%d matrices of integers are read as f32: %s", n, why.c_str()));
    return {};
}

Status HfWeights::check() {
    if (config_.bitsandbytes) QL_TRY(add_quantised());
    if (is_packed()) QL_TRY(add_packed());
    if (!names_.contains("output.weight") && config_.head == HfConfig::Head::separate)
        return error(QL_BAD_FILE,
                     "tensor 'lm_head.weight' is missing; config.json says that it is not tied to the embedding");
    QL_TRY(check_tied_head());
    for (int64_t layer = 0; layer < h_.n_layer(); ++layer) QL_TRY(check_biases(layer));
    return {};
}

Status HfWeights::finish() {
    QL_TRY(check());
    for (const auto & tensor : tensors_) QL_TRY(place(*tensor));
    QL_TRY(experts_.stack(parts_));
    return add_made_weights(parts_);
}

Status HfWeights::finish_without_matrices() {
    if (!experts_.empty()) return error(QL_UNSUPPORTED, "stacks of experts cannot be read one tensor at a time");
    QL_TRY(check());
    for (const auto & tensor : tensors_) {
        if (tensor->weight().n_dims == 1) {
            QL_TRY(place(*tensor));
            continue;
        }
        parts_.weights.push_back(tensor->weight());
        parts_.weights.back().data = nullptr;
    }
    return add_made_weights(parts_);
}

Status HfWeights::check_tied_head() const {
    if (!tied_head_.data) return {};
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [](const auto & t) { return t->weight().name == "token_embd.weight"; });
    if (found == tensors_.end()) return {};  // which is reported as missing
    const HfTensor & embedding = **found;
    const bool same = embedding.weight().dtype == tied_head_.dtype && embedding.file_bytes() == tied_head_.bytes &&
                      std::memcmp(embedding.file_data(), tied_head_.data, tied_head_.bytes) == 0;
    if (same) return {};
    return error(QL_BAD_FILE,
                 "tie_word_embeddings says that the head is the embedding, but 'lm_head.weight' is there and "
                 "differs; set it to false if the head is its own, or take the tensor out");
}

Status HfWeights::check_biases(int64_t layer) const {
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
    if (!name && !packed_weight_of(tensor.name).empty())
        return error(QL_BAD_FILE,
                     "tensor '%.80s' is of a linear that GPTQ or AWQ has made integers, but config.json has no "
                     "quantization_config, and there is no quantize_config.json or quant_config.json",
                     tensor.name.c_str());
    if (!name)
        return error(QL_UNSUPPORTED, "tensor '%.80s' is not one that a '%s' model has", tensor.name.c_str(),
                     h_.arch.c_str());
    const bool is_tied_head = *name == "output.weight" && config_.head == HfConfig::Head::tied;
    if (!is_tied_head && !names_.insert(*name).second)
        return error(QL_BAD_FILE, "tensor '%.80s' is in two files", tensor.name.c_str());

    QL_ASSIGN(Weight w, as_weight(tensor));
    w.name = *name;
    if (is_tied_head) return tied_head_ = w, Status();  // the embedding counts
    QL_ASSIGN(auto changed, plain_tensor(w, change_of(w)));
    tensors_.push_back(std::move(changed));
    return {};
}

int64_t HfWeights::head_dim_of(const std::string & name) const {
    return architecture_.permuted(linear_of(weight_of(name))) ? h_.head_dim : 0;
}

HfChange HfWeights::change_of(const Weight & w) const {
    HfChange change;
    change.head_dim = head_dim_of(w.name);
    change.wide = w.n_dims == 1;
    if (change.wide && architecture_.shifted_norms() && w.name.ends_with("norm.weight")) change.shift = 1;
    return change;
}

Status HfWeights::place(const HfTensor & tensor) {
    Weight w = tensor.weight();
    if (!w.data) {
        AlignedBytes memory = aligned_bytes(w.bytes);
        if (!memory) return error(QL_NO_MEMORY, "no memory for tensor '%s', %zu bytes", w.name.c_str(), w.bytes);
        QL_TRY(tensor.read(0, w.n_dims == 1 ? 1 : w.ne[1], memory.get()));
        w.data = memory.get();
        parts_.owned.push_back(std::move(memory));
    }
    parts_.weights.push_back(std::move(w));
    return {};
}

}  // namespace ql
