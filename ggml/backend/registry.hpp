// Which backends there are: those compiled in, and shared objects found beside the program, in lib/ql/, in
// $QL_BACKEND_PATH. And their devices.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ggml/backend/backend.hpp"

namespace ql {

class FoundBackend {
  public:
    FoundBackend(const Backend * backend, std::string path, std::string refused);

    const Backend * const backend;  // null if it was refused
    const std::string path;         // of its shared object; "" if it is compiled in
    const std::string refused;      // why it is not used, "" if it may be

    /// The devices that it can open. It is asked once, at the first use, because asking may start a driver.
    const std::vector<FoundDevice> & devices() const;
    /// Why it has none; "" if it has some.
    const std::string & trouble() const;

  private:
    struct Asked;
    const Asked & asked() const;
    std::shared_ptr<Asked> asked_;
};

/// Everything that was found, in the order in which "auto" tries it. The list stays as it is for the process's life.
std::span<const FoundBackend> found_backends();

/// One device of a backend.
struct DeviceAddress {
    const Backend * backend = nullptr;
    size_t number = 0;
};
/// The device of a name: "cpu", "cuda" (its first), "cuda:1" ... errors: QL_NOT_FOUND lists what was found.
Result<DeviceAddress> find_device(const char * name);

}  // namespace ql
