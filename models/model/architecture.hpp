// An architecture: how it is called in files, which weights it has, and how its forward graph is built. One file each.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "models/model/hparams.hpp"
#include "ql/gguf.h"

namespace ql {

class GraphBuilder;
class Model;

/// A weight that the architecture needs, with its shape (0: not checked).
struct NeededWeight {
    std::string name;
    int64_t ne0 = 0, ne1 = 0;
    bool optional = false;
};

class Architecture {
  public:
    virtual ~Architecture() = default;
    virtual std::string_view name() const = 0;
    /// Reads the shape from GGUF keys.
    virtual Status read_hparams(const ql_gguf * file, Hparams & h) const = 0;
    virtual std::vector<NeededWeight> needed(const Hparams & h) const = 0;
    /// Block matrices that take LoRA, "attn_q" and so on, in order.
    virtual std::vector<std::string_view> linears() const = 0;
    /// Final hidden states, normalised for the head: [n_embd, T].
    virtual ql_tensor * hidden(GraphBuilder & b) const = 0;
    /// True if rows of `blk.N.<linear>.weight` are permuted against Hugging Face's order (consecutive rope pairs).
    virtual bool permuted(std::string_view linear) const = 0;
};

}  // namespace ql
