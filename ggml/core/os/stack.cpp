// How much stack the calling thread has left (Linux): what recurses over untrusted input asks before it goes deeper.
#include <pthread.h>

#include <cstdint>

#include "ql/os.h"

namespace {

/// The lowest address of this thread's stack, 0 if unknown. For the first thread the system reads a list of all
/// mappings to find it, so it is asked once a thread.
uintptr_t lowest_address() {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
    void * lowest = nullptr;
    size_t size = 0;
    const bool known = pthread_attr_getstack(&attributes, &lowest, &size) == 0;
    pthread_attr_destroy(&attributes);
    return known ? reinterpret_cast<uintptr_t>(lowest) : 0;
}

}  // namespace

extern "C" size_t ql_os_stack_room(void) {
    static thread_local const uintptr_t lowest = lowest_address();
    const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    if (lowest == 0 || here < lowest) return SIZE_MAX;
    return here - lowest;
}
