// GGUF adapters: an adapter that opens fits the model, can be described, and goes through files and back.
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    static const ql_model * const model = open_small_model();
    const std::string path = write("adapter.gguf", data, size);
    ql_adapter * adapter = nullptr;
    if (refused(ql_adapter_open(path.c_str(), model, &adapter))) return 0;
    ql_adapter_info info{};
    info.size = sizeof info;
    must(ql_adapter_describe(adapter, &info), "ql_adapter_describe");
    require(info.n_matrices >= 1 && info.r_min >= 1 && info.r_min <= info.r_max, "an adapter without a rank");
    touch(ql_adapter_chat_template(adapter), std::string(ql_adapter_chat_template(adapter)).size());
    check_origin(adapter, info.n_runs);
    check_saving(adapter, model);
    ql_adapter_free(adapter);
    return 0;
}
