// Where llama.cpp renders a plain conversation differently from Jinja: what it serves is then not what was trained.
// A few conversations are rendered, watched (jinja/watch.hpp), and rendered again with the variables that llama.cpp
// sets.
#include <algorithm>
#include <functional>

#include "models/text/chat_template_impl.hpp"
#include "models/text/jinja/walk.hpp"

namespace ql {

using jinja::Dict;
using jinja::Difference;
using jinja::Sighting;
using jinja::Text;
using jinja::Undefined;
using jinja::Value;
using jinja::Watch;

namespace {

constexpr const char * kDay = "2031-02-03";  // a date that no template would write by itself

const std::vector<std::vector<Message>> & conversations() {
    static const std::vector<std::vector<Message>> list = {
        {{"user", "Say one."}},
        {{"user", "Say one."}, {"assistant", "One."}, {"user", "And two?"}},
        {{"system", "Be brief."}, {"user", "Say one."}, {"assistant", "One."}, {"user", "And two?"}},
    };
    return list;
}

const char * reason(Difference difference) {
    switch (difference) {
        case Difference::carried_over:
            return "llama.cpp keeps what an earlier round of the loop has set, Jinja does not";
        case Difference::callers_name:
            return "in llama.cpp a macro sees the names of its caller, in Jinja it does not";
        case Difference::looped:
        case Difference::indexed:
            return "llama.cpp passes this template a content as a list of parts, not as a string";
        case Difference::sliced:
            return "llama.cpp counts bytes, Jinja letters";
        case Difference::from_end:
            return "a string has no characters from its end in llama.cpp: this is empty";
        case Difference::prints_none:
            return "llama.cpp writes nothing for none, Jinja writes 'None'";
        case Difference::prints_list:
            return "llama.cpp writes a list's items in a row and nothing for a dict, Jinja writes them as Python does";
        case Difference::default_of_none:
            return "llama.cpp takes the default for none, too";
        case Difference::select_filter:
            return "llama.cpp takes no item for one that passes a test without an argument";
        case Difference::split_method:
            return "llama.cpp cuts at each single space, Jinja at runs of white space";
        case Difference::number_test:
            return "true and false are no numbers in llama.cpp";
        case Difference::loop_depth:
            return "llama.cpp has no loop.depth: this is empty";
        case Difference::remainder:
            return "llama.cpp gives a negative remainder";
        case Difference::sum_with_safe:
            return "Jinja escapes for HTML what is added to a string that is `safe`, llama.cpp does not";
    }
    return "";
}

std::string note(int line, const std::string & what, const std::string & why) {
    return format("chat template, line %d: `%s`: %s; it serves another prompt than is trained", line, what.c_str(),
                  why.c_str());
}

/// A message's content stands in the text as a whole.
bool holds_content(const Text & text, const std::string & content) {
    return text.bytes().find(content) != std::string::npos;
}

bool holds_part(const Text & text, int32_t message) {
    return std::any_of(text.runs().begin(), text.runs().end(),
                       [&](const jinja::Run & run) { return run.source == message; });
}

/// Variables that llama.cpp sets differently from transformers and from us.
struct Variable {
    const char * name;
    std::function<void(Dict &)> change;
    const char * why;
};

std::function<void(Dict &)> set(const char * name, Value value) {
    return [name, value](Dict & variables) { variables.set(name, value); };
}

/// Collects the notes on one template.
class NoteTaker {
  public:
    explicit NoteTaker(const ChatTemplate::Impl & chat) : chat_(chat) {}

    std::vector<std::string> take() {
        for (const auto & messages : conversations()) watch(messages);
        compare_variables();
        return std::move(notes_);
    }

  private:
    Result<Text> render(const std::vector<Message> & messages, const std::function<void(Dict &)> & change = {},
                        Watch * watch = nullptr) const {
        return chat_.run(messages, true, {kDay, change, watch});
    }

    void watch(const std::vector<Message> & messages) {
        Watch watch;
        const auto text = render(messages, {}, &watch);
        if (!text.ok()) return;  // such conversations are not trained
        for (const Sighting & s : watch.seen()) {
            if (s.difference == Difference::indexed &&
                holds_content(*text, messages[static_cast<size_t>(s.message)].content))
                continue;
            if (std::find(told_.begin(), told_.end(), s.difference) != told_.end()) continue;
            told_.push_back(s.difference);
            notes_.push_back(note(s.line, s.what, reason(s.difference)));
        }
        const bool drops_system = messages[0].role == "system" && !holds_part(*text, 0);
        if (drops_system)
            notes_.push_back(
                "chat template: it leaves system messages out; llama.cpp puts them in front of the user's and serves "
                "another prompt than is trained");
    }

    bool differs(const std::function<void(Dict &)> & change) const {
        return std::any_of(conversations().begin(), conversations().end(), [&](const auto & messages) {
            const auto here = render(messages), there = render(messages, change);
            return here.ok() && (!there.ok() || here->bytes() != there->bytes());
        });
    }

    void compare_variables() {
        const bool thinks = takes_for_thinking();
        const Variable variables[] = {
            {"tools", set("tools", Value(Undefined::of("tools"))), "llama.cpp leaves it undefined, not none"},
            {"documents", set("documents", Value(Undefined::of("documents"))),
             "llama.cpp leaves it undefined, not none"},
            {"date_string", set("date_string", Value("03 Feb 2031")), "llama.cpp sets it to the day of serving"},
            {"datetime", set("datetime", Value("Feb 03 2031")), "llama.cpp sets it to the day of serving"},
            {"enable_thinking", set("enable_thinking", Value(thinks)),
             thinks ? "llama.cpp sets it to true" : "llama.cpp sets it to false"},
        };
        for (const Variable & v : variables)
            if (const int line = line_of(v.name); line > 0 && differs(v.change))
                notes_.push_back(note(line, v.name, v.why));
    }

    /// llama.cpp sets enable_thinking to true where it finds that thoughts of earlier answers have a place.
    bool takes_for_thinking() const {
        bool found = false;
        jinja::for_each_expr(chat_.block, [&](const jinja::Expr & e) {
            const bool text = e.kind == jinja::Expr::Kind::literal && e.value.is_string();
            found |= e.name == "reasoning_content" ||
                     (text && (e.value.text().bytes() == "reasoning_content" ||
                               e.value.text().bytes().find("</think>") != std::string::npos));
        });
        return found;
    }

    /// Where the name is used first; 0: nowhere.
    int line_of(const std::string & name) const {
        int line = 0;
        jinja::for_each_expr(chat_.block, [&](const jinja::Expr & e) {
            if (line == 0 && e.kind == jinja::Expr::Kind::name && e.name == name) line = e.line;
        });
        return line;
    }

    const ChatTemplate::Impl & chat_;
    std::vector<Difference> told_;
    std::vector<std::string> notes_;
};

}  // namespace

std::vector<std::string> ChatTemplate::notes() const {
    return NoteTaker(*impl_).take();
}

}  // namespace ql
