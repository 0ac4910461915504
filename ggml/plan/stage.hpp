// A part of a plan that is started at once: kernels of one device, or a copy between two.
#pragma once
#include <span>
#include <vector>

#include "ggml/backend/device.hpp"

namespace ql {

class Stage {
  public:
    /// Kernels of one device, in order. The steps must outlive the stage.
    static Result<Stage> kernels(Device & device, std::span<Step> steps);
    /// A step of one source and one result.
    static Stage copy(Device & from, Device & to, Step & step);
    Stage(Stage && other) noexcept;
    Stage & operator=(Stage &&) = delete;
    ~Stage();

    /// Returns when it is done.
    Status run(bool profile);

  private:
    Stage() = default;
    Status copy_bytes();

    Device * device_ = nullptr;  // that runs, or receives
    Device * from_ = nullptr;    // of a copy
    Step * copied_ = nullptr;
    std::vector<std::byte> bounce_;  // host memory between two devices that both have their own
    Executable * executable_ = nullptr;
};

}  // namespace ql
