#include "models/data/source.hpp"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "ql/os.h"

namespace ql {

namespace {

constexpr size_t kMaxData = size_t{4} << 30;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view trimmed(std::string_view s) {
    while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
    while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
    return s;
}

struct Inflater {
    z_stream stream{};
    bool open = false;
    ~Inflater() {
        if (open) inflateEnd(&stream);
    }
};

Result<std::string> unpack(const std::string & path, std::string_view packed) {
    Inflater z;
    if (inflateInit2(&z.stream, 15 + 16) != Z_OK)
        return error(QL_NO_MEMORY, "%s: no memory to unpack it", path.c_str());  // 16: gzip
    z.open = true;
    std::string out, chunk(size_t{1} << 18, '\0');
    size_t given = 0;
    while (true) {
        if (z.stream.avail_in == 0 && given < packed.size()) {
            const size_t n = std::min(packed.size() - given, size_t{1} << 30);  // zlib counts in 32 bits
            z.stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data() + given));
            z.stream.avail_in = static_cast<uInt>(n);
            given += n;
        }
        z.stream.next_out = reinterpret_cast<Bytef *>(chunk.data());
        z.stream.avail_out = static_cast<uInt>(chunk.size());
        const int result = inflate(&z.stream, Z_NO_FLUSH);
        out.append(chunk, 0, chunk.size() - z.stream.avail_out);
        if (out.size() > kMaxData)
            return error(QL_NO_MEMORY, "%s: more than 4 GiB when unpacked; split the file", path.c_str());
        const bool more = z.stream.avail_in > 0 || given < packed.size();
        if (result == Z_STREAM_END) {
            if (!more) return out;
            inflateReset(&z.stream);  // another member follows
        } else if (result == Z_BUF_ERROR || (result == Z_OK && !more && z.stream.avail_out > 0)) {
            return error(QL_BAD_FILE, "%s: the gzip data is cut off", path.c_str());
        } else if (result != Z_OK) {
            return error(QL_BAD_FILE, "%s: the gzip data is damaged", path.c_str());
        }
    }
}

/// Cuts a JSON array at its top-level commas; counts lines.
class ArraySplitter {
  public:
    explicit ArraySplitter(std::string_view text, size_t open) : text_(text), at_(open + 1) {
        line_ = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(open), '\n');
    }

    Result<std::vector<Record>> run() {
        std::vector<Record> records;
        while (true) {
            skip_blank();
            const size_t begin = at_;
            const int64_t line = line_;
            if (!skip_element())
                return error(QL_BAD_FILE,
                             "%lld: the JSON array does not end: the element that begins here is not closed",
                             static_cast<long long>(line));
            const std::string_view json = trimmed(text_.substr(begin, at_ - begin));
            const bool ends = text_[at_] == ']';
            ++at_;
            if (json.empty() && ends) break;
            records.push_back({line, json});
            if (ends) break;
        }
        skip_blank();
        if (at_ < text_.size())
            return error(QL_BAD_FILE, "%lld: text after the end of the JSON array", static_cast<long long>(line_));
        return records;
    }

  private:
    void skip_blank() {
        for (; at_ < text_.size() && is_blank(text_[at_]); ++at_) line_ += text_[at_] == '\n';
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

    std::string_view text_;
    size_t at_;
    int64_t line_ = 1;
};

}  // namespace

Result<std::string> read_data_file(const std::string & path) {
    char * data = nullptr;
    size_t size = 0;
    if (const ql_status failed = ql_os_read_file(path.c_str(), kMaxData, &data, &size); failed != QL_OK)
        return error(failed, "%s", ql_error_message());
    const std::unique_ptr<char, void (*)(void *)> owner(data, ql_os_free);
    const std::string_view bytes(data, size);
    std::string text;
    if (bytes.starts_with("\x1f\x8b")) {
        QL_ASSIGN(text, unpack(path, bytes));
    } else {
        text = bytes;
    }
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    return text;
}

bool is_plain_text(const std::string & path) {
    return path.ends_with(".txt") || path.ends_with(".txt.gz");
}

Result<std::vector<Record>> split_records(std::string_view text) {
    size_t first = 0;
    while (first < text.size() && is_blank(text[first])) ++first;
    if (first == text.size()) return error(QL_BAD_FILE, "1: the file is empty");
    if (text[first] == '[') return ArraySplitter(text, first).run();
    if (text[first] != '{')
        return error(
            QL_BAD_FILE, "%lld: neither JSON lines nor a JSON array; plain text needs a name ending in .txt",
            static_cast<long long>(1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(first), '\n')));
    std::vector<Record> records;
    int64_t line = 1;
    for (size_t at = 0; at < text.size(); ++line) {
        const size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view json = trimmed(text.substr(at, end - at));
        if (!json.empty()) records.push_back({line, json});
        at = end + 1;
    }
    return records;
}

}  // namespace ql
