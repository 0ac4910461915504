#include "backends/cpu/compare.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "backends/cpu/ops/product_operands.hpp"
#include "backends/cpu/products/coded.hpp"
#include "ggml/ops/op.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kMostHeadTokens = 64, kMostSingleTokens = 16;

struct Error {
    double error = 0, size = 0, worst = 0;
};
struct ErrorKey {
    std::string weight, side, kind;
    auto operator<=>(const ErrorKey &) const = default;
};

class ComparingDevice : public CpuDevice {
  public:
    ComparingDevice(Isa isa, int threads, std::string path) : CpuDevice(isa, threads, false), path_(std::move(path)) {
        if (bf16_kernels(isa)) others_.push_back({"bf16", std::make_unique<CpuDevice>(isa, threads, true)});
        for (const Coding * coding : {&kInt16, &kInt8})
            others_.push_back({coding->name, std::make_unique<CpuDevice>(isa, threads, false, coding)});
    }
    ~ComparingDevice() override { write(); }

    Status launch(const Step & step) override {
        if (step.kernel) compare(*step.node, step.src.data());
        return CpuDevice::launch(step);
    }

  private:
    using Floats = std::vector<float>;
    struct Other {
        std::string kind;
        std::unique_ptr<CpuDevice> device;
    };

    void compare(const Node & n, const void * const * src) {
        if (n.def == &op::mul_mat) return compare(n, 0, product_at(n, src, 0, Side::forward), n.src[1]->ne(1));
        if (n.def == &op::mul_mat_t) return compare(n, 0, product_at(n, src, 0, Side::backward), n.src[1]->ne(1));
        if (n.def == &op::head_loss || n.def == &op::head_loss_back)
            return compare(n, 1, {weight_of(*n.src[1], src[1]), Side::forward, src[0]},
                           std::min(kMostHeadTokens, n.src[0]->ne(1)));
        if (n.def != &op::mul_mat_sum) return;
        const auto params = n.params.as<MulMatSumParams>();
        for (size_t i = 1, term = 0; i + 1 < n.src.size(); i += 2, ++term)
            compare(n, i, product_at(n, src, i, params.transposed >> term & 1 ? Side::backward : Side::forward),
                    n.src[2]->ne(1));
    }
    /// weight: the source that is the product's.
    void compare(const Node & n, size_t weight, const Product & p, int64_t rows) {
        if (n.src[weight]->kind != TensorKind::weight || !has_coded_product(p.w.dtype) || p.a_bf16 || rows < 1) return;
        const std::string name = n.src[weight]->root()->name;
        const std::string side = p.side == Side::forward ? "forward" : "backward";
        const Floats want = product(*this, p, rows);
        for (const Other & other : others_) {
            if (rows > kGemvRows) add({name, side, other.kind}, want, product(*other.device, p, rows), p.columns());
            if (p.side != Side::forward || other.device->coding != &kInt8) continue;
            for (int64_t t = 0; t < std::min(rows, kMostSingleTokens); ++t) {
                Product one = p;
                one.a = p.a_f32() + t * p.depth();
                const auto * first = want.data() + t * p.columns();
                add({name, side, other.kind + "_1"}, Floats(first, first + p.columns()), product(*other.device, one, 1),
                    p.columns());
            }
        }
    }
    static Floats product(CpuDevice & cpu, const Product & p, int64_t rows) {
        Floats c(static_cast<size_t>(p.columns() * rows));
        const ProductSum sum{{&p, 1}, rows, c.data()};
        struct alignas(64) Line {
            std::byte bytes[64];
        };
        std::vector<Line> scratch(product_scratch(sum, cpu) / sizeof(Line) + 1);
        multiply(cpu, sum, scratch[0].bytes);
        return c;
    }
    void add(const ErrorKey & key, const Floats & want, const Floats & got, int64_t columns) {
        Error & to = errors_[key];
        for (size_t i = 0; i < want.size();) {
            double error = 0, size = 0;
            for (const size_t end = i + static_cast<size_t>(columns); i < end; ++i) {
                const double x = want[i], d = static_cast<double>(got[i]) - x;
                error += d * d, size += x * x;
            }
            to.error += error, to.size += size;
            if (size > 0) to.worst = std::max(to.worst, error / size);
        }
    }
    void write() const {
        std::FILE * out = std::fopen(path_.c_str(), "w");
        if (!out) return;
        std::fputs("{\"products\": [", out);
        const char * between = "";
        for (const auto & [key, e] : errors_) {
            std::fprintf(
                out,
                "%s\n{\"weight\": \"%s\", \"side\": \"%s\", \"kind\": \"%s\", \"error\": %.9g, \"size\": %.9g, "
                "\"worst\": %.9g}",
                between, key.weight.c_str(), key.side.c_str(), key.kind.c_str(), e.error, e.size, e.worst);
            between = ",";
        }
        std::fputs("]}\n", out);
        std::fclose(out);
    }

    const std::string path_;
    std::vector<Other> others_;
    std::map<ErrorKey, Error> errors_;
};

}  // namespace

std::unique_ptr<CpuDevice> comparing_device(Isa isa, int threads, std::string path) {
    return std::make_unique<ComparingDevice>(isa, threads, std::move(path));
}

}  // namespace ql::cpu
