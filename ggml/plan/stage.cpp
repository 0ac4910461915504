#include "ggml/plan/stage.hpp"

#include <chrono>
#include <utility>

namespace ql {

Result<Stage> Stage::kernels(Device & device, std::span<Step> steps) {
    Stage stage;
    stage.device_ = &device;
    QL_TRY(device.backend->compile(*device.impl, steps, &stage.executable_));
    return stage;
}

Stage Stage::copy(Device & from, Device & to, Step & step) {
    Stage stage;
    stage.device_ = &to;
    stage.from_ = &from;
    stage.copied_ = &step;
    if (!from.backend->host_memory && !to.backend->host_memory) stage.bounce_.resize(step.node->out[0]->bytes());
    return stage;
}

Stage::Stage(Stage && other) noexcept
    : device_(other.device_),
      from_(other.from_),
      copied_(other.copied_),
      bounce_(std::move(other.bounce_)),
      executable_(std::exchange(other.executable_, nullptr)) {}

Stage::~Stage() {
    if (executable_) device_->backend->discard(*device_->impl, executable_);
}

Status Stage::run(bool profile) {
    if (!copied_) {
        QL_TRY(device_->backend->run(*device_->impl, *executable_, profile));
        return device_->backend->wait(*device_->impl);
    }
    const auto start = std::chrono::steady_clock::now();
    QL_TRY(copy_bytes());
    if (!profile) return {};
    copied_->seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++copied_->runs;
    return {};
}

Status Stage::copy_bytes() {
    const size_t bytes = copied_->node->out[0]->bytes();
    const void * src = copied_->src[0];
    void * dst = copied_->out[0];
    if (from_->backend->host_memory) return device_->backend->upload(*device_->impl, dst, src, bytes);
    if (device_->backend->host_memory) return from_->backend->download(*from_->impl, dst, src, bytes);
    QL_TRY(from_->backend->download(*from_->impl, bounce_.data(), src, bytes));
    return device_->backend->upload(*device_->impl, dst, bounce_.data(), bytes);
}

}  // namespace ql
