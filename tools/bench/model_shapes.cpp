#include "tools/bench/model_shapes.hpp"

#include "tools/cli/stop.hpp"

namespace ql::cli {

const ModelShape & model_shape(const std::string & name) {
    for (const ModelShape & shape : kModelShapes)
        if (name == shape.name) return shape;
    bad_input("--shape: '%s' is unknown; %s are", name.c_str(), model_shape_names().c_str());
}

std::string model_shape_names() {
    std::string names;
    for (const ModelShape & shape : kModelShapes) names += (names.empty() ? "" : ", ") + std::string(shape.name);
    return names;
}

}  // namespace ql::cli
