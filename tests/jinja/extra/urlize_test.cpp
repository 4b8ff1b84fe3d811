// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/extra/urlize.hpp"

#include "jinja/render.hpp"
#include "support/catch.hpp"

using posttrain::test::render;

TEST_CASE("urlize links addresses and leaves punctuation outside") {
  CHECK(render("{{ '(http://x.org/a).'|urlize(6) }}") ==
        "(<a href=\"http://x.org/a\" rel=\"noopener\">http:/...</a>).");
  CHECK(render("{{ 'see www.x.org/(a) now'|urlize }}") ==
        "see <a href=\"https://www.x.org/(a)\" rel=\"noopener\">www.x.org/(a)</a> now");
  CHECK(render("{{ 'a@b.de'|urlize }}") == "<a href=\"mailto:a@b.de\">a@b.de</a>");
  CHECK(render("{{ 'a.b <x>'|urlize }}") == "a.b &lt;x&gt;");
}

TEST_CASE("urlize takes a style") {
  CHECK(render("{{ 'xx.org'|urlize(nofollow=true, target='_blank') }}") ==
        "<a href=\"https://xx.org\" rel=\"nofollow noopener\" target=\"_blank\">xx.org</a>");
  CHECK(render("{{ 'tel:1'|urlize(extra_schemes=['tel:']) }}") ==
        "<a href=\"tel:1\" rel=\"noopener\">tel:1</a>");
  CHECK_THROWS_WITH(render("{{ 'x'|urlize(extra_schemes=['x']) }}"),
                    Catch::Contains("expected a scheme as 'ftp:'"));
}
