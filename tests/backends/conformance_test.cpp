// Every operator on a device with a memory of its own: the kernels get only that memory, and give the CPU's results.
#include <gtest/gtest.h>

#include "backends/apart_path.hpp"
#include "ggml/backend/registry.hpp"
#include "support/conformance.hpp"

namespace ql::test {
namespace {

class ApartConformance : public testing::TestWithParam<const OpDef *> {};

TEST_P(ApartConformance, AgreesWithReference) {
    const auto found = find_device("apart:0");
    ASSERT_TRUE(found.ok()) << found.message();
    ql_device_options options;
    ql_device_options_init(&options);
    options.threads = 2;
    const OpenDevice device(*found->backend, options);
    const OpDef & def = *GetParam();
    for (const Case & c : def.cases()) {
        SCOPED_TRACE(c.name);
        Conformance conformance(def, c, 42);
        for (const bool reuse : {false, true}) {
            if (reuse && !conformance.can_reuse()) continue;
            const auto got = conformance.run(device, reuse);
            for (size_t i = 0; i < got.size(); ++i)
                EXPECT_LE(nmse(got[i], conformance.wanted(i)), selftest::conformance_limit(def, device.caps));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Operators, ApartConformance, testing::ValuesIn(kOps),
                         [](const auto & p) { return std::string(p.param->name); });

}  // namespace
}  // namespace ql::test
