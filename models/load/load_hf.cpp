// A Hugging Face model directory as ModelParts: config.json, one or several safetensors files, tokenizer, chat
// template. Weights stay in the mapped files where they can; q and k (their rows change order), norms in 16 bits (the
// engine wants f32) and tensors that are not aligned are copied.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "models/files/chat_template_file.hpp"
#include "models/files/file_fault.hpp"
#include "models/files/safetensors.hpp"
#include "models/files/weight_names.hpp"
#include "models/hf/rope_order.hpp"
#include "models/load/loaders.hpp"
#include "models/load/read_hf_config.hpp"
#include "ql/os.h"

namespace ql {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string & path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

// ---- which files
// -----------------------------------------------------------------------------------------------------

/// The files of a sharded model with the tensors that its index says are in each.
using Shards = std::map<std::string, std::set<std::string>>;

Result<Shards> read_index(const std::string & path) {
    QL_ASSIGN(const JsonFile index, JsonFile::open(path));
    if (!index.has_object("weight_map")) return index.wrong("weight_map", "must be an object");
    Shards shards;
    for (const auto & [tensor, file] : index.at("weight_map").items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos ||
            name.front() == '.')
            return error(QL_BAD_FILE, "%s: the file of tensor '%.80s' is not the name of a file in the same directory",
                         path.c_str(), tensor.c_str());
        shards[name].insert(tensor);
    }
    if (shards.empty()) return error(QL_BAD_FILE, "%s: lists no tensors", path.c_str());
    return shards;
}

Result<std::vector<SafeTensorsFile>> open_weights(const std::string & directory) {
    std::vector<SafeTensorsFile> files;
    const std::string single = directory + "/model.safetensors", index = single + ".index.json";
    if (exists(single)) {
        QL_ASSIGN(SafeTensorsFile file, SafeTensorsFile::open(single));
        files.push_back(std::move(file));
        return files;
    }
    if (!exists(index))
        return error(QL_NOT_FOUND, "%s: neither model.safetensors nor model.safetensors.index.json is there",
                     directory.c_str());
    QL_ASSIGN(const Shards shards, read_index(index));
    for (const auto & [name, tensors] : shards) {
        QL_ASSIGN(SafeTensorsFile file, SafeTensorsFile::open(directory + "/" + name));
        for (const std::string & tensor : tensors)
            if (!file.find(tensor))
                return error(QL_BAD_FILE, "%s: tensor '%.80s' is missing, the index says it is here",
                             file.path().c_str(), tensor.c_str());
        files.push_back(std::move(file));
    }
    return files;
}

// ---- tensors
// ---------------------------------------------------------------------------------------------------------

class Loader {
  public:
    Loader(const HfModel & model, ModelParts & parts)
        : config_(model.config), h_(model.hparams), architecture_(*model.architecture), parts_(parts) {}

    Status add(SafeTensorsFile & file) {
        for (const SafeTensor & tensor : file.tensors())
            if (Status s = add(tensor); !s.ok())
                return error(s.code(), "%s: %s", file.path().c_str(), s.message().c_str());
        parts_.maps.push_back(file.take_map());
        return {};
    }

    Status finish() {
        if (!names_.contains("output.weight") && config_.head == HfConfig::Head::separate)
            return error(QL_BAD_FILE,
                         "tensor 'lm_head.weight' is missing; config.json says that it is not tied to the embedding");
        QL_TRY(check_tied_head());
        for (int64_t layer = 0; layer < h_.n_layer(); ++layer) QL_TRY(check_biases(layer));
        return add_rope_factors();
    }

