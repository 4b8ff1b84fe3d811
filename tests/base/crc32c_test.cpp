// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/crc32c.hpp"

#include <numeric>
#include <string>

#include "support/catch.hpp"

using posttrain::crc32c;

TEST_CASE("CRC32C gives the sums of RFC 3720, appendix B.4", "[base]") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), '\0');
  CHECK(crc32c(rising) == 0x46dd794eU);
  CHECK(crc32c(std::string(rising.rbegin(), rising.rend())) == 0x113fdb5cU);
  static_assert(crc32c("123456789") == 0xe3069283U);
  static_assert(crc32c("") == 0);
}
