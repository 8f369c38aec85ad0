/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - named points at which tests let a process die or a step fail.
 * With the CMake option AV_FAULT_POINTS (on by default, off for packages) the environment variable
 * ANYVISOR_FAULT=NAME kills the process with SIGKILL at that point, and ANYVISOR_FAULT=NAME:fail
 * makes it report failure. tests/integration/faults.sh finds the names with grep.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

/* 0 go on; -EIO when the test wants this step to fail. Does not return when it wants a crash. */
int fault_point(const char *name);

#endif
