// A process may be started with some of its standard streams closed (`program 2>&-`, some supervisors). The next file
// that it opens then gets the number 0, 1 or 2, and what is printed goes into that file.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/guarded.hpp"
#include "ggml/core/os/os.hpp"
#include "ql/os.h"

namespace ql::os {

Status open_standard_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
        // Opened the wrong way round: a read or a write fails, as on the closed stream that it stands for.
        const int fd = ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (fd != stream)
            return system_error("/dev/null", "cannot open in the place of a closed standard stream", errno);
    }
    return {};
}

}  // namespace ql::os

ql_status ql_os_open_standard_streams(void) {
    return ql::guarded([] { return ql::os::open_standard_streams(); });
}
