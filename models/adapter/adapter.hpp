// A LoRA adapter in memory, independent of files: for each linear the two matrices and the scale that multiplies B A.
#pragma once
#include <string>
#include <vector>

#include "models/adapter/kinds/lora_matrix.hpp"
#include "models/adapter/origin.hpp"
#include "models/adapter/token_rows.hpp"

namespace ql {

class Model;

/// Frobenius norm of s B A, without the product: the trace of (B^T B)(A A^T).
double delta_norm(const LoraMatrix & matrix);

/// A weight that was trained as a whole, and takes the place of the base's: a norm.
struct TrainedNorm {
    std::string weight;         // "blk.0.attn_norm.weight"
    std::vector<float> values;  // [n]
};

struct Adapter {
    std::string architecture;  // of the base
    std::string name;
    std::string base_name;           // of the base model, "" if unknown
    std::string chat_template;       // the template it was trained with, "" if unknown
    std::string start;               // how the values of a new one started, "pissa"; "" for one from a file
    std::string chat_date;           // what that was told, "2024-07-26"; "" where it asks for no date, or if unknown
    std::string chat_kwargs;         // and the values it was given by name, a JSON object; "" for none, or if unknown
    Origin origin;                   // nothing computed depends on it
    std::vector<std::string> notes;  // on reading: what is not followed; not saved
    std::vector<LoraMatrix> matrices;
    std::vector<TrainedNorm> norms;
    std::vector<TokenRows> rows;      // of each weight once
    std::vector<int32_t> invocation;  // tokens from which on it acts (invocation.hpp); empty: on all

    int64_t n_parameters() const;
};

/// All but the matrices: what an adapter made of this one keeps.
Adapter without_matrices(const Adapter & adapter);

/// Whether training has moved a branch, as far as its values and its adapter's origin tell.
enum class MatrixState { kTrained, kZeroB, kZeroA, kZeroScale, kStartA };
MatrixState matrix_state(const Origin & origin, const LoraMatrix & matrix);

/// An adapter is applied, or added to others, with no larger factor, of either sign: beyond it nothing useful lies, and f32 ends.
inline constexpr double kMostFactor = 1e6;

struct LoraOptions {
    int64_t r = 16;
    float alpha = 32.0f;
    bool rslora = false;          // scale = alpha / sqrt(r) rather than alpha / r
    std::string targets = "all";  // all | attn | mlp | a regular expression over weight names
    uint64_t seed = 42;
    LoraKind kind = LoraKind::lora;
    bool norms = false;         // whether the norms are trained, too
    std::string layers;         // "0-9,20,-1"; "": all
    std::string rank_pattern;   // "attn_q=32,blk\.0\.=4": ranks of some of the linears; r has the others'
    std::string alpha_pattern;  // the same of alpha
    std::string invocation;     // "<|im_start|>assistant\n": it acts from this text on; "": everywhere
    int threads = 1;            // that look at the base, where the kind does
    std::string tokens;         // "<|tool|>,128011": tokens whose rows of embedding and head are trained (parse_tokens)
};

/// errors  QL_INVALID_ARGUMENT: none that a LoRA can have; `what` is the alpha in the message
Status check_alpha(const std::string & what, double alpha);

/// What an adapter is or has beside branches s B A: "trained norms", "rows of tokens", "a DoRA"; "": nothing.
std::string beyond_branches(const Adapter & adapter);
/// Whether an adapter is branches s B A and nothing else, on some tokens or on all: no DoRA, no trained norms or rows of
/// tokens.
bool is_branches(const Adapter & adapter);
/// Whether these are on all tokens, so that adapters are sums of products.
bool is_sum(const Adapter & adapter);
/// That it is one; `what` asks, in messages.
/// errors  QL_UNSUPPORTED
Status check_is_sum(const Adapter & adapter, const char * what);

/// A new adapter: B zero, the rest as its kind starts (kinds/).
Result<Adapter> new_adapter(const Model & model, const LoraOptions & options);
/// Whether an adapter that says which base it was trained on may be used over another one.
enum class BaseRule { kSame, kAny };
/// A GGUF adapter, or a PEFT directory. Checked against the model: base, names, shapes, ranks.
Result<Adapter> load_adapter(const std::string & path, const Model & model, BaseRule rule = BaseRule::kSame);
/// A GGUF adapter alone: whether it fits a model is not known.
Result<Adapter> read_adapter(const std::string & path);
/// Writes a GGUF adapter as llama.cpp demands, and reads it back with the strict reader before the file gets its name:
/// no faulty file ever has that name.
Status save_adapter(const Adapter & adapter, const Model & model, const std::string & path);
/// The same of an adapter whose base is not at hand.
Status save_adapter_alone(const Adapter & adapter, const std::string & path);
/// Writes a PEFT directory (adapter_config.json, adapter_model.safetensors).
Status save_peft(const Adapter & adapter, const Model & model, const std::string & directory);

}  // namespace ql
