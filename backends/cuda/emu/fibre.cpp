#include "backends/cuda/emu/fibre.hpp"

#include <sys/mman.h>

#include <cstdint>

namespace ql::cuda::emu {
namespace {

constexpr size_t kPage = 4096, kStride = Stacks::kBytes + kPage, kPiece = 64;

}  // namespace

Stacks::~Stacks() {
    for (std::byte * piece : pieces_) munmap(piece, kPiece * kStride);
}

bool Stacks::need(size_t n) {
    while (pieces_.size() * kPiece < n) {
        void * piece =
            mmap(nullptr, kPiece * kStride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (piece == MAP_FAILED) return false;
        pieces_.push_back(static_cast<std::byte *>(piece));
        for (size_t i = 0; i < kPiece; ++i) mprotect(pieces_.back() + i * kStride, kPage, PROT_NONE);
    }
    return true;
}

std::byte * Stacks::top(size_t i) const {
    return pieces_[i / kPiece] + (i % kPiece + 1) * kStride;
}

}  // namespace ql::cuda::emu

#if defined(__x86_64__)

// Saves what a called function must keep (System V: rbp, rbx, r12 to r15), changes stacks, and takes it from there.
asm(R"(
    .text
    .hidden ql_cuda_emu_enter
    .globl  ql_cuda_emu_enter
    .type   ql_cuda_emu_enter, @function
ql_cuda_emu_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq  %rsp, (%rdi)
    movq  %rsi, %rsp
    popq  %r15
    popq  %r14
    popq  %r13
    popq  %r12
    popq  %rbx
    popq  %rbp
    ret
    .size   ql_cuda_emu_enter, . - ql_cuda_emu_enter
)");
extern "C" void ql_cuda_emu_enter(void ** from, void * to);

namespace ql::cuda::emu {

Context begin_on(std::byte * stack_top, void (*entry)()) {
    auto * top = reinterpret_cast<void **>(stack_top);
    top[-1] = nullptr;  // no return address: entry never returns
    top[-2] = reinterpret_cast<void *>(entry);
    for (int i = 3; i <= 8; ++i) top[-i] = nullptr;  // the six registers
    return {top - 8};
}

void enter(Context & from, const Context & to) {
    ql_cuda_emu_enter(&from.stack_pointer, to.stack_pointer);
}

}  // namespace ql::cuda::emu

#else  // another processor: the system's way, which is slower

#include <ucontext.h>

namespace ql::cuda::emu {

// A context lies at the top of its own stack; the scheduler's is the one below.
namespace {
thread_local ucontext_t scheduler;
}

Context begin_on(std::byte * stack_top, void (*entry)()) {
    const size_t room = (sizeof(ucontext_t) + 63) / 64 * 64;
    auto * context = new (stack_top - room) ucontext_t;
    getcontext(context);
    context->uc_stack.ss_sp = stack_top - Stacks::kBytes;
    context->uc_stack.ss_size = Stacks::kBytes - room;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
    return {context};
}

void enter(Context & from, const Context & to) {
    if (!from.stack_pointer) from.stack_pointer = &scheduler;
    swapcontext(static_cast<ucontext_t *>(from.stack_pointer), static_cast<ucontext_t *>(to.stack_pointer));
}

}  // namespace ql::cuda::emu

#endif
