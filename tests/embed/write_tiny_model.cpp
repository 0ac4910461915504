// Writes the tests' tiny model and chats to train it on, for tests that run programs.   write_tiny_model MODEL DATA
#include <cstdio>
#include <exception>
#include <fstream>

#include "support/tiny_model.hpp"

int main(int argc, char ** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: write_tiny_model MODEL DATA\n"), 2;
    try {
        ql::test::write_tiny_model(argv[1]);
    } catch (const std::exception & e) {
        return std::fprintf(stderr, "%s\n", e.what()), 1;
    }
    return (std::ofstream(argv[2]) << ql::test::tiny_chats(12)) ? 0 : 1;
}
