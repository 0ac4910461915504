#include "tools/doctor/features.hpp"

#include <algorithm>

extern "C" char ** environ;  // POSIX says so; not every unistd.h

namespace ql::cli {

std::string features_text() {
    std::string list;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const auto add = [&](const char * name, bool has) {
        list += has ? (list.empty() ? "" : " ") + std::string(name) : "";
    };
    add("avx2", __builtin_cpu_supports("avx2"));
    add("fma", __builtin_cpu_supports("fma"));
    add("f16c", __builtin_cpu_supports("f16c"));
    add("avx512f", __builtin_cpu_supports("avx512f"));
    add("avx512bw", __builtin_cpu_supports("avx512bw"));
    add("avx512vnni", __builtin_cpu_supports("avx512vnni"));
    add("avx512bf16", __builtin_cpu_supports("avx512bf16"));
    add("amx-bf16", __builtin_cpu_supports("amx-bf16"));
#elif defined(__aarch64__)
    list = "neon";
#endif
    return list.empty() ? "none that matter" : list;
}

std::vector<std::string> environment_names(const std::string & prefix) {
    std::vector<std::string> names;
    for (char ** entry = environ; entry && *entry; ++entry) {
        const std::string text = *entry;
        if (text.starts_with(prefix)) names.push_back(text.substr(0, text.find('=')));
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace ql::cli
