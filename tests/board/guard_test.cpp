// Who is answered by the page of a run, and who is not.
#include "tools/cli/board/guard.hpp"

#include <gtest/gtest.h>

#include "tools/cli/board/server.hpp"

namespace ql::test {
namespace {

using cli::Asked;
using cli::refusal;

constexpr const char * kToken = "0123456789abcdef0123456789abcdef";

TEST(BoardGuard, OnlyThisMachinesNamesAreAnswered) {
    for (const char * host : {"127.0.0.1", "127.0.0.1:7007", "localhost", "localhost:9000"})
        EXPECT_TRUE(cli::is_this_machine(host)) << host << ": a tunnel's port may be another";
    for (const char * host :
         {"", "example.org", "example.org:7007", "127.0.0.1.example.org", "localhost.example.org:7007",
          "127.0.0.1:", "127.0.0.1:7007.example.org", "127.0.0.1:70070000", "0.0.0.0:7007", "127.0.0.1@example.org",
          "localhost:80, example.org"})
        EXPECT_FALSE(cli::is_this_machine(host)) << host;
}

TEST(BoardGuard, AnotherNameOrOriginIsForbidden) {
    EXPECT_EQ(refusal({"GET", "/", "127.0.0.1:7007"}, kToken), 0);
    EXPECT_EQ(refusal({"GET", "/events", "localhost:7007"}, kToken), 0);
    EXPECT_EQ(refusal({"GET", "/events", "rebound.example:7007"}, kToken), 403);
    EXPECT_EQ(refusal({"GET", "/events", "localhost:7007", "http://example.org"}, kToken), 403);
    EXPECT_EQ(refusal({"GET", "/events", "localhost:7007", "null"}, kToken), 403);
}

TEST(BoardGuard, StoppingNeedsThePagesToken) {
    const Asked right = {"POST", "/stop", "localhost:7007", "http://localhost:7007", "same-origin", kToken};
    EXPECT_EQ(refusal(right, kToken), 0);
    for (const char * token : {"", "0", "0123456789abcdef0123456789abcdee"}) {
        Asked asked = right;
        asked.token = token;
        EXPECT_EQ(refusal(asked, kToken), 403) << token;
    }
    Asked asked = right;
    asked.origin = "http://example.org";
    EXPECT_EQ(refusal(asked, kToken), 403);
    asked = right, asked.fetch_site = "cross-site";
    EXPECT_EQ(refusal(asked, kToken), 403);
    asked = right, asked.host = "example.org:7007", asked.origin = "http://example.org:7007";
    EXPECT_EQ(refusal(asked, kToken), 403) << "a name that was made to point here";
    asked = right, asked.method = "GET";
    EXPECT_EQ(refusal(asked, kToken), 405);
}

TEST(BoardGuard, NothingElseIsThere) {
    for (const char * method : {"POST", "PUT", "DELETE", "HEAD", "OPTIONS"})
        EXPECT_EQ(refusal({method, "/", "localhost"}, kToken), 405) << method;
    EXPECT_EQ(refusal({"GET", "/other", "localhost"}, kToken), 404);
    EXPECT_EQ(refusal({"GET", "/../etc/passwd", "localhost"}, kToken), 404);
}

TEST(BoardGuard, TokensAreLongAndOnesOwn) {
    const std::string a = cli::new_token(), b = cli::new_token();
    EXPECT_EQ(a.size(), 32u);
    EXPECT_EQ(a.find_first_not_of("0123456789abcdef"), a.npos);
    EXPECT_NE(a, b);
}

TEST(BoardPort, IsANumberOrAuto) {
    for (const char * port : {"", "auto", "0", "80", "65535"}) EXPECT_EQ(cli::BoardServer::why_not(port), "") << port;
    for (const char * port : {"-1", "65536", "true", "x", "80x", "1e3", "000080"})
        EXPECT_NE(cli::BoardServer::why_not(port), "") << port;
}

}  // namespace
}  // namespace ql::test
