// $QL_VULKAN: a list like `validate=1,cache=off` of settings, and of faults for tests: what a driver does on a bad day.
//
//    validate=1      Khronos's validation layers check every call; their first message is an error of the next wait
//    cache=FOLDER    where compiled shaders are kept; cache=off: nowhere
//    piece=N         a list of steps is submitted in pieces of N floating-point operations
//    alloc=N         the N-th allocation of memory fails
//    submit=N        the N-th piece of work is refused
//    lost=N          with the N-th piece of work the device is lost
//    shader=NAME     this shader does not compile
//    loader=none     there is no loader of Vulkan
//    devices=none    there are no devices
//    below=1         every device lacks something that is needed
#pragma once
#include <string>

#include "ql/status.hpp"

namespace ql::vulkan {

/// Comes true once, at its N-th call; never for 0.
class Countdown {
  public:
    bool now() { return left_ > 0 && --left_ == 0; }
    void set(long n) { left_ = n; }

  private:
    long left_ = 0;
};

struct Settings {
    static Result<Settings> from_environment();

    bool validate = false, no_loader = false, no_devices = false, below = false;
    std::string cache;  // "": the user's folder
    double piece = 50e9;
    std::string shader;
    Countdown alloc, submit, lost;

  private:
    Status set(const std::string & name, const std::string & value);
};

}  // namespace ql::vulkan
