// The verbs. Each takes its options, does its work, and returns the exit code.

#pragma once

#include "options.h"
#include "output.h"

namespace stele::program {

[[nodiscard]] int run_verb(const ServeOptions& options, const Output& output);
[[nodiscard]] int run_verb(const AppendOptions& options, const Output& output);
[[nodiscard]] int run_verb(const ReadOptions& options, const Output& output);
[[nodiscard]] int run_verb(const StreamOptions& options, const Output& output);
[[nodiscard]] int run_verb(const ImportVerbOptions& options, const Output& output);
[[nodiscard]] int run_verb(const ExportOptions& options, const Output& output);
[[nodiscard]] int run_verb(const VerifyOptions& options, const Output& output);
[[nodiscard]] int run_verb(const RepairOptions& options, const Output& output);
[[nodiscard]] int run_verb(const DoctorOptions& options, const Output& output);
[[nodiscard]] int run_verb(const CompletionOptions& options, const Output& output);
[[nodiscard]] int run_verb(const ProjectionOptions& options, const Output& output);
[[nodiscard]] int run_verb(const ConsumerOptions& options, const Output& output);
[[nodiscard]] int run_verb(const bench::BenchAppendOptions& options, const Output& output);
[[nodiscard]] int run_verb(const bench::BenchReadOptions& options, const Output& output);

}  // namespace stele::program
