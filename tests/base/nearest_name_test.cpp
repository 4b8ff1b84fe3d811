// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/nearest_name.hpp"

#include "support/catch.hpp"

using namespace posttrain;

TEST_CASE("an edit is a character more, less or other; its case is none") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("v_prj", "v_proj") == 1);
  CHECK(edit_distance("proj_v", "v_proj") == 4);
  CHECK(edit_distance("Q_Proj", "q_proj") == 0);
}

TEST_CASE("the nearest name is found where it is near, the first of several") {
  const std::vector<std::string> names{"q_proj", "k_proj", "v_proj", "down_proj", "norm"};
  CHECK(nearest_name("v_prj", names) == "v_proj");
  CHECK(nearest_name("dwn_proj", names) == "down_proj");
  CHECK(nearest_name("x_proj", names) == "q_proj");
  CHECK(nearest_name("nrom", names) == "norm");
  CHECK(nearest_name("attention", names).empty());
  CHECK(nearest_name(std::string(100000, 'x'), names).empty());
  CHECK(nearest_name("q_proj", {}).empty());
}
