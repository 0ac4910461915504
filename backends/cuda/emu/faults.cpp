#include "backends/cuda/emu/faults.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace ql::cuda::emu {

std::string Settings::parse(const char * text) {
    static constexpr struct {
        std::string_view name;
        long Settings::*member;
        long most;
    } kNames[] = {{"alloc", &Settings::alloc, 1L << 30},   {"copy", &Settings::copy, 1L << 30},
                  {"launch", &Settings::launch, 1L << 30}, {"lost", &Settings::lost, 1L << 30},
                  {"seed", &Settings::seed, 1L << 30},     {"delay", &Settings::delay, 100},
                  {"checks", &Settings::checks, 2},        {"memory", &Settings::memory, 4096},
                  {"devices", &Settings::devices, 8},      {"capability", &Settings::capability, 999},
                  {"driver", &Settings::driver, 3},        {"counts", &Settings::counts, 2}};
    std::string_view rest(text ? text : "");
    while (!rest.empty()) {
        const std::string_view item = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
        const size_t equals = std::min(item.find('='), item.size());
        const auto known = std::find_if(std::begin(kNames), std::end(kNames),
                                        [&](const auto & n) { return n.name == item.substr(0, equals); });
        long value = 0;
        const char * const end = item.data() + item.size();
        if (known == std::end(kNames) || equals == item.size() ||
            std::from_chars(item.data() + equals + 1, end, value).ptr != end || value < 1 || value > known->most) {
            std::string names;
            for (const auto & n : kNames) names += (names.empty() ? "" : ", ") + std::string(n.name);
            return "QL_CUDA_EMU: '" + std::string(item) + "' is not understood; NAME=NUMBER of " + names;
        }
        this->*known->member = value;
    }
    return "";
}

}  // namespace ql::cuda::emu
