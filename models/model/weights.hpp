// Weights under their GGUF names, whatever file they came from, and the memory they live in.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/model/hparams.hpp"
#include "models/text/tokenizer.hpp"
#include "ql/gguf.h"
#include "ql/os.h"

namespace ql {

struct Weight {
    std::string name;  // "blk.0.attn_q.weight"
    ql_dtype dtype = QL_F32;
    int n_dims = 1;
    int64_t ne[4] = {1, 1, 1, 1};
    const void * data = nullptr;
    size_t bytes = 0;

    int64_t elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
};

struct GgufClose {
    void operator()(ql_gguf * f) const { ql_gguf_close(f); }
};
using GgufFile = std::unique_ptr<ql_gguf, GgufClose>;

struct OsUnmap {
    void operator()(ql_os_map * m) const { ql_os_unmap_file(m); }
};
using OsMap = std::unique_ptr<ql_os_map, OsUnmap>;

/// Memory aligned to 64 bytes, as planar types need it.
struct AlignedFree {
    void operator()(std::byte * p) const { ::operator delete[](p, std::align_val_t(64)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedFree>;
AlignedBytes aligned_bytes(size_t n);

/// What a model file or directory holds, with whatever keeps its bytes alive. Rows of q and k of llama-type models are
/// in GGUF order (consecutive rope pairs), also when they come from a Hugging Face directory.
struct ModelParts {
    Hparams hparams;
    std::vector<Weight> weights;
    std::unique_ptr<Tokenizer> tokenizer;  // null where the files have none
    std::string chat_template;             // "" where there is none
    std::string name;                      // general.name
    GgufFile file;                         // the mapped GGUF, if it is one
    std::vector<OsMap> maps;               // the mapped safetensors files, if it is a Hugging Face directory
    std::vector<AlignedBytes> owned;       // converted or permuted weights
};

Result<ModelParts> load_gguf_model(const std::string & path);
/// A Hugging Face directory: config.json, *.safetensors, tokenizer.json or tokenizer.model.
Result<ModelParts> load_hf_model(const std::string & directory);

}  // namespace ql
