# SPDX-License-Identifier: Apache-2.0
# cpack runs it on the files of all packages before it packs them: manuals and changelogs are compressed,
# and the program that is no target of CMake is stripped, as Debian wants it.
file(GLOB_RECURSE files "${CPACK_TEMPORARY_DIRECTORY}/*")
set(texts ${files})
list(FILTER texts INCLUDE REGEX "/man/man[1-9]/[^/]*[1-9]$|/doc/[^/]*/changelog$")
execute_process(COMMAND gzip -9nf ${texts} COMMAND_ERROR_IS_FATAL ANY)
list(FILTER files INCLUDE REGEX "/anyvisor-proxy$")
execute_process(COMMAND strip ${files} COMMAND_ERROR_IS_FATAL ANY)
