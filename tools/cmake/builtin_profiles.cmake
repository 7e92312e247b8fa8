# SPDX-License-Identifier: Apache-2.0
# cmake -DOUTPUT=FILE.c -DPROFILES=FILE;FILE... -P builtin_profiles.cmake
# Writes the files as C arrays: tools/runner/builtin_profiles.h.
set(arrays "")
set(rows "")
set(number 0)
foreach(profile IN LISTS PROFILES)
  cmake_path(GET profile FILENAME name)
  file(READ ${profile} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const unsigned char text_${number}[] = {${bytes}};\n")
  string(APPEND rows "\t{\"${name}\", text_${number}, sizeof(text_${number})},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Made from profiles/ by tools/cmake/builtin_profiles.cmake.
#include \"tools/runner/builtin_profiles.h\"

${arrays}
const struct builtin_profile builtin_profiles[] = {
${rows}\t{0, 0, 0},
};
")
