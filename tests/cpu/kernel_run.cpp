#include "cpu/kernel_run.hpp"

#include "support/conformance.hpp"

namespace ql::cpu {

void expect_conforms(const OpDef & def, const Case & c, Isa isa, double tolerance) {
    SCOPED_TRACE(std::string(def.name) + " " + c.name + " " + isa_name(isa));
    test::CaseGraph graph(def, c, 7);
    test::ReferenceRun<double> reference(graph.graph);
    reference.fill(graph, 7);
    reference.run();
    std::vector<std::vector<float>> first;
    for (const int threads : {1, 2, 3, 8}) {
        KernelRun run(def, c, 7);
        run.launch(isa, threads);
        for (size_t i = 0; i < run.node().out.size(); ++i) {
            if (threads == 1) {
                first.push_back(run.out(i));
                EXPECT_LE(test::nmse(first[i], reference.values(graph.out->producer->result(i))), tolerance)
                    << "result " << i;
            }
            EXPECT_TRUE(same_bits(run.out(i), first[i])) << "result " << i << " with " << threads << " threads";
        }
    }
}

}  // namespace ql::cpu
