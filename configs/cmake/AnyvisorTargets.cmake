# SPDX-License-Identifier: Apache-2.0
# How this project declares its modules, programs, back-ends and unit tests.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

option(AV_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(AV_FAULT_POINTS "Let ANYVISOR_FAULT kill programs at named points (tests); OFF for packages" ON)
option(AV_FUZZ "Build the libFuzzer targets (needs clang)" OFF)

add_library(av_flags INTERFACE)
target_compile_definitions(av_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(av_flags INTERFACE -Wall -Wextra -Wshadow -Wvla -Wpointer-arith
    -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wno-missing-field-initializers
    -fno-strict-aliasing -fno-common)
target_include_directories(av_flags INTERFACE ${CMAKE_SOURCE_DIR}/core ${CMAKE_SOURCE_DIR}/core/include
    ${CMAKE_SOURCE_DIR}/guest)
if(AV_SANITIZE)
    target_compile_options(av_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer)
    target_link_options(av_flags INTERFACE -fsanitize=address,undefined)
endif()
if(AV_FUZZ)
    target_compile_options(av_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
    target_link_options(av_flags INTERFACE -fsanitize=address,undefined)
endif()

# anyvisor_module(NAME SOURCES a.c ... [LIBS target ...]): static library av_NAME of core/NAME.
# LIBS names what the module may include: other av_* modules and its one third-party library.
function(anyvisor_module name)
    cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
    add_library(av_${name} STATIC ${A_SOURCES})
    set_target_properties(av_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(av_${name} PUBLIC av_flags ${A_LIBS})
endfunction()

# anyvisor_program(NAME DIR dir INSTALL dir [COMPONENT c] SOURCES ... LIBS ...): an executable of the
# host side. The component is the package that it is in.
function(anyvisor_program name)
    cmake_parse_arguments(A "" "DIR;INSTALL;COMPONENT" "SOURCES;LIBS" ${ARGN})
    if(NOT A_COMPONENT)
        set(A_COMPONENT core)
    endif()
    add_executable(${name} ${A_SOURCES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${A_DIR})
    target_link_libraries(${name} PRIVATE av_flags ${A_LIBS})
    install(TARGETS ${name} RUNTIME DESTINATION ${A_INSTALL} COMPONENT ${A_COMPONENT})
endfunction()

# anyvisor_backend(NAME [COMPONENT c] SOURCES ... LIBS ...): NAME.so, a plug-in that sees hvp.h and nothing
# of core. Its package is one of its own unless another component is named.
# NOINSTALL for those that only the tests use.
function(anyvisor_backend name)
    cmake_parse_arguments(A "NOINSTALL" "COMPONENT" "SOURCES;LIBS" ${ARGN})
    add_library(${name} MODULE ${A_SOURCES})
    set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${AV_BACKEND_DIR})
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/core/include ${CMAKE_SOURCE_DIR}/backends)
    target_compile_options(${name} PRIVATE -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes
        -Wmissing-prototypes -Wno-missing-field-initializers)
    if(AV_SANITIZE)
        target_compile_options(${name} PRIVATE -fsanitize=address,undefined)
        target_link_options(${name} PRIVATE -fsanitize=address,undefined)
    endif()
    target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,-z,now)
    target_link_libraries(${name} PRIVATE ${A_LIBS})
    if(NOT A_NOINSTALL)
        if(NOT A_COMPONENT)
            set(A_COMPONENT ${name})
        endif()
        install(TARGETS ${name} LIBRARY DESTINATION ${AV_INSTALL_BACKENDS} COMPONENT ${A_COMPONENT})
        set_property(GLOBAL APPEND PROPERTY AV_BACKEND_COMPONENTS ${A_COMPONENT})
        set_property(GLOBAL PROPERTY AV_COMPONENT_OF_${name}.so ${A_COMPONENT})
    endif()
endfunction()

# anyvisor_unit_test(NAME SOURCES ... LIBS ...): a program built on tests/unit/test.h; 30 s limit, more
# for the sanitizers, whose allocations cost unit.policy 20 s.
# The target unit-tests is all of them and what they need, for builds that are made to run only these.
add_custom_target(unit-tests)
function(anyvisor_unit_test name)
    cmake_parse_arguments(A "" "" "SOURCES;LIBS" ${ARGN})
    set(limit 30)
    if(AV_SANITIZE)
        set(limit 150)
    endif()
    add_executable(test_${name} ${A_SOURCES})
    target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit)
    target_compile_definitions(test_${name} PRIVATE TEST_DATA_DIR="${CMAKE_SOURCE_DIR}/tests/data")
    target_link_libraries(test_${name} PRIVATE av_flags ${A_LIBS})
    add_dependencies(unit-tests test_${name})
    add_test(NAME unit.${name} COMMAND test_${name})
    set_tests_properties(unit.${name} PROPERTIES TIMEOUT ${limit} LABELS unit)
endfunction()
