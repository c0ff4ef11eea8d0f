
# Inferences of the firmware on both cores.
option(EDGEMNV2_TWO_CORES "Run the network on both cores" ON)
if(EDGEMNV2_TWO_CORES)
    target_compile_definitions(@NAME@_selftest PUBLIC @UPPER@_CORES=2)
    target_sources(@NAME@_firmware PRIVATE cores_pico.c)
    target_include_directories(@NAME@_firmware PRIVATE ../src)
    target_link_libraries(@NAME@_firmware pico_multicore)
endif()
