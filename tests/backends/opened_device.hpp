// A device that is open for as long as a scope lasts, and faults of "apart" that are injected into it.
#pragma once
#include <cstdlib>
#include <string>

#include "backends/apart_path.hpp"
#include "ql/ql.h"

namespace ql::test {

/// Sets $QL_APART, or the variable of another backend, for the devices that are opened in its scope.
class Injected {
  public:
    explicit Injected(const std::string & faults, const char * variable = "QL_APART") : variable_(variable) {
        setenv(variable, faults.c_str(), 1);
    }
    ~Injected() { unsetenv(variable_); }
    Injected(const Injected &) = delete;
    Injected & operator=(const Injected &) = delete;

  private:
    const char * variable_;
};

class OpenedDevice {
  public:
    explicit OpenedDevice(const char * name, ql_compute compute = QL_COMPUTE_AUTO) {
        ql_device_options options;
        ql_device_options_init(&options);
        options.name = name;
        options.threads = 2;
        options.compute = compute;
        status = ql_device_open(&options, &device);
    }
    ~OpenedDevice() { ql_device_close(device); }
    OpenedDevice(const OpenedDevice &) = delete;
    OpenedDevice & operator=(const OpenedDevice &) = delete;

    ql_status status;
    ql_device * device = nullptr;
};

}  // namespace ql::test
