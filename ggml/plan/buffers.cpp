// Lifetimes: a buffer is needed from the step that first writes it to the last that reads it, views included.
#include <algorithm>

#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

class Buffers {
  public:
    explicit Buffers(PlanList & list) : list_(list) {
        for (size_t i = 0; i < list.nodes.size(); ++i) {
            const auto step = static_cast<int64_t>(i);
            for (const Operand * t : list.nodes[i]->src)
                if (t) last_[root_of(t)] = step;
            for (const Operand * t : list.nodes[i]->out) last_.try_emplace(root_of(t), step);
        }
        for (const PlanList::Output & o : list.outputs)
            last_[root_of(o.value)] = static_cast<int64_t>(list.nodes.size());
    }

    void assign() {
        for (size_t i = 0; i < list_.nodes.size(); ++i) {
            PlanNode & n = *list_.nodes[i];
            const auto step = static_cast<int64_t>(i);
            for (size_t o = 0; o < n.out.size(); ++o)
                if (!n.out[o]->alias) hold(n, *n.result(o), step);
            const size_t scratch = n.kernel && n.kernel->scratch ? n.kernel->scratch(n, *n.device->impl) : 0;
            n.scratch = scratch ? add({n.device, scratch, step, step}) : kNoBuffer;
        }
    }

  private:
    size_t add(Buffer buffer) {
        list_.buffers.push_back(buffer);
        return list_.buffers.size() - 1;
    }

    void hold(const PlanNode & n, Value & result, int64_t step) {
        result.buffer = reusable(n, result, step);
        if (result.buffer == kNoBuffer)
            result.buffer =
                add({result.device, result.bytes(), step, step, result.staged ? Region::staging : Region::arena});
        Buffer & buffer = list_.buffers[result.buffer];
        buffer.last = last_.at(&result);
        if (buffer.last == static_cast<int64_t>(list_.nodes.size())) buffer.region = Region::outputs;
    }

    /// The buffer of the source that the result may take over, if it dies here and the node reads it once.
    size_t reusable(const PlanNode & n, const Value & result, int64_t step) const {
        if (result.may_reuse < 0) return kNoBuffer;
        const size_t buffer = root_of(n.src[static_cast<size_t>(result.may_reuse)])->buffer;
        if (buffer == kNoBuffer) return kNoBuffer;
        const auto uses = std::count_if(n.src.begin(), n.src.end(),
                                        [&](const Operand * s) { return s && root_of(s)->buffer == buffer; });
        const Buffer & b = list_.buffers[buffer];
        const bool fits = b.bytes == result.bytes() && b.device == result.device && b.region == Region::arena;
        return uses == 1 && b.last == step && fits ? buffer : kNoBuffer;
    }

    PlanList & list_;
    std::unordered_map<const Value *, int64_t> last_;  // the last step that reads (or else writes) a root's bytes
};

}  // namespace

Status assign_buffers(PlanList & list, const PassInput &) {
    Buffers(list).assign();
    return {};
}

}  // namespace ql
