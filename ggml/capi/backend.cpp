// extern "C": ql/backend.h
#include "ql/backend.h"

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "ggml/backend/device.hpp"
#include "ggml/backend/registry.hpp"

extern "C" {

int64_t ql_backend_count(void) {
    int64_t n = 0;
    (void)ql::guarded([&]() -> ql::Status {
        n = static_cast<int64_t>(ql::found_backends().size());
        return {};
    });
    return n;
}

ql_status ql_backend_describe(int64_t i, ql_backend_info * info) {
    return ql::guarded([&]() -> ql::Status {
        const auto found = ql::found_backends();
        if (i < 0 || i >= static_cast<int64_t>(found.size()))
            return ql::error(QL_INVALID_ARGUMENT, "ql_backend_describe: no backend %lld of %zu",
                             static_cast<long long>(i), found.size());
        const ql::FoundBackend & f = found[static_cast<size_t>(i)];
        return ql::give_struct(info,
                               {sizeof(*info), f.backend ? f.backend->name : "", f.path.c_str(), f.refused.c_str(),
                                static_cast<int64_t>(f.devices().size()), f.trouble().c_str()});
    });
}

ql_status ql_backend_device(int64_t i, int64_t number, ql_found_device * device) {
    return ql::guarded([&]() -> ql::Status {
        const auto found = ql::found_backends();
        if (i < 0 || i >= static_cast<int64_t>(found.size()))
            return ql::error(QL_INVALID_ARGUMENT, "ql_backend_device: no backend %lld of %zu",
                             static_cast<long long>(i), found.size());
        const std::vector<ql::FoundDevice> & devices = found[static_cast<size_t>(i)].devices();
        if (number < 0 || number >= static_cast<int64_t>(devices.size()))
            return ql::error(QL_INVALID_ARGUMENT, "ql_backend_device: no device %lld of %zu",
                             static_cast<long long>(number), devices.size());
        const ql::FoundDevice & d = devices[static_cast<size_t>(number)];
        return ql::give_struct(device, {sizeof(*device), d.chip.c_str(), d.memory});
    });
}

void ql_device_options_init(ql_device_options * options) {
    if (options) *options = {sizeof(ql_device_options), "auto", 0, QL_COMPUTE_AUTO};
}

ql_status ql_device_open(const ql_device_options * options, ql_device ** device) {
    return ql::guarded([&]() -> ql::Status {
        if (!device) return ql::error(QL_INVALID_ARGUMENT, "ql_device_open: device is NULL");
        ql_device_options defaults;
        ql_device_options_init(&defaults);
        QL_ASSIGN(const ql_device_options o, ql::take_struct(options, defaults));
        const int32_t compute = ql::enum_number(o.compute);
        if (compute < QL_COMPUTE_AUTO || compute > QL_COMPUTE_INT16)
            return ql::error(QL_INVALID_ARGUMENT, "compute: unknown kind %d", compute);
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
        const char * names = device->parts.empty() ? device->backend->name : device->name.c_str();
        return ql::give_struct(
            info, {sizeof(*info), names, c.isa, c.product, c.chip, c.threads, c.bf16, c.host_memory, c.copy_queue});
    });
}

}  // extern "C"
