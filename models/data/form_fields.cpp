#include "models/data/form_fields.hpp"

#include <algorithm>
#include <string_view>

namespace ql {

FieldNames form_fields() {
    FieldNames all;
    for (const FieldNames & names : {kConversationFields, kQuestionFields, kMoreOfQuestionFields, kAnswerFields,
                                     FieldNames{kPromptField, kCompletionField, kTextField, kSystemField,
                                                kOtherSystemField, kToolsField, kHistoryField}})
        for (const std::string_view name : names)
            if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name.data());
    return all;
}

std::string list_of_names(const FieldNames & names) {
    std::string list;
    for (const char * name : names) list += std::string(list.empty() ? "" : ", ") + name;
    return list;
}

}  // namespace ql
