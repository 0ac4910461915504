// The directions are eigenvectors of S = sum_t (x_t - mean)(x_t - mean)^T. Subspace iteration finds them: each round runs
// the model's own graph over the micro-batches, which adds up S Q for an orthonormal Q of a few columns more than the
// rank, and S Q makes the next Q. So a linear's input takes [k, columns] numbers, not [k, k], whatever the data's size.
// The last round's S Q gives the eigenvectors in the span of Q (Rayleigh-Ritz); a small input gets all columns, and one
// round is exact.
#include "models/adapter/starts/eva.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "models/adapter/frozen.hpp"
#include "models/adapter/low_rank/symmetric_eigen.hpp"
#include "models/base/named_random.hpp"
#include "models/adapter/low_rank/vectors.hpp"
#include "models/adapter/starts/start.hpp"
#include "models/data/batch.hpp"
#include "models/graph/builder.hpp"
#include "models/graph/spans.hpp"

namespace ql {
namespace {

constexpr uint32_t kEvaStream = 0x45564131;
constexpr int64_t kMore = 8;  // columns more than the rank

using Rows = std::vector<double>;  // a matrix, the columns of Q as rows of k numbers

/// The input of one or more linears.
struct Input {
    int64_t k = 0, columns = 0;
    std::vector<size_t> matrices;  // of the adapter
    ql_tensor *basis = nullptr, *sum = nullptr, *mean = nullptr;
    Rows q, sq;  // [k, columns] each: Q, and S Q of the last round
};

/// Orthonormal rows: Gram-Schmidt, twice for each; what lies in the span of earlier rows becomes zero.
void orthonormalise(Rows & rows, size_t k) {
    const size_t n = rows.size() / k;
    for (size_t i = 0; i < n; ++i) {
        double * row = rows.data() + i * k;
        const double before = std::sqrt(dot(row, row, k));
        for (int pass = 0; pass < 2; ++pass)
            for (size_t j = 0; j < i; ++j) add_scaled(row, -dot(rows.data() + j * k, row, k), rows.data() + j * k, k);
        const double length = std::sqrt(dot(row, row, k));
        const double factor = length > 1e-10 * before ? 1 / length : 0;
        for (size_t c = 0; c < k; ++c) row[c] *= factor;
    }
}

class Eva {
  public:
    Eva(Adapter & adapter, const Model & model, const EvaOptions & options)
        : adapter_(adapter), model_(model), o_(options) {}

    Status run(ql_device * device, const Dataset & data) {
        QL_TRY(data.check_fits(o_.ctx));
        take_sequences(data);
        QL_TRY(check_tokens(data));
        QL_TRY(build());
        QL_ASSIGN(plan_, make_plan(graph_, device, outputs_));
        for (Input & input : inputs_) first_basis(input);
        const bool all_exact =
            std::all_of(inputs_.begin(), inputs_.end(), [](const Input & i) { return i.columns == i.k; });
        for (int64_t round = 0; round < (all_exact ? 1 : o_.rounds); ++round) {
            if (round > 0)
                for (Input & input : inputs_) next_basis(input);
            QL_TRY(pass());
        }
        for (const Input & input : inputs_) QL_TRY(set_values(input));
        return {};
    }

  private:
    /// Those that training begins with.
    void take_sequences(const Dataset & data) {
        const auto order = sample_order(static_cast<int64_t>(data.samples.size()), o_.shuffle, o_.seed, 0);
        sequences_ = pack(data.samples, order, o_.ctx, o_.packing);
        const auto most = static_cast<size_t>(o_.n_batches * o_.batch);
        if (sequences_.size() > most) sequences_.resize(most);
    }

    Status check_tokens(const Dataset & data) {
        for (const PackedSequence & s : sequences_) n_seen_ += static_cast<int64_t>(s.tokens.size());
        int64_t r = 0;
        for (const LoraMatrix & m : adapter_.matrices) r = std::max(r, m.r);
        if (n_seen_ > r) return {};
        return error(
            QL_INVALID_ARGUMENT,
            "%s: an eva start of rank %lld needs more than so many tokens, and its first %lld batches have %lld",
            data.path.c_str(), static_cast<long long>(r), static_cast<long long>(o_.n_batches),
            static_cast<long long>(n_seen_));
    }

