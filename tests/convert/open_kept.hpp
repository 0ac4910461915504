// A model of which every weight keeps the type that its file has.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "models/load/open_model.hpp"

namespace ql::test {

/// Null, and a failure, where it cannot be opened.
inline std::unique_ptr<Model> open_kept(const std::string & path) {
    auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    EXPECT_TRUE(model.ok()) << model.message();
    return model.ok() ? std::move(model).value() : nullptr;
}

}  // namespace ql::test
