# SPDX-License-Identifier: Apache-2.0
# Debian packages, one per component: `cpack` in a build folder that was configured with
# -DCMAKE_INSTALL_PREFIX=/usr -DAV_FAULT_POINTS=OFF. Components without files make no package.
set(AV_MAINTAINER "anyvisor maintainers <maintainers@anyvisor.invalid>" CACHE STRING
    "Maintainer field of the packages")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME anyvisor)
set(CPACK_PACKAGE_VENDOR anyvisor)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${AV_MAINTAINER})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/configs/packaging/compress.cmake)
set(CPACK_COMPONENTS_ALL)
configure_file(${CMAKE_SOURCE_DIR}/configs/packaging/changelog.in deb/changelog @ONLY)

# The programs that a back-end starts are no libraries: dpkg-shlibdeps cannot know of them.
set(host_qemu_amd64 qemu-system-x86)
set(host_qemu_arm64 qemu-system-arm)
set(host_qemu_ppc64el qemu-system-ppc)
set(host_qemu_s390x qemu-system-misc)
find_program(AV_DPKG dpkg)
set(deb_arch amd64)
if(AV_DPKG)
    execute_process(COMMAND ${AV_DPKG} --print-architecture OUTPUT_VARIABLE deb_arch
        OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()

# conffiles(COMPONENT FILE...): names below the configuration directory that belong to the administrator.
function(conffiles component)
    set(text "")
    foreach(f ${ARGN})
        string(APPEND text "${CMAKE_INSTALL_FULL_SYSCONFDIR}/${f}\n")
    endforeach()
    set(file ${CMAKE_CURRENT_BINARY_DIR}/deb/${component}/conffiles)
    file(WRITE ${file} "${text}")
    set_property(GLOBAL APPEND PROPERTY AV_CONTROL_${component} ${file})
endfunction()

# deb(COMPONENT NAME SUMMARY text [DESCRIPTION text] [DEPENDS text] [RECOMMENDS text] [SUGGESTS text]
#     [SECTION name] [COPYRIGHT file] [CONTROL file...] [ALL] [LIBS]): one package. LIBS: it has programs
#     of the host, whose libraries dpkg-shlibdeps finds; ALL: the same on every architecture. A text ends
#     at a semicolon, for CPack.
macro(deb component name)
    cmake_parse_arguments(D "ALL;LIBS" "SUMMARY;DESCRIPTION;DEPENDS;RECOMMENDS;SUGGESTS;SECTION;COPYRIGHT"
        "CONTROL" ${ARGN})
    string(TOUPPER ${component} upper)
    list(APPEND CPACK_COMPONENTS_ALL ${component})
    get_property(descriptors GLOBAL PROPERTY AV_DESCRIPTORS_${component})
    if(descriptors)
        conffiles(${component} ${descriptors})
    endif()
    get_property(control GLOBAL PROPERTY AV_CONTROL_${component})
    list(APPEND D_CONTROL ${control})
    set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
    set(CPACK_DEBIAN_${upper}_DESCRIPTION "${D_SUMMARY}\n${D_DESCRIPTION}")
    set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${D_CONTROL}")
    set(CPACK_DEBIAN_${upper}_PACKAGE_SHLIBDEPS ${D_LIBS})
    foreach(field DEPENDS RECOMMENDS SUGGESTS SECTION)
        if(D_${field})
            set(CPACK_DEBIAN_${upper}_PACKAGE_${field} "${D_${field}}")
        endif()
    endforeach()
    if(D_ALL)
        set(CPACK_DEBIAN_${upper}_PACKAGE_ARCHITECTURE all)
    endif()
    if(NOT D_COPYRIGHT)
        set(D_COPYRIGHT ${CMAKE_SOURCE_DIR}/configs/packaging/copyright)
    endif()
    install(FILES ${D_COPYRIGHT} RENAME copyright COMPONENT ${component}
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name})
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/deb/changelog COMPONENT ${component}
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name})
endmacro()

