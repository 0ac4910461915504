// Threads that answer requests, for cpp-httplib, whose own queue of connections has no end.
#pragma once
#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ql::cli {

class Workers : public httplib::TaskQueue {
  public:
    /// Past `most` that wait, enqueue waits.
    Workers(size_t threads, size_t most);
    ~Workers() override;
    void enqueue(std::function<void()> work) override;
    void shutdown() override;

  private:
    void work();
    const size_t most_;
    std::mutex mutex_;
    std::condition_variable came_, went_;
    std::deque<std::function<void()>> waiting_;
    bool ends_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace ql::cli
