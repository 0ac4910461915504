#include "models/dense/temperature.hpp"

#include "models/base/rope_scaling.hpp"

namespace ql {
namespace {

constexpr int64_t kMostPositions = 1 << 24;  // 64 MB of factors

}  // namespace

Status set_temperature(double scale, double original_context, Hparams & h) {
    if (!(scale > 0 && original_context >= 1))
        return error(QL_BAD_FILE, "the scale %g of attention's temperature, and the context %g, must be positive",
                     scale, original_context);
    if (h.n_ctx > kMostPositions)
        return error(QL_UNSUPPORTED, "a temperature by position for a context of %lld tokens; %lld are supported",
                     static_cast<long long>(h.n_ctx), static_cast<long long>(kMostPositions));
    h.position_factors = temperature_by_position(scale, original_context, h.n_ctx);
    return {};
}

}  // namespace ql
