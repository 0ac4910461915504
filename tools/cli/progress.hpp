// Progress on stderr: a bar on a terminal, a line every few seconds elsewhere, nothing when asked to be quiet. Texts
// may come from files: they are escaped.
#pragma once
#include <string>

namespace ql::cli {

class Progress {
  public:
    /// `what` stands in front of the bar ("train").
    Progress(std::string what, bool quiet);
    ~Progress() { clear(); }
    Progress(const Progress &) = delete;
    Progress & operator=(const Progress &) = delete;

    /// done of total, with figures as a text ("loss 1.23  240 tok/s"), of which a narrow line leaves out the last ones; the
    /// time left follows from the pace since the first call, so that a resumed run starts from where it is.
    void update(double done, double total, const std::string & text, bool force = false);
    /// A line of its own that stays: the bar makes room.
    void line(const std::string & text);
    /// Takes the bar away.
    void clear();

  private:
    std::string what_;
    bool quiet_, terminal_;
    bool drawn_ = false;
    double start_, last_ = -1e9;
    double first_done_ = -1;
};

}  // namespace ql::cli
