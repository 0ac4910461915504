// Holding out a part of the data for evaluation: every sample is on one side, with what it was made of.
#include <algorithm>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class Split : public TrainerFixture {
  protected:
    static std::vector<int64_t> lines(const Dataset & d) {
        std::vector<int64_t> lines;
        for (const TokenSample & s : d.samples) lines.push_back(s.line);
        return lines;
    }
    /// The lines that are held out.
    std::vector<int64_t> held_out(double fraction, uint64_t seed) const {
        Dataset rest = data_;
        const auto part = split_dataset(rest, fraction, seed);
        if (!part.ok()) return ADD_FAILURE() << part.message(), std::vector<int64_t>();
        return lines(*part);
    }
};

TEST_F(Split, PutsEverySampleOnOneSideInItsOrder) {
    const std::vector<int64_t> all = lines(data_);
    Dataset rest = data_;
    const auto part = split_dataset(rest, 0.25, 42);
    ASSERT_TRUE(part.ok()) << part.message();
    EXPECT_EQ(part->samples.size(), 10u);
    std::vector<int64_t> together = lines(*part);
    EXPECT_TRUE(std::is_sorted(together.begin(), together.end()));
    const std::vector<int64_t> others = lines(rest);
    EXPECT_TRUE(std::is_sorted(others.begin(), others.end()));
    together.insert(together.end(), others.begin(), others.end());
    std::sort(together.begin(), together.end());
    EXPECT_EQ(together, all);
}

TEST_F(Split, ASampleKeepsWhatItWasMadeOf) {
    Dataset rest = data_;
    const auto part = split_dataset(rest, 0.25, 42);
    ASSERT_TRUE(part.ok()) << part.message();
    for (const Dataset * d : std::initializer_list<const Dataset *>{&rest, &*part}) {
        ASSERT_EQ(d->sources.size(), d->samples.size());
        for (size_t i = 0; i < d->samples.size(); ++i) EXPECT_EQ(d->sources[i].line, d->samples[i].line);
    }
}

TEST_F(Split, IsAFunctionOfTheSeed) {
    EXPECT_EQ(held_out(0.25, 1), held_out(0.25, 1));
    EXPECT_NE(held_out(0.25, 1), held_out(0.25, 2));
    EXPECT_NE(held_out(0.25, 1), held_out(0.25, uint64_t{1} | uint64_t{1} << 32));
    const auto held = held_out(0.25, 1);
    EXPECT_NE(held.back() - held.front(), 9) << "ten neighbours are no draw";
}

TEST_F(Split, LeavesASampleOnEachSideAndRefusesNoneOrAll) {
    EXPECT_EQ(held_out(0.001, 1).size(), 1u);
    EXPECT_EQ(held_out(0.999, 1).size(), 39u);
    for (const double fraction : {0.0, 1.0, -0.5, static_cast<double>(NAN)}) {
        Dataset rest = data_;
        EXPECT_EQ(split_dataset(rest, fraction, 1).code(), QL_INVALID_ARGUMENT) << fraction;
        EXPECT_EQ(rest.samples.size(), 40u);
    }
    data_.samples.resize(1);
    EXPECT_EQ(split_dataset(data_, 0.5, 1).code(), QL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ql::test
