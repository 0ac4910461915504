// A PEFT directory made in a test: sound at first, to be changed before it is written.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/raw_safetensors.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {

/// A PEFT directory of golden/lora/f32's adapter ("init" or "final"), as PEFT writes it.
struct Peft {
    explicit Peft(const std::string & which) : golden(SafeTensors::open(golden_path("lora/f32.safetensors"))) {
        for (const std::string & name : golden.names())
            if (name.starts_with(which + "."))
                tensors["base_model.model." + name.substr(which.size() + 1)] = {golden.shape(name), golden.f32(name)};
    }
    std::string write() const {
        SafeTensorsMaker maker;
        for (const auto & [name, t] : tensors) maker.add(name, t.first, t.second);
        folder.write("adapter_model.safetensors", maker.file());
        folder.write("adapter_config.json", config.dump());
        return folder.path("");
    }
    void remove(const std::string & part) {
        std::erase_if(tensors, [&](const auto & t) { return t.first.find(part) != std::string::npos; });
    }
    TemporaryFolder folder;
    SafeTensors golden;
    std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>> tensors;
    nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                     {"r", 4},
                                     {"lora_alpha", 8},
                                     {"bias", "none"},
                                     {"use_dora", false},
                                     {"use_rslora", false},
                                     {"rank_pattern", nlohmann::ordered_json::object()},
                                     {"alpha_pattern", nlohmann::ordered_json::object()},
                                     {"modules_to_save", nullptr},
                                     {"init_lora_weights", true},
                                     {"target_modules", "all-linear"},
                                     {"base_model_name_or_path", "some/llama"}};
};

}  // namespace ql::test
