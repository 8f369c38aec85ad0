# SPDX-License-Identifier: Apache-2.0
# The build folder mirrors an installed prefix, so that everything runs uninstalled.
# Programs find each other by paths relative to their own executable (core/base/layout.h).

set(AV_BIN_DIR ${CMAKE_BINARY_DIR}/bin)
set(AV_LIBEXEC_DIR ${CMAKE_BINARY_DIR}/libexec/anyvisor)
set(AV_BACKEND_DIR ${CMAKE_BINARY_DIR}/lib/anyvisor/backends)
set(AV_GUEST_DIR ${CMAKE_BINARY_DIR}/share/anyvisor/guest)
set(AV_ETC_DIR ${CMAKE_BINARY_DIR}/etc/anyvisor)

set(AV_INSTALL_LIBEXEC ${CMAKE_INSTALL_LIBEXECDIR}/anyvisor)
set(AV_INSTALL_BACKENDS ${CMAKE_INSTALL_LIBDIR}/anyvisor/backends)
set(AV_INSTALL_GUEST ${CMAKE_INSTALL_DATADIR}/anyvisor/guest)
# Below the prefix when it is there, so that `cmake --install --prefix` moves it too; /etc for /usr.
set(AV_INSTALL_ETC ${CMAKE_INSTALL_FULL_SYSCONFDIR}/anyvisor)
if(NOT CMAKE_INSTALL_SYSCONFDIR MATCHES "^/" AND CMAKE_INSTALL_FULL_SYSCONFDIR STREQUAL
        "${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SYSCONFDIR}")
    set(AV_INSTALL_ETC ${CMAKE_INSTALL_SYSCONFDIR}/anyvisor)
endif()

# Installed programs in bin/ and in libexec/anyvisor/ have different ways to the same places.
# The build folder always has etc, lib, libexec and share beside bin; an installed tree may not
# (lib/x86_64-linux-gnu, /etc for the prefix /usr), so both sets are compiled in and the first
# whose configuration directory exists wins.
file(RELATIVE_PATH AV_REL_LIBEXEC ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBEXECDIR}/anyvisor)
file(RELATIVE_PATH AV_REL_BACKENDS ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/anyvisor/backends)
file(RELATIVE_PATH AV_REL_GUEST ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_DATADIR}/anyvisor/guest)
file(RELATIVE_PATH AV_REL_ETC ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_SYSCONFDIR}/anyvisor)
