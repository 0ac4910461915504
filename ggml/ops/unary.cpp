// y = f(x), f one of a list. The gradient is dy f'(x): the operator computes derivatives too, so that the gradient
// needs no operator besides it and mul.
#include "ggml/ops/unary.hpp"

#include <algorithm>
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"

namespace ql {
namespace {

double sigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}
/// The slope of the sigmoid: e / (1 + e)^2, even in x; no difference of close numbers.
double sigmoid_slope(double x) {
    const double e = std::exp(-std::fabs(x));
    return e / ((1 + e) * (1 + e));
}
double tanh_slope(double x) {
    return 4 * sigmoid_slope(2 * x);
}

// The share of the standard normal distribution below x: gelu is x times this share.
double normal_share(double x) {
    return 0.5 * std::erfc(-x * std::sqrt(0.5));
}
double normal_density(double x) {
    return std::exp(-0.5 * x * x) / std::sqrt(2 * 3.14159265358979323846);
}

// gelu_tanh is x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): that is x (1 + tanh(u)) / 2.
constexpr double kTwiceRoot = 1.5957691216057307, kCubic = 0.044715;  // 2 sqrt(2 / pi)
double gelu_tanh_argument(double x) {
    return kTwiceRoot * (x + kCubic * x * x * x);
}
double gelu_tanh_slope(double x) {
    const double u = gelu_tanh_argument(x);
    return sigmoid(u) + x * sigmoid_slope(u) * kTwiceRoot * (1 + 3 * kCubic * x * x);
}

using P = const UnaryParams &;
struct UnaryRow {
    const char * name;
    double (*value)(double x, P);
    double (*derivative)(double x, P);
};

double low(P p) {
    return static_cast<double>(p.low);
}
double high(P p) {
    return static_cast<double>(p.high);
}

const UnaryRow kUnaryRows[kUnaryKinds] = {
    {"silu", [](double x, P) { return x * sigmoid(x); }, [](double x, P) { return sigmoid(x) + x * sigmoid_slope(x); }},
    {"gelu", [](double x, P) { return x * normal_share(x); },
     [](double x, P) { return normal_share(x) + x * normal_density(x); }},
    {"gelu_tanh", [](double x, P) { return x * sigmoid(gelu_tanh_argument(x)); },
     [](double x, P) { return gelu_tanh_slope(x); }},
    {"sigmoid", [](double x, P) { return sigmoid(x); }, [](double x, P) { return sigmoid_slope(x); }},
    {"tanh", [](double x, P) { return std::tanh(x); }, [](double x, P) { return tanh_slope(x); }},
    {"relu", [](double x, P) { return x > 0 ? x : 0; }, [](double x, P) { return x > 0 ? 1.0 : 0.0; }},
    {"relu_squared", [](double x, P) { return x > 0 ? x * x : 0; }, [](double x, P) { return x > 0 ? 2 * x : 0; }},
    {"softplus", [](double x, P) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); },
     [](double x, P) { return sigmoid(x); }},
    {"exp", [](double x, P) { return std::exp(x); }, [](double x, P) { return std::exp(x); }},
    {"log", [](double x, P) { return std::log(x); }, [](double x, P) { return 1 / x; }},
    {"rsqrt", [](double x, P) { return 1 / std::sqrt(x); }, [](double x, P) { return -0.5 / (x * std::sqrt(x)); }},
    {"reciprocal", [](double x, P) { return 1 / x; }, [](double x, P) { return -1 / (x * x); }},
    {"clamp", [](double x, P p) { return std::min(std::max(x, low(p)), high(p)); },
     [](double x, P p) { return x >= low(p) && x <= high(p) ? 1.0 : 0.0; }},
    {"soft_cap", [](double x, P p) { return low(p) * std::tanh(x / low(p)); },
     [](double x, P p) { return tanh_slope(x / low(p)); }},
};

Status infer_unary(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    const auto p = n.params.as<UnaryParams>();
    if (p.kind < 0 || p.kind >= kUnaryKinds) return error(QL_INVALID_ARGUMENT, "unary: unknown kind %d", p.kind);
    if (p.kind == kUnaryClamp && !(p.low <= p.high))
        return error(QL_INVALID_ARGUMENT, "clamp: from %g to %g; the first must not be above the second",
                     static_cast<double>(p.low), static_cast<double>(p.high));
    if (p.kind == kUnarySoftCap && !(p.low > 0 && std::isfinite(p.low)))
        return error(QL_INVALID_ARGUMENT, "soft_cap: the cap is %g, it must be above 0", static_cast<double>(p.low));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    return {};
}

