# Packages of what is installed, for `cpack -G DEB` and `cpack -G TGZ` in the build folder; tools/package.sh makes both.
set(CPACK_PACKAGE_NAME qlora-cpp)
set(CPACK_PACKAGE_VENDOR qlora.cpp)
set(CPACK_PACKAGE_CONTACT "qlora.cpp <maintainers@qlora-cpp.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "fine-tune language models in 4 bits, on the machine you have")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_FILE_NAME qlora-cpp-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # what Depends: names
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
include(CPack)
