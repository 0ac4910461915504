// How lists of numbers, one from each adapter, become one: what the methods of composition share.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ql {

/// What is merged, and how.
struct MergeInput {
    std::vector<std::vector<double>> values;  // of each adapter; equally many
    std::vector<double> weights;              // of each adapter
    double density = 1;                       // the fraction of values that is kept
    uint64_t seed = 0;
    std::string name;  // of the tensor: random numbers are derived from it
};

/// sum w_i x_i                                                                                     (Ilharco et al. 2023)
std::vector<double> task_arithmetic(MergeInput input);
/// The sum of what is left of each after all but its largest magnitudes are dropped.
std::vector<double> magnitude_prune(MergeInput input);
/// Drops all but the largest magnitudes of each, elects a sign for each element, and takes the mean of those w_i x_i that
/// have it.                                                                                          (Yadav et al. 2023)
std::vector<double> ties(MergeInput input);
/// Drops values of each at random, scales the others up by 1 / density, and adds.                      (Yu et al. 2024)
std::vector<double> dare_linear(MergeInput input);
/// The same, with the signs elected as in ties.
std::vector<double> dare_ties(MergeInput input);

}  // namespace ql
