# The library as others get it: one archive of all modules behind the target stele::stele, in the
# build tree and installed. Nothing of the build's own options (warnings, sanitizers) goes with it.

include(CMakePackageConfigHelpers)

# The archive is put together from the modules' object files.
get_property(modules DIRECTORY "${PROJECT_SOURCE_DIR}/src" PROPERTY SUBDIRECTORIES)
set(objects)
set(libs)
foreach(folder IN LISTS modules)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(module_libs ${target} STELE_LIBS)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "STATIC_LIBRARY" AND NOT target MATCHES "_testing$")
      list(APPEND objects "$<TARGET_OBJECTS:${target}>")
      if(module_libs)
        list(APPEND libs ${module_libs})
      endif()
    endif()
  endforeach()
endforeach()
list(REMOVE_DUPLICATES libs)
list(REMOVE_ITEM libs Boost::headers)  # Nothing to link.
list(SORT libs)

# What a program must link besides, by how it is found: pkg-config's packages, and Boost's by name.
# Only linked: nothing of theirs (definitions, folders of headers) reaches the program's compiler.
set(vendor_packages)
set(vendor_plain)
set(vendor_links)
foreach(lib IN LISTS libs)
  if(lib MATCHES "^PkgConfig::")
    get_target_property(package ${lib} STELE_PACKAGE)
    get_target_property(links ${lib} STELE_LINKS)
    list(APPEND vendor_packages ${package})
    list(APPEND vendor_links ${links})
  elseif(lib MATCHES "^boost_")
    list(APPEND vendor_plain ${lib})
    list(APPEND vendor_links ${lib})
  else()
    message(FATAL_ERROR "cmake/SteleInstall.cmake does not know how a user finds \"${lib}\".")
  endif()
endforeach()

add_library(libstele STATIC ${objects})
set_target_properties(libstele PROPERTIES
  OUTPUT_NAME stele EXPORT_NAME stele LINKER_LANGUAGE CXX
  ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
add_library(stele::stele ALIAS libstele)
target_compile_features(libstele INTERFACE cxx_std_23)
target_include_directories(libstele INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(libstele INTERFACE Threads::Threads ${vendor_plain})
foreach(lib IN LISTS libs)
  target_link_libraries(libstele INTERFACE "$<BUILD_INTERFACE:$<LINK_ONLY:${lib}>>")
endforeach()
foreach(package IN LISTS vendor_packages)
  target_link_libraries(libstele INTERFACE
    "$<INSTALL_INTERFACE:$<LINK_ONLY:PkgConfig::stele_${package}>>")
endforeach()

if(NOT STELE_INSTALL)
  return()
endif()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/stele")
set(pc_links "")
foreach(lib IN LISTS vendor_links)
  string(APPEND pc_links " -l${lib}")
endforeach()
configure_package_config_file(cmake/steleConfig.cmake.in steleConfig.cmake
  INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(steleConfigVersion.cmake COMPATIBILITY SameMajorVersion)
file(RELATIVE_PATH pc_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(cmake/stele.pc.in stele.pc @ONLY)

install(TARGETS libstele EXPORT stele ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT stele NAMESPACE stele:: FILE steleTargets.cmake DESTINATION "${package_dir}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/steleConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/steleConfigVersion.cmake" DESTINATION "${package_dir}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/stele.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(DIRECTORY include/stele DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY docs DESTINATION "${CMAKE_INSTALL_DOCDIR}")
if(STELE_PROGRAM)
  install(TARGETS stele RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
