// Checkpoints: a run resumes from a file, does the step that is left, and saves; or the file is refused. libFuzzer's
// traced comparisons find the checksum that fits a change.
#include <filesystem>

#include "fuzz/training.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    static const Training training;
    static ql_adapter * const adapter = new_adapter(training.model);
    const std::string from = folder().path("from"), to = folder().path("to");
    std::filesystem::create_directory(from);
    write("from/step-00000001.gguf", data, size);
    ql_train_options options = Training::options(to);
    options.resume = from.c_str();
    ql_trainer * trainer = nullptr;
    if (!refused(training.create(adapter, options, &trainer))) {
        ql_trainer_info info{};
        info.size = sizeof info;
        must(ql_trainer_describe(trainer, &info), "ql_trainer_describe");
        require(info.first_step >= 0 && info.first_step <= info.n_steps, "a step outside the run");
        (void)refused(ql_trainer_run(trainer));
        ql_trainer_free(trainer);
    }
    std::filesystem::remove_all(to);
    return 0;
}
