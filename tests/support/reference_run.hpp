// The reference interpreter, under the tests' name. It lives in the engine, which tests itself with it on users'
// machines.
#pragma once
#include "ggml/selftest/reference_run.hpp"

namespace ql::test {

using selftest::AlignedBytes;
using selftest::CaseGraph;
using selftest::ReferenceRun;

}  // namespace ql::test
