        message(FATAL_ERROR "The firmware of @TARGET_NAME@ is the project in the folder pico: "
            "cmake -S pico -B build")
