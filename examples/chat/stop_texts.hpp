// Ends an answer at one of some texts. What may be the beginning of one is held back until it is known.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

namespace ql::cli {

class StopTexts {
  public:
    explicit StopTexts(const std::vector<std::string> & texts) : texts_(texts) {}

    /// What of the answer can be shown, now that `piece` has come.
    std::string feed(const std::string & piece) {
        held_ += piece;
        size_t found = held_.npos;
        for (const std::string & text : texts_) found = std::min(found, held_.find(text));
        stopped_ = found != held_.npos;
        const size_t shown = stopped_ ? found : held_.size() - longest_beginning();
        const std::string text = held_.substr(0, shown);
        held_.erase(0, shown);
        return text;
    }
    /// What was held back, at the end of an answer that was not stopped.
    std::string rest() { return stopped_ ? "" : std::move(held_); }
    bool stopped() const { return stopped_; }

  private:
    /// The most bytes at the end of what is held that a text begins with.
    size_t longest_beginning() const {
        for (size_t n = held_.size(); n > 0; --n)
            for (const std::string & text : texts_)
                if (text.size() > n && held_.ends_with(text.substr(0, n))) return n;
        return 0;
    }
    const std::vector<std::string> & texts_;
    std::string held_;
    bool stopped_ = false;
};

}  // namespace ql::cli
