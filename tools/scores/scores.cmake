# ql_scores: how near generated answers are to wanted ones, for ql-perplexity.
include_guard(GLOBAL)
ql_glob(files ql_scores ${CMAKE_CURRENT_LIST_DIR})
add_library(ql_scores OBJECT ${files})
ql_target(ql_scores)
ql_unity(ql_scores)
target_include_directories(ql_scores PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(ql_scores PUBLIC ql_flags PkgConfig::QL_PCRE2)
