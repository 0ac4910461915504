#include "models/data/form_fields.hpp"

#include <algorithm>

namespace ql {

FieldNames form_fields() {
    FieldNames all;
    for (const FieldNames & names : {kConversationFields, kQuestionFields, kMoreOfQuestionFields, kAnswerFields,
                                     FieldNames{kPromptField, kCompletionField, kTextField, kSystemField,
                                                kOtherSystemField, kToolsField, kHistoryField}})
        for (const std::string_view name : names)
            if (!is_one_of(all, name)) all.push_back(name.data());
    return all;
}

bool is_one_of(const FieldNames & names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string lower_case(std::string_view name) {
    std::string lower(name);
    for (char & c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

std::string list_of_names(const FieldNames & names) {
    std::string list;
    for (const char * name : names) list += std::string(list.empty() ? "" : ", ") + name;
    return list;
}

}  // namespace ql
