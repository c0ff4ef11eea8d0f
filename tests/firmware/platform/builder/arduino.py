"""The Arduino core, built into the program."""

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
core = env.PioPlatform().get_dir() + "/core"
env.Append(CPPPATH=[core])
env.BuildSources("$BUILD_DIR/core", core)
