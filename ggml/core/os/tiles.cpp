// Linux gives a process the state of AMX's tile registers - 8 KB more for each thread at a task switch - on request
// only (arch_prctl, since 5.16). The permission holds for all of the process's threads.
#include <sys/syscall.h>
#include <unistd.h>

#include "ggml/core/os/os.hpp"

namespace ql::os {

bool allow_tiles() {
#if defined(__x86_64__)
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

}  // namespace ql::os
