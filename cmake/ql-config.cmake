# find_package(ql): the targets ql::engine and ql::models.
include("${CMAKE_CURRENT_LIST_DIR}/ql-targets.cmake")
