# GNU Arm Embedded toolchain for @TARGET_NAME@ (@CORE@). Any other toolchain file will do as well.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_C_FLAGS_INIT "@CPU_FLAGS@")
# There is nothing to link a test program against.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
