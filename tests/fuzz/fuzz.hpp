// What the fuzz targets share: files made of an input, for readers that take paths; a small model; and the rule that
// holds for every call: it succeeds, or fails with a message, and never by a fault of the library's own.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "ql/models.h"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::fuzz {

/// Ends the process unless the condition holds; libFuzzer then reports the input.
inline void require(bool condition, const char * what) {
    if (condition) return;
    std::fprintf(stderr, "fuzz: %s; last message: %s\n", what, ql_error_message());
    std::abort();
}

/// Requires that a call succeeds, whatever the input.
inline void must(ql_status status, const char * call) {
    require(status == QL_OK, call);
}

/// True if the call failed, which it may.
inline bool refused(ql_status status) {
    if (status == QL_OK) return false;
    require(status != QL_INTERNAL, "a fault of the library");
    require(*ql_error_message() != '\0', "a failure without words");
    return true;
}

/// Reads every byte, so that a sanitizer finds any that lies outside allocated memory.
inline unsigned touch(const void * data, size_t size) {
    unsigned sum = 0;
    for (size_t i = 0; i < size; ++i) sum += static_cast<const unsigned char *>(data)[i];
    return sum;
}

/// This process's folder for files made of inputs.
inline test::TemporaryFolder & folder() {
    static test::TemporaryFolder made;
    return made;
}

inline std::string write(const char * name, const uint8_t * data, size_t size) {
    return folder().write(name, {reinterpret_cast<const char *>(data), size});
}

/// What holds for every model that opens.
inline void check_model(const ql_model * model) {
    ql_model_info info{};
    info.size = sizeof info;
    must(ql_model_describe(model, &info), "ql_model_describe");
    require(info.n_layer >= 1 && info.n_embd >= 1 && info.n_head >= 1 && info.n_head_kv >= 1 &&
                info.n_head % info.n_head_kv == 0,
            "a model without a shape");
    for (int64_t i = 0; const char * note = ql_model_note(model, i); ++i)
        require(*note != '\0', "a note without words");
}

/// A model of one narrow layer, so that files made for it have only a few kilobytes.
inline test::TinyModelOptions small_options() {
    test::TinyModelOptions options;
    options.n_layer = 1, options.n_embd = 32, options.n_ff = 64, options.n_head = 2, options.n_head_kv = 1;
    options.n_ctx = 64;
    return options;
}

inline const ql_model * open_small_model() {
    ql_model * model = nullptr;
    must(ql_model_open(test::write_tiny_model(folder().path("model.gguf"), small_options()).c_str(), nullptr, &model),
         "ql_model_open");
    return model;
}

/// What holds for every adapter that opens: each run and each matrix can be asked for.
inline void check_origin(const ql_adapter * adapter, int64_t n_runs) {
    ql_adapter_run_info run{};
    run.size = sizeof run;
    for (int64_t i = 0; i < n_runs; ++i) must(ql_adapter_run(adapter, i, &run), "ql_adapter_run");
    ql_adapter_matrix_info matrix{};
    matrix.size = sizeof matrix;
    ql_llama_cpp_info use{};
    use.size = sizeof use;
    must(ql_adapter_matrix(adapter, 0, &matrix), "ql_adapter_matrix");
    must(ql_adapter_llama_cpp(adapter, 0, &use), "ql_adapter_llama_cpp");
}

/// What can be written can be opened again: as GGUF, and as a PEFT directory.
inline void check_saving(const ql_adapter * adapter, const ql_model * model) {
    const std::string gguf = folder().path("saved.gguf"), peft = folder().path("saved-peft");
    ql_adapter * again = nullptr;
    if (!refused(ql_adapter_save(adapter, gguf.c_str()))) {
        must(ql_adapter_open(gguf.c_str(), model, &again), "ql_adapter_open of what was saved");
        ql_adapter_free(again);
    }
    if (refused(ql_adapter_save_peft(adapter, peft.c_str()))) return;
    must(ql_adapter_open(peft.c_str(), model, &again), "ql_adapter_open of a PEFT directory that was saved");
    ql_adapter_free(again);
}

/// A new adapter for the query's weights alone.
inline ql_adapter * new_adapter(const ql_model * model) {
    ql_lora_options options;
    ql_lora_options_init(&options);
    options.r = 1, options.targets = "attn_q";
    ql_adapter * adapter = nullptr;
    must(ql_adapter_create(model, &options, &adapter), "ql_adapter_create");
    return adapter;
}

}  // namespace ql::fuzz
