#include "models/adapter/layers.hpp"

#include <algorithm>
#include <charconv>

namespace ql {
namespace {

/// Reads layer numbers one after the other.
class Reader {
  public:
    Reader(const std::string & text, int64_t n_layer) : text_(text), n_layer_(n_layer) {}

    bool at_end() const { return at_ == text_.size(); }
    bool take(char c) {
        if (at_end() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    Result<int64_t> layer() {
        int64_t number = 0;
        const auto [end, fault] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
        if (fault != std::errc()) return not_layers();
        at_ = static_cast<size_t>(end - text_.data());
        if (number < -n_layer_ || number >= n_layer_)
            return error(QL_INVALID_ARGUMENT,
                         "layers '%.80s': there is no layer %lld; the model has 0 to %lld, or from the end -1 to -%lld",
                         text_.c_str(), static_cast<long long>(number), static_cast<long long>(n_layer_ - 1),
                         static_cast<long long>(n_layer_));
        return number < 0 ? number + n_layer_ : number;
    }
    Status not_layers() const {
        return error(QL_INVALID_ARGUMENT, "layers '%.80s': numbers and ranges are needed, such as 0-9,20,-1",
                     text_.c_str());
    }

  private:
    const std::string & text_;
    int64_t n_layer_;
    size_t at_ = 0;
};

}  // namespace

Result<std::vector<bool>> select_layers(const std::string & text, int64_t n_layer) {
    std::vector<bool> layers(static_cast<size_t>(n_layer), text.empty());
    if (text.empty()) return layers;
    Reader reader(text, n_layer);
    do {
        QL_ASSIGN(const int64_t first, reader.layer());
        int64_t last = first;
        if (reader.take('-')) {
            QL_ASSIGN(last, reader.layer());
        }
        if (last < first)
            return error(QL_INVALID_ARGUMENT, "layers '%.80s': the range from %lld to %lld is empty", text.c_str(),
                         static_cast<long long>(first), static_cast<long long>(last));
        std::fill(layers.begin() + first, layers.begin() + last + 1, true);
    } while (reader.take(','));
    if (!reader.at_end()) return reader.not_layers();
    return layers;
}

}  // namespace ql
