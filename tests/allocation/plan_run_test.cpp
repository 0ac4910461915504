// Running a plan allocates nothing on any thread: a training step of a small transformer block with LoRA, through the
// public C API, with every way to get memory counted. malloc itself is replaced, so operator new is counted too.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ql/ql.h"

// glibc's own allocator under its other names: the replacements below count and pass on.
extern "C" {
void * __libc_malloc(size_t size);
void * __libc_calloc(size_t n, size_t size);
void * __libc_realloc(void * p, size_t size);
void * __libc_memalign(size_t alignment, size_t size);
}

namespace {
std::atomic<bool> g_counting{false};
std::atomic<int64_t> g_allocations{0};

void count() {
    if (g_counting.load(std::memory_order_relaxed)) g_allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

extern "C" {
void * malloc(size_t size) {
    return count(), __libc_malloc(size);
}
void * calloc(size_t n, size_t size) {
    return count(), __libc_calloc(n, size);
}
void * realloc(void * p, size_t size) {
    return count(), __libc_realloc(p, size);
}
void * memalign(size_t alignment, size_t size) {
    return count(), __libc_memalign(alignment, size);
}
void * aligned_alloc(size_t alignment, size_t size) {
    return count(), __libc_memalign(alignment, size);
}
int posix_memalign(void ** p, size_t alignment, size_t size) {
    count();
    *p = __libc_memalign(alignment, size);
    return *p ? 0 : 12;  // ENOMEM
}
}

namespace ql::test {
namespace {

template <typename F>
int64_t allocations_during(const F & f) {
    g_allocations = 0;
    g_counting = true;
    f();
    g_counting = false;
    return g_allocations;
}

/// Everything that a model's training step has: embedding, norms, attention with rope, a gated MLP, LoRA with dropout
/// on a quantised base, the head's loss, gradients, accumulation, clipping, AdamW.
class TrainingStep {
  public:
    static constexpr int64_t kWidth = 128, kHeads = 4, kHead = 32, kHidden = 192, kTokens = 67, kVocabulary = 259,
                             kRank = 4;

    ql_plan *micro_batch = nullptr, *optimizer = nullptr;

    TrainingStep(ql_dtype base, int threads, ql_compute compute) : base_(base) {
        ql_device_options options;
        ql_device_options_init(&options);
        options.threads = threads;
        options.compute = compute;
        check(ql_device_open(&options, &device_));
        check(ql_graph_create(&g_));
        plan_micro_batch();
        plan_optimizer();
    }
    ~TrainingStep() {
        ql_plan_free(optimizer);
        ql_plan_free(micro_batch);
        ql_graph_free(g_);
        ql_device_close(device_);
    }
    TrainingStep(const TrainingStep &) = delete;
    TrainingStep & operator=(const TrainingStep &) = delete;

    static void check(ql_status s) {
        if (s != QL_OK) throw std::runtime_error(ql_error_message());
    }

  private:
    struct Free {
        void operator()(void * p) const { std::free(p); }
    };

    ql_tensor * weight(ql_dtype dtype, std::vector<int64_t> ne) {
        int64_t n = 1;
        for (const int64_t d : ne) n *= d;
        std::vector<float> values(static_cast<size_t>(n));
        for (size_t i = 0; i < values.size(); ++i) values[i] = 0.1f * std::sin(static_cast<float>(i * i % 1009 + 1));
        const size_t bytes = (ql_dtype_bytes(dtype, n) + 63) / 64 * 64;
        weights_.emplace_back(std::aligned_alloc(64, bytes));
        check(ql_encode(dtype, values.data(), n, weights_.back().get()));
        return ql_weight(g_, "weight", dtype, static_cast<int>(ne.size()), ne.data(), weights_.back().get());
    }
    ql_tensor * ints(std::vector<int64_t> ne) {
        return ql_input(g_, "ints", QL_I32, static_cast<int>(ne.size()), ne.data());
    }
    ql_tensor * param(int64_t rows, int64_t columns) {
        const int64_t ne[] = {rows, columns};
        params_.push_back(ql_param(g_, "lora", 2, ne));
        for (std::vector<ql_tensor *> * list : {&sums_, &first_, &second_})
            list->push_back(ql_state(g_, "state", QL_F32, 2, ne));
        return params_.back();
    }
    ql_tensor * linear(ql_tensor * x, int64_t m) {
        const int64_t k = ql_tensor_ne(x, 0);
        ql_tensor * y = ql_mul_mat(g_, weight(base_, {k, m}), x);
        ql_tensor * a = param(k, kRank);
        return ql_lora(g_, y, ql_dropout(g_, x, key_, 0.1f, static_cast<int>(params_.size())), a, param(kRank, m), 2);
    }
    ql_tensor * norm(ql_tensor * x) { return ql_rms_norm(g_, x, weight(QL_F32, {kWidth}), 1e-5f); }
    ql_tensor * heads(ql_tensor * x) {
        const int64_t ne[] = {kHead, kHeads, kTokens};
        return ql_reshape(g_, x, 3, ne);
    }

    ql_tensor * forward() {
        ql_tensor *ids = ints({kTokens}), *positions = ints({kTokens}), *span = ints({2, kTokens}),
                  *targets = ints({kTokens});
        const int64_t tokens = kTokens;
        ql_tensor * token_weights = ql_input(g_, "token weights", QL_F32, 1, &tokens);
        key_ = ints({4});
        ql_tensor * embedding = weight(QL_Q8_0, {kWidth, kVocabulary});
        ql_tensor * table = ql_rope_table(g_, positions, nullptr, kHead, 1e4f, 1, 1);
        ql_tensor * h = ql_get_rows(g_, embedding, ids);
        ql_tensor * x = norm(h);
        ql_tensor * q = ql_rope(g_, heads(linear(x, kWidth)), table, QL_ROPE_NORMAL);
        ql_tensor * k = ql_rope(g_, heads(linear(x, kWidth)), table, QL_ROPE_NORMAL);
        const int64_t flat[] = {kWidth, kTokens};
        ql_tensor * o = ql_reshape(g_, ql_attention(g_, q, k, heads(linear(x, kWidth)), span, 0.2f), 2, flat);
        h = ql_add(g_, h, linear(o, kWidth));
        x = norm(h);
        ql_tensor * gate = linear(x, kHidden);
        h = ql_add(g_, h, linear(ql_swiglu(g_, gate, linear(x, kHidden)), kWidth));
        return ql_head_loss(g_, norm(h), embedding, targets, token_weights, nullptr);
    }
    void plan_micro_batch() {
        std::vector<ql_tensor *> outputs = {forward()};
        const int n = static_cast<int>(params_.size());
        std::vector<ql_tensor *> grads(params_.size());
        check(ql_gradients(g_, outputs[0], params_.data(), n, QL_RECOMPUTE_CHEAP, grads.data()));
        for (size_t i = 0; i < params_.size(); ++i) outputs.push_back(ql_accumulate(g_, sums_[i], grads[i]));
        check(ql_plan_create(g_, device_, outputs.data(), static_cast<int>(outputs.size()), &micro_batch));
    }
    void plan_optimizer() {
        const int64_t n_hyper = QL_HYPER_N;
        ql_tensor * hyper = ql_input(g_, "hyper", QL_F32, 1, &n_hyper);
        ql_tensor * total = ql_global_norm(g_, sums_.data(), static_cast<int>(sums_.size()));
        std::vector<ql_tensor *> outputs;
        for (size_t i = 0; i < params_.size(); ++i)
            outputs.push_back(ql_adamw(g_, params_[i], sums_[i], first_[i], second_[i], total, hyper, 1));
        for (ql_tensor * sum : sums_) outputs.push_back(ql_zero(g_, sum));
        check(ql_plan_create(g_, device_, outputs.data(), static_cast<int>(outputs.size()), &optimizer));
    }

    ql_dtype base_;
    ql_device * device_ = nullptr;
    ql_graph * g_ = nullptr;
    ql_tensor * key_ = nullptr;
    std::vector<ql_tensor *> params_, sums_, first_, second_;
    std::vector<std::unique_ptr<void, Free>> weights_;
};

TEST(Counter, SeesEveryWayToAllocate) {
    std::vector<void *> kept(4);
    EXPECT_EQ(allocations_during([&] {
                  kept[0] = std::malloc(10);
                  kept[1] = std::calloc(2, 5);
                  kept[2] = std::aligned_alloc(64, 64);
                  kept[3] = ::operator new(10);
              }),
              4);
    for (size_t i = 0; i < 3; ++i) std::free(kept[i]);
    ::operator delete(kept[3]);
}

class PlanRun : public testing::TestWithParam<ql_dtype> {};

TEST_P(PlanRun, AllocatesNothingEvenTheFirstTime) {
    for (const auto & [threads, compute] : {std::pair{1, QL_COMPUTE_AUTO}, {3, QL_COMPUTE_AUTO}, {2, QL_COMPUTE_F32}}) {
        TrainingStep step(GetParam(), threads, compute);
        for (const char * which : {"first", "second"}) {
            SCOPED_TRACE(std::string(which) + " run on " + std::to_string(threads) + " threads");
            ql_status status[2];
            EXPECT_EQ(allocations_during([&] { status[0] = ql_plan_run(step.micro_batch); }), 0);
            EXPECT_EQ(allocations_during([&] { status[1] = ql_plan_run(step.optimizer); }), 0);
            EXPECT_EQ(status[0], QL_OK) << ql_error_message();
            EXPECT_EQ(status[1], QL_OK) << ql_error_message();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Bases, PlanRun, testing::Values(QL_F32, QL_BF16, QL_Q8_0, QL_Q4_0, QL_NF4, QL_NF4_DQ),
                         [](const auto & type) { return std::string(ql_dtype_name(type.param)); });

}  // namespace
}  // namespace ql::test
