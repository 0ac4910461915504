// An architecture: its name in files, the weights it has, how its forward graph is built, and how Hugging Face
// directories say the same. Each has one file, in models/arch/.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "models/hf/config.hpp"
#include "models/hf/names.hpp"
#include "models/model/hparams.hpp"
#include "ql/gguf.h"

namespace ql {

class GgufKeyWriter;
class GraphBuilder;

/// A weight that the architecture needs, with its shape, innermost first, of up to four dimensions.
struct NeededWeight {
    std::string name;
    std::vector<int64_t> ne;
    bool optional = false;
    std::string unless = {};  // the weight that holds this one's values, too, where it is there

    /// A norm, bias or factor, which kernels read as f32.
    bool is_vector() const { return ne.size() == 1; }
};

class Architecture {
  public:
    virtual ~Architecture() = default;

    /// general.architecture of GGUF files.
    virtual std::string_view name() const = 0;
    /// Reads the shape from GGUF keys.
    virtual Status read_hparams(const ql_gguf * file, Hparams & h) const = 0;
    virtual std::vector<NeededWeight> needed(const Hparams & h) const = 0;
    /// Block matrices that take LoRA, "attn_q" and so on, in order; a layer need not have all of them.
    virtual std::vector<std::string_view> linears() const = 0;
    /// Final hidden states, normalised for the head: [n_embd, T].
    virtual ql_tensor * hidden(GraphBuilder & b) const = 0;

    /// Values of config.json's model_type under which the weights mean the same as here.
    virtual std::vector<std::string_view> hf_model_types() const = 0;
    /// Reads the shape, and what else changes the computation, from config.json.
    virtual Status read_hf_config(const JsonFile & config, Hparams & h, HfConfig & out) const = 0;
    /// The keys of a GGUF file, from which read_hparams reads `h`, whose numbers read_hf_config has read with `config`.
    /// errors  QL_UNSUPPORTED: GGUF files cannot say it
    virtual Status write_hparams(const Hparams & h, const HfConfig & config, const GgufKeyWriter & keys) const = 0;
    virtual const HfNames & hf_names() const = 0;
    /// True if rows of `blk.N.<linear>.weight` are permuted against Hugging Face's order (consecutive rope pairs).
    virtual bool permuted(std::string_view linear) const = 0;
    /// True if Hugging Face's norms hold w - 1 where GGUF files hold w.
    virtual bool shifted_norms() const { return false; }
};

}  // namespace ql
