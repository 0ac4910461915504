// Where the records of a data file begin and end, found in one pass whatever the records contain. A broken record must
// not spoil the others: --skip-bad-lines goes on after it.
#include "models/json/records.hpp"

#include <algorithm>

#include "models/json/blanks.hpp"

namespace ql {
namespace {

bool is_blank_byte(char c) {
    return kBlanks.find(c) != kBlanks.npos;
}

/// A place in the text that knows its line.
class Splitter {
  public:
    Splitter(std::string_view text, size_t max_records) : text_(text), max_records_(max_records) { skip_blank(); }

    /// The elements of the array that begins here.
    Result<std::vector<Record>> elements() {
        ++at_;
        for (bool last = false; !last; ++at_) {
            skip_blank();
            const size_t begin = at_;
            const int64_t line = line_;
            if (!skip_element())
                return error(QL_BAD_FILE,
                             "%lld: the JSON array does not end: the element that begins here is not closed",
                             static_cast<long long>(line));
            last = text_[at_] == ']';
            if (last && begin == at_) continue;  // behind "[", or behind a comma too many
            QL_TRY(add(begin, line));
        }
        skip_blank();
        if (!at_end())
            return error(QL_BAD_FILE, "%lld: text after the end of the JSON array", static_cast<long long>(line_));
        return std::move(records_);
    }

    /// Objects in a row, each on a line of its own or over several lines. Anything else is a record up to the end of
    /// its line.
    Result<std::vector<Record>> objects() {
        for (; !at_end(); skip_blank()) {
            const size_t begin = at_;
            const int64_t line = line_;
            if (text_[at_] != '{' || (skip_object() && !at_object_or_line_end())) skip_line();
            QL_TRY(add(begin, line));
        }
        return std::move(records_);
    }

    bool at_end() const { return at_ >= text_.size(); }
    char next() const { return text_[at_]; }
    int64_t line() const { return line_; }

  private:
    Status add(size_t begin, int64_t line) {
        if (records_.size() == max_records_)
            return error(QL_UNSUPPORTED, "%lld: more than %zu samples; split the file", static_cast<long long>(line),
                         max_records_);
        records_.push_back({line, trimmed(text_.substr(begin, at_ - begin))});
        return {};
    }

    void skip_blank() {
        for (; !at_end() && is_blank_byte(text_[at_]); ++at_) line_ += text_[at_] == '\n';
    }

    void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

    bool at_object_or_line_end() const {
        const size_t next = text_.find_first_not_of(" \t\r", at_);
        return next == text_.npos || text_[next] == '\n' || text_[next] == '{';
    }

    /// To the comma or bracket that ends the element.
    bool skip_element() {
        int64_t depth = 0;
        bool in_string = false;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            line_ += c == '\n';
            if (in_string) {
                if (c == '\\' && at_ + 1 < text_.size())
                    line_ += text_[++at_] == '\n';
                else if (c == '"')
                    in_string = false;
            } else if (c == '"') {
                in_string = true;
            } else if (c == '[' || c == '{') {
                ++depth;
            } else if (depth == 0 && (c == ',' || c == ']')) {
                return true;
            } else if (c == ']' || c == '}') {
                depth = std::max<int64_t>(depth - 1, 0);
            }
        }
        return false;
    }

    /// Moves behind the object that begins here; false if the object is broken. A broken one ends where no JSON can go
    /// on: at the end of the line in a string, or before an object that begins a line and follows neither '[' nor ','
    /// nor ':'.
    bool skip_object() {
        int64_t depth = 1;
        char before = '{';
        bool in_string = false, first_of_line = false;
        for (++at_; !at_end(); ++at_) {
            const char c = text_[at_];
            if (in_string) {
                if (c == '\n') return false;
                if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
                if (c == '"') in_string = false;
                continue;
            }
            if (c == '\n') ++line_, first_of_line = true;
            if (is_blank_byte(c)) continue;
            if (c == '{' && first_of_line && before != '[' && before != ',' && before != ':') return false;
            if (c == '"') in_string = true;
            if (c == '{' || c == '[') ++depth;
            if ((c == '}' || c == ']') && --depth == 0) return ++at_, true;
            before = c;
            first_of_line = false;
        }
        return false;
    }

    std::string_view text_;
    size_t max_records_, at_ = 0;
    int64_t line_ = 1;
    std::vector<Record> records_;
};

}  // namespace

Result<std::vector<Record>> split_records(std::string_view text, size_t max_records) {
    Splitter splitter(text, max_records);
    if (splitter.at_end()) return error(QL_BAD_FILE, "1: the file is empty");
    if (splitter.next() == '[') return splitter.elements();
    if (splitter.next() == '{') return splitter.objects();
    const auto line = static_cast<long long>(splitter.line());
    if (begins_comment(trimmed(text))) return error(QL_BAD_FILE, "%lld: %s", line, kNoComments);
    if (text.find('\0') != text.npos)
        return error(QL_BAD_FILE, "%lld: no text, and no kind of file that is read: save the samples as CSV or JSONL",
                     line);
    return error(QL_BAD_FILE, "%lld: neither JSON lines nor a JSON array; plain text needs a name ending in .txt",
                 line);
}

}  // namespace ql