set(same "anyvisor (= ${PROJECT_VERSION})")
conffiles(core anyvisor/anyvisor.yaml apparmor.d/anyvisor-vmm)
deb(core anyvisor LIBS
    SUMMARY "OCI container runtime that gives every container a virtual machine"
    DESCRIPTION "To podman, Docker, containerd and CRI-O it looks like runc. One file of policy\ndecides which hypervisor and which storage each class of workload gets. This\npackage has the command, the programs behind it and the manuals. Hypervisors\nare packages of their own."
    DEPENDS "kmod, e2fsprogs" RECOMMENDS "anyvisor-kvm, libsystemd0, libkmod2, apparmor"
    SUGGESTS "erofs-utils, anyvisor-shim"
    CONTROL ${CMAKE_SOURCE_DIR}/configs/packaging/deb/postinst ${CMAKE_SOURCE_DIR}/configs/packaging/deb/prerm
            ${CMAKE_SOURCE_DIR}/configs/packaging/deb/postrm)
deb(dev anyvisor-dev SECTION devel SUMMARY "files to build hypervisor plug-ins for anyvisor"
    DESCRIPTION "The header of the plug-in interface, pkg-config and CMake files, the skeleton\nfor 'anyvisor plugin new', and a worked example."
    LIBS RECOMMENDS "${same}, cmake, pkgconf")
if(TARGET containerd-shim-anyvisor-v2)
    deb(shim anyvisor-shim LIBS SUMMARY "containerd shim of anyvisor"
        DESCRIPTION "Lets containerd talk to anyvisor without runc's shim:\ncontainerd-shim-anyvisor-v2, the runtime io.containerd.anyvisor.v2."
        DEPENDS "${same}")
endif()

# The back-ends: whichever were built. One that this table does not know gets the plain words.
set(kvm_words "KVM and emulation through QEMU")
set(kvm_depends "${host_qemu_${deb_arch}}, ")
set(kvm_suggests "qemu-system-misc, qemu-system-arm, qemu-system-ppc, qemu-block-extra")
set(kvm-libvirt_words "VMs that libvirt manages")
set(kvm-libvirt_name anyvisor-libvirt)
set(kvm-libvirt_depends "libvirt-daemon-driver-qemu, ${host_qemu_${deb_arch}}, ")
set(kvm-libvirt_recommends libvirt-daemon-system)
set(xen_words "Xen through libxenlight")
set(xen_depends "xen-utils-common, ")
get_property(backends GLOBAL PROPERTY AV_BACKEND_COMPONENTS)
list(REMOVE_DUPLICATES backends)
list(REMOVE_ITEM backends dev)
foreach(b ${backends})
    if(NOT DEFINED ${b}_name)
        set(${b}_name anyvisor-${b})
    endif()
    if(NOT DEFINED ${b}_words)
        set(${b}_words "the hypervisor '${b}'")
    endif()
    deb(${b} ${${b}_name} LIBS SUMMARY "hypervisor plug-in of anyvisor: ${${b}_words}"
        DESCRIPTION "Loaded by anyvisor where its policy names it, see anyvisor-plugins.d(5)."
        DEPENDS "${${b}_depends}${same}" RECOMMENDS "${${b}_recommends}" SUGGESTS "${${b}_suggests}")
endforeach()

# Guest images: kernel and initramfs, the same files on every host. Those that are not of the
# default build make a package if they were built (CPack asks when it runs, see below).
set(guest_archs)
get_property(guests GLOBAL PROPERTY AV_GUEST_ARCHS)
foreach(arch ${guests})
    string(REPLACE _ - plain ${arch})
    deb(guest-${arch} anyvisor-guest-${plain} ALL SECTION kernel SUMMARY "guest image of anyvisor for ${arch}"
        DESCRIPTION "Kernel, initramfs and manifest that anyvisor's VMs for ${arch} guests boot."
        COPYRIGHT ${CMAKE_SOURCE_DIR}/configs/packaging/copyright.guest)
endforeach()
set(own_arch ${CMAKE_HOST_SYSTEM_PROCESSOR})
string(REPLACE _ - own_arch "${own_arch}")
set(CPACK_DEBIAN_KVM_PACKAGE_RECOMMENDS "anyvisor-guest-${own_arch}")

string(CONCAT at_cpack_time
    "foreach(arch ${guests})\n"
    "    if(NOT EXISTS \"${AV_GUEST_DIR}/\${arch}/manifest.json\")\n"
    "        list(REMOVE_ITEM CPACK_COMPONENTS_ALL guest-\${arch})\n"
    "    endif()\n"
    "endforeach()\n")
string(REPLACE "foreach(arch ${guests})" "foreach(arch IN ITEMS ${guests})" at_cpack_time "${at_cpack_time}")
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_BINARY_DIR}/cpack_options.cmake)
file(WRITE ${CPACK_PROJECT_CONFIG_FILE} "${at_cpack_time}")
include(CPack)
