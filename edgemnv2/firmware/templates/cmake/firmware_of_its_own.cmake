        message(FATAL_ERROR "This folder has no firmware for @TARGET_NAME@: add_subdirectory it to a "
            "project of the board's own build system")
