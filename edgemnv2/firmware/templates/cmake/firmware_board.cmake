        set(here ${CMAKE_CURRENT_SOURCE_DIR})
        set(EDGEMNV2_BOARD "@BOARD_SOURCE@" CACHE FILEPATH
            "C file that implements board/board.h: clock and console")
        option(EDGEMNV2_SEMIHOSTING "The debugger's console; without a debugger, a hard fault" OFF)
        if(EDGEMNV2_SEMIHOSTING)
            set(EDGEMNV2_BOARD ${here}/board/semihosting.c)
        elseif(NOT EDGEMNV2_BOARD)
            message(FATAL_ERROR "No UART driver for @TARGET_NAME@ comes with this bundle: implement "
                "board/board.h and give -DEDGEMNV2_BOARD=FILE.c; or, under a debugger, "
                "-DEDGEMNV2_SEMIHOSTING=ON")
        endif()
        add_executable(@NAME@_firmware board/main_board.c board/startup.c ${EDGEMNV2_BOARD})
        target_include_directories(@NAME@_firmware PRIVATE board)
        target_compile_definitions(@NAME@_selftest PRIVATE @UPPER@_ARENA_SECTION=".arena")
@HOT_CODE@        target_compile_options(@NAME@_firmware PRIVATE -O2 -ffunction-sections)
        target_link_options(@NAME@_firmware PRIVATE -nostartfiles --specs=nano.specs
            -Wl,--gc-sections -T ${here}/board/board.ld)
        set_target_properties(@NAME@_firmware PROPERTIES
            SUFFIX .elf LINK_DEPENDS ${here}/board/board.ld)
        if(CMAKE_OBJCOPY)
            add_custom_command(TARGET @NAME@_firmware POST_BUILD COMMAND ${CMAKE_OBJCOPY} -O binary
                $<TARGET_FILE:@NAME@_firmware> @NAME@_firmware.bin)
        endif()
