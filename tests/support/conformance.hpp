// The conformance runner, under the tests' name, and devices that a test opens itself.
#pragma once
#include "ggml/selftest/conformance.hpp"
#include "support/reference_run.hpp"

namespace ql::test {

using selftest::Conformance;
using selftest::nmse;

/// An open device of a backend; closes it.
class OpenDevice : public selftest::DeviceUnderTest {
  public:
    OpenDevice(const Backend & backend, const ql_device_options & options) : DeviceUnderTest{backend} {
        if (Status s = backend.open(options, 0, owned_); !s.ok()) throw std::runtime_error(s.message());
        impl = owned_.get();
        caps = impl->caps();
    }
    OpenDevice(const OpenDevice &) = delete;
    OpenDevice & operator=(const OpenDevice &) = delete;

    Caps caps;

  private:
    std::unique_ptr<DeviceImpl> owned_;
};

}  // namespace ql::test
