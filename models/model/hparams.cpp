#include "models/model/hparams.hpp"

namespace ql {

Status Hparams::check() const {
    const auto positive = [](const char * what, int64_t v, int64_t limit) -> Status {
        if (v >= 1 && v <= limit) return {};
        return error(QL_BAD_FILE, "model: %s is %lld, 1 to %lld are possible", what, static_cast<long long>(v),
                     static_cast<long long>(limit));
    };
    QL_TRY(positive("number of layers", n_layer, 1 << 14));
    QL_TRY(positive("embedding length", n_embd, 1 << 20));
    QL_TRY(positive("number of heads", n_head, 1 << 14));
    QL_TRY(positive("number of key-value heads", n_head_kv, n_head));
    QL_TRY(positive("head length", head_dim, 1 << 14));
    QL_TRY(positive("feed-forward length", n_ff, 1 << 22));
    QL_TRY(positive("vocabulary size", n_vocab, 1 << 24));
    QL_TRY(positive("context length", n_ctx, int64_t{1} << 31));
    QL_TRY(positive("rotated length of a head", n_rot, head_dim));
    if (n_head % n_head_kv)
        return error(QL_BAD_FILE, "model: %lld heads are no multiple of %lld key-value heads",
                     static_cast<long long>(n_head), static_cast<long long>(n_head_kv));
    if (n_rot % 2) return error(QL_BAD_FILE, "model: rotated length %lld is odd", static_cast<long long>(n_rot));
    if (!(rms_eps >= 0 && rms_eps < 1))
        return error(QL_BAD_FILE, "model: norm epsilon %g is out of range", static_cast<double>(rms_eps));
    if (!(rope_base > 0))
        return error(QL_BAD_FILE, "model: rope base %g is not positive", static_cast<double>(rope_base));
    if (!(rope_magnitude > 0))
        return error(QL_BAD_FILE, "model: rope attention factor %g is not positive",
                     static_cast<double>(rope_magnitude));
    return {};
}

}  // namespace ql
