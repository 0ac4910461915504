// A run of two steps over the small model, the same on every machine: it makes checkpoints, and resumes from them.
#pragma once
#include <cstdlib>

#include "fuzz/fuzz.hpp"

namespace ql::fuzz {

struct Training {
    const ql_model * model;
    ql_device * device = nullptr;
    ql_dataset * data = nullptr;

    Training() : model(open_small_model()) {
        ::setenv("QL_ISA", "baseline", 1);  // a checkpoint names its instruction set: every machine has this one
        ql_device_options o;
        ql_device_options_init(&o);
        o.threads = 1, o.compute = QL_COMPUTE_F32;
        must(ql_device_open(&o, &device), "ql_device_open");
        const std::string lines = test::tiny_chats(4);
        must(ql_dataset_open(folder().write("data.jsonl", lines).c_str(), model, nullptr, &data), "ql_dataset_open");
    }

    static ql_train_options options(const std::string & checkpoint_dir) {
        ql_train_options o;
        ql_train_options_init(&o);
        o.ctx = 48, o.grad_accum = 1, o.steps = 2, o.save_every = 1, o.keep = 2;
        o.checkpoint_dir = checkpoint_dir.c_str();
        return o;
    }

    ql_status create(ql_adapter * adapter, const ql_train_options & options, ql_trainer ** trainer) const {
        return ql_trainer_create(model, device, adapter, data, nullptr, &options, trainer);
    }
};

}  // namespace ql::fuzz
