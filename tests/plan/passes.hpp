// A graph, and the list that the first passes make of it, for a device whose kernels a test may choose.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ggml/graph/graph.hpp"
#include "ggml/plan/check.hpp"
#include "ggml/plan/pass.hpp"
#include "ql/ql.h"

namespace ql::test {

using Ops = std::map<std::string, int>;

class Passes : public testing::Test {
  protected:
    Passes() {
        plain.launch = [](const Launch &) { return Status(); };
        for (const Kernel *& k : table) k = &plain;
        backend.kernels = table;
        device.backend = second.backend = &backend;
    }

    Tensor * leaf(TensorKind kind, Shape s, ql_dtype dtype = QL_F32) {
        return g.leaf(kind, "x", dtype, QL_MAX_DIMS, s.ne.data(), nullptr);
    }
    /// Applies passes to the list, which is checked after each.
    void apply(const std::vector<Tensor *> & outputs,
               std::initializer_list<Status (*)(PlanList &, const PassInput &)> all) {
        ASSERT_TRUE(g.status().ok()) << g.status().message();
        for (const auto pass : all) {
            const Status status = pass(list, {outputs, devices});
            ASSERT_TRUE(status.ok()) << status.message();
            const Status sound = check_list(list);
            ASSERT_TRUE(sound.ok()) << sound.message();
        }
    }
    Ops count() const {
        Ops ops;
        for (const PlanNode * n : list.nodes) ++ops[std::string(n->def->name)];
        return ops;
    }
    Value * value(Tensor * t) { return list.value_of(t); }

    Graph g;
    PlanList list;
    Kernel plain;
    const Kernel * table[kOpCount];
    Backend backend{"test"};
    Device device, second;
    std::vector<Device *> devices = {&device};  // of the plan
};

}  // namespace ql::test
