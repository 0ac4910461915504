// What the optimizers' shape rules refuse.
#include <algorithm>

#include "graph/refusals.hpp"

namespace ql::test {
namespace {

const Refusal kRefusals[] = {
    {"adamw p",
     [](Leaves & l) { return ql_adamw(&l.g, l.state(4), l.f32(4), l.state(4), l.state(4), l.f32(1), l.f32(8), 1); },
     QL_INVALID_ARGUMENT, "adamw: input 0 must be a parameter"},
    {"adamw hyper",
     [](Leaves & l) { return ql_adamw(&l.g, l.f32(4), l.f32(4), l.state(4), l.state(4), l.f32(1), l.f32(7), 1); },
     QL_BAD_SHAPE, "adamw: input 5 must be of shape [8]"},
    {"adamw8bit codes",
     [](Leaves & l) {
         return ql_adamw8bit(&l.g, l.f32(4), l.f32(4), l.state(4), l.state(1), l.codes(4), l.state(1), l.f32(1),
                             l.f32(8), 1);
     },
     QL_BAD_DTYPE, "adamw8bit: input 2 must be i8"},
    {"adamw8bit scales",
     [](Leaves & l) {
         return ql_adamw8bit(&l.g, l.f32({4, 65}), l.f32({4, 65}), l.codes({4, 65}), l.state(2), l.codes({4, 65}),
                             l.state(1), l.f32(1), l.f32(8), 1);
     },
     QL_BAD_SHAPE, "adamw8bit: input 5 must be of shape [2]"},
    {"lion momentum", [](Leaves & l) { return ql_lion(&l.g, l.f32(4), l.f32(4), l.state(5), l.f32(1), l.f32(8), 1); },
     QL_BAD_SHAPE, "lion: inputs 0 and 2 differ in shape"},
    {"lion8bit codes",
     [](Leaves & l) { return ql_lion8bit(&l.g, l.f32(4), l.f32(4), l.codes(5), l.state(1), l.f32(1), l.f32(8), 1); },
     QL_BAD_SHAPE, "lion8bit: inputs 0 and 2 differ in shape"},
    {"sgd momentum", [](Leaves & l) { return ql_sgd(&l.g, l.f32(4), l.f32(4), l.f32(4), l.f32(1), l.f32(8), 1); },
     QL_INVALID_ARGUMENT, "sgd: input 2 must be a state"},
    {"sgd rate", [](Leaves & l) { return ql_sgd(&l.g, l.f32(4), l.f32(4), l.state(4), l.f32(1), l.f32(8), NAN); },
     QL_INVALID_ARGUMENT, "sgd: lr_scale is nan"},
};

class OptimizerRules : public testing::TestWithParam<Refusal> {};

TEST_P(OptimizerRules, RefuseWithTheMessage) {
    expect_refusal(GetParam());
}

INSTANTIATE_TEST_SUITE_P(, OptimizerRules, testing::ValuesIn(kRefusals), [](const auto & info) {
    std::string name = info.param.what;
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
});

}  // namespace
}  // namespace ql::test
