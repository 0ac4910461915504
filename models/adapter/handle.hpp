// The C API's handle of an adapter.
#pragma once
#include <string>

#include "models/adapter/adapter.hpp"
#include "ql/adapter.h"

struct ql_adapter {
    ql::Adapter adapter;
    const ql_model * model = nullptr;
    bool any_base = false;  // the caller takes it over bases other than its own
    std::string path = {};  // that it was opened from, for messages
};
