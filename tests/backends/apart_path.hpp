// Where the backend for tests is: named in the environment before the engine first looks for backends.
#pragma once
#include <cstdlib>

namespace ql::test {

inline const bool apart_is_named = setenv("QL_BACKEND_PATH", QL_BINARY_DIR "/test-backends", 1) == 0;

}  // namespace ql::test
