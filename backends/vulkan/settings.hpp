// $QL_VULKAN: a list like `validate=1,cache=off` of settings, and of faults for tests: what a driver does on a bad day.
//
//    validate=1      Khronos's validation layers check every call; their first message is an error of the next wait
//    cache=FOLDER    where compiled shaders are kept; cache=off: nowhere
//    memory:I=N      of device I no more than N bytes are taken, copies' pinned memory not counted
//    piece=N         a list of steps is submitted in pieces of N floating-point operations
//    counts=FILE     when the device is closed: how many dispatches were recorded for each operator, in JSON
//    alloc=N         the N-th allocation of memory fails
//    submit=N        the N-th piece of work is refused
//    lost=N          with the N-th piece of work the device is lost
//    shader=NAME     this shader does not compile
//    loader=none     there is no loader of Vulkan
//    devices=none    there are no devices
//    shared=N        a group has N bytes of shared memory
//    subgroups=none  invocations of a subgroup do not add up
//    below=1         every device lacks something that is needed
#pragma once
#include <map>
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

    bool validate = false, no_loader = false, no_devices = false, no_subgroups = false, below = false;
    std::string cache;   // "": the user's folder
    std::string counts;  // "": none
    double piece = 50e9;
    uint32_t shared = 0;  // 0: as the device says
    std::string shader;
    std::map<size_t, size_t> memory;  // by the device's number: bytes
    Countdown alloc, submit, lost;

  private:
    Status set(const std::string & name, const std::string & value);
};

}  // namespace ql::vulkan
