// Text: bytes with provenance, and the UTF-8 counting that Python's strings imply.
#include "models/text/jinja/text.hpp"

#include <algorithm>

#include "models/base/utf8.hpp"

namespace ql::jinja {

Text Text::from_message(std::string bytes, int32_t source, MessagePart part) {
    Text text(std::move(bytes));
    if (!text.empty()) text.runs_.push_back({0, text.size(), source, false, part});
    return text;
}

void Text::add_run(Run run) {
    if (run.begin == run.end || (run.source < 0 && !run.generated)) return;
    if (!runs_.empty()) {
        Run & last = runs_.back();
        if (last.end == run.begin && last.source == run.source && last.generated == run.generated &&
            last.part == run.part) {
            last.end = run.end;
            return;
        }
    }
    runs_.push_back(run);
}

void Text::append(const Text & other, size_t begin, size_t end) {
    if (&other == this) {  // the runs grow while they are read
        const Text copy = other;
        return append(copy, begin, end);
    }
    const size_t at = bytes_.size();
    bytes_.append(other.bytes_, begin, end - begin);
    for (auto run = other.first_run_behind(begin); run != other.runs_.end() && run->begin < end; ++run) {
        const size_t from = std::max(run->begin, begin), to = std::min(run->end, end);
        add_run({at + from - begin, at + to - begin, run->source, run->generated, run->part});
    }
}

/// The first run that ends after the byte.
std::vector<Run>::const_iterator Text::first_run_behind(size_t byte) const {
    return std::upper_bound(runs_.begin(), runs_.end(), byte, [](size_t b, const Run & r) { return b < r.end; });
}

size_t Text::n_runs(size_t begin, size_t end) const {
    const auto first = first_run_behind(begin);
    const auto last = std::lower_bound(first, runs_.end(), end, [](const Run & r, size_t b) { return r.begin < b; });
    return static_cast<size_t>(last - first);
}

Text Text::sub(size_t begin, size_t end) const {
    Text out;
    if (begin < end) out.append(*this, begin, end);
    out.safe_ = safe_;
    return out;
}

Run Text::run_at(size_t byte) const {
    const auto run = first_run_behind(byte);
    return run != runs_.end() && run->begin <= byte ? *run : Run{};
}

void Text::mark_generated() {
    std::vector<Run> old;
    old.swap(runs_);
    size_t at = 0;
    for (const Run & run : old) {
        add_run({at, run.begin, -1, true});
        add_run({run.begin, run.end, run.source, true, run.part});
        at = run.end;
    }
    add_run({at, size(), -1, true});
}

Text Text::with_bytes(std::string bytes) const {
    Text out(std::move(bytes));
    out.runs_ = runs_;
    out.safe_ = safe_;
    return out;
}

void Text::append_as(std::string_view bytes, const Text & origin, size_t at) {
    const size_t begin = bytes_.size();
    bytes_.append(bytes);
    const Run run = origin.run_at(at);
    add_run({begin, bytes_.size(), run.source, run.generated, run.part});
}

uint32_t utf8_decode(std::string_view text, size_t at, size_t * length) {
    const Utf8Unit unit = next_utf8(text.substr(at));
    const bool complete = unit.kind == Utf8Unit::kComplete;
    *length = complete ? unit.size : 1;
    return complete ? unit.code_point : static_cast<uint8_t>(text[at]);
}

size_t utf8_length(std::string_view text, size_t at) {
    size_t length;
    utf8_decode(text, at, &length);
    return length;
}

size_t utf8_count(std::string_view text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size(); i += utf8_length(text, i)) ++count;
    return count;
}

size_t utf8_at(std::string_view text, size_t n, size_t from) {
    size_t at = from;
    for (; n > 0 && at < text.size(); --n) at += utf8_length(text, at);
    return std::min(at, text.size());
}

bool is_space(uint32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t skip_space(std::string_view text, size_t begin) {
    size_t length;
    while (begin < text.size() && is_space(utf8_decode(text, begin, &length))) begin += length;
    return begin;
}

size_t skip_space_back(std::string_view text, size_t begin) {
    size_t end = text.size();
    while (end > begin) {
        size_t at = end - 1, length;
        while (at > begin && end - at < 4 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
        if (!is_space(utf8_decode(text, at, &length)) || at + length != end) break;
        end = at;
    }
    return end;
}

}  // namespace ql::jinja
