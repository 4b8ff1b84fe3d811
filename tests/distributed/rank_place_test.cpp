// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/rank_place.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::error_of;

namespace {

using Variables = EnvironmentVariables::Variables;

RankPlace place_of(const Variables& variables) {
  return rank_place(EnvironmentVariables(variables));
}

std::string error(const Variables& variables) {
  return error_of([&] { place_of(variables); });
}

/// "rank of size, local of machine, launcher at host:port".
std::string text(const RankPlace& place) {
  return fmt::format("{} of {}, {} of {}, {} at {}:{}", place.rank, place.size, place.local_rank,
                     place.local_size, place.launcher, place.host, place.port);
}

const Variables kTorchrun{{"RANK", "5"},
                          {"WORLD_SIZE", "8"},
                          {"LOCAL_RANK", "1"},
                          {"LOCAL_WORLD_SIZE", "4"},
                          {"MASTER_ADDR", "node0"},
                          {"MASTER_PORT", "29500"},
                          {"TORCHELASTIC_RUN_ID", "none"},
                          {"TORCHELASTIC_RESTART_COUNT", "2"},
                          {"TORCHELASTIC_USE_AGENT_STORE", "True"}};

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

}  // namespace

TEST_CASE("a program that no launcher started is one rank", "[rank_place]") {
  CHECK(text(place_of({})) == "0 of 1, 0 of 1,  at :0");
  CHECK(place_of({}).on_one_machine());
  // What sbatch sets for its script, which runs once.
  CHECK(place_of({{"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "0"}, {"SLURM_JOB_ID", "7"}}).size == 1);
}

TEST_CASE("torchrun says all, and serves the meeting", "[rank_place]") {
  const RankPlace place = place_of(kTorchrun);
  CHECK(text(place) == "5 of 8, 1 of 4, torchrun at node0:29500");
  CHECK(place.served);
  CHECK(place.run == "none/2");
  CHECK_FALSE(place.on_one_machine());
  // One torchrun on each machine, started by srun or mpirun.
  CHECK(text(place_of(with(kTorchrun, {{"SLURM_PROCID", "1"},
                                       {"SLURM_NTASKS", "2"},
                                       {"SLURM_STEP_NODELIST", "gpu[01-02]"},
                                       {"OMPI_COMM_WORLD_RANK", "1"},
                                       {"OMPI_COMM_WORLD_SIZE", "2"}}))) == text(place));
}

TEST_CASE("RANK and WORLD_SIZE by hand meet at rank 0", "[rank_place]") {
  const RankPlace place = place_of(
      {{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "4000"}});
  CHECK(text(place) == "1 of 2, 0 of 0, RANK at 10.0.0.1:4000");
  CHECK_FALSE(place.served);
  CHECK(error({{"RANK", "1"}, {"WORLD_SIZE", "2"}}) ==
        "RANK started 2 processes and nothing says where they meet; hint: set MASTER_ADDR to the "
        "machine of rank 0 and MASTER_PORT to a free port there");
}

TEST_CASE("mpirun of two makes", "[rank_place]") {
  const Variables open_mpi{{"OMPI_COMM_WORLD_RANK", "3"},
                           {"OMPI_COMM_WORLD_SIZE", "4"},
                           {"OMPI_COMM_WORLD_LOCAL_RANK", "3"},
                           {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                           {"PMIX_NAMESPACE", "job.1"}};
  const RankPlace place = place_of(open_mpi);
  CHECK(place.launcher == "mpirun");
  CHECK(place.rank == 3);
  CHECK(place.on_one_machine());
  CHECK(place.host == "127.0.0.1");
  CHECK(place.port >= 20000);
  CHECK(place.port < 40000);
  // All processes of one mpirun come to the same address, and those of another to another.
  CHECK(
      place_of(with(open_mpi, {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}}))
          .port == place.port);
  CHECK(place_of(with(open_mpi, {{"PMIX_NAMESPACE", "job.2"}})).port != place.port);
  CHECK(text(place_of(with(open_mpi, {{"MASTER_ADDR", "h"}, {"MASTER_PORT", "99"}}))) ==
        "3 of 4, 3 of 4, mpirun at h:99");

  const Variables mpich{
      {"PMI_RANK", "1"}, {"PMI_SIZE", "4"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};
  CHECK(error(mpich) ==
        "mpirun started 4 processes and nothing says where they meet; hint: set MASTER_ADDR to the "
        "machine of rank 0 and MASTER_PORT to a free port there");
  // mpirun beneath srun has numbers of its own; srun that speaks PMI has the same.
  const Variables slurm{{"SLURM_PROCID", "1"},         {"SLURM_NTASKS", "2"},
                        {"SLURM_LOCALID", "0"},        {"SLURM_STEP_NODELIST", "n[1-2]"},
                        {"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_JOB_ID", "7"},
                        {"MASTER_ADDR", "h"},          {"MASTER_PORT", "99"}};
  CHECK(text(place_of(with(slurm, mpich))) == "1 of 4, 1 of 2, mpirun at h:99");
  CHECK(text(place_of(with(slurm, {{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}))) ==
        "1 of 2, 0 of 0, srun at h:99");
}

TEST_CASE("srun meets on its first machine", "[rank_place]") {
  const Variables step{{"SLURM_PROCID", "6"},    {"SLURM_NTASKS", "8"},
                       {"SLURM_LOCALID", "2"},   {"SLURM_STEP_NODELIST", "gpu[07-09,12],login"},
                       {"SLURM_JOB_ID", "4711"}, {"SLURM_STEP_ID", "0"}};
  const RankPlace place = place_of(step);
  CHECK(place.host == "gpu07");
  CHECK(place.local_rank == 2);
  CHECK(place.run == "4711/0");
  CHECK_FALSE(place.on_one_machine());
  CHECK(place_of(with(step, {{"SLURM_STEP_ID", "1"}})).port != place.port);
  CHECK(place_of(with(step, {{"SLURM_STEP_NUM_NODES", "1"}})).on_one_machine());

  CHECK(first_host("a") == "a");
  CHECK(first_host("a,b[1-2]") == "a");
  CHECK(first_host("r[1-3]n2.site,x") == "r1n2.site");
  CHECK(error_of([] { first_host("n[1-2"); }) ==
        "expected a list of machines like gpu[07-09,12], got n[1-2");
}

TEST_CASE("contradictions name both variables", "[rank_place]") {
  CHECK(error({{"RANK", "1"}}) ==
        "expected RANK and WORLD_SIZE together, got RANK = 1 alone; hint: set both or none");
  CHECK(error({{"PMI_SIZE", "2"}}) ==
        "expected PMI_RANK and PMI_SIZE together, got PMI_SIZE = 2 alone; hint: set both or none");
  CHECK(error(with(kTorchrun, {{"RANK", "8"}})) ==
        "RANK = 8 and WORLD_SIZE = 8 contradict each other; hint: ranks are counted from 0");
  CHECK(error(with(kTorchrun, {{"LOCAL_RANK", "4"}})) ==
        "LOCAL_RANK = 4 and LOCAL_WORLD_SIZE = 4 contradict each other; hint: ranks are counted "
        "from 0");
  CHECK(error(with(kTorchrun, {{"WORLD_SIZE", "many"}})) ==
        "expected WORLD_SIZE to be a whole number from 1 to 1048576, got many");
  CHECK(error(with(kTorchrun, {{"MASTER_PORT", "70000"}})) ==
        "expected MASTER_PORT to be a whole number from 1 to 65535, got 70000");
  const Variables both{{"RANK", "0"},
                       {"WORLD_SIZE", "4"},
                       {"OMPI_COMM_WORLD_RANK", "1"},
                       {"OMPI_COMM_WORLD_SIZE", "4"}};
  CHECK(error(both) ==
        "RANK = 0 and OMPI_COMM_WORLD_RANK = 1 contradict each other; hint: unset RANK and "
        "WORLD_SIZE");
  CHECK(error(with(both, {{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}})) ==
        "WORLD_SIZE = 4 and OMPI_COMM_WORLD_SIZE = 2 contradict each other; hint: unset RANK and "
        "WORLD_SIZE");
}
