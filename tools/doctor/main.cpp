// ql-doctor: what was found on this machine, what was chosen and why, and whether every kernel computes what it should.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "ql/selftest.h"
#include "tools/cli/device_options.hpp"
#include "tools/cli/environment.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/doctor/features.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-doctor\n"
    "  ql-doctor --quick\n"
    "  QL_ISA=avx2 ql-doctor --json";

struct OpResult {
    int64_t passed = 0, failed = 0, left = 0;  // left: to the CPU, also counted as passed
    double worst = 0, limit = 0;
    std::string trouble, why_left;
};

class Doctor {
  public:
    Doctor()
        : program_("ql-doctor", "Shows what was found and chosen on this machine, and tests every kernel.", kExamples),
          device_options_(program_, false) {
        program_.flag("--quick", quick_, "Only a few cases of each kernel");
        program_.seed(seed_)->description("Accepted for uniformity: the cases are fixed");
    }

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] { return body(); });
    }

  private:
    int body() {
        device_ = device_options_.open();
        info_ = DeviceOptions::describe(device_);
        program_.begin_work();
        if (!program_.json) print_machine(), print_variables();
        test_kernels();
        if (program_.json)
            print_json();
        else
            print_kernels();
        if (n_failed_)
            throw Stop{kFailed,
                       format("%lld of the kernels' cases failed: results on this machine are not to be trusted",
                              static_cast<long long>(n_failed_))};
        return kDone;
    }

    /// Why these kernels: forced by the variable, or the best that CPU and operating system have.
    std::string reason() const {
        const char * forced = std::getenv("QL_ISA");
        if (forced && *forced) return "QL_ISA says so";
        return "the best kernels that both CPU and operating system support";
    }
    std::string product_reason() const {
        if (DeviceOptions::multiplies_integers(info_))
            return format(
                "frozen weights and their operands rounded to integers: faster here; f32 weights, attention and "
                "up to 4 tokens in %s; --compute f32 for full precision",
                info_.bf16 ? "bf16" : "f32");
        if (info_.bf16) return "operands rounded to bf16, sums in f32: faster here; --compute f32 for full precision";
        return "nothing else is faster here, or --compute f32 was given";
    }

    void print_machine() const {
        Table table;
        table.left({1});
        const uint64_t memory = ql_os_memory();
        table.add({"version", ql_version()});
        table.add({"processor", *info_.chip ? info_.chip : "unknown"});
        table.add({"features", features_text()});
        table.add({"cores", format("%d physical to use, %u logical", ql_os_physical_cores(),
                                   std::thread::hardware_concurrency())});
        table.add({"memory", memory ? print_size(memory) : "unknown"});
        add_backends(table);
        table.add({"device", info_.backend});
        table.add({"kernels", std::string(info_.isa) + ": " + reason()});
        table.add({"products", std::string(info_.product) + ": " + product_reason()});
        table.add({"threads", format("%d", info_.threads)});
        table.print(stdout);
    }

    void print_variables() const {
        std::printf("\n");
        Table table({"variable", "value", "meaning"});
        table.left({1, 2});
        for (const Variable & v : kVariables) {
            const char * value = std::getenv(v.name);
            table.add({v.name, value ? value : "not set", v.meaning});
        }
        for (const std::string & name : unknown_variables())
            table.add({name, std::getenv(name.c_str()), "unknown, ignored"});
        table.print(stdout);
        std::printf("\n");
        std::fflush(stdout);
    }

    static std::vector<std::string> unknown_variables();

    static std::vector<ql_backend_info> backends() {
        std::vector<ql_backend_info> found(static_cast<size_t>(ql_backend_count()), sized<ql_backend_info>());
        for (size_t i = 0; i < found.size(); ++i) check_run(ql_backend_describe(static_cast<int64_t>(i), &found[i]));
        return found;
    }

    static std::vector<ql_found_device> devices_of(int64_t backend, int64_t n) {
        std::vector<ql_found_device> found(static_cast<size_t>(n), sized<ql_found_device>());
        for (int64_t i = 0; i < n; ++i) check_run(ql_backend_device(backend, i, &found[static_cast<size_t>(i)]));
        return found;
    }

    static std::string print_backend(const ql_backend_info & b) {
        const std::string place = *b.path ? b.path : "built in";
        if (*b.refused) return place + ": not used, it " + b.refused;
        return std::string(b.name) + ": " + place + (*b.trouble ? std::string("; no device: ") + b.trouble : "");
    }
    static std::string print_device(const ql_found_device & d) {
        return (*d.chip ? d.chip : "unknown") + (d.memory ? ", " + print_size(d.memory) : std::string());
    }

    /// A row for each: what it is, where it lies, why it is not used; and one for each device where there are several.
    static void add_backends(Table & table) {
        const char * head = "backends";
        const auto found = backends();
        for (size_t i = 0; i < found.size(); ++i) {
            table.add({head, print_backend(found[i])});
            head = "";
            if (found.size() < 2) return;
            int64_t number = 0;
            for (const ql_found_device & d : devices_of(static_cast<int64_t>(i), found[i].devices))
                table.add(
                    {"", format("  %s:%lld  ", found[i].name, static_cast<long long>(number++)) + print_device(d)});
        }
    }

    static Json backends_json() {
        Json list = Json::array();
        const auto found = backends();
        for (size_t i = 0; i < found.size(); ++i) {
            const ql_backend_info & b = found[i];
            Json devices = Json::array();
            for (const ql_found_device & d : devices_of(static_cast<int64_t>(i), b.devices))
                devices.push_back({{"chip", d.chip}, {"memory_bytes", d.memory}});
            list.push_back({{"name", b.name},
                            {"path", b.path},
                            {"refused", b.refused},
                            {"trouble", b.trouble},
                            {"devices", devices}});
        }
        return list;
    }

    void test_kernels() {
        Progress progress("self-test", program_.quiet);
        progress_ = &progress;
        check_run(ql_self_test(device_.get(), quick_, on_case, this, &n_failed_));
    }

    static int on_case(void * user, const ql_self_test_case * c) {
        auto & self = *static_cast<Doctor *>(user);
        OpResult & r = self.ops_[c->op];
        ++(c->passed ? r.passed : r.failed);
        r.worst = std::max(r.worst, c->error), r.limit = c->limit;
        if (c->passed && *c->message) ++r.left, r.why_left = c->message;
        if (!c->passed) {
            r.trouble =
                std::string(c->name) + ": " + (*c->message ? c->message : "result is too far from the reference");
            self.progress_->line(format("FAILED  %s, %s", c->op, r.trouble.c_str()));
        }
        self.program_.detail(format("%-16s %-28s error %.1e  %s", c->op, c->name, c->error,
                                    !c->passed    ? "FAILED"
                                    : *c->message ? "on the CPU"
                                                  : "ok"));
        self.progress_->update(static_cast<double>(c->index + 1), static_cast<double>(c->n), c->op);
        return g_interrupt != 0;
    }

    static std::string print_result(const OpResult & r) {
        if (r.failed) return format("%lld FAILED: ", static_cast<long long>(r.failed)) + r.trouble;
        return r.left ? format("ok, %lld on the CPU: ", static_cast<long long>(r.left)) + r.why_left : "ok";
    }

    void print_kernels() const {
        Table table({"kernel", "cases", "worst error", "allowed", "result"});
        table.left({4});
        for (const auto & [op, r] : ops_)
            table.add({op, print_count(r.passed + r.failed), format("%.1e", r.worst), format("%.0e", r.limit),
                       print_result(r)});
        table.print(stdout);
    }

    void print_json() const {
        Json kernels = Json::array(), variables = Json::object();
        for (const auto & [op, r] : ops_)
            kernels.push_back({{"op", op},
                               {"cases", r.passed + r.failed},
                               {"failed", r.failed},
                               {"on_cpu", r.left},
                               {"worst_error", number_or_null(r.worst)},
                               {"limit", r.limit},
                               {"message", r.failed ? r.trouble : r.why_left}});
        for (const Variable & v : kVariables)
            variables[v.name] = std::getenv(v.name) ? Json(std::getenv(v.name)) : Json(nullptr);
        program_.print({{"version", ql_version()},
                        {"processor", info_.chip},
                        {"features", features_text()},
                        {"cores", ql_os_physical_cores()},
                        {"memory_bytes", ql_os_memory()},
                        {"backends", backends_json()},
                        {"device", info_.backend},
                        {"isa", info_.isa},
                        {"isa_reason", reason()},
                        {"product", info_.product},
                        {"product_reason", product_reason()},
                        {"threads", info_.threads},
                        {"variables", variables},
                        {"kernels", kernels},
                        {"failed", n_failed_}});
    }

    Program program_;
    DeviceOptions device_options_;
    bool quick_ = false;
    uint64_t seed_ = 42;
    DevicePtr device_;
    ql_device_info info_{};
    std::map<std::string, OpResult> ops_;
    int64_t n_failed_ = 0;
    Progress * progress_ = nullptr;
};

std::vector<std::string> Doctor::unknown_variables() {
    std::vector<std::string> names;
    for (const std::string & name : environment_names("QL_"))
        if (std::none_of(std::begin(kVariables), std::end(kVariables),
                         [&](const Variable & v) { return name == v.name; }))
            names.push_back(name);
    return names;
}

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Doctor().main(argc, argv);
}
