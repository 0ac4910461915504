// ql/adapter.h: makes, saves, opens, describes, and refuses wrong arguments.
#include <gtest/gtest.h>

#include <limits>

#include "ql/adapter.h"
#include "ql/status.hpp"
#include "support/shared.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

class AdapterCapi : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(ql_model_open(golden_path("arch/llama").c_str(), nullptr, &model_), QL_OK) << ql_error_message();
    }
    void TearDown() override { ql_model_close(model_); }
    ql_model * model_ = nullptr;
};

TEST_F(AdapterCapi, CreatesSavesOpensDescribes) {
    TemporaryFolder folder;
    ql_lora_options options;
    ql_lora_options_init(&options);
    EXPECT_EQ(options.r, 16);
    EXPECT_EQ(options.alpha, 32.0);
    options.r = 5;
    options.targets = "mlp";
    ql_adapter *made = nullptr, *opened = nullptr;
    ASSERT_EQ(ql_adapter_create(model_, &options, &made), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_adapter_set_chat_template(made, "{{ y }}"), QL_OK);
    ASSERT_EQ(ql_adapter_save(made, folder.path("a.gguf").c_str()), QL_OK) << ql_error_message();
    ASSERT_EQ(ql_adapter_save_peft(made, folder.path("p").c_str()), QL_OK) << ql_error_message();
    for (const char * name : {"a.gguf", "p"}) {
        ASSERT_EQ(ql_adapter_open(folder.path(name).c_str(), model_, &opened), QL_OK) << ql_error_message();
        ql_adapter_info info = {sizeof info};
        ASSERT_EQ(ql_adapter_describe(opened, &info), QL_OK);
        EXPECT_EQ(info.n_matrices, 9);
        EXPECT_EQ(info.r_min, 5);
        EXPECT_EQ(info.r_max, 5);
        EXPECT_EQ(info.n_parameters, 9 * 5 * (64 + 128));
        EXPECT_STREQ(info.base_name, "llama");
        EXPECT_STREQ(ql_adapter_chat_template(opened), "{{ y }}");
        ql_adapter_free(opened);
    }
    ql_adapter_free(made);
}

TEST_F(AdapterCapi, RefusesWrongArguments) {
    ql_adapter * adapter = nullptr;
    ql_lora_options options;
    ql_lora_options_init(&options);
    for (const int64_t r :
         {int64_t{0}, int64_t{-3}, int64_t{1000000000}, std::numeric_limits<int64_t>::max(), int64_t{1} << 32}) {
        options.r = r;
        EXPECT_EQ(ql_adapter_create(model_, &options, &adapter), QL_INVALID_ARGUMENT) << r;
        EXPECT_EQ(adapter, nullptr);
    }
    options.r = 4;
    for (const double alpha :
         {1e300, -1e300, 0.0, -1.0, 1e7, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        options.alpha = alpha;
        EXPECT_EQ(ql_adapter_create(model_, &options, &adapter), QL_INVALID_ARGUMENT) << alpha;
        EXPECT_STREQ(ql_error_message(),
                     format("LoRA alpha is %g, it must be greater than 0 and at most 1e6", alpha).c_str());
    }
    options.alpha = 16;
    options.size = 0;
    EXPECT_EQ(ql_adapter_create(model_, &options, &adapter), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_create(nullptr, nullptr, &adapter), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_create(model_, nullptr, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_open(nullptr, model_, &adapter), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_save(nullptr, "x"), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_save_peft(nullptr, "x"), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_adapter_describe(nullptr, nullptr), QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_adapter_chat_template(nullptr), "");
    EXPECT_EQ(ql_adapter_set_chat_template(nullptr, ""), QL_INVALID_ARGUMENT);
    ql_adapter_free(nullptr);
    ASSERT_EQ(ql_adapter_create(model_, nullptr, &adapter), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_adapter_describe(adapter, nullptr), QL_INVALID_ARGUMENT);
    const ql_adapter * parts[] = {adapter, adapter};
    for (const double weight : {1e300, -2e6, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        const double weights[] = {1, weight};
        ql_adapter * made = nullptr;
        EXPECT_EQ(ql_adapter_compose(parts, weights, 2, nullptr, &made), QL_INVALID_ARGUMENT) << weight;
        EXPECT_STREQ(ql_error_message(),
                     format("compose: the weight of adapter 1 is %g, -1e+06 to 1e+06 are possible", weight).c_str());
        EXPECT_EQ(made, nullptr);
    }
    ql_adapter_free(adapter);
}

}  // namespace
}  // namespace ql::test
