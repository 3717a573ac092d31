# What two or more components share; includes no component.
COMPONENTS   += common
common_DIRS  := common
common_PKGS  := openssl jansson libcurl inih freetype2
common_TESTS := tests/common