Status backward_unary(GradBuilder & b, const GraphNode & n) {
    auto p = n.params.as<UnaryParams>();
    if (p.derivative) return error(QL_UNSUPPORTED, "unary: second derivatives are out of scope");
    p.derivative = 1;
    if (!b.wants(n.source(0))) return {};
    Tensor * slope = b.graph().emit(op::unary, {b.value(n.source(0))}, p);
    b.add(n.source(0), b.graph().emit(op::mul, {slope, b.gradient(n.result(0))}));
    return {};
}

template <typename Real>
void reference_unary(const RefArgs<Real> & a) {
    const auto p = a.template params<UnaryParams>();
    for (int64_t i = 0; i < a.in(0).shape.elements(); ++i)
        a.y(0)[i] = static_cast<Real>(unary_value(p, static_cast<double>(a.x(0)[i])));
}

std::vector<Case> cases_unary() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> list;
        for (const UnaryRow & row : kUnaryRows)
            for (const char * shape : {" 33x3", " 96x5", "' 65x3"}) list.push_back(row.name + std::string(shape));
        return list;
    }();
    std::vector<Case> list;
    for (int32_t kind = 0; kind < kUnaryKinds; ++kind) {
        const Fill fill = kind == QL_UNARY_LOG || kind == QL_UNARY_RSQRT || kind == QL_UNARY_RECIPROCAL ? Fill::positive
                                                                                                        : Fill::normal;
        const float low = kind == kUnaryClamp ? -0.75f : 1.5f;
        const char * name = names[static_cast<size_t>(3 * kind)].c_str();
        list.push_back({name, {param_in({33, 3}, fill)}, UnaryParams{kind, 0, low, 1.25f}});
        name = names[static_cast<size_t>(3 * kind + 1)].c_str();
        list.push_back({name, {param_in({96, 5}, fill)}, UnaryParams{kind, 0, low, 1.25f}});
        name = names[static_cast<size_t>(3 * kind + 2)].c_str();
        list.push_back({name, {data_in({65, 3}, fill)}, UnaryParams{kind, 1, low, 1.25f}});
    }
    return list;
}

Result<Case> bench_unary(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, UnaryParams{QL_UNARY_GELU, 0, 0, 0}};
}

}  // namespace

double unary_value(const UnaryParams & p, double x) {
    if (std::isnan(x)) return x;
    const UnaryRow & row = kUnaryRows[p.kind];
    return (p.derivative ? row.derivative : row.value)(x, p);
}

const OpDef op::unary = {
    .number = Op::unary,
    .name = "unary",
    .formula =
        "y = f(x), f one of silu, gelu, gelu_tanh, sigmoid, tanh, relu, relu_squared, softplus, exp, log, rsqrt, "
        "reciprocal, clamp, soft_cap",
    .params = params_type<UnaryParams>(),
    .build_empty = Empty<ql_unary>::call,
    .infer = infer_unary,
    .backward = backward_unary,
    .differentiable = 0b1,
    .cheap = true,
    .reference = reference_unary<float>,
    .reference64 = reference_unary<double>,
    .cases = cases_unary,
    .bench = bench_unary,
    .flops = flops_each<5>,
};

}  // namespace ql

using namespace ql;

extern "C" {

ql_tensor * ql_unary(ql_graph * g, ql_tensor * x, ql_unary_kind kind) {
    const int32_t number = enum_number(kind);  // callers may not name the kinds from QL_UNARY_N on
    return build(g, [&] { return g->emit(op::unary, {x}, UnaryParams{number < QL_UNARY_N ? number : -1, 0, 0, 0}); });
}

ql_tensor * ql_clamp(ql_graph * g, ql_tensor * x, float low, float high) {
    return build(g, [&] { return g->emit(op::unary, {x}, UnaryParams{kUnaryClamp, 0, low, high}); });
}

ql_tensor * ql_soft_cap(ql_graph * g, ql_tensor * x, float cap) {
    return build(g, [&] { return g->emit(op::unary, {x}, UnaryParams{kUnarySoftCap, 0, cap, 0}); });
}

}  // extern "C"