  private:
    /// A head beside an embedding that is said to be its own: one of the two statements is wrong where they differ.
    Status check_tied_head() {
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

    /// Biases are there where config.json says so, and nowhere else: transformers would leave them out.
    Status check_biases(int64_t layer) {
        for (const std::string_view linear : architecture_.linears()) {
            const std::string name = bias_of(linear_weight(layer, linear));
            const auto said = std::find_if(config_.biases.begin(), config_.biases.end(),
                                           [&](const HfBiases & b) { return linear.starts_with(b.linears); });
            if (said == config_.biases.end() || names_.contains(name) == said->there) continue;
            return error(QL_BAD_FILE, "tensor '%s' is %s, but %s in config.json is %s",
                         architecture_.hf_names().hf_name(name)->c_str(), said->there ? "missing" : "there", said->key,
                         said->there ? "true" : "false");
        }
        return {};
    }

    Status add(const SafeTensor & tensor) {
        if (is_ignored_hf_name(tensor.name)) return {};
        const auto name = architecture_.hf_names().gguf_name(tensor.name);
        if (!name)
            return error(QL_UNSUPPORTED, "tensor '%.80s' is not one that a '%s' model has", tensor.name.c_str(),
                         h_.arch.c_str());
        const bool is_tied_head = *name == "output.weight" && config_.head == HfConfig::Head::tied;
        if (!is_tied_head && !names_.insert(*name).second)
            return error(QL_BAD_FILE, "tensor '%.80s' is in two files", tensor.name.c_str());

        Weight w;
        w.name = *name;
        QL_ASSIGN(w.dtype, tensor.weight_dtype());
        w.n_dims = static_cast<int>(tensor.shape.size());
        if (w.n_dims < 1 || w.n_dims > 2 || tensor.elements() == 0)
            return error(QL_BAD_FILE, "tensor '%.80s' has the shape %s; one or two dimensions are possible",
                         tensor.name.c_str(), tensor.shape_text().c_str());
        std::reverse_copy(tensor.shape.begin(), tensor.shape.end(), w.ne);  // innermost first
        w.data = tensor.data;
        w.bytes = tensor.bytes;
        if (is_tied_head) return tied_head_ = w, Status();  // the embedding counts
        QL_TRY(w.n_dims == 1 ? widen(w) : place(w));
        parts_.weights.push_back(std::move(w));
        return {};
    }

    Result<std::byte *> own(const Weight & w, size_t bytes) {
        AlignedBytes memory = aligned_bytes(bytes);
        if (!memory) return error(QL_NO_MEMORY, "no memory for tensor '%s', %zu bytes", w.name.c_str(), bytes);
        parts_.owned.push_back(std::move(memory));
        return parts_.owned.back().get();
    }

    /// Norms and biases become f32.
    Status widen(Weight & w) {
        if (has_permuted_rows(w.name)) QL_TRY(order_rows(w, w.ne[0]));
        QL_TRY(align(w));
        if (w.dtype == QL_F32) return {};
        const size_t bytes = static_cast<size_t>(w.ne[0]) * sizeof(float);
        QL_ASSIGN(std::byte * const wide, own(w, bytes));
        if (const ql_status status = ql_decode(w.dtype, w.data, w.ne[0], 0, w.ne[0], reinterpret_cast<float *>(wide));
            status != QL_OK)
            return error(status, "tensor '%s': %s", w.name.c_str(), ql_error_message());
        w.dtype = QL_F32;
        w.data = wide;
        w.bytes = bytes;
        return {};
    }

    /// Matrices: q and k in GGUF's row order, the others where they lie.
    Status place(Weight & w) { return has_permuted_rows(w.name) ? order_rows(w, w.ne[1]) : align(w); }

    /// Of a weight or a bias, whose elements belong to the weight's rows.
    bool has_permuted_rows(const std::string & name) const {
        return architecture_.permuted(linear_of(weight_of(name)));
    }

    Status order_rows(Weight & w, int64_t rows) {
        if (rows % h_.head_dim != 0)
            return error(QL_BAD_FILE, "tensor '%s' has %lld rows, no multiple of the head length %lld", w.name.c_str(),
                         static_cast<long long>(rows), static_cast<long long>(h_.head_dim));
        QL_ASSIGN(std::byte * const ordered, own(w, w.bytes));
        rows_to_gguf_order(w.data, ordered, rows, w.bytes / static_cast<size_t>(rows), h_.head_dim);
        w.data = ordered;
        return {};
    }

    /// safetensors data may begin at any byte.
    Status align(Weight & w) {
        if (reinterpret_cast<uintptr_t>(w.data) % alignof(float) == 0) return {};
        QL_ASSIGN(std::byte * const copy, own(w, w.bytes));
        std::memcpy(copy, w.data, w.bytes);
        w.data = copy;
        return {};
    }

    Status add_rope_factors() {
        if (config_.rope_factors.empty()) return {};
        Weight w;
        w.name = "rope_freqs.weight";
        w.ne[0] = static_cast<int64_t>(config_.rope_factors.size());
        w.bytes = config_.rope_factors.size() * sizeof(float);
        QL_ASSIGN(std::byte * const memory, own(w, w.bytes));
        std::memcpy(memory, config_.rope_factors.data(), w.bytes);
        w.data = memory;
        parts_.weights.push_back(std::move(w));
        return {};
    }

    const HfConfig & config_;
    const Hparams & h_;
    const Architecture & architecture_;
    ModelParts & parts_;
    std::set<std::string> names_;
    Weight tied_head_;  // lm_head.weight where the embedding counts
};

// ---- text
// ------------------------------------------------------------------------------------------------------------

std::string name_of(const std::string & directory) {
    std::error_code ignored;
    fs::path path = fs::absolute(directory, ignored).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
}

Status load(const std::string & directory, ModelParts & parts) {
    QL_ASSIGN(const JsonFile file, JsonFile::open(directory + "/config.json"));
    const auto model = read_hf_config(file);
    QL_TRY(file_fault(directory + "/config.json", model.status()));
    parts.hparams = model->hparams;
    parts.name = name_of(directory);

    QL_ASSIGN(std::vector<SafeTensorsFile> files, open_weights(directory));
    Loader loader(*model, parts);
    for (SafeTensorsFile & weights : files) QL_TRY(loader.add(weights));
    if (Status s = loader.finish(); !s.ok()) return error(s.code(), "%s: %s", directory.c_str(), s.message().c_str());

    QL_ASSIGN(parts.chat_template, read_hf_chat_template(directory));
    if (!exists(directory + "/tokenizer.json") && !exists(directory + "/tokenizer.model")) return {};
    QL_ASSIGN(Tokenizer tokenizer, Tokenizer::from_hf(directory));
    parts.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
    return {};
}

}  // namespace

Result<ModelParts> load_hf_model(const std::string & directory) {
    ModelParts parts;
    QL_TRY(load(directory, parts));
    return parts;
}

}  // namespace ql
