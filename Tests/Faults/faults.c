// faults.c — a disk that fails when it is told to, and remembers what has come to it.
//
// Tests load it into a server with LD_PRELOAD. The file that FAULTS names is read before each
// operation, so a test switches faults on and off while the server runs. A line is
//
//     OPERATION NUMBER PATTERN
//
// and concerns files whose paths contain PATTERN:
//
//     write E     writes fail with the error E
//     part E      writes write half, and fail with E when one byte is left
//     sync E      fsync and fdatasync fail
//     rename E    renames to such a path fail
//     open E      opening for writing fails
//     slow MS     fsync and fdatasync take so many milliseconds longer
//
// Into the file that SYNCED names goes a line for each file that was synchronised, `S BYTES PATH`, and
// for each renamed one, `B OLD NEW` before and `R OLD NEW` behind (with a tab between): all that a loss
// of power would leave.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size - 1);
    path[n < 0 ? 0 : n] = 0;
}

// The number on the line for `operation` and `path`; 0 when there is none.
static int fault(const char *operation, const char *path) {
    const char *control = getenv("FAULTS");
    char text[4096];
    if (control == NULL || path == NULL || path[0] == 0) return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    ssize_t n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (n <= 0) return 0;
    text[n] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[16], pattern[512];
        int number;
        if (sscanf(line, "%15s %d %511s", name, &number, pattern) != 3) continue;
        if (strcmp(name, operation) == 0 && strstr(path, pattern)) return number;
    }
    return 0;
}

static int fault_fd(const char *operation, int fd) {
    char path[4096];
    if (fd < 3 || getenv("FAULTS") == NULL) return 0;
    path_of(fd, path, sizeof path);
    return path[0] == '/' ? fault(operation, path) : 0;
}

static void note(const char *line) {
    const char *path = getenv("SYNCED");
    if (path == NULL) return;
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
    if (fd < 0) return;
    syscall(SYS_write, fd, line, strlen(line));
    syscall(SYS_close, fd);
}

// How many of `count` bytes may be written; -1 for an error.
static ssize_t allowed(int fd, size_t count) {
    int error = fault_fd("write", fd);
    if (error) {
        errno = error;
        return -1;
    }
    error = fault_fd("part", fd);
    if (error == 0) return (ssize_t)count;
    if (count > 1) return (ssize_t)(count / 2);
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t n = allowed(fd, count);
    return n < 0 ? n : syscall(SYS_write, fd, bytes, (size_t)n);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    ssize_t n = allowed(fd, count);
    return n < 0 ? n : syscall(SYS_pwrite64, fd, bytes, (size_t)n, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    int error = fault_fd("write", fd);
    if (error) {
        errno = error;
        return -1;
    }
    return syscall(SYS_writev, fd, parts, count);
}

static int synchronise(int fd, long call) {
    char path[4096], line[4200];
    struct stat status;
    path_of(fd, path, sizeof path);
    int slow = fault("slow", path);
    if (slow) {
        struct timespec time = {slow / 1000, slow % 1000 * 1000000L};
        nanosleep(&time, NULL);
    }
    int error = fault("sync", path);
    if (error) {
        errno = error;
        return -1;
    }
    // What is written while the call runs may be left out.
    int known = fstat(fd, &status);
    int result = (int)syscall(call, fd);
    if (result == 0 && known == 0 && S_ISREG(status.st_mode)) {
        snprintf(line, sizeof line, "S %lld %s\n", (long long)status.st_size, path);
        note(line);
    }
    return result;
}

int fsync(int fd) { return synchronise(fd, SYS_fsync); }

int fdatasync(int fd) { return synchronise(fd, SYS_fdatasync); }

static int renamed(int from, const char *old, int to, const char *new) {
    char line[8300];
    int error = fault("rename", new);
    if (error) {
        errno = error;
        return -1;
    }
    // Who is killed right behind the call does not get to say that it worked.
    snprintf(line, sizeof line, "B %s\t%s\n", old, new);
    note(line);
    int result = (int)syscall(SYS_renameat, from, old, to, new);
    if (result == 0) {
        snprintf(line, sizeof line, "R %s\t%s\n", old, new);
        note(line);
    }
    return result;
}

int rename(const char *old, const char *new) { return renamed(AT_FDCWD, old, AT_FDCWD, new); }

int renameat(int from, const char *old, int to, const char *new) {
    return renamed(from, old, to, new);
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    int error = flags & (O_WRONLY | O_RDWR) ? fault("open", path) : 0;
    if (error) {
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE(last)                                          \
    mode_t mode = 0;                                        \
    if (flags & O_CREAT) {                                  \
        va_list list;                                       \
        va_start(list, last);                               \
        mode = (mode_t)va_arg(list, int);                   \
        va_end(list);                                       \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return opened(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return opened(folder, path, flags, mode);
}

// How the C library's own streams open and write is its own affair, but redis-server saves with them.
FILE *fopen64(const char *path, const char *mode) {
    static FILE *(*real)(const char *, const char *);
    if (real == NULL) real = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen64");
    int error = strpbrk(mode, "wa+") ? fault("open", path) : 0;
    if (error) {
        errno = error;
        return NULL;
    }
    return real(path, mode);
}

FILE *fopen(const char *path, const char *mode) { return fopen64(path, mode); }
