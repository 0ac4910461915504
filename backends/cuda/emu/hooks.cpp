// Where the compiler tells of every load and store of a kernel: kernels are compiled with -fsanitize=thread, and these
// functions stand in for that sanitizer's own, which is not linked.
#include <cstddef>

#include "backends/cuda/emu/machine.hpp"

bool ql::cuda::emu::kernels_are_instrumented = false;

namespace {

inline void note(const void * address, size_t bytes, bool write) {
    ql::cuda::emu::Machine & m = ql::cuda::emu::machine();
    if (m.in_kernel()) m.access(address, bytes, write);
}

}  // namespace

extern "C" {
#define QL_HOOK [[gnu::visibility("hidden")]] void
/// Called when the program or shared object is loaded that an instrumented file is part of.
QL_HOOK __tsan_init() {
    ql::cuda::emu::kernels_are_instrumented = true;
}
QL_HOOK __tsan_func_entry(void *) {}
QL_HOOK __tsan_func_exit() {}
#define QL_ACCESS(n)                              \
    QL_HOOK __tsan_read##n(void * p) {            \
        note(p, n, false);                        \
    }                                             \
    QL_HOOK __tsan_write##n(void * p) {           \
        note(p, n, true);                         \
    }                                             \
    QL_HOOK __tsan_unaligned_read##n(void * p) {  \
        note(p, n, false);                        \
    }                                             \
    QL_HOOK __tsan_unaligned_write##n(void * p) { \
        note(p, n, true);                         \
    }                                             \
    QL_HOOK __tsan_volatile_read##n(void * p) {   \
        note(p, n, false);                        \
    }                                             \
    QL_HOOK __tsan_volatile_write##n(void * p) {  \
        note(p, n, true);                         \
    }
QL_ACCESS(1)
QL_ACCESS(2)
QL_ACCESS(4)
QL_ACCESS(8)
QL_ACCESS(16)
QL_HOOK __tsan_read_range(void * p, unsigned long n) {
    note(p, n, false);
}
QL_HOOK __tsan_write_range(void * p, unsigned long n) {
    note(p, n, true);
}
// Atomics, which host code in the same files uses (reference counts); kernels have none.
#define QL_ATOMIC(bits, type)                                                                                       \
    [[gnu::visibility("hidden")]] type __tsan_atomic##bits##_load(const volatile type * p, int) {                   \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                                \
    }                                                                                                               \
    QL_HOOK __tsan_atomic##bits##_store(volatile type * p, type v, int) {                                           \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                                   \
    }                                                                                                               \
    [[gnu::visibility("hidden")]] type __tsan_atomic##bits##_exchange(volatile type * p, type v, int) {             \
        return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                         \
    }                                                                                                               \
    [[gnu::visibility("hidden")]] type __tsan_atomic##bits##_fetch_add(volatile type * p, type v, int) {            \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                          \
    }                                                                                                               \
    [[gnu::visibility("hidden")]] type __tsan_atomic##bits##_fetch_sub(volatile type * p, type v, int) {            \
        return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                          \
    }                                                                                                               \
    [[gnu::visibility("hidden")]] int __tsan_atomic##bits##_compare_exchange_strong(volatile type * p, type * want, \
                                                                                    type v, int, int) {             \
        return __atomic_compare_exchange_n(p, want, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                  \
    }
QL_ATOMIC(8, unsigned char)
QL_ATOMIC(32, unsigned)
QL_ATOMIC(64, unsigned long)
QL_HOOK __tsan_vptr_update(void **, void *) {}
QL_HOOK __tsan_vptr_read(void **) {}
}
