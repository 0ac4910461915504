// extern "C": ql/backend.h
#include "ql/backend.h"

#include "ggml/backend/device.hpp"
#include "ggml/core/status.hpp"
#include "ql/structs.hpp"

extern "C" {

void ql_device_options_init(ql_device_options * options) {
    if (options) *options = {sizeof(ql_device_options), "auto", 0, QL_COMPUTE_AUTO};
}

ql_status ql_device_open(const ql_device_options * options, ql_device ** device) {
    return ql::guarded([&]() -> ql::Status {
        if (!device) return ql::error(QL_INVALID_ARGUMENT, "ql_device_open: device is NULL");
        ql_device_options defaults;
        ql_device_options_init(&defaults);
        QL_ASSIGN(const ql_device_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(*device, ql::open_device(o));
        return {};
    });
}

void ql_device_close(ql_device * device) {
    ql::close_device(device);
}

ql_status ql_device_describe(const ql_device * device, ql_device_info * info) {
    return ql::guarded([&]() -> ql::Status {
        if (!device) return ql::error(QL_INVALID_ARGUMENT, "ql_device_describe: device is NULL");
        const ql::Caps & c = device->caps;
        return ql::give_struct(info,
                               {sizeof(*info), device->backend->name, c.isa, c.product, c.chip, c.threads, c.bf16});
    });
}

}  // extern "C"
