/* Preloaded into a process: the n-th thing that it does to files in one folder goes wrong.
 *
 *   EDGEMNV2_FAULT_FOLDER   the folder, absolute
 *   EDGEMNV2_FAULT_AT       which operation, from 1 on
 *   EDGEMNV2_FAULT          kill, interrupt, full (from then on no room), readonly (from then on)
 *   EDGEMNV2_FAULT_COUNT    file that gets the number of operations, at the end
 *
 * Counted are calls that make, write, rename or remove. Programs that the process starts are left
 * alone: their files lie elsewhere, or their maker renames them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *folder, *fault, *count_file;
static long at, count;

__attribute__((constructor)) static void begin(void) {
    const char *number = getenv("EDGEMNV2_FAULT_AT");
    folder = getenv("EDGEMNV2_FAULT_FOLDER");
    fault = getenv("EDGEMNV2_FAULT");
    count_file = getenv("EDGEMNV2_FAULT_COUNT");
    at = number ? atol(number) : 0;
    unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void end(void) {
    char text[32];
    if (folder && count_file) {
        const int length = snprintf(text, sizeof text, "%ld\n", count);
        const long file =
            syscall(SYS_openat, AT_FDCWD, count_file, O_CREAT | O_WRONLY | O_TRUNC, 0644);
        (void)syscall(SYS_write, file, text, length);
        (void)syscall(SYS_close, file);
    }
}

static int is_ours(const char *path) {
    const size_t length = folder ? strlen(folder) : 0;
    return length && path && strncmp(path, folder, length) == 0 &&
           (path[length] == '/' || path[length] == 0);
}

static int is_ours_at(int place, const char *path) {
    char link[64], whole[2 * PATH_MAX];
    if (path && path[0] == '/') {
        return is_ours(path);
    }
    if (place == AT_FDCWD) {
        return folder && getcwd(whole, PATH_MAX) && is_ours(whole);
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", place);
    const ssize_t length = readlink(link, whole, PATH_MAX);
    whole[length < 0 ? 0 : length] = 0;
    return is_ours(whole);
}

/* 0, or what `errno` becomes; `takes_room`: a full disk refuses it. */
static int goes_wrong(int takes_room) {
    const long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (!at || now < at) {
        return 0;
    }
    if (now == at && strcmp(fault, "kill") == 0) {
        (void)raise(SIGKILL);
    }
    if (now == at && strcmp(fault, "interrupt") == 0) {
        (void)raise(SIGINT);
    }
    if (strcmp(fault, "full") == 0) {
        return takes_room ? ENOSPC : 0;
    }
    return strcmp(fault, "readonly") == 0 ? EROFS : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(ours, takes_room)                                                                    \
    if (ours) {                                                                                    \
        const int error = goes_wrong(takes_room);                                                  \
        if (error) {                                                                               \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
    }

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        const mode_t mode = va_arg(rest, mode_t);                                                  \
        va_end(rest);                                                                              \
        GUARD((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_ours_at(AT_FDCWD, path), 1)            \
        return REAL(name)(path, flags, mode);                                                      \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int place, const char *path, int flags, ...) {                                        \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        const mode_t mode = va_arg(rest, mode_t);                                                  \
        va_end(rest);                                                                              \
        GUARD((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_ours_at(place, path), 1)               \
        return REAL(name)(place, path, flags, mode);                                               \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int file, const void *data, size_t bytes) {
    GUARD(is_ours_at(file, NULL), 1)
    return REAL(write)(file, data, bytes);
}

ssize_t writev(int file, const struct iovec *parts, int parts_count) {
    GUARD(is_ours_at(file, NULL), 1)
    return REAL(writev)(file, parts, parts_count);
}

int rename(const char *from, const char *to) {
    GUARD(is_ours_at(AT_FDCWD, to), 1)
    return REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode) {
    GUARD(is_ours_at(AT_FDCWD, path), 1)
    return REAL(mkdir)(path, mode);
}

int unlink(const char *path) {
    GUARD(is_ours_at(AT_FDCWD, path), 0)
    return REAL(unlink)(path);
}

int unlinkat(int place, const char *path, int flags) {
    GUARD(is_ours_at(place, path), 0)
    return REAL(unlinkat)(place, path, flags);
}

int rmdir(const char *path) {
    GUARD(is_ours_at(AT_FDCWD, path), 0)
    return REAL(rmdir)(path);
}

int ftruncate64(int file, off64_t length) {
    GUARD(is_ours_at(file, NULL), 0)
    return REAL(ftruncate64)(file, length);
}
