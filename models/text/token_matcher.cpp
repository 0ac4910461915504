#include "models/text/token_matcher.hpp"

#include <algorithm>

namespace ql {
namespace {

uint64_t edge(uint32_t state, unsigned char byte) {
    return uint64_t{state} << 8 | byte;
}

}  // namespace

TokenMatcher::TokenMatcher(const std::vector<std::string_view> & patterns) {
    edges_.push_back(0);
    std::vector<std::vector<uint32_t>> by_depth;
    for (size_t i = 0; i < patterns.size(); i++) add(patterns[i], static_cast<uint32_t>(i), by_depth);
    for (const auto & states : by_depth) {  // a fallback is less deep: it is known before it is needed
        for (const uint32_t state : states) {
            const auto parent = static_cast<uint32_t>(edges_[state] >> 8);
            const auto byte = static_cast<unsigned char>(edges_[state]);
            State & s = states_[state];
            s.fallback = parent == 0 ? 0 : step(states_[parent].fallback, byte);
            s.longest = s.pattern != kNone ? state : states_[s.fallback].longest;
        }
    }
    std::vector<uint64_t>().swap(edges_);
}

void TokenMatcher::add(std::string_view pattern, uint32_t index, std::vector<std::vector<uint32_t>> & by_depth) {
    if (pattern.empty()) return;
    uint32_t state = 0;
    for (size_t depth = 0; depth < pattern.size(); depth++) {
        const auto byte = static_cast<unsigned char>(pattern[pattern.size() - 1 - depth]);
        uint32_t next = child(state, byte);
        if (next == 0) {
            next = static_cast<uint32_t>(states_.size());
            states_.emplace_back();
            edges_.push_back(edge(state, byte));
            if (state == 0) {
                first_[byte] = next;
            } else {
                deeper_.emplace(edge(state, byte), next);
            }
            if (by_depth.size() <= depth) by_depth.resize(depth + 1);
            by_depth[depth].push_back(next);
        }
        state = next;
    }
    if (states_[state].pattern == kNone) states_[state].pattern = index;
}

uint32_t TokenMatcher::child(uint32_t state, unsigned char byte) const {
    if (state == 0) return first_[byte];
    const auto found = deeper_.find(edge(state, byte));
    return found == deeper_.end() ? 0 : found->second;
}

uint32_t TokenMatcher::step(uint32_t state, unsigned char byte) const {
    for (;;) {
        const uint32_t next = child(state, byte);
        if (next != 0 || state == 0) return next;
        state = states_[state].fallback;
    }
}

uint32_t TokenMatcher::shorter(uint32_t state) const {
    return states_[states_[state].fallback].longest;
}

std::vector<TokenMatcher::Start> TokenMatcher::find(std::string_view text) const {
    std::vector<Start> starts;
    uint32_t state = 0;
    for (size_t i = text.size(); i-- > 0;) {
        state = step(state, static_cast<unsigned char>(text[i]));
        if (states_[state].longest != kNone) starts.push_back({i, states_[state].longest});
    }
    std::reverse(starts.begin(), starts.end());
    return starts;
}

}  // namespace ql
