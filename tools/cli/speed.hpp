// What bounds a training step: products, or reading the model's file. Both are measured shortly, on the machine as it is.
#pragma once
#include <cstdint>
#include <string>

#include "ql/models.hpp"

namespace ql::cli {

/// Floating-point operations a second in products with a weight of the model's type, as in the forward pass and as in the
/// backward pass by halves. 0: the type is not known. Takes about half a second.
/// tokens   of a micro-batch
double measure_products(const DevicePtr & device, const ql_model_info & model, int64_t tokens);

/// Bytes a second of a model's file (of a folder, its largest file): a part of it is read, several pieces at a time. What is
/// in the system's cache is read from there, as in training. 0: it cannot be read.
double measure_reading(const std::string & model);

/// Seconds of a step.
struct ExpectedStep {
    double seconds = 0, products = 0, reading = 0;
    bool by_disk() const { return reading > products; }
};
/// From a plan's figures and the two rates; reading goes on beside the products.
ExpectedStep expect_step(const ql_trainer_info & plan, double flops_per_second, double bytes_per_second);

}  // namespace ql::cli
