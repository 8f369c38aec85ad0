# SPDX-License-Identifier: Apache-2.0
# Debian's cross compiler for ppc64le: for CMAKE_TOOLCHAIN_FILE, and for guest/agent, which takes its names.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ppc64le)
set(CMAKE_C_COMPILER powerpc64le-linux-gnu-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/powerpc64le-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# Not one of CMake's: where the cross package has the kernel's headers.
set(AV_KERNEL_HEADERS /usr/powerpc64le-linux-gnu/include)
