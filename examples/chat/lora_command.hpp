// The command /lora of a chat: which adapters are applied, and how much of each.
#pragma once
#include <string>
#include <vector>

#include "tools/cli/device_options.hpp"

namespace ql::cli {

class LoraCommand {
  public:
    /// `loras` says with which scales the session began.
    LoraCommand(const SessionPtr & session, const ModelOptions::Loras & loras)
        : session_(session), loras_(loras), scales_(loras.scales) {}

    static constexpr const char * kName = "/lora";
    /// Does what a line says. Where it cannot, `text` says why and nothing has changed.
    struct Reply {
        std::string text;  // without a newline
        bool done = true, changed = false;
    };
    Reply run(const std::string & line);

  private:
    Reply apply(std::vector<float> scales);
    Reply refused(const std::string & why) const;
    std::string list() const;

    const SessionPtr & session_;
    const ModelOptions::Loras & loras_;
    std::vector<float> scales_;
};

}  // namespace ql::cli
