// Owning handles for the C API's objects.
#pragma once
#include <memory>

#include "ql/models.h"
#include "ql/os.h"
#include "ql/plan.h"

namespace ql::cli {

template <auto Free>
struct FreeWith {
    template <typename T>
    void operator()(T * p) const {
        Free(p);
    }
};

using Device = std::unique_ptr<ql_device, FreeWith<ql_device_close>>;
using Model = std::unique_ptr<ql_model, FreeWith<ql_model_close>>;
using Dataset = std::unique_ptr<ql_dataset, FreeWith<ql_dataset_free>>;
using Adapter = std::unique_ptr<ql_adapter, FreeWith<ql_adapter_free>>;
using Trainer = std::unique_ptr<ql_trainer, FreeWith<ql_trainer_free>>;
using Session = std::unique_ptr<ql_session, FreeWith<ql_session_free>>;
using Text = std::unique_ptr<char, FreeWith<ql_os_free>>;

/// A struct that the library fills in, its size set.
template <typename T>
T sized() {
    T t{};
    t.size = sizeof(T);
    return t;
}

}  // namespace ql::cli
