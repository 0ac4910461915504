#include "models/graph/branch.hpp"

#include "models/graph/builder.hpp"

namespace ql {
namespace {

class LoraBranch : public Branch {
  public:
    LoraBranch(ql_tensor * a, ql_tensor * b, float scale, int activation)
        : a_(a), b_(b), scale_(scale), activation_(activation) {}
    ql_tensor * add_to(GraphBuilder & b, const LinearSite & site) const override {
        return ql_lora(b.graph(), site.y, b.active(b.dropped(site.x), activation_), a_, b_, scale_);
    }

  private:
    ql_tensor *a_, *b_;
    float scale_;
    int activation_;
};

}  // namespace

BranchPtr lora_branch(ql_tensor * a, ql_tensor * b, float scale, int activation) {
    return std::make_unique<LoraBranch>(a, b, scale, activation);
}

}  // namespace ql
