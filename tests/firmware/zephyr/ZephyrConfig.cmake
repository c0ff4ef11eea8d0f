# Stands for Zephyr's package: the functions that the module calls, as Zephyr's documentation of its
# CMake extensions describes them, and an image for a board of QEMU.
#
# BOARD_FLAGS, BOARD_SCRIPT and every CONFIG_... come from the command line.
project(Zephyr-Kernel LANGUAGES C)
set(ZEPHYR_STUB ${CMAKE_CURRENT_LIST_DIR})

add_library(zephyr_interface INTERFACE)
target_include_directories(zephyr_interface INTERFACE ${ZEPHYR_STUB}/include)
separate_arguments(board_flags UNIX_COMMAND "${BOARD_FLAGS}")
target_compile_options(zephyr_interface INTERFACE ${board_flags} -Os -std=c99 -Wall -Wextra -Werror)

add_library(app STATIC)
target_link_libraries(app PUBLIC zephyr_interface)

function(zephyr_include_directories)
  foreach(path ${ARGV})
    get_filename_component(path ${path} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    target_include_directories(zephyr_interface INTERFACE ${path})
  endforeach()
endfunction()

function(zephyr_compile_definitions)
  target_compile_definitions(zephyr_interface INTERFACE ${ARGV})
endfunction()

macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
  target_link_libraries(${name} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${name})
endmacro()

function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()

function(zephyr_library_compile_options)
  target_compile_options(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()

foreach(module ${ZEPHYR_EXTRA_MODULES})
  get_filename_component(module ${module} ABSOLUTE)
  get_filename_component(name ${module} NAME)
  add_subdirectory(${module}/zephyr ${CMAKE_BINARY_DIR}/modules/${name})
endforeach()

get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)
add_executable(zephyr.elf ${ZEPHYR_STUB}/start.c)
target_link_libraries(zephyr.elf PRIVATE -Wl,--start-group app ${libraries} -Wl,--end-group)
target_link_options(zephyr.elf PRIVATE
  ${board_flags} -nostartfiles --specs=nano.specs -Wl,--gc-sections -T ${BOARD_SCRIPT})
