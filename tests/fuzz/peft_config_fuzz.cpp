// adapter_config.json beside sound tensors: what a PEFT directory says of itself.
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    static const ql_model * const model = open_small_model();
    static const bool made = [] {
        ql_adapter * adapter = new_adapter(model);
        must(ql_adapter_save_peft(adapter, folder().path("peft").c_str()), "ql_adapter_save_peft");
        ql_adapter_free(adapter);
        return true;
    }();
    (void)made;
    write("peft/adapter_config.json", data, size);
    ql_adapter * adapter = nullptr;
    if (refused(ql_adapter_open(folder().path("peft").c_str(), model, &adapter))) return 0;
    for (int64_t i = 0; const char * note = ql_adapter_note(adapter, i); ++i)
        require(*note != '\0', "a note without words");
    check_saving(adapter, model);
    ql_adapter_free(adapter);
    return 0;
}
