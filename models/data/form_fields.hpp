// The names of the fields that the forms of samples (forms.hpp) are made of. One list: what reads a field, what says which
// are possible, and what gives other columns their names (columns.hpp) know the same ones.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ql {

using FieldNames = std::vector<const char *>;

/// Fields that mean the same; the first that is there counts.
inline const FieldNames kConversationFields = {"messages", "conversations", "conversation"};
inline const FieldNames kQuestionFields = {"instruction", "question", "query", "problem", "input"};
inline const FieldNames kAnswerFields = {"output", "response", "answer", "solution"};

/// What belongs to a question that is in another field.
inline const FieldNames kMoreOfQuestionFields = {"input", "context"};

inline constexpr char kPromptField[] = "prompt", kCompletionField[] = "completion", kTextField[] = "text",
                      kSystemField[] = "system", kOtherSystemField[] = "system_prompt", kToolsField[] = "tools",
                      kHistoryField[] = "history";

/// Every one of them, once.
FieldNames form_fields();

/// "output, response, answer"
std::string list_of_names(const FieldNames & names);
bool is_one_of(const FieldNames & names, std::string_view name);
/// Letters of ASCII in lower case: headings are "Question" as often as "question".
std::string lower_case(std::string_view name);

}  // namespace ql
