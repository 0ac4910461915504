// Opening a model: load, check against the architecture, convert to the asked base type.
#include "models/model/model.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "models/files/file_fault.hpp"
#include "models/model/account.hpp"
#include "models/model/architecture.hpp"
#include "models/quantize/policy.hpp"
#include "models/quantize/weight_type.hpp"

namespace ql {
namespace {

std::string shape_text(const Weight & w) {
    std::string text = "[" + std::to_string(w.ne[0]);
    for (int i = 1; i < w.n_dims; ++i) text += ", " + std::to_string(w.ne[i]);
    return text + "]";
}

Status check_tokenizer(const ModelParts & parts, const std::string & path) {
    if (!parts.tokenizer) return {};
    const int64_t n = parts.tokenizer->n_tokens();
    if (n <= parts.hparams.n_vocab) return {};
    return error(QL_BAD_FILE, "%s: %lld tokens in the vocabulary, but the embedding has %lld rows", path.c_str(),
                 static_cast<long long>(n), static_cast<long long>(parts.hparams.n_vocab));
}

/// `option` has passed check_target.
ql_dtype asked_type(int64_t option, ql_dtype from, ql_dtype automatic) {
    if (option == QL_BASE_KEEP) return from;
    if (option == QL_BASE_AUTO) return automatic;
    return *weight_type("", option);
}

Status check_target(const char * what, int64_t option) {
    if (option == QL_BASE_KEEP || option == QL_BASE_AUTO) return {};
    return weight_type(what, option).status();
}

}  // namespace

Result<std::unique_ptr<Model>> Model::open(const std::string & path, const ql_model_options & options) {
    QL_TRY(check_target("base type", options.base_type));
    QL_TRY(check_target("embedding type", options.embedding_type));
    std::unique_ptr<Model> model(new Model);
    model->path_ = path;
    std::error_code ec;
    QL_ASSIGN(model->parts_, std::filesystem::is_directory(path, ec) ? load_hf_model(path) : load_gguf_model(path));
    QL_TRY(file_fault(path, model->parts_.hparams.check()));
    QL_ASSIGN(model->architecture_, find_architecture(model->parts_.hparams.arch));
    QL_TRY(model->index());
    QL_TRY(check_tokenizer(model->parts_, path));
    if (model->parts_.tokenizer) {
        model->notes_ = model->parts_.tokenizer->notes();
        model->tokenizer_ = std::make_unique<ql_tokenizer>(ql_tokenizer{std::move(*model->parts_.tokenizer)});
    }
    QL_TRY(model->convert(options.base_type, options.embedding_type));
    return model;
}

Status Model::index() {
    for (size_t i = 0; i < parts_.weights.size(); ++i) by_name_[parts_.weights[i].name] = i;
    const std::vector<NeededWeight> list = architecture_->needed(hparams());
    QL_TRY(file_fault(path_, refuse_unneeded(parts_.weights, list, hparams())));
    for (const NeededWeight & needed : list) {
        const Weight * w = find(needed.name);
        if (!w && needed.optional) continue;
        if (!w) return error(QL_BAD_FILE, "%s: tensor '%s' is missing", path_.c_str(), needed.name.c_str());
        if ((needed.ne0 && w->ne[0] != needed.ne0) || (needed.ne1 && w->ne[1] != needed.ne1) || w->ne[2] != 1 ||
            w->ne[3] != 1)
            return error(QL_BAD_FILE, "%s: tensor '%s' is %s, [%lld, %lld] is needed", path_.c_str(),
                         needed.name.c_str(), shape_text(*w).c_str(), static_cast<long long>(needed.ne0),
                         static_cast<long long>(needed.ne1));
        if (needed.ne1 == 1 && w->dtype != QL_F32)
            return error(QL_UNSUPPORTED, "%s: tensor '%s' is %s; norms, biases and factors must be f32", path_.c_str(),
                         needed.name.c_str(), ql_dtype_name(w->dtype));
        if (needed.ne1 == 1) QL_TRY(file_fault(path_, check_finite(w->name, w->dtype, w->data, w->elements())));
    }
    return {};
}

Status Model::convert(int64_t block_option, int64_t embedding_option) {
    const bool converts = block_option != QL_BASE_KEEP;
    std::vector<Weight> sources;
    for (Weight & w : parts_.weights) {
        const WeightRole role = weight_role(w.name, w.n_dims);
        if (role == WeightRole::other) {
            // Norms lie between the matrices: read in the file, they would keep pages of converted ones in memory.
            if (converts) QL_TRY(replace(w, w.dtype, sources));
            continue;
        }
        const bool block = role == WeightRole::block_matrix;
        const ql_dtype blocks = block_option >= 0 ? static_cast<ql_dtype>(block_option) : QL_NF4_DQ;
        const ql_dtype automatic = !converts                         ? w.dtype
                                   : !block                          ? automatic_embedding(w.dtype, blocks)
                                   : bits_per_element(w.dtype) > 8.5 ? QL_NF4_DQ
                                                                     : w.dtype;
        const ql_dtype target = asked_type(block ? block_option : embedding_option, w.dtype, automatic);
        if (target == w.dtype) continue;
        const QuantizeChoice choice = choose_type(w.name, w.dtype, w.ne[0], target);
        if (!choice.note.empty()) notes_.push_back(choice.note);
        if (choice.dtype == w.dtype) continue;
        QL_TRY(replace(w, choice.dtype, sources));
    }
    // Once more: where the system keeps the file in huge pages, reading a tensor brings back parts of those before it.
    for (const Weight & source : sources) forget(source);
    return {};
}

/// Puts a weight of that type, in memory of our own, in the place of one in a file.
Status Model::replace(Weight & w, ql_dtype dtype, std::vector<Weight> & replaced) {
    const size_t bytes = ql_dtype_bytes(dtype, w.elements());
    AlignedBytes memory = aligned_bytes(bytes);
    if (!memory)
        return error(QL_NO_MEMORY, "%s: no memory for '%s' as %s", path_.c_str(), w.name.c_str(), ql_dtype_name(dtype));
    if (dtype == w.dtype)
        std::memcpy(memory.get(), w.data, bytes);
    else
        QL_TRY(convert_tensor(w.name, w.dtype, w.data, dtype, memory.get(), w.elements()));
    replaced.push_back(w);
    forget(w);
    w.dtype = dtype;
    w.data = memory.get();
    w.bytes = bytes;
    parts_.owned.push_back(std::move(memory));
    return {};
}

/// Lets the pages of a weight's file go that nobody reads any more.
void Model::forget(const Weight & w) const {
    if (parts_.file) ql_gguf_forget(parts_.file.get(), w.data, w.bytes);
}

const Weight * Model::find(const std::string & name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &parts_.weights[it->second];
}

bool Model::tied() const {
    return !find("output.weight");
}

const Weight & Model::head() const {
    return *find(tied() ? "token_embd.weight" : "output.weight");
}

std::vector<std::string> Model::linears() const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < hparams().n_layer; ++i)
        for (const std::string_view linear : architecture_->linears())
            names.push_back("blk." + std::to_string(i) + "." + std::string(linear) + ".weight");
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
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    const auto mix = [&](const void * data, size_t n) {
        for (size_t i = 0; i < n; ++i) hash = (hash ^ static_cast<const unsigned char *>(data)[i]) * 0x100000001b3;
    };
    for (const Weight & w : weights()) {
        const size_t end = std::min<size_t>(w.bytes, 256);
        mix(w.name.data(), w.name.size());
        mix(w.ne, sizeof(w.ne));
        mix(w.data, end);
        mix(static_cast<const std::byte *>(w.data) + w.bytes - end, end);
    }
    return hash;
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
