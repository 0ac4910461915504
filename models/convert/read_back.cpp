#include "models/convert/read_back.hpp"

#include <algorithm>
#include <cmath>

#include "models/text/tokenizer.hpp"
#include "models/text/vocab_gguf.hpp"

namespace ql {
namespace {

Status differs(const std::string & what, double meant, double written) {
    return error(QL_UNSUPPORTED, "GGUF keys cannot say this model: %s is %g, and would be read as %g", what.c_str(),
                 meant, written);
}

bool close(float a, float b) {
    return std::fabs(a - b) <= 1e-6f * std::max(std::fabs(a), std::fabs(b));
}

Status same(const std::string & what, float written, float meant) {
    return close(written, meant) ? Status() : differs(what, static_cast<double>(meant), static_cast<double>(written));
}

Status same_list(const std::string & what, const std::vector<float> & written, const std::vector<float> & meant) {
    if (written.empty()) return {};  // the file holds a tensor
    if (written.size() != meant.size())
        return differs(what + "'s length", static_cast<double>(meant.size()), static_cast<double>(written.size()));
    for (size_t i = 0; i < written.size(); ++i) QL_TRY(same(what + " " + std::to_string(i), written[i], meant[i]));
    return {};
}

Status same_rope(const std::string & what, const Rope & written, const Rope & meant) {
    QL_TRY(same(what + "'s rotated elements of a head", static_cast<float>(written.n_rot),
                static_cast<float>(meant.n_rot)));
    QL_TRY(same(what + "'s base", written.base, meant.base));
    QL_TRY(same(what + "'s scale", written.scale, meant.scale));
    QL_TRY(same(what + "'s magnitude", written.magnitude, meant.magnitude));
    QL_TRY(same(what + "'s context of the short factors", static_cast<float>(written.long_from),
                static_cast<float>(meant.long_from)));
    if (!meant.divisors.empty() && written.factors != meant.factors)
        return error(QL_UNSUPPORTED, "GGUF files of this model's architecture have no place for its %s's factors",
                     what.c_str());
    if (!meant.divisors.empty() && written.divisors.empty() && written.factors.empty())
        return error(QL_UNSUPPORTED, "GGUF keys cannot say how this model's %s is scaled", what.c_str());
    return same_list(what + "'s divisor", written.divisors, meant.divisors);
}

/// A window that no text can be longer than is none.
int64_t window_of(const Hparams & h, const LayerShape & layer) {
    return layer.window >= h.n_ctx ? 0 : layer.window;
}

Status same_layer(const std::string & which, const Hparams & written, const Hparams & meant, int64_t i) {
    const LayerShape &a = written.layer(i), &b = meant.layer(i);
    QL_TRY(same(which + "'s heads", static_cast<float>(a.n_head), static_cast<float>(b.n_head)));
    QL_TRY(same(which + "'s key-value heads", static_cast<float>(a.n_head_kv), static_cast<float>(b.n_head_kv)));
    QL_TRY(same(which + "'s feed-forward length", static_cast<float>(a.n_ff), static_cast<float>(b.n_ff)));
    QL_TRY(
        same(which + "'s window", static_cast<float>(window_of(written, a)), static_cast<float>(window_of(meant, b))));
    if (a.rope == b.rope) return {};
    return error(QL_UNSUPPORTED, "GGUF keys cannot say this model: %s would be rotated otherwise", which.c_str());
}

/// Pieces of the whole vocabulary, those of ASCII alone, with blanks between them.
std::string vocabulary_text(const Tokenizer & tokenizer) {
    constexpr int32_t kPieces = 2000;
    const int32_t step = std::max(tokenizer.n_tokens() / kPieces, 1);
    std::string text;
    for (int32_t id = 0; id < tokenizer.n_tokens(); id += step) {
        const std::string & piece = tokenizer.piece(id);
        const bool ascii = std::all_of(piece.begin(), piece.end(), [](char c) { return c > 0; });
        if (ascii && !tokenizer.is_special(id)) text += piece + " ";
    }
    return text;
}

float attention_scale(const Hparams & h) {
    return h.attention_scale != kScaleOfHead ? h.attention_scale : 1 / std::sqrt(static_cast<float>(h.head_dim));
}

}  // namespace

Status same_hparams(const Hparams & written, const Hparams & meant) {
    QL_TRY(same("the number of layers", static_cast<float>(written.n_layer()), static_cast<float>(meant.n_layer())));
    QL_TRY(same("the width", static_cast<float>(written.n_embd), static_cast<float>(meant.n_embd)));
    QL_TRY(same("a head's length", static_cast<float>(written.head_dim), static_cast<float>(meant.head_dim)));
    QL_TRY(same("the context", static_cast<float>(written.n_ctx), static_cast<float>(meant.n_ctx)));
    QL_TRY(same("the norms' epsilon", written.rms_eps, meant.rms_eps));
    QL_TRY(same("attention's scale", attention_scale(written), attention_scale(meant)));
    QL_TRY(same("attention's soft cap", written.attention_cap, meant.attention_cap));
    QL_TRY(same("the embedding's scale", written.embedding_scale, meant.embedding_scale));
    QL_TRY(same("the residuals' scale", written.residual_scale, meant.residual_scale));
    QL_TRY(same("the logits' scale", written.logit_scale, meant.logit_scale));
    QL_TRY(same("the logits' soft cap", written.logit_cap, meant.logit_cap));
    bool local = false;
    for (int64_t i = 0; i < meant.n_layer(); ++i) {
        QL_TRY(same_layer("layer " + std::to_string(i), written, meant, i));
        local = local || meant.layer(i).rope == LayerRope::local;
    }
    QL_TRY(same_rope("the rope", written.rope, meant.rope));
    if (local) QL_TRY(same_rope("the rope of layers with a window", written.local_rope, meant.local_rope));
    if (written.position_factors.size() != meant.position_factors.size())
        return error(QL_UNSUPPORTED, "GGUF keys cannot say how this model's attention changes with the position");
    return same_list("the attention's factor at position", written.position_factors, meant.position_factors);
}

Status same_tokens(const ql_gguf * file, const std::string & directory) {
    QL_ASSIGN(const Tokenizer written, Tokenizer::from_gguf(file));
    QL_ASSIGN(const Tokenizer meant, Tokenizer::from_hf(directory));
    for (const std::string & text :
         {tokenizer_probe(false), std::string(" leading and trailing "), vocabulary_text(meant)}) {
        const std::vector<int32_t> ours = written.encode(text, true, true), theirs = meant.encode(text, true, true);
        if (ours == theirs) continue;
        const auto at = static_cast<size_t>(
            std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end()).first - ours.begin());
        const auto id = [&](const std::vector<int32_t> & ids) { return at < ids.size() ? ids[at] : -1; };
        return error(QL_UNSUPPORTED,
                     "GGUF keys cannot say this tokenizer: token %zu of '%.24s...' would be %d, and not %d", at,
                     text.c_str(), id(ours), id(theirs));
    }
    return {};
}

}  // namespace ql
