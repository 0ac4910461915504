#include "examples/chat/lora_command.hpp"

#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>

#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr const char * kUsage =
    "/lora lists the adapters, /lora N applies one alone, /lora N SCALE so much of one, /lora off none";

template <typename Number>
bool read_number(const std::string & text, Number & value) {
    const char * const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    return read.ec == std::errc() && read.ptr == end;
}

/// What makes an adapter a part of the session, with the scale that it began with; nullptr of one that can be switched.
const char * why_fixed(const ql_adapter * adapter) {
    auto info = sized<ql_adapter_info>();
    check_run(ql_adapter_describe(adapter, &info));
    return std::string_view(info.kind) == "dora" ? "is a DoRA"
           : info.n_norms > 0                    ? "holds trained norms"
           : info.n_row_weights > 0              ? "holds rows of tokens"
                                                 : nullptr;
}

}  // namespace

LoraCommand::Reply LoraCommand::refused(const std::string & why) const {
    return {"/lora: " + why + "; " + kUsage, false};
}

std::string LoraCommand::list() const {
    std::string text;
    for (size_t i = 0; i < scales_.size(); ++i)
        text += format("%s%zu  %s  %s", i ? "\n" : "", i + 1,
                       scales_[i] == 0 ? "off" : print_number(scales_[i], 2).c_str(), loras_.paths[i].c_str());
    return text.empty() ? "no adapters; give them with --lora" : text;
}

LoraCommand::Reply LoraCommand::apply(std::vector<float> scales) {
    if (scales == scales_) return {list()};
    for (size_t i = 0; i < scales.size(); ++i) {
        const char * const why = scales[i] == scales_[i] ? nullptr : why_fixed(loras_.adapters[i]);
        if (!why) continue;
        const std::string scale = print_number(scales_[i], 2);
        return {
            format("/lora: adapter %zu (%s) %s: it applies with its scale of %s for the whole chat; start again with "
                   "another --lora",
                   i + 1, loras_.paths[i].c_str(), why, scale.c_str()),
            false};
    }
    check_run(ql_session_set_adapter_scales(session_.get(), scales.data(), static_cast<int>(scales.size())));
    scales_ = std::move(scales);
    return {list(), true, true};
}

LoraCommand::Reply LoraCommand::run(const std::string & line) {
    std::istringstream words(line);
    std::string name, which, scale, more;
    words >> name >> which >> scale >> more;
    if (which.empty()) return {list()};
    if (!more.empty()) return refused("'" + more + "' is one word too many");
    std::vector<float> scales(scales_.size());
    if (which == "off" && scale.empty()) return apply(std::move(scales));
    size_t n = 0;
    if (!read_number(which, n) || n < 1 || n > scales_.size())
        return refused(format("'%s' is none of the %zu adapters", which.c_str(), scales_.size()));
    if (scale.empty()) {
        scales[n - 1] = loras_.scales[n - 1] != 0 ? loras_.scales[n - 1] : 1;
        return apply(std::move(scales));
    }
    scales = scales_;
    if (!read_number(scale, scales[n - 1]) || !(std::fabs(scales[n - 1]) <= 1000))
        return refused("'" + scale + "' is no scale; -1000 to 1000 are possible");
    return apply(std::move(scales));
}

}  // namespace ql::cli
