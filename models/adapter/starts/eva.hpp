// EVA: each A starts as the directions in which the inputs of its linear vary most in the data, B as zero.
//                                                                                               (Paischer et al. 2024)
#pragma once
#include "models/adapter/adapter.hpp"
#include "models/data/dataset.hpp"
#include "ql/ql.hpp"

namespace ql {

struct EvaOptions {
    int64_t ctx = 512, batch = 1;  // tokens of a sequence, sequences of a micro-batch
    int64_t n_batches = 4;         // micro-batches that the directions are found in, the data's first ones in training
    int64_t rounds = 3;            // passes over them: each makes the directions sharper
    bool shuffle = true, packing = true;
    uint64_t seed = 42;
    int64_t exact_up_to = 128;  // inputs of at most so many numbers: found exactly, in one round
};

/// Sets the values of an adapter. Linears that share an input share the work. Inputs are centred, as PEFT's are; padding
/// does not count.
/// errors  QL_INVALID_ARGUMENT: fewer tokens than the largest rank; QL_NON_FINITE; all that a forward pass can say
Status start_eva(Adapter & adapter, const Model & model, ql_device * device, const Dataset & data,
                 const EvaOptions & options);

}  // namespace ql
