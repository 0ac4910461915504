#include "tools/cli/cost.hpp"

#include <nlohmann/json.hpp>

#include "ql/model.h"
#include "tools/cli/device_options.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr size_t kLargestText = size_t{1} << 30;

ql_nll nll_of(const std::string & path, const std::string & text, const DevicePtr & device) {
    ModelPtr model;
    check_input(ql_model_open(path.c_str(), nullptr, out(model)));
    auto result = sized<ql_nll>();
    check_run(
        ql_evaluate_text(model.get(), device.get(), nullptr, nullptr, 0, text.data(), text.size(), nullptr, &result));
    return result;
}

}  // namespace

Cost::Cost(const std::string & text_path) {
    if (text_path.empty()) return;
    text_ = std::string(input_of(read_file(text_path, kLargestText)).view());
    if (text_.empty()) bad_input("--evaluate: %s: the file is empty", text_path.c_str());
}

void Cost::measure(const std::string & before, const std::string & after, int64_t threads) {
    auto options = defaults<ql_device_options>();
    options.threads = static_cast<int>(threads);
    DevicePtr device;
    check_input(ql_device_open(&options, out(device)));
    before_ = nll_of(before, text_, device);
    after_ = nll_of(after, text_, device);
}

std::string Cost::line() const {
    return format("perplexity: %s -> %s (%+.2f %%), mean NLL %s -> %s nats over %s tokens",
                  print_number(before_.ppl, 3).c_str(), print_number(after_.ppl, 3).c_str(),
                  100 * (after_.ppl / before_.ppl - 1), print_number(before_.nll, 4).c_str(),
                  print_number(after_.nll, 4).c_str(), print_count(after_.tokens).c_str());
}

Json Cost::json() const {
    return {{"tokens", after_.tokens},
            {"nll_before", before_.nll},
            {"nll_after", after_.nll},
            {"ppl_before", before_.ppl},
            {"ppl_after", after_.ppl}};
}

}  // namespace ql::cli
