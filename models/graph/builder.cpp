#include "models/graph/builder.hpp"

#include <cmath>

#include "models/files/weight_names.hpp"

namespace ql {
namespace {

constexpr int kNoiseStream = -1;  // dropouts have those from 0 on

}  // namespace

const StreamInputs & GraphBuilder::start_stream(int64_t n_tokens, const std::string & suffix) {
    n_tokens_ = n_tokens;
    angles_.clear();
    dropped_.clear();
    tile_sums_.clear();
    active_.clear();
    const auto input = [&](const char * name, int n_dims, const int64_t * ne) {
        return ql_input(graph_, (name + suffix).c_str(), QL_I32, n_dims, ne);
    };
    inputs_.tokens = input("tokens", 1, &n_tokens);
    inputs_.slots = own_rows_.count(kEmbedding) ? input("slots", 1, &n_tokens) : nullptr;
    inputs_.own_ids = own_ids_;
    inputs_.positions = input("positions", 1, &n_tokens);
    start_spans(suffix);
    const int64_t row[] = {1, n_tokens};
    inputs_.active.clear();
    for (int i = 0; i < n_activations_; ++i)
        inputs_.active.push_back(ql_input(graph_, ("active_" + std::to_string(i) + suffix).c_str(), QL_F32, 2, row));
    const int64_t factors[] = {n_adapters_, n_tokens};
    inputs_.factors = mixed_.empty() ? nullptr : ql_input(graph_, ("factors" + suffix).c_str(), QL_F32, 2, factors);
    factors_ = inputs_.factors;
    inputs_.rows = cache_ ? input("rows", 1, &n_tokens) : nullptr;
    inputs_.pages = cache_ ? input("pages", 1, &cache_->n_entries) : nullptr;
    return inputs_;
}

void GraphBuilder::start_spans(const std::string & suffix) {
    inputs_.spans.clear();
    const int64_t pairs[] = {2, n_tokens_};
    for (const LayerShape & layer : hparams().layers) {
        if (span(layer.window)) continue;
        const std::string name = layer.window ? "span_" + std::to_string(layer.window) : "span";
        inputs_.spans.push_back({layer.window, ql_input(graph_, (name + suffix).c_str(), QL_I32, 2, pairs)});
    }
}

ql_tensor * GraphBuilder::span(int64_t window) const {
    for (const StreamSpan & known : inputs_.spans)
        if (known.window == window) return known.span;
    return nullptr;
}

void GraphBuilder::enter_layer(int64_t layer) {
    (void)ql_graph_set_place(graph_, static_cast<int>(layer));  // of several devices, one runs this layer
}

ql_tensor * GraphBuilder::weight(const std::string & name) {
    ql_tensor *& leaf = leaves_[name];
    if (leaf) return leaf;
    const Weight * w = model_.find(name);
    if (!w) return nullptr;  // open_model checked the needed ones; NULL makes the graph report a missing one
    return leaf = ql_weight(graph_, name.c_str(), w->dtype, w->n_dims, w->ne, w->data);
}

ql_tensor * GraphBuilder::embed() {
    ql_tensor * rows = ql_get_rows(graph_, weight(kEmbedding), inputs_.tokens);
    if (inputs_.slots) rows = with_own_rows(graph_, rows, own_rows_.at(kEmbedding), inputs_.slots);
    ql_tensor * x = scaled(rows, hparams().embedding_scale);
    return noise_.key ? ql_uniform_noise(graph_, x, noise_.amplitude, noise_.key, kNoiseStream) : x;
}

void GraphBuilder::replace_rows(const std::string & weight, const OwnRows & rows, const std::vector<int32_t> & ids) {
    own_rows_[weight] = rows;
    if (weight == kEmbedding) own_ids_ = ids;
}

ql_tensor * GraphBuilder::norm(const std::string & name, ql_tensor * x) {
    return ql_rms_norm(graph_, x, weight(name), hparams().rms_eps);
}

ql_tensor * GraphBuilder::linear(const std::string & name, ql_tensor * x) {
    if (watch_) watch_(name, x);
    ql_tensor * y = add_branches(name, x, product(name, x));
    const std::string bias = bias_of(name);
    return model_.find(bias) ? ql_add(graph_, y, weight(bias)) : y;
}

ql_tensor * GraphBuilder::add_branches(const std::string & name, ql_tensor * x, ql_tensor * y) {
    const auto it = branches_.find(name);
    if (it == branches_.end()) return y;
    ql_tensor * base = mixed_.count(name) ? base_product(name, x) : y;
    LinearSite site{weight(name), weight_scale(name), x, base, y};
    for (const BranchPtr & branch : it->second) site.y = branch->add_to(*this, site);
    return site.y;
}

ql_tensor * GraphBuilder::dropped(ql_tensor * x) {
    if (dropout_.p <= 0) return x;
    ql_tensor *& dropped = dropped_[x];
    if (!dropped) dropped = ql_dropout(graph_, x, dropout_.key, dropout_.p, n_dropouts_++);
    return dropped;
}

ql_tensor * GraphBuilder::active(ql_tensor * x, int activation) {
    if (activation == kAlways) return x;
    ql_tensor *& part = active_[{x, activation}];
    if (!part) part = ql_mul(graph_, x, inputs_.active[static_cast<size_t>(activation)]);
    return part;
}

ql_tensor * GraphBuilder::tile_sums(ql_tensor * x, int64_t n) {
    ql_tensor *& sums = tile_sums_[{x, n}];
    if (!sums) sums = ql_sum_tiles(graph_, x, n);
    return sums;
}

ql_tensor * GraphBuilder::keep_tokens(ql_tensor * x, ql_tensor * ids) {
    if (factors_) factors_ = ql_gather_rows(graph_, factors_, ids);
    return ql_get_rows(graph_, x, ids);
}

float GraphBuilder::weight_scale(const std::string & name) const {
    const Weight * w = model_.find(name);
    return w ? w->scale : 1;
}

ql_tensor * GraphBuilder::base_product(const std::string & name, ql_tensor * x) {
    return scaled(ql_mul_mat(graph_, weight(name), x), weight_scale(name));
}

ql_tensor * GraphBuilder::product(const std::string & name, ql_tensor * x) {
    if (const auto it = merged_.find(name); it != merged_.end()) {
        const auto & [packed, branch] = it->second;
        return ql_mul_mat_merged(graph_, packed, x, branch.a, branch.b, branch.scale);
    }
    const auto it = mixed_.find(name);
    if (it == mixed_.end()) return base_product(name, x);
    std::vector<int> adapters;
    std::vector<ql_tensor *> a, bt;
    for (const MixedBranch & branch : it->second) {
        adapters.push_back(branch.adapter);
        a.push_back(branch.a);
        bt.push_back(branch.bt);
    }
    const float scale = weight_scale(name);  // s w x + sum f B A x = s (w x + sum (f / s) B A x)
    ql_tensor * y = ql_lora_mix(graph_, weight(name), x, scaled(factors_, 1 / scale), static_cast<int>(a.size()),
                                adapters.data(), a.data(), bt.data());
    return scaled(y, scale);
}

ql_tensor * GraphBuilder::angles(const Rope & rope) {
    for (const auto & [known, table] : angles_)
        if (known == rope) return table;
    ql_tensor * table = ql_rope_table(graph_, inputs_.positions, rope_factors(rope), static_cast<int>(rope.n_rot),
                                      rope.base, rope.scale, rope.magnitude);
    angles_.emplace_back(rope, table);
    return table;
}

ql_tensor * GraphBuilder::rope_factors(const Rope & rope) {
    const bool is_long = rope.long_from > 0 && (cache_ ? cache_->n_ctx : n_tokens_) > rope.long_from;
    const std::string & name = is_long ? rope.long_factors : rope.factors;
    return has(name) ? weight(name) : nullptr;
}

ql_tensor * GraphBuilder::heads(ql_tensor * x, int64_t n_head) {
    const int64_t ne[] = {hparams().head_dim, n_head, n_tokens_};
    return ql_reshape(graph_, x, 3, ne);
}

ql_tensor * GraphBuilder::rotate(ql_tensor * x, int64_t n_head, const Rope & rope) {
    ql_tensor * table = angles(rope);
    return ql_rope(graph_, heads(x, n_head), table, rope.mode);
}

ql_tensor * GraphBuilder::by_position(const std::string & table, ql_tensor * x) {
    const int64_t ne[] = {1, 1, n_tokens_};
    return ql_mul(graph_, x, ql_reshape(graph_, ql_get_rows(graph_, weight(table), inputs_.positions), 3, ne));
}

ql_tensor * GraphBuilder::scaled(ql_tensor * x, float factor) {
    return factor == 1.0f ? x : ql_scale(graph_, x, factor, 0);
}

ql_tensor * GraphBuilder::attend(int64_t layer, ql_tensor * q, ql_tensor * k, ql_tensor * v) {
    const Hparams & h = hparams();
    const LayerShape & shape = h.layer(layer);
    const float scale =
        h.attention_scale == kScaleOfHead ? 1.0f / std::sqrt(static_cast<float>(h.head_dim)) : h.attention_scale;
    const int64_t out[] = {shape.n_head * h.head_dim, n_tokens_};
    ql_tensor * o = nullptr;
    if (cache_) {
        k = cached(cache_->k[static_cast<size_t>(layer)], shape.n_head_kv, k);
        v = cached(cache_->v[static_cast<size_t>(layer)], shape.n_head_kv, v);
        o = attention(q, k, v, span(shape.window), inputs_.pages, scale);
    } else {
        k = heads(k, shape.n_head_kv);
        v = heads(v, shape.n_head_kv);
        o = attention(q, k, v, span(shape.window), nullptr, scale);
    }
    return ql_reshape(graph_, o, 2, out);
}

ql_tensor * GraphBuilder::attention(ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span, ql_tensor * pages,
                                    float scale) {
    const float cap = hparams().attention_cap;
    if (cap != kNoCap) return ql_attention_capped(graph_, q, k, v, span, pages, scale, cap);
    return pages ? ql_attention_paged(graph_, q, k, v, span, pages, scale) : ql_attention(graph_, q, k, v, span, scale);
}

ql_tensor * GraphBuilder::hidden() {
    enter_layer(0);
    return scaled(model_.architecture().hidden(*this), hparams().logit_scale);
}

ql_tensor * GraphBuilder::logits(ql_tensor * hidden) {
    ql_tensor * logits = linear(model_.head().name, hidden);
    return hparams().logit_cap == kNoCap ? logits : ql_soft_cap(graph_, logits, hparams().logit_cap);
}

ql_tensor * GraphBuilder::loss(ql_tensor * hidden, ql_tensor * head, ql_tensor * targets, ql_tensor * weights,
                               ql_tensor ** nll) {
    const float cap = hparams().logit_cap;
    ql_tensor * stored = hidden;  // what the head as it is stored is multiplied with
    if (head == this->head()) stored = scaled(hidden, model_.head().scale);
    if (const auto rows = own_rows_.find(model_.head().name); rows != own_rows_.end() && head == this->head())
        return ql_head_loss_rows(graph_, stored, head, targets, weights, rows->second.ids,
                                 ql_mul_mat(graph_, rows->second.values, hidden), cap, nll);
    return cap == kNoCap ? ql_head_loss(graph_, stored, head, targets, weights, nll)
                         : ql_head_loss_capped(graph_, stored, head, targets, weights, cap, nll);
}

ql_tensor * GraphBuilder::cached(ql_tensor * cache, int64_t n_heads, ql_tensor * x) {
    const int64_t rows[] = {n_heads * hparams().head_dim, n_tokens_};
    const int64_t pages[] = {hparams().head_dim, n_heads, cache_->page, cache_->n_pages};
    return ql_reshape(graph_, ql_kv_store(graph_, cache, ql_reshape(graph_, x, 2, rows), inputs_.rows), 4, pages);
}

}  // namespace ql
