// The benchmarks of ql-bench, and the making of models to run them on.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tools/bench/measure.hpp"
#include "tools/bench/model_shapes.hpp"
#include "tools/cli/device_options.hpp"

namespace ql::cli {

struct OpBench {
    std::string name, type;
    std::vector<int64_t> shape;  // k, m, t; empty: those of a small model
};
/// Throws Stop for an operator that does not exist.
void check_op(const std::string & name);
std::vector<Figure> bench_op(const DevicePtr & device, const OpBench & options, const Limits & limits);

struct TrainBench {
    int64_t ctx = 512, batch = 1, steps = 5, lora_r = 8;
    std::string lora_type = "lora";
    bool profile = false;
    uint64_t memory = 0;           // --memory
    const char * spill = nullptr;  // --spill
};
/// `limits` measures the machine's limits; it is called after the training, whose peak of memory must not include it.
std::vector<Figure> bench_train(const Program & program, const ModelPtr & model, const DevicePtr & device,
                                const TrainBench & options, const std::function<Limits()> & limits);

struct InferBench {
    int64_t prompt = 512, generation = 64, repeats = 3, sequences = 1;
    ql_dtype cache_type = QL_F16;
    bool profile = false;
    uint64_t memory = 0;  // --memory
};
std::vector<Figure> bench_infer(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras,
                                const InferBench & options, const Limits & limits);

/// The same of several sequences at once, which have the adapters by turns, one each.
std::vector<Figure> bench_batch(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras,
                                const InferBench & options, const Limits & limits);

struct MakeModel {
    std::string shape, type = "nf4_dq", output;
};
/// Writes the file and says so on stdout.
void make_model(const Program & program, const MakeModel & options, uint64_t seed);

struct MadeModel {
    int64_t n_parameters;
    uint64_t bytes;
};
/// Writes it to a path that is the caller's. Stop where the type does not fit the shape.
MadeModel write_made_model(const Program & program, const ModelShape & shape, ql_dtype type, const std::string & path,
                           uint64_t seed);

struct ErrorBench {
    std::string file;  // a text
    int64_t ctx = 512, steps = 1;
};
/// What products of bf16 and of integers lose against f32, by layer. Prints it.
void bench_error(const Program & program, const ModelPtr & model, const DeviceOptions & device,
                 const ErrorBench & options);

struct Roofline {
    std::string card, shape, type = "nf4_dq";
    int64_t tokens = 256, lora_r = 16;
};
/// The least time that a step of training takes on a card, from counts of the emulation. Prints it. model: null where a
/// shape is given.
void roofline(const Program & program, const DeviceOptions & device, const ModelOptions & model,
              const Roofline & options, uint64_t seed);
std::string card_names();

}  // namespace ql::cli
