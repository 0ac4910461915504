// A string that remembers where its bytes come from. Chat templates trim, slice and join the messages' contents; the
// loss mask needs to know afterwards which bytes of the rendered text are an assistant's own words. So every string of
// the template evaluator carries runs of bytes with the index of the message they were written in, and every string
// operation is built from append() and sub(), which keep the runs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ql::jinja {

/// Which part of a message bytes come from.
enum class MessagePart : uint8_t {
    content,
    reasoning,
    call,  // a string in one of its calls of tools
};

/// Bytes [begin, end) come from message `source` (-1: from the template itself); `generated`: written inside a
/// {% generation %} block. Bytes without a run are the template's own.
struct Run {
    size_t begin = 0, end = 0;
    int32_t source = -1;
    bool generated = false;
    MessagePart part = MessagePart::content;
    bool operator==(const Run &) const = default;
};

class Text {
  public:
    Text() = default;
    explicit Text(std::string bytes) : bytes_(std::move(bytes)) {}
    explicit Text(const char * bytes) : bytes_(bytes) {}
    /// All bytes come from message `source`.
    static Text from_message(std::string bytes, int32_t source, MessagePart part = MessagePart::content);

    const std::string & bytes() const { return bytes_; }
    std::string_view view() const { return bytes_; }
    size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    const std::vector<Run> & runs() const { return runs_; }  // sorted, disjoint, not empty
    /// How many of them touch [begin, end).
    size_t n_runs(size_t begin, size_t end) const;

    void append(const Text & other) { append(other, 0, other.size()); }
    void append(const Text & other, size_t begin, size_t end);
    void append(std::string_view literal) { bytes_.append(literal); }
    Text sub(size_t begin, size_t end) const;
    /// The run that holds the byte, or an empty one.
    Run run_at(size_t byte) const;
    /// Marks every byte as written inside a {% generation %} block.
    void mark_generated();
    /// Whether `| safe` has made it what markupsafe calls Markup: what is added to it is escaped for HTML. Parts of it are safe, too.
    bool is_safe() const { return safe_; }
    void mark_safe() { safe_ = true; }
    /// The same runs over other bytes of the same length (upper, lower).
    Text with_bytes(std::string bytes) const;
    /// Appends bytes that stand for the byte `at` of `origin` (an escape sequence in JSON, say).
    void append_as(std::string_view bytes, const Text & origin, size_t at);

  private:
    std::vector<Run>::const_iterator first_run_behind(size_t byte) const;
    void add_run(Run run);
    std::string bytes_;
    std::vector<Run> runs_;
    bool safe_ = false;
};

/// Length in bytes of the UTF-8 sequence at `at`; 1 for a byte that starts none.
size_t utf8_length(std::string_view text, size_t at);
/// The code point at `at`, and its length; an ill-formed byte stands for itself.
uint32_t utf8_decode(std::string_view text, size_t at, size_t * length);
/// Number of code points.
size_t utf8_count(std::string_view text);
/// The byte where code point `n` begins, counted from byte `from`; the size of the text if there are fewer.
size_t utf8_at(std::string_view text, size_t n, size_t from = 0);
/// What Python's str.isspace() accepts.
bool is_space(uint32_t code_point);
/// First byte that is not in the leading whitespace; last byte + 1 before the trailing whitespace.
size_t skip_space(std::string_view text, size_t begin = 0);
size_t skip_space_back(std::string_view text, size_t begin = 0);

}  // namespace ql::jinja
