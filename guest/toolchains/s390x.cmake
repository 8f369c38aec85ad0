# SPDX-License-Identifier: Apache-2.0
# Debian's cross compiler for s390x: for CMAKE_TOOLCHAIN_FILE, and for guest/agent, which takes its names.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(CMAKE_C_COMPILER s390x-linux-gnu-gcc)
set(CMAKE_FIND_ROOT_PATH /usr/s390x-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# Not one of CMake's: where the cross package has the kernel's headers.
set(AV_KERNEL_HEADERS /usr/s390x-linux-gnu/include)