    Status build() {
        QL_TRY(ql_graph_create(out(graph_)));
        ql_graph * g = graph_.get();
        for (size_t i = 0; i < adapter_.matrices.size(); ++i) by_weight_[adapter_.matrices[i].weight] = i;
        const int64_t n = o_.ctx * o_.batch, mask[] = {1, n};
        GraphBuilder b(model_, g);
        stream_ = b.start_stream(n);
        mask_ = ql_input(g, "mask", QL_F32, 2, mask);
        b.watch_linears([&](const std::string & weight, ql_tensor * x) { watch(weight, x); });
        (void)b.hidden();
        for (Input & input : inputs_) measure(input);
        return ql_graph_status(g);
    }

    void watch(const std::string & weight, ql_tensor * x) {
        const auto it = by_weight_.find(weight);
        if (it == by_weight_.end()) return;
        const auto known = std::find_if(tensors_.begin(), tensors_.end(), [&](ql_tensor * t) { return t == x; });
        const auto i = static_cast<size_t>(known - tensors_.begin());
        if (known == tensors_.end()) {
            tensors_.push_back(x);
            inputs_.emplace_back().k = ql_tensor_ne(x, 0);
        }
        Input & input = inputs_[i];
        input.matrices.push_back(it->second);
        const int64_t wanted = adapter_.matrices[it->second].r + kMore;
        input.columns = input.k <= o_.exact_up_to ? input.k : std::max(input.columns, std::min(wanted, input.k));
    }

    /// sum += x (Q^T x)^T over the tokens that count, mean += x.
    void measure(Input & input) {
        ql_graph * g = graph_.get();
        ql_tensor * x = tensors_[static_cast<size_t>(&input - inputs_.data())];
        const std::string name = "eva." + adapter_.matrices[input.matrices[0]].weight;
        const int64_t ne[] = {input.k, input.columns}, one[] = {input.k, 1};
        input.basis = ql_state(g, (name + ".basis").c_str(), QL_F32, 2, ne);
        input.sum = ql_state(g, (name + ".sum").c_str(), QL_F32, 2, ne);
        input.mean = ql_state(g, (name + ".mean").c_str(), QL_F32, 2, one);
        ql_tensor * along = ql_mul(g, ql_mul_mat(g, input.basis, x), mask_);
        outputs_.push_back(ql_accumulate(g, input.sum, ql_outer(g, x, along)));
        outputs_.push_back(ql_accumulate(g, input.mean, ql_outer(g, x, mask_)));
    }

    void first_basis(Input & input) const {
        const auto k = static_cast<size_t>(input.k), n = static_cast<size_t>(input.columns);
        input.q.assign(k * n, 0.0);
        if (n == k) {
            for (size_t i = 0; i < n; ++i) input.q[i * k + i] = 1;
            return;
        }
        NamedRandom random(o_.seed, kEvaStream, adapter_.matrices[input.matrices[0]].weight);
        for (size_t i = 0; i < k * n; ++i) input.q[i] = random(i) - 0.5;
        orthonormalise(input.q, k);
    }

    static void next_basis(Input & input) {
        if (input.columns == input.k) return;  // all of them already
        input.q = input.sq;
        orthonormalise(input.q, static_cast<size_t>(input.k));
    }

    /// Fills S Q of every input.
    Status pass() {
        std::vector<float> values;
        for (const Input & input : inputs_) {
            values.assign(input.q.begin(), input.q.end());
            QL_TRY(write_tensor(input.basis, values));
            std::fill(values.begin(), values.end(), 0.0f);
            QL_TRY(write_tensor(input.sum, values));
            values.resize(static_cast<size_t>(input.k));
            QL_TRY(write_tensor(input.mean, values));
        }
        const auto batch = static_cast<size_t>(o_.batch);
        for (size_t i = 0; i < sequences_.size(); i += batch)
            QL_TRY(run_batch(std::span(sequences_).subspan(i, std::min(batch, sequences_.size() - i))));
        for (Input & input : inputs_) QL_TRY(read_sums(input));
        return {};
    }

