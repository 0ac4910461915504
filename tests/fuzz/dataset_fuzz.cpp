// Lines of a dataset, and the same bytes as a table, strict and with bad lines skipped: what is read has a token to train, and can be shown.
#include "fuzz/fuzz.hpp"

namespace {

void read(const std::string & path, const ql_model * model, int skip_bad_lines, int train_on) {
    using namespace ql::fuzz;
    ql_dataset_options options;
    ql_dataset_options_init(&options);
    options.skip_bad_lines = skip_bad_lines;
    options.train_on = train_on;
    ql_dataset * dataset = nullptr;
    if (refused(ql_dataset_open(path.c_str(), model, &options, &dataset))) return;
    ql_dataset_info info{};
    info.size = sizeof info;
    must(ql_dataset_describe(dataset, &info), "ql_dataset_describe");
    require(info.n_trained <= info.n_tokens, "more trained tokens than tokens");
    for (int64_t i = 0; i < info.n_samples; ++i) {
        const char *text = nullptr, *answer = nullptr;
        must(ql_dataset_show(dataset, i, "[[", "]]", &text), "ql_dataset_show");
        (void)refused(ql_dataset_prompt(dataset, i, &text, &answer));
    }
    ql_dataset_free(dataset);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    static const ql_model * const model = ql::fuzz::open_small_model();
    for (const char * name : {"data.jsonl", "data.csv"}) {
        const std::string path = ql::fuzz::write(name, data, size);
        for (const int skip_bad_lines : {0, 1}) read(path, model, skip_bad_lines, QL_TRAIN_ANSWERS);
        for (const int train_on :
             {QL_TRAIN_REASONING | QL_TRAIN_LAST, QL_TRAIN_TOOLS | QL_TRAIN_WORDS, QL_TRAIN_ALL + 0})
            read(path, model, 1, train_on);
    }
    return 0;
}
