// The four benchmarks of ql-bench.
#pragma once
#include <string>
#include <vector>

#include "tools/bench/measure.hpp"
#include "tools/cli/device_options.hpp"

namespace ql::cli {

struct OpBench {
    std::string name, type;
    std::vector<int64_t> shape;  // k, m, t; empty: those of a small model
};
std::vector<Figure> bench_op(const Device & device, const OpBench & options, const Limits & limits);

struct TrainBench {
    int64_t ctx = 512, batch = 1, steps = 5, lora_r = 8;
    bool profile = false;
};
std::vector<Figure> bench_train(const Model & model, const Device & device, const TrainBench & options,
                                const Limits & limits, bool quiet);

struct InferBench {
    int64_t prompt = 512, generation = 64, repeats = 3;
};
std::vector<Figure> bench_infer(const Model & model, const Device & device, const ModelOptions::Loras & loras,
                                const InferBench & options, const Limits & limits);

}  // namespace ql::cli