    Status run_batch(std::span<const PackedSequence> sequences) {
        const MicroBatch batch = MicroBatch::from_sequences(sequences, o_.batch, o_.ctx, 1.0f);
        std::vector<float> mask(batch.tokens.size());
        for (size_t t = 0; t < mask.size(); ++t) mask[t] = batch.span[2 * t + 1] > 0 ? 1.0f : 0.0f;
        QL_TRY(write_tensor(stream_.tokens, batch.tokens));
        QL_TRY(write_tensor(stream_.positions, batch.positions));
        QL_TRY(write_spans(stream_, batch.span));
        QL_TRY(write_tensor(mask_, mask));
        return ql_plan_run(plan_.get());
    }

    /// S Q = sum_t x_t (Q^T x_t)^T - n mean (Q^T mean)^T
    Status read_sums(Input & input) const {
        const auto k = static_cast<size_t>(input.k), n = static_cast<size_t>(input.columns);
        std::vector<float> sum(k * n), mean(k);
        QL_TRY(read_tensor(input.sum, sum));
        QL_TRY(read_tensor(input.mean, mean));
        input.sq.assign(sum.begin(), sum.end());
        const Rows total(mean.begin(), mean.end());
        for (size_t j = 0; j < n; ++j)
            add_scaled(input.sq.data() + j * k,
                       -dot(total.data(), input.q.data() + j * k, k) / static_cast<double>(n_seen_), total.data(), k);
        if (std::all_of(input.sq.begin(), input.sq.end(), [](double v) { return std::isfinite(v); })) return {};
        return error(QL_NON_FINITE, "an eva start: the input of '%s' is not finite",
                     adapter_.matrices[input.matrices[0]].weight.c_str());
    }

    Status set_values(const Input & input) {
        const auto k = static_cast<size_t>(input.k), n = static_cast<size_t>(input.columns);
        std::vector<double> t(n * n);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = i; j < n; ++j) {
                const double there = dot(input.q.data() + i * k, input.sq.data() + j * k, k);
                const double back = dot(input.q.data() + j * k, input.sq.data() + i * k, k);
                t[i * n + j] = t[j * n + i] = 0.5 * (there + back);
            }
        const SymmetricEigen eigen = symmetric_eigen(std::move(t), input.columns);
        for (const size_t matrix : input.matrices) {
            LoraMatrix & m = adapter_.matrices[matrix];
            Rows row(k);
            for (size_t j = 0; j < static_cast<size_t>(m.r); ++j) {
                std::fill(row.begin(), row.end(), 0.0);
                for (size_t i = 0; i < n; ++i)
                    add_scaled(row.data(), eigen.vectors[j * n + i], input.q.data() + i * k, k);
                std::copy(row.begin(), row.end(), m.a.begin() + static_cast<std::ptrdiff_t>(j * k));
            }
        }
        return {};
    }

    Adapter & adapter_;
    const Model & model_;
    const EvaOptions & o_;
    GraphPtr graph_;  // outlives the plan
    StreamInputs stream_;
    ql_tensor * mask_ = nullptr;  // [1, T]: 1 for tokens, 0 for padding
    std::map<std::string, size_t> by_weight_;
    std::vector<ql_tensor *> tensors_;  // of inputs_
    std::vector<Input> inputs_;
    std::vector<ql_tensor *> outputs_;
    std::vector<PackedSequence> sequences_;
    int64_t n_seen_ = 0;
    PlanPtr plan_;
};

}  // namespace

Status start_eva(Adapter & adapter, const Model & model, ql_device * device, const Dataset & data,
                 const EvaOptions & options) {
    if (has_frozen(adapter))
        return error(QL_INVALID_ARGUMENT, "an eva start is for a new adapter; this one began as %s",
                     adapter.start.c_str());
    QL_TRY(check_is_lora(adapter, "eva"));
    for (LoraMatrix & m : adapter.matrices) std::fill(m.b.begin(), m.b.end(), 0.0f);
    QL_TRY(Eva(adapter, model, options).run(device, data));
    adapter.start = adapter.origin.init = "eva";
    return {};
}

Status start_eva_without_data(Adapter &, const Model &, const StartOptions &) {
    return error(QL_INVALID_ARGUMENT,
                 "an eva start is found in the data: make the adapter with another, then call ql_adapter_start_eva");
}

}  // namespace ql
