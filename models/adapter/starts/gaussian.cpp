// A normal with deviation 1/r, B zero: PEFT's init_lora_weights="gaussian".
#include "models/adapter/starts/normal.hpp"
#include "models/adapter/starts/start.hpp"

namespace ql {
namespace {

constexpr uint32_t kGaussianStream = 0x47415553;  // keeps these numbers apart from other uses of the seed

}  // namespace

Status start_gaussian(Adapter & adapter, const Model &, const StartOptions & options) {
    for (LoraMatrix & m : adapter.matrices) {
        const auto values = normal_values(m.a.size(), NamedRandom(options.seed, kGaussianStream, m.weight));
        for (size_t i = 0; i < values.size(); ++i) m.a[i] = static_cast<float>(values[i] / static_cast<double>(m.r));
    }
    return {};
}

}  // namespace ql
