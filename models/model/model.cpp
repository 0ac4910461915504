#include "models/model/model.hpp"

#include <algorithm>
#include <map>

#include "models/base/hash.hpp"
#include "models/files/weight_names.hpp"
#include "models/model/architecture.hpp"

namespace ql {

Model::Model(std::string path, ModelParts parts, const Architecture & architecture, std::vector<std::string> notes)
    : path_(std::move(path)),
      parts_(std::move(parts)),
      architecture_(&architecture),
      notes_(std::move(notes)),
      files_(parts_.weights),
      fingerprint_(hash_weights()) {
    for (size_t i = 0; i < parts_.weights.size(); ++i) by_name_[parts_.weights[i].name] = i;
    if (parts_.tokenizer) tokenizer_ = std::make_unique<ql_tokenizer>(ql_tokenizer{std::move(*parts_.tokenizer)});
}

const Weight * Model::find(const std::string & name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &parts_.weights[it->second];
}

bool Model::tied() const {
    return !find("output.weight");
}

bool Model::is_mapped(const Weight & weight) const {
    return (parts_.file || !parts_.maps.empty()) && !parts_.spill &&
           std::none_of(parts_.owned.begin(), parts_.owned.end(),
                        [&](const AlignedBytes & bytes) { return bytes.get() == weight.data; });
}

const Weight & Model::head() const {
    return *find(tied() ? "token_embd.weight" : "output.weight");
}

std::vector<std::string> Model::linears() const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < hparams().n_layer(); ++i)
        for (const std::string_view linear : architecture_->linears())
            if (find(linear_weight(i, linear))) names.push_back(linear_weight(i, linear));
    return names;
}

std::vector<std::string> Model::lora_weights() const {
    std::vector<std::string> names = linears();
    if (!tied()) names.push_back(head().name);
    return names;
}

int64_t Model::n_parameters() const {
    int64_t n = 0;
    for (const Weight & w : weights()) n += w.elements();
    return n;
}

uint64_t Model::weight_bytes() const {
    uint64_t n = 0;
    for (const Weight & w : weights()) n += w.bytes;
    return n;
}

uint64_t Model::fingerprint() const {
    return fingerprint_;
}

/// A file that was touched alone, or has another in its place, is what it was.
Status Model::check_files() const {
    const std::string * touched = files_.touched();
    if (!touched || hash_weights() == fingerprint_) return {};
    return error(QL_IO, "%s: another program has overwritten it while it was in use; start again", touched->c_str());
}

uint64_t Model::hash_weights() const {
    constexpr size_t kAround = 128 * 1024;  // that the system maps with a page that is read, at most
    Hash64 hash;
    for (const Weight & w : weights()) {
        const size_t end = std::min<size_t>(w.bytes, 256);
        hash.text(w.name);
        hash.bytes(w.ne, sizeof(w.ne));
        if (w.scale != 1) hash.bytes(&w.scale, sizeof w.scale);
        hash.bytes(w.data, end);
        hash.bytes(static_cast<const std::byte *>(w.data) + w.bytes - end, end);
        if (!parts_.file) continue;
        const size_t touched = std::min(w.bytes, kAround);  // what a budget has no room for leaves memory
        ql_gguf_forget(parts_.file.get(), w.data, touched);
        ql_gguf_forget(parts_.file.get(), static_cast<const std::byte *>(w.data) + w.bytes - touched, touched);
    }
    return hash.value();
}

std::string Model::base_type() const {
    std::map<std::string, int64_t> elements;
    for (const std::string & name : linears()) {
        const Weight & w = *find(name);
        elements[ql_dtype_name(w.dtype)] += w.elements();
    }
    std::string best;
    int64_t most = -1;
    for (const auto & [type, n] : elements)
        if (n > most) best = type, most = n;
    return best;
}

}  // namespace ql
