// What $QL_CUDA_EMU asks of the emulation, read when the first device is opened and again by reset().
//
// "alloc=3,copy=5,launch=2,lost=4": the third allocation, the fifth copy and the second launch fail; with the fourth
// launch the card is lost. "seed=7": the order of blocks, threads, streams and arriving copies. "delay=100": so many of
// 100 pieces of work are not begun before somebody waits. "checks=2": no check of races and addresses, which costs most
// of the time. "memory=64": a card has so many MiB. "devices=1": there is one card, not two. "capability=75": the cards
// are of compute capability 7.5. "driver=2": there is no driver; "driver=3": it is too old. "counts=1": when the device
// is closed, what each kernel moved is written to $QL_CUDA_EMU_COUNTS, in JSON; "counts=2": the same without checks and
// without the arithmetic of tensor cores, whose results are made up.
#pragma once
#include <string>

namespace ql::cuda::emu {

struct Settings {
    long alloc = 0, copy = 0, launch = 0, lost = 0;  // which one fails; 0: none
    long seed = 1, delay = 50, checks = 1, memory = 4096, devices = 2, capability = 86, driver = 1, counts = 0;

    /// Empty, or what of the text is not understood.
    std::string parse(const char * text);
};

}  // namespace ql::cuda::emu
