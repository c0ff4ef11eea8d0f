        option(EDGEMNV2_CODE_IN_RAM "The kernels' code in @MEMORY@, copied there at the start" ON)
        if(EDGEMNV2_CODE_IN_RAM)
            target_compile_definitions(@NAME@ PRIVATE @UPPER@_CODE_SECTION="@SECTION@")
        endif()
