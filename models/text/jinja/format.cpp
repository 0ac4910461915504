// Python's str.format, as far as templates use it.
#include <algorithm>
#include <charconv>

#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/print.hpp"

namespace ql::jinja {
namespace {

/// Which fields a format has: {} or {0}, not both.
enum class Numbering { unknown, automatic, manual };

class Formatter {
  public:
    explicit Formatter(const Call & call) : call_(call), text_(call.self.text()) {}

    Result<Value> run() {
        const std::string_view bytes = text_.view();
        QL_TRY(call_.meter.scan(bytes.size()));
        QL_TRY(call_.meter.charge(sizeof(Text)));
        for (size_t at = 0; at < bytes.size();) {
            const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
            QL_TRY(append(out_, text_, at, brace, call_.meter));
            at = brace;
            if (at == bytes.size()) break;
            QL_TRY(call_.meter.step());
            if (at + 1 < bytes.size() && bytes[at + 1] == bytes[at]) {
                QL_TRY(append(out_, text_, at, at + 1, call_.meter));
                at += 2;
                continue;
            }
            const size_t end = bytes[at] == '{' ? bytes.find('}', at) : bytes.npos;
            if (end == bytes.npos) return error(QL_INVALID_ARGUMENT, "format: a single '%c'", bytes[at]);
            QL_TRY(field(bytes.substr(at + 1, end - at - 1)));
            at = end + 1;
        }
        return Value(std::move(out_));
    }

  private:
    Status field(std::string_view name) {
        if (name.find_first_of(".[!:{") != name.npos)
            return error(QL_UNSUPPORTED, "format: only fields {}, {0} and {name} are supported, not '{%.20s}'",
                         std::string(name).c_str());
        QL_ASSIGN(const Value * const value, find(name));
        QL_ASSIGN(const TextPtr text, to_text(*value, call_.meter));
        return append(out_, *text, call_.meter);
    }

    Result<const Value *> find(std::string_view name) {
        const bool digits = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits) {
            for (const auto & [key, value] : call_.named)
                if (key == name) return &value;
            return error(QL_INVALID_ARGUMENT, "format: there is no argument '%.40s'", std::string(name).c_str());
        }
        const Numbering now = name.empty() ? Numbering::automatic : Numbering::manual;
        if (numbering_ != Numbering::unknown && numbering_ != now)
            return error(QL_INVALID_ARGUMENT, "format: fields with and without numbers in one text");
        numbering_ = now;
        size_t i = next_++;
        if (!name.empty() && std::from_chars(name.data(), name.data() + name.size(), i).ec != std::errc())
            return error(QL_INVALID_ARGUMENT, "format: a field's number is too large");
        if (i < call_.args.size()) return &call_.args[i];
        return error(QL_INVALID_ARGUMENT, "format: there is no argument %zu", i);
    }

    const Call & call_;
    const Text & text_;
    Text out_;
    Numbering numbering_ = Numbering::unknown;
    size_t next_ = 0;
};

}  // namespace

Result<Value> format_text(const Call & call) {
    return Formatter(call).run();
}

}  // namespace ql::jinja
