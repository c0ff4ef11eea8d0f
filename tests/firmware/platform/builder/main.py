"""Compiler, flags, program."""

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
prefix = "arm-none-eabi-"
cpu = ["-mthumb", "-mcpu=" + env.BoardConfig().get("build.cpu"), "-mfloat-abi=soft"]
env.Replace(
    AR=prefix + "ar",
    AS=prefix + "as",
    CC=prefix + "gcc",
    CXX=prefix + "g++",
    LINK=prefix + "gcc",
    RANLIB=prefix + "ranlib",
    SIZETOOL=prefix + "size",
    ARFLAGS=["rc"],
    PROGSUFFIX=".elf",
)
env.Append(
    CCFLAGS=[*cpu, "-Os", "-ffunction-sections", "-fdata-sections"],
    CXXFLAGS=["-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU"), ("ARDUINO", 10819)],
    LINKFLAGS=[
        *cpu,
        "-nostartfiles",
        "--specs=nano.specs",
        "-Wl,--gc-sections",
        "-T",
        env.PioPlatform().get_dir() + "/board.ld",
    ],
)
Default(env.BuildProgram())
